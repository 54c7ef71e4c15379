from telemetry.models.carbon import EmissionFactor
from telemetry.models.metering import Channel, Gateway, Installation, Meter, MeteringPoint
from telemetry.models.readings import IngestBatch, Reading, RejectedReading
from telemetry.models.rollups import DirtyRange, Rollup

__all__ = [
    "Channel",
    "DirtyRange",
    "EmissionFactor",
    "Gateway",
    "IngestBatch",
    "Installation",
    "Meter",
    "MeteringPoint",
    "Reading",
    "RejectedReading",
    "Rollup",
]
