"""
The defects of real heat meters, one test each. The data are outside the repository.
"""

import csv
import datetime as dt
import gzip
import itertools
import zoneinfo
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from sites.domain import local_month
from telemetry import operations, queries
from telemetry.models import Channel, Finding, Meter, Rollup
from tests.factories_telemetry import LATER, add_channel, csv_of, ingest_csv, make_heat_channel

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "b_heat_series"
NIS = zoneinfo.ZoneInfo("Europe/Belgrade")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real heat-meter data in {DATA}"),
]


def _rows(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA / "xai4heat" / f"xai4heat_scada_{name}.csv.gz", "rt") as file:
        yield from csv.DictReader(file)


def _substation(
    name: str, first: str, last: str, *, outdoor: bool = False, rising: bool = False
) -> Channel:
    """
    Take in energy, power and a temperature of a substation between two local dates, in the order of
    the file: the newest first.
    """
    energy = make_heat_channel(unit="MWh")
    energy.site.timezone = "Europe/Belgrade"
    energy.site.save()
    Meter.objects.update(max_power_kw=600, resolution=Decimal("0.001"))
    columns = {energy: "e"}
    told = [("power", "pe"), ("supply", "t_sup_sec"), ("outdoor", "t_amb")]
    for quantity, column in told[: 3 if outdoor else 2]:
        columns[add_channel(point=energy.point, quantity=Channel.Quantity(quantity))] = column
    rows = []
    for row in _rows(name):
        if first <= row["datetime"] < last:
            at = dt.datetime.fromisoformat(row["datetime"]).replace(tzinfo=NIS).isoformat()
            rows += [(c.key, at, row[column]) for c, column in columns.items() if row[column]]
    ingest_csv(site=energy.site, body=csv_of(rows[::-1] if rising else rows))
    for channel in (energy, *(c for c in columns if c != energy)):
        operations.roll_up_channel(channel_id=channel.pk, at=LATER)
    return energy


def _month(channel: Channel, month: str) -> Decimal:
    year, number = map(int, month.split("-"))
    return queries.energy_over(
        channel_id=channel.pk, period=local_month(year, number, "Europe/Belgrade")
    )


def _reference(name: str) -> dict[str, Decimal]:
    with (DATA / "xai4heat" / f"REFERENCE_monthly_{name}.csv").open() as file:
        return {
            row["month"][:7]: Decimal(row["consumption_mwh"]) * 1000
            for row in csv.DictReader(file)
            if row["consumption_mwh"] and float(row["open_age_h"]) < 2 > float(row["close_age_h"])
        }


@pytest.mark.parametrize(("name", "month"), [("L12", "2023-01"), ("L17", "2020-02")])
def test_a_month_with_drop_outs_to_zero_agrees_with_the_reference(name, month):
    year, number = map(int, month.split("-"))
    after = f"{year}-{number + 1:02d}"
    channel = _substation(name, f"{month[:5]}{number - 1:02d}-25" if number > 1
                          else f"{year - 1}-12-25", f"{after}-05")  # fmt: skip

    assert float(_month(channel, month)) == pytest.approx(float(_reference(name)[month]), abs=60)
    assert not channel.findings.filter(rule="reset").exists()


def test_a_catch_up_after_stale_rows_is_booked_when_the_heat_was_delivered():
    channel = _substation("L17", "2021-02-15", "2021-02-20")

    hours = Rollup.objects.filter(channel=channel, grain="hour").order_by("start_at")
    caught_up = hours.get(start_at=dt.datetime(2021, 2, 18, 8, tzinfo=dt.UTC))
    stale = Finding.objects.get(channel=channel, rule="stale")

    assert stale.measured == Decimal("3.15")
    assert caught_up.energy_kwh is not None
    assert caught_up.energy_kwh < 400
    assert caught_up.quality == "scaled"
    assert sum(h.energy_kwh or 0 for h in hours) > 3150


def test_a_catch_up_over_the_end_of_a_month_is_shared_by_both():
    channel = _substation("L17", "2023-11-28", "2023-12-03")

    edge = dt.datetime(2023, 11, 30, 23, tzinfo=dt.UTC)
    hours = Rollup.objects.filter(channel=channel, grain="hour")
    before, after = hours.get(start_at=edge - dt.timedelta(hours=1)), hours.get(start_at=edge)

    assert before.energy_kwh is not None
    assert after.energy_kwh is not None
    assert before.energy_kwh == pytest.approx(Decimal(2700) / 18, abs=1)
    assert after.energy_kwh == pytest.approx(before.energy_kwh, abs=Decimal("0.01"))


