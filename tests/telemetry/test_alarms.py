"""
When alarms begin and end, whom they reach, and that no storm comes of many at once.
"""

import csv
import datetime as dt
import gzip
import zoneinfo
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from sites import operations as hooks
from sites.access import Kind, Role, Viewer
from sites.models import Site, WebhookMessage
from telemetry import operations, queries
from telemetry.domain.alarms import Levels, Sample, Watch, look
from telemetry.models import (
    Alarm,
    AlarmEntry,
    AlarmLetter,
    AlarmRule,
    AlarmWatch,
    Channel,
    Gateway,
    Meter,
    MeteringPoint,
    Part,
)
from tests import factories
from tests.factories_telemetry import add_channel, make_channel, make_heat_channel, send

DATA = Path(__file__).resolve().parents[2].parent / "shared/data/b_heat_series/xai4heat"
START = dt.datetime(2026, 4, 10, 10, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def _at(minute: float) -> dt.datetime:
    return START + minute * MINUTE


def _gauge(site: Site) -> Channel:
    return make_channel(site=site, boundary=MeteringPoint.Boundary.FACILITY, interval_s=None)


def _rule(site: Site, kind: str, **fields: object) -> AlarmRule:
    stated = {"name": kind, "severity": "act", **fields}
    return operations.add_alarm_rule(site_id=site.pk, kind=kind, at=START, by_id=None, **stated)


def _look(minute: float) -> tuple[int, int]:
    looked = operations.find_alarms(at=_at(minute))
    return looked.opened, looked.resolved


# Arithmetic of levels.

_values = st.lists(st.integers(0, 100), max_size=40)


def _samples(values: list[int]) -> list[Sample]:
    return [Sample(_at(n), Decimal(v)) for n, v in enumerate(values, start=1)]


@given(_values, st.integers(0, 40), st.integers(0, 10), st.booleans(), st.booleans())
def test_looking_in_pieces_finds_what_one_look_finds(values, cut, delay, rising, of_rate):
    set_level, clear_level = (Decimal(60), Decimal(40)) if rising else (Decimal(40), Decimal(60))
    levels = Levels(set_level, clear_level, delay * MINUTE, rising=rising, of_rate=of_rate)
    samples = _samples(values)

    whole, found = look(Watch(START), levels, samples)
    half, first = look(Watch(START), levels, samples[:cut])
    pieces, second = look(half, levels, samples[cut:])

    assert pieces == whole
    assert [o.since for o in found] == [o.since for o in [*first, *second] if not o.raised_before]
    assert [o.over_at for o in found if o.over_at] == [
        o.over_at for o in [*first, *second] if o.over_at
    ]


@given(_values, st.integers(0, 10))
def test_an_alarm_holds_from_the_delay_until_a_value_within_the_clear_level(values, delay):
    levels = Levels(Decimal(60), Decimal(40), delay * MINUTE)

    watch, found = look(Watch(START), levels, _samples(values))

    for occurrence in found:
        began = round((occurrence.since - START) / MINUTE)
        assert all(v >= 60 for v in values[began - 1 : began + delay])
        if occurrence.over_at is not None:
            over = round((occurrence.over_at - START) / MINUTE)
            assert values[over - 1] <= 40
            assert all(v > 40 for v in values[began - 1 : over - 1])
    assert all(a.over_at is not None and b.since > a.over_at for a, b in pairwise(found))
    assert watch.raised == bool(found and found[-1].over_at is None)


def test_a_level_equal_to_its_clear_level_holds():
    levels = Levels(Decimal(5), Decimal(5))

    watch, found = look(Watch(START), levels, _samples([5, 5, 4]))

    assert [(o.since, o.over_at) for o in found] == [(_at(1), _at(3))]
    assert not watch.raised


# Rules on a real database.


@pytest.mark.django_db
def test_a_threshold_waits_its_delay_and_is_over_within_its_clear_level():
    site = factories.make_site()
    channel = _gauge(site)
    _rule(site, "above", channel_id=channel.pk, set_level=80, clear_level=70, delay_s=300)

    send(channel, [(_at(0), 50), (_at(1), 85), (_at(4), 82)])
    assert _look(5) == (0, 0)
    send(channel, [(_at(6), 81)])
    assert _look(7) == (1, 0)
    assert _look(7) == (0, 0)
    send(channel, [(_at(8), 75)])
    assert _look(8) == (0, 0)
    send(channel, [(_at(9), 69)])
    assert _look(9) == (0, 1)

    alarm = Alarm.objects.get()
    assert (alarm.since, alarm.opened_at, alarm.resolved_at) == (_at(1), _at(7), _at(9))
    assert alarm.value == 81
    assert [e.step for e in alarm.entries.order_by("pk")] == ["opened", "resolved"]


@pytest.mark.django_db
def test_a_change_faster_than_the_rate_is_told_per_hour():
    site = factories.make_site()
    channel = _gauge(site)
    _rule(site, "rate", channel_id=channel.pk, set_level=120, clear_level=60)

    send(channel, [(_at(0), 10), (_at(10), 20), (_at(20), 45)])
    assert _look(21) == (1, 0)

    assert Alarm.objects.get().value == 150


@pytest.mark.django_db
def test_supply_is_too_cool_against_what_the_delivery_point_requires_while_heat_is_called_for():
    site = factories.make_site()
    point = make_heat_channel(site=site).point
    supply = add_channel(point=point, quantity=Channel.Quantity.SUPPLY)
    call = add_channel(point=point, quantity=Channel.Quantity.CALL)
    _rule(site, "supply_low")
    assert point.delivery_point is not None
    need = float(point.delivery_point.required_supply_c)

    send(call, [(_at(0), 0)])
    send(supply, [(_at(1), need - 10)])
    assert _look(2) == (0, 0)
    send(call, [(_at(3), 1)])
    send(supply, [(_at(4), need - 10)])
    assert _look(5) == (1, 0)
    send(supply, [(_at(6), need + 0.5)])
    assert _look(6) == (0, 0)
    send(supply, [(_at(7), need + 1)])
    assert _look(7) == (0, 1)


@pytest.mark.django_db
def test_a_site_that_rejects_its_heat_is_told_once():
    site = factories.make_site()
    channel = make_channel(
        site=site, boundary=MeteringPoint.Boundary.COOLING, quantity=Channel.Quantity.MODE,
        interval_s=None,
    )  # fmt: skip
    _rule(site, "bypass")

    send(channel, [(_at(0), 0), (_at(5), 2), (_at(6), 2)])
    assert _look(7) == (1, 0)
    send(channel, [(_at(8), 2), (_at(9), 1)])
    assert _look(9) == (0, 1)


@pytest.mark.django_db
def test_silence_of_channels_and_gateways_is_measured_by_the_clock():
    site = factories.make_site()
    channel = _gauge(site)
    Gateway.objects.create(
        site=site,
        name="box",
        token_hash=b"x",
        token_hint="x",
        created_at=START,
        last_seen_at=_at(1),
    )
    _rule(site, "no_data", limit=30)
    _rule(site, "gateway_silent", limit=60)

    send(channel, [(_at(1), 5)])
    assert _look(30) == (0, 0)
    assert _look(31) == (1, 0)
    assert _look(61) == (1, 0)
    send(channel, [(_at(62), 5)])
    assert _look(63) == (0, 1)
    Gateway.objects.update(last_seen_at=_at(64))
    assert _look(64) == (0, 1)

    assert set(Alarm.objects.values_list("rule__kind", "since")) == {
        ("no_data", _at(1)), ("gateway_silent", _at(1)),
    }  # fmt: skip


@pytest.mark.django_db
def test_the_end_of_a_verification_comes_near():
    site = factories.make_site()
    channel = make_heat_channel(site=site)
    Meter.objects.update(calibration_due=dt.date(2026, 5, 20))
    _rule(site, "calibration", limit=30)

    assert _look(0) == (0, 0)
    assert operations.find_alarms(at=START + dt.timedelta(days=10)).opened == 1
    assert operations.find_alarms(at=START + dt.timedelta(days=11)).opened == 0
    Meter.objects.update(calibration_due=dt.date(2032, 12, 31))
    assert operations.find_alarms(at=START + dt.timedelta(days=12)).resolved == 1

    assert Alarm.objects.get().value == 30
    assert Alarm.objects.get().subject == f"meter:{channel.point.installations.get().meter_id}"


@pytest.mark.django_db
def test_what_a_person_closed_does_not_come_back_for_the_same_cause():
    site = factories.make_site()
    user = factories.make_user(stakeholder=site.operator)
    channel = _gauge(site)
    _rule(site, "above", channel_id=channel.pk, set_level=80, clear_level=70)
    _rule(site, "no_data", limit=30)
    send(channel, [(_at(1), 90)])
    assert _look(40) == (2, 0)

    for alarm in Alarm.objects.all():
        operations.resolve_alarm(alarm_id=alarm.pk, text="known", at=_at(41), by_id=user.pk)
    send(channel, [(_at(42), 95)])
    assert _look(43) == (0, 0)
    with pytest.raises(operations.AlarmIsOver):
        operations.take_alarm(alarm_id=alarm.pk, text="", at=_at(43), by_id=user.pk)
    send(channel, [(_at(44), 60), (_at(45), 95)])
    assert _look(46) == (1, 0)


@pytest.mark.django_db
def test_the_database_holds_one_open_alarm_per_rule_and_object():
    site = factories.make_site()
    channel = _gauge(site)
    rule = _rule(site, "above", channel_id=channel.pk, set_level=80, clear_level=70)
    send(channel, [(_at(1), 90)])
    _look(2)
    twin = Alarm.objects.get()
    twin.pk, twin.since = None, _at(2)

    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        Alarm.objects.update(state="resolved")
    with pytest.raises(IntegrityError):
        operations.change_alarm_rule(rule_id=rule.pk, at=_at(3), by_id=None, clear_level=90)
    with pytest.raises(operations.NotOfThisSite):
        _rule(factories.make_site(), "below", channel_id=channel.pk, set_level=1, clear_level=2)


@pytest.mark.django_db
def test_two_hundred_silent_channels_are_one_letter_and_one_message_a_contact():
    site = factories.make_site()
    for n in range(200):
        point = MeteringPoint.objects.create(site=site, boundary="it", name=f"r{n}", code=f"r{n}")
        add_channel(point=point, quantity=Channel.Quantity.POWER)
    _rule(site, "no_data", limit=30)
    hooks.add_webhook(
        operator_id=site.operator_id, url="https://x.example", events=["alarm.opened"], at=START,
        by_id=None,
    )  # fmt: skip
    for name, after in (("first", 0), ("second", 30)):
        operations.add_contact(
            site_id=site.pk, name=name, email=f"{name}@x.example", after_min=after, at=START,
            by_id=None,
        )  # fmt: skip

    assert _look(31) == (200, 0)
    assert operations.write_letters(at=_at(31)) == 1
    assert operations.write_letters(at=_at(32)) == 0
    assert operations.write_letters(at=_at(62)) == 1
    operations.write_letters(at=_at(100))

    letters = AlarmLetter.objects.order_by("made_at")
    assert [(x.contact.name, x.notices.count()) for x in letters] == [
        ("first", 200), ("second", 200),
    ]  # fmt: skip
    assert len(WebhookMessage.objects.get().payload["alarms"]) == 200


@pytest.mark.django_db
def test_a_taken_alarm_escalates_no_further():
    site = factories.make_site()
    user = factories.make_user(stakeholder=site.operator)
    channel = _gauge(site)
    _rule(site, "above", channel_id=channel.pk, set_level=80, clear_level=70)
    operations.add_contact(
        site_id=site.pk, name="night", email="n@x.example", after_min=15, at=START, by_id=None
    )
    send(channel, [(_at(1), 90)])
    _look(2)

    operations.take_alarm(alarm_id=Alarm.objects.get().pk, text="on it", at=_at(3), by_id=user.pk)
    assert operations.write_letters(at=_at(30)) == 0
    send(channel, [(_at(31), 60), (_at(32), 90)])
    _look(32)
    assert operations.write_letters(at=_at(50)) == 1

    taken = AlarmEntry.objects.get(step="taken")
    assert (taken.text, taken.by) == ("on it", user)


@pytest.mark.django_db
@pytest.mark.parametrize("by", ["silence", "announced work"])
def test_nobody_is_told_while_a_site_is_silent_and_everybody_after(by):
    site = factories.make_site()
    channel = _gauge(site)
    _rule(site, "above", channel_id=channel.pk, set_level=80, clear_level=70)
    hooks.add_webhook(
        operator_id=site.operator_id, url="https://x.example", at=START, by_id=None,
        events=["alarm.opened", "alarm.resolved"],
    )  # fmt: skip
    operations.add_contact(
        site_id=site.pk, name="day", email="d@x.example", after_min=0, at=START, by_id=None
    )
    if by == "silence":
        operations.silence_site(
            site_id=site.pk, start=START, end=_at(60), reason="x", at=START, by_id=None
        )
    else:
        operations.announce_maintenance(
            subject=operations.Subject(site.pk, Part.ALL), start=START, end=_at(60), reason="x",
            text="", at=START, by_id=None,
        )  # fmt: skip
    send(channel, [(_at(1), 90)])

    assert _look(2) == (1, 0)
    assert operations.write_letters(at=_at(3)) == 0
    assert not WebhookMessage.objects.exists()
    assert _look(61) == (0, 0)
    assert operations.write_letters(at=_at(61)) == 1
    send(channel, [(_at(62), 60)])
    assert _look(62) == (0, 1)
    events = WebhookMessage.objects.order_by("pk").values_list("event", flat=True)
    assert list(events) == ["alarm.opened", "alarm.resolved"]


@pytest.mark.django_db
def test_an_ended_rule_ends_its_alarms_and_looks_no_more():
    site = factories.make_site()
    channel = _gauge(site)
    hooks.add_webhook(
        operator_id=site.operator_id, url="https://x.example", events=["alarm.resolved"], at=START,
        by_id=None,
    )  # fmt: skip
    rule = _rule(site, "above", channel_id=channel.pk, set_level=80, clear_level=70)
    send(channel, [(_at(1), 90)])
    _look(2)

    operations.end_alarm_rule(rule_id=rule.pk, at=_at(3), by_id=None)
    send(channel, [(_at(4), 60), (_at(5), 90)])

    assert _look(6) == (0, 0)
    assert Alarm.objects.get().state == "resolved"
    # Other systems are told that it is over, with what it was.
    [told] = WebhookMessage.objects.get().payload["alarms"]
    assert (told["value"], told["kind"]) == ("90.000000000", "above")


@pytest.mark.django_db
def test_a_look_reads_only_what_came_in_since(django_assert_max_num_queries):
    site, quiet = factories.make_site(), factories.make_site()
    channels = [_gauge(site), _gauge(quiet)]
    for channel in channels:
        _rule(channel.site, "above", channel_id=channel.pk, set_level=80, clear_level=70)
        send(channel, [(_at(n / 10), 50) for n in range(100)])
    _look(10)
    AlarmRule.objects.update(looked_at=dt.datetime(2040, 1, 1, tzinfo=dt.UTC))

    # Neither site sent anything after that instant: nobody looks at their readings.
    with django_assert_max_num_queries(16):
        _look(11)
    assert set(AlarmWatch.objects.values_list("looked_until", flat=True)) == {_at(9.9)}


@pytest.mark.django_db
def test_another_operator_sees_nothing_of_it():
    site, other = factories.make_site(), factories.make_site()
    channel = _gauge(site)
    _rule(site, "above", channel_id=channel.pk, set_level=80, clear_level=70)
    send(channel, [(_at(1), 90)])
    _look(2)
    own = Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)
    strange = Viewer(1, other.operator_id, Kind.OPERATOR, Role.ADMIN)

    assert queries.attention(viewer=own).alarms == 1
    assert queries.attention(viewer=strange).alarms == 0
    assert not queries.alarm_rules(viewer=strange).exists()


