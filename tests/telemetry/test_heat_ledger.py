"""
The ledger of heat: what counts, what does not and why, kept up from what changed.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sites.access import STRANGER, Kind, Role, Viewer
from sites.domain import Period, local_days, local_month
from sites.models import Site
from telemetry import operations, queries
from telemetry.models import (
    Channel,
    HeatDay,
    HeatDirty,
    HeatEntry,
    Incident,
    Meter,
    MeteringPoint,
    Rollup,
    SupplyTerms,
)
from tests import factories
from tests.factories_heat import FIRST, SOON, agree, count_up, gauge, place_of, settle
from tests.factories_telemetry import LATER, load, make_channel, make_heat_channel, send

pytestmark = pytest.mark.django_db

Quantity = Channel.Quantity
# Monday 6 January 2025, local midnight in Berlin.
DAY = local_days(FIRST, FIRST + dt.timedelta(days=1), "Europe/Berlin")
HOUR = dt.timedelta(hours=1)


def _operator(site: Site) -> Viewer:
    return Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)


def _at(hour: float) -> dt.datetime:
    return DAY.start + dt.timedelta(hours=hour)


def _by_reason(register: Channel, period: Period = DAY) -> dict[str, Decimal]:
    rows = queries.counted_heat(
        viewer=_operator(register.site), delivery_point_id=place_of(register).pk,
        period=period, grain="day",
    )  # fmt: skip
    found = {"": Decimal(0)}
    for row in rows:
        found[""] += row.counted_kwh
        for reason, kwh in row.not_counted.items():
            found[reason] = found.get(reason, Decimal(0)) + kwh
    return found


def _a_day() -> Channel:
    """
    Four kWh an hour all day, warm and cool enough.
    """
    register = make_heat_channel()
    count_up(register, DAY.start, 24)
    return register


def test_every_reason_takes_its_hours_and_the_first_one_stands():
    register = _a_day()
    send(gauge(register, Quantity.SUPPLY), [(_at(h), 50 if h in (8, 9) else 60) for h in range(24)])
    send(
        gauge(register, Quantity.RETURN), [(_at(h), 46 if h in (9, 10) else 40) for h in range(24)]
    )
    send(gauge(register, Quantity.MODE, ""), [(_at(0), 0), (_at(12), 2), (_at(14), 1)])
    agree(register, bands="Mon-Sun 06:00-22:00")
    operations.record_incident(
        subject=operations.Subject(register.site_id, "heat", None, place_of(register).pk),
        started_at=_at(13), ended_at=_at(16), cause=Incident.Cause.PARTNER, title="Pump off",
        text="", at=LATER, by_id=None,
    )  # fmt: skip
    settle(register)

    assert _by_reason(register) == {
        "": 4 * 16 - 4 * 7, "outside": 4 * 8, "cool": 8, "return": 4, "rejected": 8, "partner": 8,
    }  # fmt: skip
    entry = HeatEntry.objects.get(start_at=_at(9))
    assert [entry.reason, entry.supply_c, entry.return_c, entry.mode] == ["cool", 50, 46, 0]
    assert not HeatDirty.objects.exists()


def test_reasons_that_are_not_agreed_take_nothing_but_rejected_heat_never_counts():
    register = _a_day()
    send(gauge(register, Quantity.SUPPLY), [(_at(h), 50) for h in range(24)])
    send(gauge(register, Quantity.MODE, ""), [(_at(0), 0), (_at(22), 2)])
    agree(register, bands="Mon-Fri 06:00-22:00", not_counted=[])
    settle(register)

    assert _by_reason(register) == {"": 88, "rejected": 8}


def test_without_terms_all_used_heat_counts():
    register = _a_day()
    send(gauge(register, Quantity.MODE, ""), [(_at(0), 0), (_at(22), 2)])
    settle(register)

    assert _by_reason(register) == {"": 88, "rejected": 8}
    assert not HeatDay.objects.exists()


def test_counted_and_not_counted_are_what_the_register_counted():
    register = make_heat_channel(unit="MWh")
    steps = [(_at(0.37 * n), round(10 + n * n * 0.001317, 6)) for n in range(70)]
    send(register, steps)
    send(gauge(register, Quantity.SUPPLY), [(_at(h), 54 + h % 3) for h in range(24)])
    agree(register, bands="Mon 06:15-21:45")
    settle(register)

    rolled = Rollup.objects.get(channel=register, grain="day", start_at=DAY.start).energy_kwh
    entries = HeatEntry.objects.filter(start_at__gte=DAY.start, start_at__lt=DAY.end)
    assert sum(e.metered_kwh for e in entries) == rolled
    assert sum(e.counted_kwh + e.not_counted_kwh for e in entries) == rolled
    assert sum(_by_reason(register).values()) == rolled


def test_estimated_heat_counts_up_to_its_share_of_the_day():
    register = _a_day()
    quarters = Rollup.objects.filter(channel=register, grain="quarter")
    quarters.filter(start_at__gte=_at(4), start_at__lt=_at(8)).update(
        estimated_kwh=F("energy_kwh") / 2
    )
    # Eight of 96 kWh are estimated.
    agree(register, estimated_percent=Decimal("8.4"))
    settle(register)
    assert _by_reason(register) == {"": 96}

    agree(register, estimated_percent=Decimal("8.3"))
    settle(register)
    assert _by_reason(register) == {"": 88, "estimated": 8}


def test_heat_past_the_verification_does_not_count_and_a_new_one_brings_it_back():
    register = _a_day()
    agree(register)
    meter = Meter.objects.get()
    meter.calibration_due = FIRST - dt.timedelta(days=1)
    meter.save()
    settle(register)
    assert _by_reason(register) == {"": 0, "meter": 96}

    meter.calibration_due = FIRST
    meter.save()
    settle(register)
    assert _by_reason(register) == {"": 96}
    assert {(e.version, e.superseded_at) for e in HeatEntry.objects.all()} == {(1, SOON), (2, None)}


def test_late_readings_move_their_day_alone():
    register = make_heat_channel()
    count_up(register, DAY.start, 72)
    supply = gauge(register, Quantity.SUPPLY)
    send(supply, [(_at(h), 60) for h in range(72)])
    agree(register)
    settle(register)
    before = dict(HeatEntry.objects.values_list("start_at", "computed_at"))

    send(supply, [(_at(30.5), 30)])
    assert settle(register, SOON + HOUR) >= 1

    changed = HeatEntry.objects.filter(computed_at__gt=SOON)
    assert changed
    assert all(_at(30) <= e.start_at < _at(31) for e in changed)
    assert all(e.version == 2 for e in changed)
    assert HeatEntry.objects.filter(superseded_at__isnull=True).count() == len(before)
    was = HeatEntry.objects.filter(superseded_at=SOON + HOUR)
    assert {(e.start_at, e.version, e.reason) for e in was} == {
        (e.start_at, 1, "") for e in changed
    }
    assert settle(register, SOON + HOUR) == 0


def test_new_terms_judge_what_has_passed_and_keep_the_old_ones():
    register = make_heat_channel()
    count_up(register, DAY.start, 48)
    send(gauge(register, Quantity.SUPPLY), [(_at(h), 60) for h in range(48)])
    first = agree(register)
    settle(register)
    agree(register, first_day=FIRST + dt.timedelta(days=1), supply_min_c=Decimal(65))
    settle(register)

    both = Period(DAY.start, DAY.start + 48 * HOUR)
    assert _by_reason(register, both) == {"": 96, "cool": 96}
    third = agree(register, supply_min_c=Decimal(62))
    settle(register)
    assert _by_reason(register, both) == {"": 0, "cool": 192}
    first.refresh_from_db()
    assert first.superseded_at == SOON
    held = queries.supply_terms(
        viewer=_operator(register.site), delivery_point_id=place_of(register).pk
    )
    assert next(iter(held)).pk == third.pk
    assert len(held) == 3
    in_force = HeatEntry.objects.filter(superseded_at__isnull=True)
    assert set(in_force.values_list("terms", flat=True)) == {third.pk}


def test_what_is_unknown_leaves_the_ledger():
    register = _a_day()
    settle(register)
    assert _by_reason(register)[""] == 96
    Rollup.objects.filter(channel=register, start_at__gte=_at(20)).delete()
    HeatDirty.objects.create(
        delivery_point=place_of(register), span=(_at(20), _at(21)), marked_at=LATER
    )
    settle(register)
    assert _by_reason(register)[""] == 80


def test_the_database_refuses_what_does_not_add_up():
    register = _a_day()
    settle(register)
    entry = HeatEntry.objects.get(start_at=_at(3))
    for wrong in (
        {"counted_kwh": Decimal("0.5")},
        {"counted_kwh": Decimal(0), "not_counted_kwh": entry.metered_kwh},
        {"mode": 2},
        # A second one in force.
        {"superseded_at": None},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            HeatEntry.objects.filter(pk=entry.pk).update(**wrong)
        fresh = HeatEntry.objects.get(pk=entry.pk)
        for name, value in {"version": 2, "superseded_at": LATER, **wrong}.items():
            setattr(fresh, name, value)
        with pytest.raises(IntegrityError), transaction.atomic():
            fresh.save(force_insert=True)


def test_what_was_entered_is_kept_and_an_entry_that_comes_back_is_a_version_of_its_own():
    register = _a_day()
    settle(register)
    entries = HeatEntry.objects.filter(start_at=_at(20))
    figures = Rollup.objects.filter(channel=register, grain__in=["hour", "quarter"])
    at_eight = list(figures.filter(start_at__gte=_at(20), start_at__lt=_at(21)))
    for n, rows in enumerate(([], at_eight), start=1):
        figures.filter(start_at__gte=_at(20), start_at__lt=_at(21)).delete()
        Rollup.objects.bulk_create(rows)
        HeatDirty.objects.create(
            delivery_point=place_of(register), span=(_at(20), _at(21)), marked_at=LATER
        )
        settle(register, SOON + n * HOUR)

    assert list(entries.order_by("version").values_list("version", "superseded_at")) == [
        (1, SOON + HOUR), (2, None),
    ]  # fmt: skip
    assert HeatEntry.objects.filter(start_at=_at(19)).count() == 1
    for forbidden in (
        lambda: entries.filter(version=1).update(superseded_at=None),
        lambda: entries.filter(version=1).update(reason="cool"),
        lambda: entries.filter(version=2).update(superseded_at=LATER, computed_at=SOON),
        lambda: entries.filter(version=1).delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            forbidden()


@pytest.mark.parametrize(
    "wrong",
    [
        {"supply_min_c": None},
        {"return_max_c": None},
        {"estimated_percent": None},
        {"supply_max_c": Decimal(50)},
        {"contracted_kw": Decimal(0)},
        {"promised_percent": Decimal(101)},
    ],
)
def test_the_database_refuses_terms_that_do_not_hold_together(wrong):
    with pytest.raises(IntegrityError):
        agree(make_heat_channel(), **wrong)


@pytest.mark.django_db(transaction=True)
def test_the_contract_measures_at_its_own_delivery_point():
    one, other = make_heat_channel(), make_heat_channel()
    with pytest.raises(IntegrityError):
        operations.agree_supply(
            delivery_point_id=place_of(one).pk, first_day=FIRST, at=LATER, by_id=None,
            metering_point_id=other.point_id, contracted_kw=Decimal(1),
        )  # fmt: skip
    assert not SupplyTerms.objects.exists()


def test_neighbours_and_strangers_see_nothing():
    register = _a_day()
    agree(register)
    settle(register)
    place = place_of(register)
    partner = Viewer(1, place.partner_id, Kind.PARTNER, Role.VIEWER)
    neighbour = Viewer(
        1, factories.make_stakeholder(kind=Kind.PARTNER).pk, Kind.PARTNER, Role.ADMIN
    )

    def sees(viewer: Viewer) -> list[bool]:
        about: dict[str, Any] = {"viewer": viewer, "delivery_point_id": place.pk}
        return [
            bool(queries.counted_heat(**about, period=DAY, grain="day")),
            queries.heat_entries(**about, period=DAY).exists(),
            queries.supply_terms(**about).exists(),
            bool(
                queries.heat_kept(
                    viewer=viewer, delivery_point_ids=[place.pk], first=FIRST,
                    end=FIRST + dt.timedelta(days=1),
                )
            ),
        ]  # fmt: skip

    assert sees(partner) == sees(_operator(register.site)) == [True] * 4
    for viewer in (neighbour, STRANGER, Viewer(1, place.partner_id, Kind.TENANT, Role.ADMIN)):
        assert sees(viewer) == [False] * 4


def test_availability_is_kept_by_day_and_read_by_month():
    register = _a_day()
    send(gauge(register, Quantity.SUPPLY), [(_at(h), 50 if h in (8, 9) else 60) for h in range(24)])
    agree(register, bands="Mon 06:00-22:00")
    operations.announce_maintenance(
        subject=operations.Subject(register.site_id, "heat", None, place_of(register).pk),
        start=_at(9), end=_at(10), reason="Pump", text="", at=_at(-200), by_id=None,
    )  # fmt: skip
    settle(register, _at(30))

    day = HeatDay.objects.get(day=FIRST)
    assert (day.window_s, day.planned_s, day.bad_s, day.cool_s) == (57600, 3600, 3600, 3600)
    assert day.unknown_s == 0
    [month] = queries.heat_kept(
        viewer=_operator(register.site), delivery_point_ids=[place_of(register).pk],
        first=FIRST.replace(day=1), end=FIRST + dt.timedelta(days=20),
    )[place_of(register).pk]  # fmt: skip
    assert month.base_s == 15 * 3600
    assert month.share == Decimal(14) / 15
    assert month.promised_percent == 98
    assert month.keeps is False


def test_days_pass_though_nothing_arrives():
    register = _a_day()
    send(gauge(register, Quantity.SUPPLY), [(_at(h), 60) for h in range(24)])
    agree(register, at=_at(26))
    settle(register, _at(26))
    assert queries.heat_to_settle(now=_at(27), marked_before=_at(27), limit=9) == []

    now = _at(24 * 4)
    assert queries.heat_to_settle(now=now, marked_before=now, limit=9) == [place_of(register).pk]
    settle(register, now)
    days = HeatDay.objects.order_by("day").values_list("window_s", "unknown_s")
    # The last reading holds for three hours.
    assert list(days) == [(86400, 0), (86400, 79200 + 0), (86400, 86400), (86400, 86400)]


def test_a_bill_waits_for_the_ledger():
    register = _a_day()
    agree(register)
    place = place_of(register)
    with pytest.raises(queries.LedgerBehind):
        queries.qualified_heat(delivery_point_id=place.pk, channel_id=register.pk, period=DAY)
    settle(register)
    found = queries.qualified_heat(delivery_point_id=place.pk, channel_id=register.pk, period=DAY)
    assert found.metered_kwh == sum((kwh for _, kwh in found.hours), Decimal(0)) == 96
    assert len(found.hours) == 24
    assert len(found.sha256) == 64


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    counts=st.lists(st.integers(0, 30), min_size=20, max_size=40),
    warm=st.lists(st.integers(50, 60), min_size=24, max_size=24),
    modes=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    opens=st.integers(0, 40),
)
def test_whatever_happens_nothing_is_lost(counts, warm, modes, opens):
    sid = transaction.savepoint()
    register = make_heat_channel()
    dial, rows = Decimal(100), []
    for n, count in enumerate(counts):
        rows.append((_at(n * 24 / len(counts)), float(dial)))
        dial += Decimal(count) / 8
    send(register, [*rows, (_at(24), float(dial))])
    send(gauge(register, Quantity.SUPPLY), [(_at(h), c) for h, c in enumerate(warm)])
    send(gauge(register, Quantity.MODE, ""), [(_at(4 * n), m) for n, m in enumerate(modes)])
    agree(register, bands=f"Mon {opens // 4:02d}:{opens % 4 * 15:02d}-22:00")
    settle(register)

    rolled = Rollup.objects.get(channel=register, grain="day", start_at=DAY.start)
    assert sum(_by_reason(register).values()) == rolled.energy_kwh
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM telemetry_heatentry"
            " WHERE metered_kwh <> counted_kwh + not_counted_kwh OR (mode = 2 AND counted_kwh <> 0)"
        )
        assert cursor.fetchone() == (0,)
    transaction.savepoint_rollback(sid)


def test_rejected_heat_is_no_reused_heat():
    site = factories.make_site()
    facility = make_channel(site=site, boundary=MeteringPoint.Boundary.FACILITY)
    month = local_month(2025, 3, site.timezone)
    load(facility, month, 10)
    register = make_heat_channel(site=site)
    count_up(register, month.start, round(month.hours), step_min=60)
    send(
        gauge(register, Quantity.MODE, ""),
        [(month.start + 12 * HOUR * n, 2 if n < 4 else 0) for n in range(62)],
    )
    march = month.start.date() + dt.timedelta(days=1)

    def heat() -> tuple[Any, Any]:
        figures = queries.site_figures(
            viewer=_operator(site), site_ids=[site.pk], first_month=march, last_month=march
        )[site.pk]  # fmt: skip
        assert figures.heat is not None
        return figures.heat.kwh, figures.erf.value

    assert heat() == (4 * 743, Decimal("0.4"))
    settle(register, month.end)
    assert heat() == (4 * (743 - 48), Decimal(4 * 695) / Decimal(7430))
    # A month of which an hour is missing is counted from its days and hours.
    Rollup.objects.filter(
        channel=facility, grain__in=["hour", "quarter"], start_at__gte=month.start + 24 * HOUR,
        start_at__lt=month.start + 25 * HOUR,
    ).delete()  # fmt: skip
    Rollup.objects.filter(channel=facility, grain__in=["day", "month"]).update(
        coverage=Decimal("0.99")
    )
    assert heat()[0] == 4 * (743 - 1 - 47)
