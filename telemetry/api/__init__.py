"""
What machines reach of telemetry, split by topic.
"""

from telemetry.api.influx import Ping, Write, WriteV1
from telemetry.api.ingest import Readings
from telemetry.api.reads import ChannelReadings, ChannelReadingsCsv, Channels, Rollups

__all__ = [
    "ChannelReadings",
    "ChannelReadingsCsv",
    "Channels",
    "Ping",
    "Readings",
    "Rollups",
    "Write",
    "WriteV1",
]
