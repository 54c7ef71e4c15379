"""
Estimates that count at once, where the setting of a channel says so.
"""

from __future__ import annotations

import datetime as dt

from telemetry.domain.ladder import NotEstimable
from telemetry.models import Channel, Decision, Finding
from telemetry.operations.settling import Span, settle
from telemetry.queries.estimation import Proposal, as_json, estimate
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
        gap.state, gap.decided_at = Finding.State.ACCEPTED, at
        gap.save(update_fields=["state", "decided_at"])
        dirty += _put_in_force(channel, gap, proposal, [], at)
    return dirty


def estimate_again(*, channel: Channel, since: dt.datetime, at: dt.datetime) -> list[Span]:
    """
    Estimate anew what the rule filled in from readings that changed at `since` at the earliest:
    what comes before a gap, as much time after it, and what stands beside it. Return what that
    changed.
    """
    standing = Decision.objects.filter(
        channel=channel, source=Decision.Source.RULE, state=Decision.State.IN_FORCE,
        finding__rule="gap", finding__state=Finding.State.ACCEPTED,
    ).exclude(wanted=[]).select_related("finding").order_by("span")  # fmt: skip
    dirty = []
    for decision in standing:
        gap = decision.finding
        if gap is None or gap.span.upper + (gap.span.upper - gap.span.lower) < since:
            continue
        try:
            proposal = estimate(channel=channel, start=gap.span.lower, end=gap.span.upper)
        except NotEstimable:
            continue
        if as_json(proposal.wanted) != decision.wanted:
            decision.state = Decision.State.SUPERSEDED
            decision.save(update_fields=["state"])
            dirty += _put_in_force(channel, gap, proposal, [decision.pk], at)
    return dirty


def _put_in_force(
    channel: Channel, gap: Finding, proposal: Proposal, before: list[int], at: dt.datetime
) -> list[Span]:
    decision = Decision.objects.create(
        channel=channel, finding=gap, span=(proposal.start, proposal.end),
        source=Decision.Source.RULE, state=Decision.State.IN_FORCE, method=proposal.method,
        wanted=as_json(proposal.wanted), at=at, decided_at=at,
    )  # fmt: skip
    span = settle(channel=channel, decisions=[*before, decision.pk], at=at)
    return [] if span is None else [span]
