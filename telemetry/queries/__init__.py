"""
Reads of metering, split by topic.
"""

from telemetry.queries.evidence import MeteredEnergy, metered_energy, point_of_channel
from telemetry.queries.metering import channels, gateways, installations, points, readings
from telemetry.queries.readings import Problem, problems_of_batch
from telemetry.queries.rollups import ReadingMissing, channels_to_roll_up, energy_over

__all__ = [
    "MeteredEnergy",
    "Problem",
    "ReadingMissing",
    "channels",
    "channels_to_roll_up",
    "energy_over",
    "gateways",
    "installations",
    "metered_energy",
    "point_of_channel",
    "points",
    "problems_of_batch",
    "readings",
]