def test_eight_gigawatts_never_reach_a_mean_or_a_peak():
    channel = _substation("L17", "2021-11-05", "2021-11-24")

    power = channel.point.channels.get(quantity="power")
    peaks = Rollup.objects.filter(channel=power).values_list("maximum", flat=True)
    peak = max(high for high in peaks if high is not None)

    assert peak < 1000
    assert power.findings.filter(rule="limit", measured__gt=7_999_999).count() == 2
    assert power.readings.filter(value__gt=7_999_999).count() == 2


def test_sentinels_and_zeros_of_lost_communication_are_no_temperatures():
    channel = _substation("L17", "2020-01-10", "2020-01-26")

    supply = channel.point.channels.get(quantity="supply")
    coldest = min(
        low
        for low in Rollup.objects.filter(channel=supply).values_list("minimum", flat=True)
        if low is not None
    )

    assert supply.readings.filter(value__lte=0).exists()
    assert coldest > 10


def test_a_summer_outage_is_a_gap_with_known_ends_and_never_a_zero():
    channel = _substation("L17", "2023-07-18", "2023-08-12")

    gap = channel.findings.filter(rule="gap").order_by("-measured").first()

    assert gap is not None
    assert gap.measured is not None
    assert gap.measured > 96
    assert gap.proposal == "estimate"
    assert not Rollup.objects.filter(channel=channel, grain="hour", energy_kwh=None).exists()


def test_the_hour_that_autumn_repeats_is_spread_over_two():
    channel = _substation("L12", "2022-10-28", "2022-11-02")

    hours = Rollup.objects.filter(
        channel=channel, grain="hour", start_at__gte=dt.datetime(2022, 10, 29, 22, tzinfo=dt.UTC),
        start_at__lt=dt.datetime(2022, 10, 30, 23, tzinfo=dt.UTC),
    )  # fmt: skip

    assert hours.count() == 25
    assert all(hour.energy_kwh is not None for hour in hours)


def test_rolling_up_again_says_the_same():
    channel = _substation("L17", "2021-02-15", "2021-02-20")
    fields = ("start_at", "grain", "energy_kwh", "quality", "coverage", "version")
    before = list(Rollup.objects.filter(channel=channel).values_list(*fields))
    findings = list(channel.findings.values_list("pk", "state"))

    channel.dirty_ranges.create(
        span=(dt.datetime(2021, 2, 14, tzinfo=dt.UTC), dt.datetime(2021, 2, 21, tzinfo=dt.UTC)),
        marked_at=LATER,
    )
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)

    assert list(Rollup.objects.filter(channel=channel).values_list(*fields)) == before
    assert list(channel.findings.values_list("pk", "state")) == findings


def test_a_month_whose_edge_lies_in_a_stale_stretch_is_partly_estimated():
    channel = _substation("L17", "2023-10-30", "2023-12-03")

    share = queries.estimated_share(
        channel_id=channel.pk, period=local_month(2023, 11, "Europe/Belgrade")
    )

    # Half of the 2,700 kWh that were caught up over the end of November.
    assert float(share.estimated_kwh) == pytest.approx(1350, abs=30)


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [
        ("2021-08-06", "2021-08-27", 15 * 24), ("2022-06-12", "2022-06-24", 4 * 24),
        ("2022-08-07", "2022-08-18", 4 * 24), ("2023-07-18", "2023-08-10", 15 * 24),
    ],
    ids=["August 2021", "June 2022", "August 2022", "July 2023"],
)  # fmt: skip
def test_each_summer_outage_is_one_gap_whose_total_is_known(first, last, hours):
    channel = _substation("L17", first, last)

    longest = channel.findings.filter(rule="gap").order_by("-measured").first()
    rollups = Rollup.objects.filter(channel=channel, grain="hour")

    assert longest is not None
    assert longest.measured is not None
    assert longest.measured > hours
    assert longest.state == "open"
    # What was metered in between is spread, never made up, and no hour is without a figure.
    assert not rollups.filter(energy_kwh=None).exists()
    assert not rollups.exclude(estimated_kwh=0).exists()
    readings = list(channel.readings.exclude(value=0).order_by("at"))
    counted = (readings[-1].value - readings[0].value) * 1000
    assert sum(hour.energy_kwh or 0 for hour in rollups) == pytest.approx(counted, abs=1)


