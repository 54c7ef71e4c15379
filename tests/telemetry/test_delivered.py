import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError

from sites.domain import local_month
from telemetry import operations, queries
from telemetry.models import Channel, LossPolicy, MeteringPoint
from tests.factories_billing import JANUARY, meter_january, meter_month
from tests.factories_telemetry import LATER, add_channel, make_heat_channel, send

pytestmark = pytest.mark.django_db(transaction=True)

PERIOD = local_month(2026, 1, "Europe/Berlin")
SENT = Decimal("1860")


def _source_channel() -> Channel:
    """
    Make a meter at the source of a hand-off that counted 2.5 kWh in each hour of January.
    """
    channel = make_heat_channel(code="source")
    MeteringPoint.objects.filter(pk=channel.point_id).update(boundary="heat_source")
    channel.refresh_from_db()
    meter_january(channel)
    return channel


def _agree(channel: Channel, first_day: dt.date = dt.date(2025, 1, 1), **fields: object) -> None:
    point = channel.point.delivery_point
    assert point is not None
    operations.agree_losses(
        delivery_point_id=point.pk, first_day=first_day, at=LATER, by_id=None, **fields
    )


def _delivered(channel: Channel) -> queries.MeteredEnergy:
    return queries.delivered_energy(point_id=channel.point_id, period=PERIOD)


def test_heat_metered_at_the_source_needs_an_agreement_on_losses():
    channel = _source_channel()

    with pytest.raises(queries.LossesNotAgreed, match="01 January"):
        _delivered(channel)


def test_a_loss_in_per_cent_is_taken_off_and_told():
    channel = _source_channel()
    _agree(channel, method="percent", loss_percent=Decimal(3))

    found = _delivered(channel)

    assert found.energy_kwh == SENT * Decimal("0.97")
    assert found.loss == "1860 kWh at the source less 3 %"
    assert found.closing - found.opening == SENT


def test_a_constant_loss_runs_while_the_pipe_is_warm_even_unmeasured():
    channel = _source_channel()
    _agree(channel, method="const_kw", loss_kw=Decimal("0.3"), warm_from_c=Decimal(35))
    supply = add_channel(point=channel.point, quantity=Channel.Quantity.SUPPLY)
    # Cold for a day, warm for a day, then silent.
    hours = [(PERIOD.start + n * dt.timedelta(hours=1), 20 if n < 24 else 60) for n in range(48)]
    send(supply, hours)

    found = _delivered(channel)

    assert found.energy_kwh == SENT - Decimal("0.3") * (744 - 24)
    assert "0.3 kW × 720 h" in found.loss


def test_a_change_within_the_month_counts_from_its_day():
    channel = _source_channel()
    _agree(channel, method="percent", loss_percent=Decimal(10))
    _agree(channel, dt.date(2026, 1, 16), method="percent", loss_percent=Decimal(0))

    found = _delivered(channel)

    assert found.energy_kwh == SENT - Decimal("2.5") * 24 * 15 / 10
    assert found.loss.count("less") == 2


def test_the_customers_own_meter_counts_where_that_is_agreed():
    channel = _source_channel()
    _agree(channel, method="sink_meter")
    with pytest.raises(queries.LossesNotAgreed, match="no meter on the customer"):
        _delivered(channel)
    sink = make_heat_channel(site=channel.site, code="sink")
    MeteringPoint.objects.filter(pk=sink.point_id).update(
        delivery_point=channel.point.delivery_point
    )
    meter_month(sink, JANUARY, per_hour="2.4")

    found = _delivered(channel)

    assert (found.channel_key, found.energy_kwh, found.loss) == (
        "sink.energy",
        Decimal("1785.6"),
        "",
    )


def test_a_policy_states_exactly_its_own_figures():
    channel = _source_channel()

    with pytest.raises(IntegrityError, match="a_loss_policy_states_its_figures"):
        _agree(channel, method="const_kw", loss_kw=Decimal("0.3"))


def test_what_was_agreed_ends_and_is_never_edited():
    channel = _source_channel()
    _agree(channel, method="percent", loss_percent=Decimal(3))

    with pytest.raises(IntegrityError, match="never edited"):
        LossPolicy.objects.update(loss_percent=Decimal(1))
    _agree(channel, dt.date(2026, 2, 1), method="percent", loss_percent=Decimal(2))

    percents = LossPolicy.objects.order_by("valid").values_list("loss_percent", flat=True)
    assert list(percents) == [3, 2]
