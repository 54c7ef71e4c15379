import csv
import datetime as dt
import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from sites.access import Kind, Role, Viewer
from sites.domain import Period
from telemetry import queries
from telemetry.domain import heat
from telemetry.domain.heat import FlowSensor, Verdict
from telemetry.models import Channel, Installation, Meter, MeteringPoint, MeterRegister
from tests import factories
from tests.factories_telemetry import (
    add_channel,
    csv_of,
    ingest_csv,
    load,
    make_channel,
    make_heat_channel,
)

pytestmark = pytest.mark.django_db

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
DAY = dt.date(2026, 1, 10)
MIDNIGHT = dt.datetime(2026, 1, 9, 23, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def _operator_of(channel: Channel) -> Viewer:
    return Viewer(1, channel.site.operator_id, Kind.OPERATOR, Role.VIEWER)


def _register(channel: Channel, quantity: str, unit: str) -> Channel:
    meter = Installation.objects.get(point=channel.point).meter
    MeterRegister.objects.create(
        meter=meter, quantity=quantity, unit=unit, max_an_hour=Decimal(900)
    )
    return Channel.objects.create(
        site=channel.site, point=channel.point, quantity=quantity, kind="register",
        key=f"{channel.point.code}.{quantity}",
    )  # fmt: skip


def _meter(**fields: str) -> None:
    Meter.objects.update(**fields)


def _measured(*, factor: float = 1.0, hours: int = 24) -> Channel:
    """
    Make a meter that passed 1.2 m³ an hour from 60 to 40 °C, its register off by a factor.
    """
    energy = make_heat_channel()
    _meter(flow_sensor="outlet", resolution="0.001")
    volume = _register(energy, "volume", "l")
    supply = add_channel(point=energy.point, quantity=Channel.Quantity.SUPPLY)
    back = add_channel(point=energy.point, quantity=Channel.Quantity.RETURN)
    kw = float(heat.power(1.2, 60, 40, FlowSensor.OUTLET)) * factor
    rows = []
    for n in range(hours + 1):
        at = (MIDNIGHT + n * HOUR).isoformat()
        rows += [
            (energy.key, at, f"{1000 + n * kw:.6f}"),
            (volume.key, at, str(5000 + n * 1200)),
            (supply.key, at, "60"),
            (back.key, at, "40"),
        ]
    ingest_csv(site=energy.site, body=csv_of(rows))
    return energy


def _checked(channel: Channel) -> queries.DayCheck:
    (found,) = queries.heat_checks(
        viewer=_operator_of(channel), point_id=channel.point_id, first=DAY,
        end=DAY + dt.timedelta(days=1),
    )  # fmt: skip
    return found


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, Verdict.OK), (1.04, Verdict.WARN), (0.9, Verdict.FAIL)]
)
def test_a_day_of_a_register_is_judged_by_volume_and_temperatures(factor: float, verdict: Verdict):
    found = _checked(_measured(factor=factor)).check

    assert found is not None
    assert found.covered == pytest.approx(1)
    assert found.computed_kwh == pytest.approx(24 * 27.644736)
    assert found.deviation == pytest.approx(factor - 1, abs=1e-6)
    assert found.verdict == verdict


def test_a_day_with_too_few_samples_gets_no_verdict():
    found = _checked(_measured(factor=0.5, hours=20)).check

    assert found is not None
    assert found.covered == pytest.approx(20 / 24)
    assert found.verdict == Verdict.TOO_FEW


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"flow_sensor": ""}, queries.NoCheck.SENSOR), ({"fluid": "glycol"}, queries.NoCheck.FLUID)],
)
def test_without_sensor_position_or_with_glycol_nothing_is_computed(
    fields: dict[str, str], reason: queries.NoCheck
):
    channel = _measured()
    _meter(**fields)

    assert _checked(channel) == queries.DayCheck(DAY, None, reason)


def test_what_the_channels_lack_is_told():
    channel = make_heat_channel()
    assert _checked(channel).reason == queries.NoCheck.CHANNELS
    for quantity in (Channel.Quantity.FLOW, Channel.Quantity.SUPPLY, Channel.Quantity.RETURN):
        add_channel(point=channel.point, quantity=quantity)
    _meter(flow_sensor="outlet")
    assert _checked(channel).reason == queries.NoCheck.SILENT
    Installation.objects.all().delete()
    assert _checked(channel).reason == queries.NoCheck.NO_METER


def test_a_volume_in_an_unknown_unit_is_not_guessed():
    channel = _measured()
    MeterRegister.objects.all().delete()

    assert _checked(channel).reason == queries.NoCheck.REGISTER


def test_strangers_learn_nothing():
    channel = _measured()
    stranger = Viewer(2, factories.make_stakeholder().pk, Kind.OPERATOR, Role.ADMIN)

    assert queries.heat_checks(
        viewer=stranger, point_id=channel.point_id, first=DAY, end=DAY + dt.timedelta(days=1)
    ) == []  # fmt: skip


@pytest.mark.skipif(not DATA.exists(), reason="the folder ../shared/data is absent")
def test_a_real_year_tells_in_which_pipe_the_flow_sensor_sits():
    energy = make_heat_channel()
    channels = {
        "energy_heat_kwh": energy,
        "volume_flow_m3": _register(energy, "volume", "m3"),
        "inlet_flow_energy_m3xC": _register(energy, "e8", "m3C"),
        "back_flow_energy_m3xC": _register(energy, "e9", "m3C"),
    }
    with gzip.open(
        DATA / "b_heat_series" / "aalborg" / "smart_heat_meter_660_2018.csv.gz", "rt"
    ) as lines:
        rows = [
            (channel.key, row["time_rounded"], str(round(Decimal(row[column]), 9)))
            for row in csv.DictReader(lines)
            for column, channel in channels.items()
        ]
    ingest_csv(site=energy.site, body=csv_of(rows))
    deviations = {}
    for sensor in ("inlet", "outlet"):
        _meter(flow_sensor=sensor)
        days = queries.heat_checks(
            viewer=_operator_of(energy), point_id=energy.point_id, first=dt.date(2018, 1, 4),
            end=dt.date(2018, 12, 28),
        )  # fmt: skip
        known = [day.check for day in days if day.check and day.check.covered > 0.99]
        register = sum(check.register_kwh for check in known)
        computed = sum(check.computed_kwh for check in known)
        deviations[sensor] = (register - computed) / computed

    # A year's heat agrees to a thousandth for one position and not for the other.
    assert abs(deviations["inlet"]) < 0.001
    assert deviations["outlet"] == pytest.approx(-0.019, abs=0.001)


def test_more_heat_than_the_servers_took_in_fails_the_balance():
    it = make_channel(site=factories.make_site(), boundary=MeteringPoint.Boundary.IT)
    warmth = make_channel(site=it.site, boundary=MeteringPoint.Boundary.HEAT_HANDOFF)
    period = Period(MIDNIGHT, MIDNIGHT + 24 * HOUR)
    load(it, period, 20)
    load(warmth, period, 25)

    def verdicts() -> list[str]:
        found = queries.heat_balance(
            viewer=_operator_of(it), site_id=it.site_id, first=DAY, end=DAY + dt.timedelta(days=2)
        )
        return [day.verdict.value for day in found]

    assert verdicts() == ["fail", "too_few"]
    pump = make_channel(site=it.site, boundary=MeteringPoint.Boundary.UPLIFT)
    load(pump, period, 6)
    assert verdicts() == ["ok", "too_few"]
