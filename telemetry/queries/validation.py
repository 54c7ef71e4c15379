"""
Reads of the quality workbench in one place: findings, decisions, estimates, effects, thresholds.
"""

from telemetry.queries.effects import Effect, effect_of
from telemetry.queries.estimation import (
    Proposal,
    estimate,
    month_edges,
    read,
    set_aside,
    typed_in,
    wanted_of,
)
from telemetry.queries.findings import (
    channel_of,
    contradictions,
    decisions,
    edits_of_letter,
    findings,
    findings_of_points,
    open_by_severity,
    surroundings,
    told_of_edit,
)
from telemetry.queries.rule_settings import thresholds_of, validation_settings
from telemetry.queries.shares import MonthShare, estimated_shares

__all__ = [
    "Effect",
    "MonthShare",
    "Proposal",
    "channel_of",
    "contradictions",
    "decisions",
    "edits_of_letter",
    "effect_of",
    "estimate",
    "estimated_shares",
    "findings",
    "findings_of_points",
    "month_edges",
    "open_by_severity",
    "read",
    "set_aside",
    "surroundings",
    "thresholds_of",
    "told_of_edit",
    "typed_in",
    "validation_settings",
    "wanted_of",
]
