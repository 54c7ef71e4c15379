import datetime as dt
from decimal import Decimal

import pytest

from sites.access import Kind, Role, Viewer
from sites.models import Stakeholder
from telemetry import queries
from telemetry.domain.handoff import HeatState, heat_state
from telemetry.models import Channel
from tests import factories
from tests.factories_telemetry import add_channel, make_heat_channel, send

HOUR = dt.timedelta(hours=1)
NOW = dt.datetime(2026, 3, 10, 12, 20, tzinfo=dt.UTC)
NOON = NOW.replace(minute=0)


@pytest.mark.parametrize(
    ("supply_c", "hour_kwh", "started", "state"),
    [
        ("61.8", "20", True, HeatState.WARM),
        ("54.96", "20", True, HeatState.WARM),
        ("61.8", "0", True, HeatState.WARM),
        ("52.4", "20", True, HeatState.COOL),
        ("52.4", None, True, HeatState.COOL),
        ("21.0", "0", True, HeatState.NONE),
        (None, "20", True, HeatState.FLOWING),
        (None, "0", True, HeatState.RESTING),
        (None, None, True, HeatState.UNSEEN),
        (None, None, False, HeatState.NOT_STARTED),
    ],
)
def test_the_state_follows_from_what_is_known(
    supply_c: str | None, hour_kwh: str | None, started: bool, state: HeatState
):
    found = heat_state(
        supply_c=None if supply_c is None else Decimal(supply_c),
        required_c=Decimal(55),
        hour_kwh=None if hour_kwh is None else Decimal(hour_kwh),
        started=started,
    )

    assert found is state


def _viewer(stakeholder: Stakeholder) -> Viewer:
    return Viewer(
        user_id=1, stakeholder_id=stakeholder.pk, kind=Kind(stakeholder.kind), role=Role.VIEWER
    )


def _register(channel: Channel, *, until: dt.datetime) -> None:
    send(channel, [(until - n * HOUR, 1000 - 20 * n) for n in range(6)])


@pytest.mark.django_db
def test_a_hand_off_tells_what_was_last_measured_in_three_queries(django_assert_num_queries):
    energy = make_heat_channel()
    point = energy.point.delivery_point
    assert point is not None
    _register(energy, until=NOON)
    supply = add_channel(point=energy.point, quantity=Channel.Quantity.SUPPLY)
    send(supply, [(NOON - HOUR, 60.1), (NOON, 61.8), (NOW + HOUR, 70)])

    with django_assert_num_queries(3):
        found = queries.hand_offs(
            viewer=_viewer(point.partner), delivery_point_ids=[point.pk], now=NOW
        )[point.pk]

    assert found.state is HeatState.WARM
    assert found.supply is not None
    assert (found.supply.at, found.supply.value) == (NOON, Decimal("61.8"))
    assert found.back is None
    assert (found.energy_channel, found.supply_channel) == (energy.pk, supply.pk)
    assert found.return_channel is None
    assert found.hour_kwh == 20
    assert found.last_at == NOON


@pytest.mark.django_db
def test_old_figures_are_told_but_not_judged_by():
    energy = make_heat_channel()
    point = energy.point.delivery_point
    assert point is not None
    _register(energy, until=NOON - 6 * HOUR)
    supply = add_channel(point=energy.point, quantity=Channel.Quantity.SUPPLY)
    send(supply, [(NOON - 4 * HOUR, 61.8)])

    found = queries.hand_offs(
        viewer=_viewer(point.partner), delivery_point_ids=[point.pk], now=NOW
    )[point.pk]

    assert found.state is HeatState.UNSEEN
    assert found.last_at == NOON - 4 * HOUR
    assert found.hour_kwh is None


@pytest.mark.django_db
def test_a_neighbours_hand_off_is_not_there():
    energy = make_heat_channel()
    own = energy.point.delivery_point
    other = make_heat_channel(site=energy.site, code="other").point.delivery_point
    assert own is not None
    assert other is not None
    asked = [own.pk, other.pk]

    seen = {
        name: set(queries.hand_offs(viewer=_viewer(who), delivery_point_ids=asked, now=NOW))
        for name, who in {
            "partner": own.partner,
            "operator": energy.site.operator,
            "other operator": factories.make_stakeholder(),
            "tenant": factories.make_hosting_service(site=energy.site).tenant,
        }.items()
    }

    assert seen == {
        "partner": {own.pk}, "operator": {own.pk, other.pk}, "other operator": set(),
        "tenant": set(),
    }  # fmt: skip
