"""
Rules of whole days, other channels and other meters; their thresholds; clocks and contradictions.
"""

import datetime as dt
from decimal import Decimal

import pytest

from sites.domain import Period
from telemetry import operations
from telemetry.domain.vee import DEFAULTS
from telemetry.domain.vee_rules import BOUNDS, ThresholdRefused, checked
from telemetry.models import Channel, DueDays, Finding, MeteringPoint, Rollup, Rule, RuleSetting
from telemetry.queries import validation
from tests.factories import make_site
from tests.factories_telemetry import (
    LATER,
    add_channel,
    csv_of,
    ingest_csv,
    load,
    make_channel,
    make_heat_channel,
    send,
)

# Midnight in Berlin.
FIRST = dt.datetime(2026, 2, 1, 23, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)

pytestmark = pytest.mark.django_db(transaction=True)


def _register(channel: Channel, kwh: list[float], start: dt.datetime = FIRST) -> None:
    """
    Let a register count so many kWh in each hour from a start on.
    """
    rows, counter = [(start, 1000.0)], 1000.0
    for n, part in enumerate(kwh, 1):
        counter += part
        rows.append((start + n * HOUR, round(counter, 3)))
    send(channel, rows)


def _check(channel: Channel) -> list[Finding]:
    operations.check_days(channel_id=channel.pk, at=LATER)
    # What was marked is rolled up, and what was rolled up is looked at again.
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)
    operations.check_days(channel_id=channel.pk, at=LATER)
    assert not DueDays.objects.filter(channel=channel).exists()
    return list(channel.findings.exclude(state="gone").order_by("rule", "span"))


def _set(channel: Channel, rule: str, since: dt.datetime = FIRST, **thresholds: object) -> None:
    operations.set_rule(
        site_id=channel.site_id, rule=rule, since=since, thresholds=thresholds, reason="Test",
        channel_id=channel.pk, at=LATER, by_id=None,
    )  # fmt: skip


def test_an_hour_out_of_line_with_its_day_is_a_spike():
    channel = make_heat_channel()
    _register(channel, [10.0] * 34 + [60.0] + [10.0] * 37)

    (spike,) = [f for f in _check(channel) if f.rule == "spike"]

    assert spike.span.lower == FIRST + 34 * HOUR
    assert spike.measured == Decimal(5)
    assert spike.limit == Decimal("1.8")
    assert spike.state == "open"


def test_a_day_is_compared_with_the_days_before_it():
    channel = make_heat_channel()
    usual = [10.0, 11.0, 9.0, 10.5] * 6
    _register(channel, usual * 12 + [35.0] * 24 + usual)

    found = {(f.rule, f.span.lower) for f in _check(channel)}

    unusual = FIRST + 12 * DAY
    assert found == {("high_low", unusual), ("iqr", unusual)}


def test_late_data_mend_what_days_after_them_were_compared_with():
    it = make_channel(site=make_site(), boundary=MeteringPoint.Boundary.IT)
    load(it, Period(FIRST, FIRST + 9 * DAY), 10)
    load(it, Period(FIRST + 20 * DAY, FIRST + 21 * DAY), 25)
    (unusual,) = [f for f in _check(it) if f.rule == "high_low"]
    # The days before it turn out to have been like it.
    load(it, Period(FIRST + 9 * DAY, FIRST + 20 * DAY), 25)

    _check(it)

    unusual.refresh_from_db()
    assert unusual.span.lower == FIRST + 20 * DAY
    assert unusual.state == "gone"


def test_power_that_does_not_add_up_to_the_register_casts_doubt_on_its_day():
    channel = make_heat_channel()
    power = add_channel(point=channel.point, quantity=Channel.Quantity.POWER, interval_s=3600)
    _register(channel, [10.0] * 72)
    load(power, Period(FIRST, FIRST + 3 * DAY), 10)
    send(power, [(FIRST + 3 * DAY + n * HOUR, 15.0) for n in range(24)])
    send(channel, [(FIRST + 3 * DAY + n * HOUR, 1720.0 + 10 * n) for n in range(1, 25)])

    (found,) = [f for f in _check(channel) if f.rule == "sum"]

    day = Rollup.objects.filter(channel=channel, grain="day").order_by("start_at")
    assert found.span.lower == FIRST + 3 * DAY
    assert found.measured == Decimal(120)
    assert found.limit == Decimal(2)
    assert [row.quality for row in day[2:4]] == ["actual", "suspect"]


