"""
What machines reach of telemetry, split by topic.
"""

from telemetry.api.influx import Write, WriteV1
from telemetry.api.ingest import Readings

__all__ = ["Readings", "Write", "WriteV1"]
