"""
What people decide about findings: accept what is proposed, put other values in place with a second
person's approval, take a decision back, or let the readings stand.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction

from sites.operations import record
from telemetry.domain.ladder import NotEstimable
from telemetry.models import Channel, Decision, DirtyRange, Finding
from telemetry.operations.quality_days import DAY_RULES, mark_due_days
from telemetry.operations.settling import settle
from telemetry.queries.estimation import Proposal, Wanted, as_json, estimate

# No edit is longer: it could not be looked through.
MOST_VALUES = 10_000


class DecisionRefused(Exception):
    """
    It cannot be decided so; the message says why and what helps.
    """


class NotAlone(DecisionRefused):
    """
    Who proposed it cannot approve it.
    """


@transaction.atomic(durable=True)
def accept_finding(
    *, finding_id: int, by_id: int, at: dt.datetime, seen: str | None = None, note: str = ""
) -> Decision | None:
    """
    Accept what a finding proposes. An estimate counts from now on; where nothing is proposed the
    finding is taken note of and its marks stay. `seen` is the digest of the proposal that was
    shown; None: whatever it is now.

    :raises DecisionRefused: if it is not open, changed since it was shown, or cannot be estimated
    """
    finding = _locked(finding_id)
    _be(finding, Finding.State.OPEN)
    if finding.proposal == Finding.Proposal.EXCHANGE:
        raise DecisionRefused(
            "Record the exchange of the meter, with both registers, at its point; the finding then"
            " closes by itself."
        )
    decision = None
    if finding.proposal == Finding.Proposal.ESTIMATE:
        proposal = _proposed(finding)
        if seen is not None and seen != proposal.digest:
            raise DecisionRefused("The readings changed since this was shown. Look at it again.")
        decision = Decision.objects.create(
            channel=finding.channel, finding=finding, span=(proposal.start, proposal.end),
            source=Decision.Source.ACCEPTED, state=Decision.State.IN_FORCE, reason=note[:300],
            method=proposal.method, wanted=as_json(proposal.wanted), at=at, decided_at=at,
            approved_by_id=by_id,
        )  # fmt: skip
        _put_in_place(finding.channel, [decision.pk], at)
    _close(finding, Finding.State.ACCEPTED, note, by_id, at)
    _record(finding.channel, "finding accepted", finding, at, by_id, note,
            method=decision.method if decision else "")  # fmt: skip
    return decision


@transaction.atomic(durable=True)
def dismiss_finding(*, finding_id: int, reason: str, by_id: int, at: dt.datetime) -> None:
    """
    Let the readings of a finding stand as they were sent, with a reason; what its rule set aside
    or marked counts again.

    :raises DecisionRefused: without a reason, or if something else was decided about it
    """
    finding = _locked(finding_id)
    if not reason.strip():
        raise DecisionRefused("Say why the readings are right.")
    rule_only = finding.state == Finding.State.ACCEPTED and finding.decided_by_id is None
    if finding.state != Finding.State.OPEN and not rule_only:
        raise DecisionRefused(f"This finding is {finding.get_state_display().lower()} already.")
    if finding.decisions.filter(state=Decision.State.IN_FORCE).exclude(wanted=[]).exists():
        raise DecisionRefused("An estimate is in force for it. Undo that first.")
    _close(finding, Finding.State.DISMISSED, reason, by_id, at)
    _look_again(finding, at)
    _record(finding.channel, "finding dismissed", finding, at, by_id, reason)


@transaction.atomic(durable=True)
def reopen_finding(*, finding_id: int, by_id: int, at: dt.datetime) -> None:
    """
    Open a finding again that was dismissed or taken note of.

    :raises DecisionRefused: if it was not, or an estimate of it is in force
    """
    finding = _locked(finding_id)
    if finding.state not in (Finding.State.DISMISSED, Finding.State.ACCEPTED):
        raise DecisionRefused(f"This finding is {finding.get_state_display().lower()}.")
    if finding.decisions.filter(state=Decision.State.IN_FORCE).exclude(wanted=[]).exists():
        raise DecisionRefused("An estimate is in force for it. Undo that instead.")
    finding.state, finding.note = Finding.State.OPEN, ""
    finding.decided_at = finding.decided_by = None
    finding.save(update_fields=["state", "note", "decided_at", "decided_by"])
    _look_again(finding, at)
    _record(finding.channel, "finding opened again", finding, at, by_id, "")


@transaction.atomic(durable=True)
def propose_edit(
    *, channel_id: int, start: dt.datetime, end: dt.datetime, wanted: Wanted, method: str,
    reason: str, by_id: int, at: dt.datetime, finding_id: int | None = None,
) -> Decision:  # fmt: skip
    """
    Propose other values for a stretch [start, end) of a channel. They count when a second person
    approves them.

    :raises DecisionRefused: without a reason or values, or if the finding is not open
    """
    channel = Channel.objects.select_for_update(of=("self",)).select_related("site").get(
        pk=channel_id
    )  # fmt: skip
    if not reason.strip():
        raise DecisionRefused("Say why the values are changed.")
    if not wanted:
        raise DecisionRefused("Nothing would change: no reading and no value lies in this time.")
    if len(wanted) > MOST_VALUES:
        raise DecisionRefused(f"At most {MOST_VALUES} values can be changed at once.")
    finding = None
    if finding_id is not None:
        finding = _locked(finding_id)
        if finding.channel_id != channel_id:
            raise DecisionRefused("The finding is another channel's.")
        _be(finding, Finding.State.OPEN, Finding.State.ACCEPTED)
        finding.state = Finding.State.WAITING
        finding.save(update_fields=["state"])
    decision = Decision.objects.create(
        channel=channel, finding=finding, span=(start, end), source=Decision.Source.EDIT,
        state=Decision.State.PROPOSED, reason=reason.strip()[:300], method=method[:40], at=at,
        wanted=[[instant, value, "edited"] for instant, value, _ in as_json(wanted)],
        proposed_by_id=by_id,
    )  # fmt: skip
    _record(channel, "edit proposed", decision, at, by_id, reason, method=method)
    return decision


@transaction.atomic(durable=True)
def propose_undo(*, decision_id: int, reason: str, by_id: int, at: dt.datetime) -> Decision:
    """
    Propose to take a decision in force back; it goes when a second person approves.

    :raises DecisionRefused: without a reason, or if it is not in force or on its way back already
    """
    undone = _decision(decision_id)
    if not reason.strip():
        raise DecisionRefused("Say why it is taken back.")
    if undone.state != Decision.State.IN_FORCE or undone.source == Decision.Source.UNDO or (
        not undone.wanted
    ):  # fmt: skip
        raise DecisionRefused("Only values in force that were decided on can be taken back.")
    if Decision.objects.filter(undoes=undone, state=Decision.State.PROPOSED).exists():
        raise DecisionRefused("This waits to be taken back already.")
    decision = Decision.objects.create(
        channel=undone.channel, finding=undone.finding, span=undone.span,
        source=Decision.Source.UNDO, state=Decision.State.PROPOSED, reason=reason.strip()[:300],
        at=at, proposed_by_id=by_id, undoes=undone,
    )  # fmt: skip
    _record(undone.channel, "undoing proposed", decision, at, by_id, reason)
    return decision


@transaction.atomic(durable=True)
def approve_decision(*, decision_id: int, by_id: int, at: dt.datetime) -> Decision:
    """
    Put what another person proposed in force; its hours become due to be rolled up again.

    :raises NotAlone: if the same person proposed it
    :raises DecisionRefused: if it does not wait any more
    """
    decision = _decision(decision_id)
    _waits(decision)
    if decision.proposed_by_id == by_id:
        raise NotAlone("A second person has to approve it.")
    undone = decision.undoes
    if undone is not None and undone.state != Decision.State.IN_FORCE:
        raise DecisionRefused("What this takes back is not in force any more.")
    decision.state, decision.decided_at = Decision.State.IN_FORCE, at
    decision.approved_by_id = by_id
    decision.save(update_fields=["state", "decided_at", "approved_by"])
    finding = decision.finding
    if undone is None:
        _put_in_place(decision.channel, [decision.pk], at)
        if finding is not None and finding.state != Finding.State.GONE:
            _close(finding, Finding.State.EDITED, decision.reason, by_id, at)
    else:
        undone.state = Decision.State.SUPERSEDED
        undone.save(update_fields=["state"])
        _put_in_place(decision.channel, [undone.pk], at)
        if finding is not None and finding.state != Finding.State.GONE:
            _back_to_open(finding, at)
    _record(decision.channel, "decision approved", decision, at, by_id, decision.reason)
    return decision


@transaction.atomic(durable=True)
def reject_decision(*, decision_id: int, reason: str, by_id: int, at: dt.datetime) -> None:
    """
    Turn down what waits for approval, or withdraw one's own; nothing changes but the finding,
    which is open again.

    :raises DecisionRefused: without a reason, or if it does not wait any more
    """
    decision = _decision(decision_id)
    _waits(decision)
    if not reason.strip():
        raise DecisionRefused("Say why it is turned down.")
    decision.state, decision.decided_at = Decision.State.REJECTED, at
    decision.save(update_fields=["state", "decided_at"])
    finding = decision.finding
    if finding is not None and finding.state == Finding.State.WAITING:
        _back_to_open(finding, at)
    _record(decision.channel, "decision turned down", decision, at, by_id, reason)


# --- Steps they share ------------------------------------------------------------------------


def _locked(finding_id: int) -> Finding:
    return (
        Finding.objects.select_for_update(of=("self",))
        .select_related("channel__site")
        .get(pk=finding_id)
    )


def _decision(decision_id: int) -> Decision:
    return (
        Decision.objects.select_for_update(of=("self",))
        .select_related("channel__site", "finding", "undoes")
        .get(pk=decision_id)
    )


def _be(finding: Finding, *states: str) -> None:
    if finding.state not in states:
        raise DecisionRefused(f"This finding is {finding.get_state_display().lower()} already.")


def _waits(decision: Decision) -> None:
    if decision.state != Decision.State.PROPOSED:
        raise DecisionRefused(f"This is {decision.get_state_display().lower()} already.")


def _proposed(finding: Finding) -> Proposal:
    try:
        return estimate(channel=finding.channel, start=finding.span.lower, end=finding.span.upper)
    except NotEstimable as problem:
        raise DecisionRefused(str(problem)) from None


def _put_in_place(channel: Channel, decisions: list[int], at: dt.datetime) -> None:
    span = settle(channel=channel, decisions=decisions, at=at)
    if span is not None:
        DirtyRange.objects.create(channel=channel, span=span, marked_at=at)


def _close(finding: Finding, state: str, note: str, by_id: int, at: dt.datetime) -> None:
    finding.state, finding.note = state, note.strip()[:300]
    finding.decided_at, finding.decided_by_id = at, by_id
    finding.save(update_fields=["state", "note", "decided_at", "decided_by"])


def _back_to_open(finding: Finding, at: dt.datetime) -> None:
    finding.state, finding.note = Finding.State.OPEN, ""
    finding.decided_at = finding.decided_by = None
    finding.save(update_fields=["state", "note", "decided_at", "decided_by"])
    _look_again(finding, at)


def _look_again(finding: Finding, at: dt.datetime) -> None:
    """
    Let the rules say anew what they make of a finding's time.
    """
    span = (finding.span.lower, finding.span.upper)
    if finding.rule in DAY_RULES:
        mark_due_days(channel=finding.channel, spans=[span], at=at)
    elif finding.rule not in ("time", "dup"):
        DirtyRange.objects.create(channel=finding.channel, span=finding.span, marked_at=at)


def _record(
    channel: Channel, action: str, subject: Finding | Decision, at: dt.datetime, by_id: int,
    reason: str, **more: Any,
) -> None:  # fmt: skip
    after = {
        "from": subject.span.lower if hasattr(subject.span, "lower") else subject.span[0],
        "until": subject.span.upper if hasattr(subject.span, "upper") else subject.span[1],
        "reason": reason, "state": subject.state, **more,
    }  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=channel.site.operator_id, action=action,
        subject=f"{channel.site.slug}/{channel.key}",
        after={name: str(value) for name, value in after.items() if value != ""},
    )  # fmt: skip