# A winter month of a real substation, quarter-hourly with its real gaps.


def _real_december() -> list[tuple[dt.datetime, float]]:
    zone = zoneinfo.ZoneInfo("Europe/Belgrade")
    rows = {}
    with gzip.open(DATA / "xai4heat_scada_L12.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            local = dt.datetime.fromisoformat(row["datetime"]).replace(tzinfo=zone)
            if row["t_sup_sec"] and (local.year, local.month) == (2022, 12):
                rows[local.astimezone(dt.UTC)] = float(row["t_sup_sec"])
    return sorted(rows.items())


@pytest.mark.django_db
@pytest.mark.skipif(not DATA.exists(), reason="the folder ../shared/data is absent")
def test_a_real_month_looked_at_every_twenty_minutes_gives_the_alarms_its_readings_show():
    site = factories.make_site(timezone="Europe/Belgrade")
    channel = _gauge(site)
    series = _real_december()
    begin = series[0][0]
    _rule(site, "below", channel_id=channel.pk, set_level=40, clear_level=42, delay_s=3600)
    _rule(site, "no_data", channel_id=channel.pk, limit=120)
    AlarmRule.objects.update(created_at=begin)
    send(channel, series)

    at = begin
    while at < series[-1][0]:
        operations.find_alarms(at=at)
        at += dt.timedelta(minutes=20)

    found = set(Alarm.objects.filter(rule__kind="below").values_list("since", flat=True))
    silent = set(Alarm.objects.filter(rule__kind="no_data").values_list("since", flat=True))
    assert found == _cool_for_an_hour(series)
    gaps = [a for (a, _), (b, _) in pairwise(series) if b - a >= dt.timedelta(minutes=140)]
    assert set(gaps) <= silent
    assert silent <= {a for (a, _), (b, _) in pairwise(series) if b - a > dt.timedelta(hours=2)}
    assert found
    assert gaps


def _cool_for_an_hour(series: list[tuple[dt.datetime, float]]) -> set[dt.datetime]:
    """
    The same rule over a frame: runs below 42 °C, and in each the first stretch of 40 °C or less
    that lasts an hour.
    """
    frame = pd.DataFrame(series, columns=["at", "c"])
    frame["cool"] = frame.c <= 40
    frame["run"] = (frame.cool != frame.cool.shift()).cumsum()
    stretches = frame[frame.cool].groupby("run").at.agg(["first", "last"])
    long = stretches[stretches["last"] - stretches["first"] >= pd.Timedelta(hours=1)]
    warm = frame[frame.c >= 42].set_index("at").index
    kept: list[dt.datetime] = []
    for first in long["first"]:
        if not kept or ((warm > kept[-1]) & (warm < first)).any():
            kept.append(first.to_pydatetime())
    return set(kept)
