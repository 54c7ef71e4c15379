from telemetry.operations.gateways import create_gateway, gateway_of_token
from telemetry.operations.ingest import IngestResult, ingest, replay_rejected
from telemetry.operations.rollups import roll_up_channel

__all__ = [
    "IngestResult",
    "create_gateway",
    "gateway_of_token",
    "ingest",
    "replay_rejected",
    "roll_up_channel",
]