def test_a_dismissed_doubt_is_taken_off_again():
    channel = make_heat_channel()
    power = add_channel(point=channel.point, quantity=Channel.Quantity.POWER, interval_s=3600)
    _register(channel, [10.0] * 24)
    load(power, Period(FIRST, FIRST + DAY), 15)
    (found,) = [f for f in _check(channel) if f.rule == "sum"]
    Finding.objects.filter(pk=found.pk).update(state="dismissed")
    operations.mark_due(channel_id=channel.pk, span=(FIRST, FIRST + DAY), at=LATER)

    _check(channel)

    assert Rollup.objects.get(channel=channel, grain="day").quality == "actual"


def test_no_heat_while_servers_run_is_told_unless_it_is_said_to_be_rejected():
    heat = make_heat_channel()
    it = make_channel(site=heat.site, boundary=MeteringPoint.Boundary.IT)
    load(it, Period(FIRST, FIRST + 3 * DAY), float(heat.site.rated_it_kw) / 2)
    _register(heat, [10.0] * 20 + [0.0] * 8 + [10.0] * 44)

    found = [f for f in _check(heat) if f.rule == "zero"]

    # Four hours on either side of midnight: each day tells its part.
    assert [(f.span.lower, f.measured) for f in found] == [
        (FIRST + 20 * HOUR, Decimal(4)), (FIRST + DAY, Decimal(4)),
    ]  # fmt: skip
    mode = add_channel(point=heat.point, quantity=Channel.Quantity.MODE)
    send(mode, [(FIRST + n * HOUR, 2.0) for n in range(20, 28)])
    assert not [f for f in _check(heat) if f.rule == "zero"]


def test_hours_without_heat_that_come_late_count_with_those_before_midnight():
    heat = make_heat_channel()
    it = make_channel(site=heat.site, boundary=MeteringPoint.Boundary.IT)
    load(it, Period(FIRST, FIRST + 2 * DAY), float(heat.site.rated_it_kw) / 2)
    _register(heat, [10.0] * 22 + [0.0] * 2)
    assert not [f for f in _check(heat) if f.rule == "zero"]

    send(heat, [(FIRST + n * HOUR, 1220.0 + max(0, n - 27)) for n in range(25, 36)])

    assert [f.span.lower for f in _check(heat) if f.rule == "zero"] == [
        FIRST + 22 * HOUR, FIRST + DAY,
    ]  # fmt: skip


def test_a_register_is_checked_by_volume_and_temperatures():
    channel = make_heat_channel()
    meter = channel.point.installations.get().meter
    meter.flow_sensor = "outlet"
    meter.save()
    for quantity, value in (("flow", 1.0), ("supply", 60.0), ("return", 40.0)):
        one = add_channel(point=channel.point, quantity=Channel.Quantity(quantity))
        one.unit = "m3/h" if quantity == "flow" else "°C"
        one.save()
        send(one, [(FIRST + n * HOUR / 2, value) for n in range(98)])
    _register(channel, [23.037] * 24 + [21.0] * 24)

    found = [f for f in _check(channel) if f.rule == "xcheck"]

    assert [(f.span.lower, f.severity) for f in found] == [(FIRST + DAY, 1)]
    assert float(found[0].measured or 0) == pytest.approx(21 / 23.0373 - 1, abs=1e-3)
    quality = Rollup.objects.filter(channel=channel, grain="day").order_by("start_at")
    assert [row.quality for row in quality[:2]] == ["actual", "suspect"]


def test_checking_days_again_says_the_same():
    channel = make_heat_channel()
    power = add_channel(point=channel.point, quantity=Channel.Quantity.POWER, interval_s=3600)
    usual = [10.0, 11.0, 9.0, 10.5] * 6
    _register(channel, usual * 12 + [35.0] * 24 + usual)
    load(power, Period(FIRST, FIRST + 14 * DAY), 10)
    fields = ("rule", "span", "state", "measured", "limit", "detail")
    _check(channel)
    before = list(channel.findings.order_by("pk").values_list(*fields))
    rollups = list(
        Rollup.objects.filter(channel=channel).values_list("start_at", "grain", "quality")
    )
    values = channel.vee_values.count()
    operations.mark_due(channel_id=channel.pk, span=(FIRST, FIRST + 14 * DAY), at=LATER)

    _check(channel)

    assert list(channel.findings.order_by("pk").values_list(*fields)) == before
    assert channel.vee_values.count() == values
    assert before
    assert rollups == list(
        Rollup.objects.filter(channel=channel).values_list("start_at", "grain", "quality")
    )


# --- Thresholds ------------------------------------------------------------------------------


