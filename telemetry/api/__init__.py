"""
What machines reach of telemetry, split by topic.
"""

from telemetry.api.influx import Ping, Write, WriteV1
from telemetry.api.ingest import Readings
from telemetry.api.reads import (
    ChannelQuarters,
    ChannelReadings,
    ChannelReadingsCsv,
    Channels,
    Rollups,
)

__all__ = [
    "ChannelQuarters",
    "ChannelReadings",
    "ChannelReadingsCsv",
    "Channels",
    "Ping",
    "Readings",
    "Rollups",
    "Write",
    "WriteV1",
]
