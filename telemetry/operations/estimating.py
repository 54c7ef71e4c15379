"""
Estimates that count at once, where the setting of a channel says so.
"""

from __future__ import annotations

import datetime as dt

from telemetry.domain.ladder import NotEstimable
from telemetry.models import Channel, Decision, Finding
from telemetry.operations.settling import Span, settle
from telemetry.queries.estimation import as_json, estimate
from telemetry.queries.rule_settings import regime_at, regimes


def estimate_by_rule(*, channel: Channel, at: dt.datetime) -> list[Span]:
    """
    Fill the open gaps of a channel whose setting lets the ladder decide; return what that changed.
    Gaps of unknown total that are longer than a week always wait for a person.
    """
    gaps = Finding.objects.filter(
        channel=channel, rule="gap", state=Finding.State.OPEN
    ).exclude(severity=Finding.Severity.HIGH).order_by("span")  # fmt: skip
    found = list(gaps)
    if not found:
        return []
    held = regimes(channel=channel, lower=found[0].span.lower, upper=found[-1].span.upper)
    dirty = []
    for gap in found:
        if not (regime_at(held, gap.span.lower)["gap"] or {}).get("auto"):
            continue
        try:
            proposal = estimate(channel=channel, start=gap.span.lower, end=gap.span.upper)
        except NotEstimable:
            continue
        decision = Decision.objects.create(
            channel=channel, finding=gap, span=(proposal.start, proposal.end),
            source=Decision.Source.RULE, state=Decision.State.IN_FORCE, method=proposal.method,
            wanted=as_json(proposal.wanted), at=at, decided_at=at,
        )  # fmt: skip
        gap.state, gap.decided_at = Finding.State.ACCEPTED, at
        gap.save(update_fields=["state", "decided_at"])
        span = settle(channel=channel, decisions=[decision.pk], at=at)
        if span is not None:
            dirty.append(span)
    return dirty