@pytest.mark.parametrize(
    ("day", "hours"), [("2022-03-27", 23), ("2023-03-26", 23), ("2023-10-29", 25)]
)
def test_days_on_which_the_clock_changes_have_their_own_length(day, hours):
    date = dt.date.fromisoformat(day)
    channel = _substation("L17", str(date - dt.timedelta(days=2)), str(date + dt.timedelta(days=3)))

    start = dt.datetime.combine(date, dt.time(), NIS)
    one = Rollup.objects.get(channel=channel, grain="day", start_at=start)

    assert one.end_at - one.start_at == dt.timedelta(hours=hours)
    assert one.coverage == 1
    assert not channel.findings.filter(rule__in=["gap", "reset", "rise"]).exists()


@pytest.mark.parametrize(
    ("first", "last", "was", "becomes"),
    [("2024-01-02", "2024-01-07", 3600, 900), ("2024-03-30", "2024-04-04", 900, 180)],
    ids=["hour to quarter", "quarter to three minutes"],
)
def test_a_change_of_resolution_is_no_gap_and_adds_up(first, last, was, becomes):
    channel = _substation("L12", first, last)

    readings = list(channel.readings.exclude(value=0).order_by("at"))
    steps = {round((b.at - a.at).total_seconds()) for a, b in itertools.pairwise(readings)}
    hours = Rollup.objects.filter(channel=channel, grain="hour")

    assert {was, becomes} <= steps
    gaps = channel.findings.filter(rule="gap")
    # Only what is missing for longer than an hour.
    assert all(gap.measured and gap.measured > 1 for gap in gaps)
    counted = (readings[-1].value - readings[0].value) * 1000
    assert sum(hour.energy_kwh or 0 for hour in hours) == pytest.approx(counted, abs=1)


def test_a_register_that_froze_while_power_flowed_is_caught_up_over_that_time():
    channel = _substation("L12", "2023-11-28", "2023-12-03")

    hours = Rollup.objects.filter(
        channel=channel, grain="hour",
        start_at__gte=dt.datetime(2023, 11, 30, 14, tzinfo=dt.UTC),
        start_at__lt=dt.datetime(2023, 12, 1, 6, tzinfo=dt.UTC),
    )  # fmt: skip
    stale = channel.findings.get(rule="stale")

    assert stale.measured == Decimal("1.25")
    # Eighteen hours of about 69 kWh, none of them still and none of them a peak.
    assert {round(float(hour.energy_kwh or 0)) for hour in hours} == {69}
    assert {hour.quality for hour in hours} == {"scaled"}


def test_a_column_that_is_empty_for_a_year_says_nothing_about_power():
    channel = _substation("L17", "2020-01-05", "2020-01-12")

    power = channel.point.channels.get(quantity="power")

    assert not power.readings.exists()
    assert not power.findings.exists()
    assert not Rollup.objects.filter(channel=power).exists()
    assert not channel.findings.filter(rule="stale").exists()
    assert Rollup.objects.filter(channel=channel, grain="day", coverage=1).count() >= 6


def test_an_outdoor_sensor_in_the_sun_is_set_aside_from_fifty_degrees():
    channel = _substation("L12", "2021-06-20", "2021-07-02", outdoor=True)

    outdoor = channel.point.channels.get(quantity="outdoor")
    highest = max(
        high
        for high in Rollup.objects.filter(channel=outdoor).values_list("maximum", flat=True)
        if high is not None
    )

    assert outdoor.readings.filter(value__gt=50).exists()
    assert outdoor.findings.filter(rule="limit").exists()
    assert highest <= 50


def test_rows_in_falling_order_say_what_rows_in_rising_order_say():
    rows = [row["datetime"] for row in _rows("L12")]
    assert rows == sorted(rows, reverse=True)

    channel = _substation("L12", "2023-01-02", "2023-01-06")
    kwh = list(Rollup.objects.filter(channel=channel, grain="hour").order_by("start_at")
               .values_list("energy_kwh", flat=True))  # fmt: skip
    other = _substation("L12", "2023-01-02", "2023-01-06", rising=True)

    assert kwh == list(
        Rollup.objects.filter(channel=other, grain="hour").order_by("start_at")
        .values_list("energy_kwh", flat=True)
    )  # fmt: skip
