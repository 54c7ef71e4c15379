from telemetry.operations.carbon import FactorRow, FactorsOverlap, load_emission_factors
from telemetry.operations.gateways import create_gateway, gateway_of_token
from telemetry.operations.ingest import IngestResult, ingest, replay_rejected
from telemetry.operations.metering import (
    add_channel,
    add_metering_point,
    exchange_meter,
    install_meter,
)
from telemetry.operations.rollups import roll_up_channel

__all__ = [
    "FactorRow",
    "FactorsOverlap",
    "IngestResult",
    "add_channel",
    "add_metering_point",
    "create_gateway",
    "exchange_meter",
    "gateway_of_token",
    "ingest",
    "install_meter",
    "load_emission_factors",
    "replay_rejected",
    "roll_up_channel",
]
