from telemetry.operations.calibration import (
    RuleRow,
    TermUnknown,
    due_by_rule,
    load_calibration_rules,
    record_verification,
)
from telemetry.operations.carbon import FactorRow, FactorsOverlap, load_emission_factors
from telemetry.operations.gateways import create_gateway, gateway_of_token
from telemetry.operations.ingest import IngestResult, ingest, replay_rejected
from telemetry.operations.losses import agree_losses
from telemetry.operations.mappings import save_mapping
from telemetry.operations.metering import (
    add_channel,
    add_metering_point,
    add_register,
    exchange_meter,
    install_meter,
)
from telemetry.operations.rollups import roll_up_channel

__all__ = [
    "FactorRow",
    "FactorsOverlap",
    "IngestResult",
    "RuleRow",
    "TermUnknown",
    "add_channel",
    "add_metering_point",
    "add_register",
    "agree_losses",
    "create_gateway",
    "due_by_rule",
    "exchange_meter",
    "gateway_of_token",
    "ingest",
    "install_meter",
    "load_calibration_rules",
    "load_emission_factors",
    "record_verification",
    "replay_rejected",
    "roll_up_channel",
    "save_mapping",
]