def test_the_nearest_setting_holds_from_its_instant_on():
    channel = make_heat_channel()
    set_for = dict.fromkeys(("site", "point", "channel"))
    for n, name in enumerate(set_for, 1):
        operations.set_rule(
            site_id=channel.site_id, rule="flat", since=FIRST + n * DAY, reason="Test",
            thresholds={"hours": n}, at=LATER, by_id=None,
            point_id=channel.point_id if name == "point" else None,
            channel_id=channel.pk if name == "channel" else None,
        )  # fmt: skip

    held = [
        validation.thresholds_of(channel=channel, when=FIRST + n * DAY)["flat"] for n in range(4)
    ]

    assert [one and one["hours"] for one in held] == [6, 1, 2, 3]


def test_a_setting_ends_the_one_before_and_never_overlaps_a_later_one():
    channel = make_heat_channel()
    _set(channel, "flat", hours=2)
    _set(channel, "flat", since=FIRST + DAY, hours=3)

    with pytest.raises(operations.SetLater):
        _set(channel, "flat", since=FIRST, hours=4)
    with pytest.raises(ThresholdRefused, match="hours"):
        _set(channel, "flat", since=FIRST + 2 * DAY, hours=0)

    first, second = RuleSetting.objects.order_by("valid")
    assert first.valid.upper == second.valid.lower == FIRST + DAY
    operations.end_rule_setting(setting_id=second.pk, at=FIRST + 3 * DAY, by_id=None)
    found = validation.thresholds_of(channel=channel, when=FIRST + 4 * DAY)["flat"]
    assert found == DEFAULTS["flat"]


def test_each_stretch_is_judged_by_what_held_when_it_began():
    channel = make_heat_channel()
    power = add_channel(point=channel.point, quantity=Channel.Quantity.POWER)
    _set(power, "flat", since=FIRST + DAY, hours=2)
    rows = [(n, 7.0) for n in range(5)] + [(5, 8.0)]
    rows += [(24 + n, 9.0) for n in range(5)] + [(29, 8.0)]

    send(power, [(FIRST + n * HOUR, value) for n, value in rows])

    flat = power.findings.filter(rule="flat")
    assert [f.span.lower for f in flat] == [FIRST + DAY]


def test_a_new_threshold_looks_again_at_what_came_since():
    channel = make_heat_channel()
    power = add_channel(point=channel.point, quantity=Channel.Quantity.POWER)
    send(power, [(FIRST + n * HOUR, 7.0) for n in range(5)])
    assert not power.findings.exists()

    _set(power, "flat", hours=2)
    operations.roll_up_channel(channel_id=power.pk, at=LATER)

    assert power.findings.filter(rule="flat", state="open").count() == 1


def test_every_rule_has_bounds_for_what_it_can_be_told():
    assert set(DEFAULTS) == set(Rule.values)
    for rule, thresholds in DEFAULTS.items():
        assert set(BOUNDS.get(rule, {})) == set(thresholds)
        assert checked(rule, {}) == thresholds


# --- Deliveries ------------------------------------------------------------------------------


def test_a_contradiction_becomes_one_finding_however_often_it_is_sent():
    channel = make_heat_channel()
    at = FIRST.isoformat()
    ingest_csv(site=channel.site, body=csv_of([(channel.key, at, "5")]))
    for value in ("6", "7"):
        ingest_csv(site=channel.site, body=csv_of([(channel.key, at, value)]))
    # Equal again: nothing to say.
    ingest_csv(site=channel.site, body=csv_of([(channel.key, at, "5")]))

    found = channel.findings.get(rule="dup")

    assert (found.measured, found.span.lower, found.state) == (Decimal(2), FIRST, "open")


def test_a_clock_that_is_ahead_is_told_taken_in_or_refused():
    late = make_heat_channel()
    one = add_channel(point=late.point, quantity=Channel.Quantity.POWER)
    two = add_channel(point=late.point, quantity=Channel.Quantity.FLOW)
    now = FIRST
    rows = [
        (late.key, (now + dt.timedelta(seconds=60)).isoformat(), "5"),
        (one.key, (now + dt.timedelta(seconds=150)).isoformat(), "5"),
        (two.key, (now + dt.timedelta(seconds=600)).isoformat(), "5"),
    ]

    result = ingest_csv(site=late.site, body=csv_of(rows), received_at=now)

    assert (result.accepted, result.rejected) == (2, 1)
    found = Finding.objects.filter(rule="time").order_by("measured")
    assert [(f.channel, f.measured) for f in found] == [(one, Decimal(150)), (two, Decimal(600))]
