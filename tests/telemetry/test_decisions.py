"""
What people decide about readings: proposals, edits with a second person, taking back.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import Error, IntegrityError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from sites.domain import Period
from sites.models import AuditEntry, User
from telemetry import operations, queries
from telemetry.domain.ladder import NotEstimable
from telemetry.domain.quality import Flag
from telemetry.models import Channel, Decision, MeteringPoint, Rollup
from telemetry.queries import validation
from telemetry.queries.estimation import Wanted
from tests.factories import make_site, make_user
from tests.factories_telemetry import (
    LATER,
    make_channel,
    make_heat_channel,
    send,
)

# A Monday, midnight in Berlin.
FIRST = dt.datetime(2026, 2, 1, 23, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
T = list[tuple[dt.datetime, float]]

db = pytest.mark.django_db(transaction=True)


def _hourly(kwh: list[float], start: dt.datetime = FIRST, opening: float = 1000) -> T:
    rows, counter = [(start, opening)], opening
    for n, part in enumerate(kwh, 1):
        counter += part
        rows.append((start + n * HOUR, round(counter, 6)))
    return rows


def _days(count: int) -> list[float]:
    """
    Days that need 2 kWh in each hour of the night and 12 kWh in each hour of the day.
    """
    return [12.0 if 6 <= hour < 18 else 2.0 for _ in range(count) for hour in range(24)]


def _with_gap(channel: Channel, lost: range) -> None:
    rows = _hourly(_days(10))
    send(channel, [row for n, row in enumerate(rows) if n not in lost])


def _people(channel: Channel) -> tuple[User, User]:
    operator = channel.site.operator
    return make_user(stakeholder=operator), make_user(stakeholder=operator)


def _roll(channel: Channel) -> None:
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)


FIGURES = (
    "start_at", "grain", "opening", "closing", "energy_kwh", "estimated_kwh", "mean", "minimum",
    "maximum", "samples", "coverage", "quality",
)  # fmt: skip


def _rollups(channel: Channel) -> list[tuple[object, ...]]:
    rows = Rollup.objects.filter(channel=channel).order_by("grain", "start_at")
    return list(rows.values_list(*FIGURES))


def _hours(channel: Channel, first: int, last: int) -> list[float]:
    rows = Rollup.objects.filter(
        channel=channel, grain="hour", start_at__gte=FIRST + first * HOUR,
        start_at__lt=FIRST + last * HOUR,
    ).order_by("start_at")  # fmt: skip
    return [float(kwh or 0) for kwh in rows.values_list("energy_kwh", flat=True)]


def _edit(channel: Channel, wanted: Wanted, by: User, reason: str = "Wrong digit") -> Decision:
    return operations.propose_edit(
        channel_id=channel.pk, start=min(w[0] for w in wanted),
        end=max(w[0] for w in wanted) + HOUR, wanted=wanted, method="typed in", reason=reason,
        by_id=by.pk, at=LATER,
    )  # fmt: skip


def _approved(channel: Channel, wanted: Wanted, people: tuple[User, User]) -> Decision:
    decision = _edit(channel, wanted, people[0])
    operations.approve_decision(decision_id=decision.pk, by_id=people[1].pk, at=LATER)
    _roll(channel)
    return decision


def _undone(decision: Decision, people: tuple[User, User]) -> None:
    undo = operations.propose_undo(
        decision_id=decision.pk, reason="It was right", by_id=people[0].pk, at=LATER
    )
    operations.approve_decision(decision_id=undo.pk, by_id=people[1].pk, at=LATER)
    _roll(decision.channel)


# --- Proposals -------------------------------------------------------------------------------


@db
def test_an_accepted_gap_takes_the_shape_of_like_days_and_keeps_its_total():
    channel = make_heat_channel()
    # A whole Wednesday is lost; Monday and Tuesday are like it.
    _with_gap(channel, range(49, 72))
    gap = channel.findings.get(rule="gap")
    person, _ = _people(channel)
    before = _hours(channel, 48, 72)

    decision = operations.accept_finding(finding_id=gap.pk, by_id=person.pk, at=LATER)
    _roll(channel)

    assert decision is not None
    assert decision.method == "in the shape of like days"
    assert len(set(before)) == 1
    assert _hours(channel, 48, 72) == pytest.approx(_days(1), abs=1e-6)
    # Its total was metered, so nothing of it is estimated.
    day = Rollup.objects.get(channel=channel, grain="day", start_at=FIRST + 2 * DAY)
    assert (day.quality, day.estimated_kwh) == ("scaled", Decimal(0))
    gap.refresh_from_db()
    assert (gap.state, gap.decided_by) == ("accepted", person)


@db
def test_a_proposal_that_changed_since_it_was_shown_is_not_accepted():
    channel = make_heat_channel()
    _with_gap(channel, range(49, 72))
    gap = channel.findings.get(rule="gap")
    person, _ = _people(channel)

    with pytest.raises(operations.DecisionRefused, match="changed since"):
        operations.accept_finding(finding_id=gap.pk, by_id=person.pk, at=LATER, seen="0" * 16)

    gap.refresh_from_db()
    assert gap.state == "open"


@db
def test_late_readings_end_an_accepted_estimate():
    channel = make_heat_channel()
    _with_gap(channel, range(49, 72))
    gap = channel.findings.get(rule="gap")
    person, _ = _people(channel)
    decision = operations.accept_finding(finding_id=gap.pk, by_id=person.pk, at=LATER)
    _roll(channel)
    rows = _hourly([*_days(2), *[8.0] * 12, *[6.0] * 12])

    send(channel, rows[49:72])

    assert decision is not None
    decision.refresh_from_db()
    gap.refresh_from_db()
    assert (gap.state, decision.state) == ("gone", "superseded")
    assert not channel.vee_values.filter(superseded_at=None).exists()
    assert _hours(channel, 48, 60) == pytest.approx([8.0] * 12)


@db
def test_mean_power_that_is_missing_is_estimated_from_like_days():
    it = make_channel(site=make_site(), boundary=MeteringPoint.Boundary.IT)
    rows = [(FIRST + n * HOUR, kw) for n, kw in enumerate(_days(10))]
    send(it, [row for n, row in enumerate(rows) if not 54 <= n < 60])
    gap = it.findings.get(rule="gap")
    person, _ = _people(it)

    operations.accept_finding(finding_id=gap.pk, by_id=person.pk, at=LATER)
    _roll(it)

    assert _hours(it, 54, 60) == [12.0] * 6
    day = Rollup.objects.get(channel=it, grain="day", start_at=FIRST + 2 * DAY)
    assert (day.coverage, day.quality, day.estimated_kwh) == (Decimal(1), "estimated", Decimal(72))
    share = queries.estimated_share(
        channel_id=it.pk, period=Period(FIRST + 2 * DAY, FIRST + 3 * DAY)
    )
    assert float(share.share) == pytest.approx(72 / 168)


@db
def test_a_dead_register_is_estimated_to_the_end_and_counts_as_estimated():
    channel = make_heat_channel()
    send(channel, _hourly(_days(4)))
    people = _people(channel)

    proposal = validation.estimate(channel=channel, start=FIRST + 4 * DAY, end=FIRST + 5 * DAY)
    _approved(channel, proposal.wanted, people)

    assert (proposal.flag, proposal.method) == (Flag.ESTIMATED, "same hours of like days")
    assert _hours(channel, 96, 120) == pytest.approx(_days(1), abs=1e-6)


@db
def test_a_backup_meter_goes_first():
    channel = make_heat_channel()
    other = make_heat_channel(site=channel.site, code="backup")
    send(other, _hourly([5.0] * 240))
    operations.set_rule(
        site_id=channel.site_id, rule="gap", since=FIRST, thresholds={"backup": other.key},
        reason="Reserve", channel_id=channel.pk, at=LATER, by_id=None,
    )  # fmt: skip
    _with_gap(channel, range(49, 72))

    shared = validation.estimate(channel=channel, start=FIRST + 2 * DAY, end=FIRST + 3 * DAY)
    alone = validation.estimate(
        channel=channel, start=FIRST + 10 * DAY, end=FIRST + 10 * DAY + HOUR
    )

    assert shared.method == "in the shape of the backup meter"
    assert float(shared.kwh) == pytest.approx(sum(_days(1)))
    assert alone.method == "same hours of like days"


@db
def test_nothing_is_spread_over_a_fall_or_an_exchange():
    channel = make_heat_channel()
    send(channel, [*_hourly(_days(2)), *_hourly(_days(2), FIRST + 3 * DAY, opening=5)])

    with pytest.raises(NotEstimable, match="record an exchange"):
        validation.estimate(channel=channel, start=FIRST + 2 * DAY, end=FIRST + 3 * DAY)


@db
def test_where_the_setting_says_so_a_gap_is_filled_at_once():
    channel = make_heat_channel()
    operations.set_rule(
        site_id=channel.site_id, rule="gap", since=FIRST, thresholds={"auto": True}, at=LATER,
        reason="Small meter", channel_id=channel.pk, by_id=None,
    )  # fmt: skip
    _with_gap(channel, range(49, 72))

    operations.check_days(channel_id=channel.pk, at=LATER)
    _roll(channel)

    gap = channel.findings.get(rule="gap")
    assert (gap.state, gap.decided_by) == ("accepted", None)
    assert _hours(channel, 48, 72) == pytest.approx(_days(1), abs=1e-6)
    before = _rollups(channel), channel.vee_values.count()
    operations.mark_due(channel_id=channel.pk, span=(FIRST, FIRST + 9 * DAY), at=LATER)
    channel.dirty_ranges.create(span=(FIRST, FIRST + 9 * DAY), marked_at=LATER)
    _roll(channel)
    operations.check_days(channel_id=channel.pk, at=LATER)
    _roll(channel)
    assert (_rollups(channel), channel.vee_values.count()) == before


@db
def test_a_dismissed_finding_lets_the_readings_stand_and_opens_again():
    channel = make_heat_channel()
    rows = _hourly([5.0] * 12)
    send(channel, [*rows[:5], (rows[5][0], 0), *rows[6:]])
    lost = channel.findings.get(rule="lost")
    person, _ = _people(channel)
    with pytest.raises(operations.DecisionRefused, match="Say why"):
        operations.dismiss_finding(finding_id=lost.pk, reason=" ", by_id=person.pk, at=LATER)

    operations.dismiss_finding(finding_id=lost.pk, reason="It was off", by_id=person.pk, at=LATER)
    _roll(channel)
    assert not channel.vee_values.filter(superseded_at=None).exists()
    lost.refresh_from_db()
    assert (lost.state, lost.note) == ("dismissed", "It was off")

    operations.reopen_finding(finding_id=lost.pk, by_id=person.pk, at=LATER)
    _roll(channel)
    lost.refresh_from_db()
    # The rule acts on its own.
    assert lost.state == "accepted"
    assert channel.vee_values.filter(superseded_at=None, value=None).count() == 1


# --- Edits -----------------------------------------------------------------------------------


@db
def test_an_edit_counts_when_a_second_person_approves_and_tells_who_and_why():
    channel = make_heat_channel()
    send(channel, _hourly([5.0] * 12))
    one, two = _people(channel)
    before = _rollups(channel)

    decision = _edit(channel, [(FIRST + 5 * HOUR, Decimal(1026), Flag.EDITED)], one)
    _roll(channel)
    assert _rollups(channel) == before
    with pytest.raises(operations.NotAlone):
        operations.approve_decision(decision_id=decision.pk, by_id=one.pk, at=LATER)
    operations.approve_decision(decision_id=decision.pk, by_id=two.pk, at=LATER)
    _roll(channel)

    assert _hours(channel, 4, 6) == [6.0, 4.0]
    edited = Rollup.objects.get(channel=channel, grain="hour", start_at=FIRST + 4 * HOUR)
    assert edited.quality == "edited"
    assert channel.readings.get(at=FIRST + 5 * HOUR).value == 1025
    said = AuditEntry.objects.get(action="decision approved")
    assert (said.by, said.after["reason"]) == (two, "Wrong digit")


@db
def test_a_rejected_edit_changes_nothing_and_opens_its_finding_again():
    channel = make_heat_channel()
    _with_gap(channel, range(49, 72))
    gap = channel.findings.get(rule="gap")
    one, two = _people(channel)
    decision = operations.propose_edit(
        channel_id=channel.pk, start=gap.span.lower, end=gap.span.upper, method="typed in",
        wanted=[(FIRST + 60 * HOUR, Decimal(1400), Flag.EDITED)], reason="Read by hand",
        by_id=one.pk, at=LATER, finding_id=gap.pk,
    )  # fmt: skip
    gap.refresh_from_db()
    assert gap.state == "waiting"

    operations.reject_decision(decision_id=decision.pk, reason="Which day?", by_id=two.pk, at=LATER)
    gap.refresh_from_db()

    assert gap.state == "open"
    assert not channel.vee_values.exists()
    with pytest.raises(operations.DecisionRefused, match="rejected already"):
        operations.approve_decision(decision_id=decision.pk, by_id=two.pk, at=LATER)


@db
def test_taking_a_later_edit_back_leaves_the_earlier_one():
    channel = make_heat_channel()
    send(channel, _hourly([5.0] * 12))
    people = _people(channel)
    at = FIRST + 5 * HOUR
    first = _approved(channel, [(at, Decimal(1026), Flag.EDITED)], people)
    with_first = _rollups(channel)
    second = _approved(
        channel, [(at, Decimal(1027), Flag.EDITED), (at + HOUR, None, Flag.EDITED)], people
    )
    assert _hours(channel, 4, 5) == [7.0]

    _undone(second, people)
    assert _rollups(channel) == with_first
    _undone(first, people)

    assert _hours(channel, 4, 6) == [5.0, 5.0]
    assert set(_states(channel)) == {"superseded", "in_force"}


def _states(channel: Channel) -> list[str]:
    return list(channel.decisions.values_list("state", flat=True))


@db
def test_an_edit_over_a_rule_gives_the_rule_back_when_it_is_undone():
    channel = make_heat_channel()
    rows = _hourly([5.0] * 12)
    send(channel, [*rows[:5], (rows[5][0], 0), *rows[6:]])
    before = _rollups(channel)
    people = _people(channel)

    decision = _approved(channel, [(rows[5][0], Decimal(1026), Flag.EDITED)], people)
    assert _rollups(channel) != before
    _undone(decision, people)

    assert _rollups(channel) == before


@db
@settings(max_examples=10)
@given(
    st.lists(st.integers(0, 30), min_size=12, max_size=30),
    st.lists(
        st.dictionaries(
            st.integers(0, 29), st.one_of(st.none(), st.integers(0, 2000)), min_size=1,
            max_size=6,
        ),
        min_size=1, max_size=3,
    ),
)  # fmt: skip
def test_decisions_undone_restore_the_rollups(rises, edits):
    channel = make_heat_channel(code=f"h{Channel.objects.count()}")
    send(channel, _hourly([float(rise) for rise in rises]))
    people = _people(channel)
    before, findings = _rollups(channel), _open(channel)

    made = [
        _approved(
            channel,
            [
                (FIRST + n * HOUR, None if value is None else Decimal(value), Flag.EDITED)
                for n, value in edit.items()
            ],
            people,
        )
        for edit in edits
    ]
    for decision in made:
        _undone(decision, people)

    assert _rollups(channel) == before
    assert _open(channel) == findings


@db
@settings(max_examples=10)
@given(
    st.lists(st.integers(0, 30), min_size=12, max_size=30),
    st.dictionaries(st.integers(1, 11), st.integers(1000, 1200), min_size=1, max_size=3),
)
def test_the_effect_that_is_shown_is_the_one_that_comes(rises, edit):
    channel = make_heat_channel(code=f"h{Channel.objects.count()}")
    send(channel, _hourly([float(rise) for rise in rises]))
    people = _people(channel)
    edges = [FIRST + n * HOUR for n in range(len(rises) + 1)]
    wanted: Wanted = [(FIRST + n * HOUR, Decimal(value), Flag.EDITED) for n, value in edit.items()]

    said = {e.start: e for e in validation.effect_of(channel=channel, wanted=wanted, edges=edges)}
    for start, effect in said.items():
        assert effect.before == _kwh(channel, start)
    _approved(channel, wanted, people)

    for start, effect in said.items():
        assert effect.after == _kwh(channel, start)


def _open(channel: Channel) -> list[tuple[object, ...]]:
    rows = channel.findings.exclude(state="gone").order_by("rule", "span")
    return list(rows.values_list("rule", "span", "state"))


def _kwh(channel: Channel, start: dt.datetime) -> Decimal | None:
    row = Rollup.objects.filter(channel=channel, grain="hour", start_at=start).first()
    return row.energy_kwh if row else None


# --- What the database itself refuses --------------------------------------------------------


def _sql(statement: str, *parameters: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)


@db
def test_editing_alone_is_impossible_even_in_the_database():
    channel = make_heat_channel()
    send(channel, _hourly([5.0] * 3))
    one, two = _people(channel)
    wanted: Wanted = [(FIRST + HOUR, Decimal(1006), Flag.EDITED)]
    decision = _edit(channel, wanted, one)
    put = (
        "INSERT INTO telemetry_veevalue (channel_id, at, value, flag, method, decision_id,"
        " recorded_at) VALUES (%s, %s, %s, 'edited', 'sql', %s, now())"
    )
    at = FIRST + HOUR

    # A value without its approval, an approval by the same person, none at all.
    with pytest.raises(IntegrityError, match="a decision in force that wants it"):
        _sql(put, channel.pk, at, 1006, decision.pk)
    update = "UPDATE telemetry_decision SET state = 'in_force'{} WHERE id = %s"
    with pytest.raises(IntegrityError, match="nobody_approves_their_own_edit"):
        _sql(update.format(", approved_by_id = %s"), one.pk, decision.pk)
    with pytest.raises(IntegrityError, match="an_edit_in_force_was_approved_and_has_a_reason"):
        _sql(update.format(""), decision.pk)
    # What was approved is what was proposed, and nothing else.
    with pytest.raises(IntegrityError, match="superseded, never edited"):
        _sql("UPDATE telemetry_decision SET wanted = '[]' WHERE id = %s", decision.pk)
    with pytest.raises(IntegrityError, match="superseded, never edited"):
        _sql("UPDATE telemetry_decision SET proposed_by_id = %s WHERE id = %s", two.pk, decision.pk)
    operations.approve_decision(decision_id=decision.pk, by_id=two.pk, at=LATER)
    channel.vee_values.update(superseded_at=LATER)
    with pytest.raises(IntegrityError, match="a decision in force that wants it"):
        _sql(put, channel.pk, at, 1007, decision.pk)
    with pytest.raises(IntegrityError, match="a decision in force that wants it"):
        _sql(put.replace("'edited'", "'actual'"), channel.pk, at, 1006, decision.pk)
    with pytest.raises(Error, match="what was decided is kept"):
        _sql("DELETE FROM telemetry_veevalue")
    with pytest.raises(Error, match="what was decided is kept"):
        _sql("DELETE FROM telemetry_decision")
    with pytest.raises(IntegrityError, match="moves from proposed"):
        _sql("UPDATE telemetry_decision SET state = 'proposed' WHERE id = %s", decision.pk)


@db
def test_a_rule_alone_never_makes_an_edit():
    channel = make_heat_channel()
    decision = Decision.objects.create(
        channel=channel, span=(FIRST, FIRST + HOUR), source="rule", state="in_force", at=LATER
    )

    with pytest.raises(IntegrityError, match="a decision in force that wants it"):
        _sql(
            "INSERT INTO telemetry_veevalue (channel_id, at, value, flag, method, decision_id,"
            " recorded_at) VALUES (%s, %s, 5, 'edited', 'sql', %s, now())",
            channel.pk, FIRST, decision.pk,
        )  # fmt: skip
