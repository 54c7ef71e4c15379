from telemetry.operations.calibration import (
    RuleRow,
    TermUnknown,
    due_by_rule,
    load_calibration_rules,
    record_verification,
)
from telemetry.operations.carbon import FactorRow, FactorsOverlap, load_emission_factors
from telemetry.operations.gateways import (
    create_gateway,
    gateway_of_token,
    name_channel,
    revoke_gateway,
    rotate_token,
)
from telemetry.operations.ingest import IngestResult, ingest, keep_unreadable, replay_rejected
from telemetry.operations.losses import agree_losses
from telemetry.operations.mappings import save_mapping
from telemetry.operations.metering import (
    add_channel,
    add_metering_point,
    add_register,
    exchange_meter,
    install_meter,
    set_radio_key,
)
from telemetry.operations.rollups import roll_up_channel
from telemetry.operations.uploads import (
    CHUNK,
    add_upload,
    copy_upload,
    drop_old_uploads,
    fail_upload,
    finish_upload,
    queue_upload,
    upload_to_import,
)

__all__ = [
    "CHUNK",
    "FactorRow",
    "FactorsOverlap",
    "IngestResult",
    "RuleRow",
    "TermUnknown",
    "add_channel",
    "add_metering_point",
    "add_register",
    "add_upload",
    "agree_losses",
    "copy_upload",
    "create_gateway",
    "drop_old_uploads",
    "due_by_rule",
    "exchange_meter",
    "fail_upload",
    "finish_upload",
    "gateway_of_token",
    "ingest",
    "install_meter",
    "keep_unreadable",
    "load_calibration_rules",
    "load_emission_factors",
    "name_channel",
    "queue_upload",
    "record_verification",
    "replay_rejected",
    "revoke_gateway",
    "roll_up_channel",
    "rotate_token",
    "save_mapping",
    "set_radio_key",
    "upload_to_import",
]
