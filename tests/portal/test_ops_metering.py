import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from seeds import reference
from sites.access import Role
from sites.models import Site
from telemetry.models import (
    Channel,
    Installation,
    LossPolicy,
    Meter,
    MeteringPoint,
    MeterRegister,
)
from tests import factories
from tests.factories_telemetry import (
    LATER,
    add_channel,
    csv_of,
    ingest_csv,
    make_heat_channel,
)

pytestmark = pytest.mark.django_db(transaction=True)

PLATE: dict[str, Any] = {
    "serial": "70114599", "make": "Kamstrup 603", "kind": "heat", "unit": "MWh", "multiplier": "1",
    "digits": "7", "resolution": "0.001", "max_power_kw": "300", "flow_sensor": "outlet",
    "fluid": "water", "accuracy_class": "2", "dt_min_k": "3", "qp_m3h": "6",
    "verified_on": "2026-05-12",
}  # fmt: skip


def _sign_in(client: Client, site: Site, role: Role = Role.STAFF) -> None:
    client.force_login(factories.make_user(stakeholder=site.operator, role=role))


def test_a_point_its_channel_and_its_meter_are_set_up_by_hand(client: Client):
    reference.load_calibration_rules(at=LATER)
    site = factories.make_site()
    delivery = factories.make_delivery_point(site=site)
    _sign_in(client, site)

    given = {"name": "Pool", "code": "pool", "boundary": "heat_handoff"}
    refused = client.post(f"/ops/sites/{site.slug}/points/new/", given)
    assert refused.status_code == 422
    assert "Say whom the heat is for." in refused.content.decode()
    client.post(f"/ops/sites/{site.slug}/points/new/", {**given, "delivery_point": delivery.pk})
    point = MeteringPoint.objects.get(code="pool")

    channels = f"/ops/points/{point.pk}/channels/new/"
    wrong = client.post(channels, {"quantity": "energy", "kind": "gauge"})
    assert wrong.status_code == 422
    client.post(channels, {"quantity": "energy", "kind": "register"})
    assert Channel.objects.get(point=point).key == "pool.energy"

    page = client.post(
        f"/ops/points/{point.pk}/meter/", {**PLATE, "since": "2026-06-01T10:30"}, follow=True
    ).content.decode()
    stay = Installation.objects.get(point=point)
    assert stay.valid.lower == dt.datetime(2026, 6, 1, 8, 30, tzinfo=dt.UTC)
    assert stay.meter.calibration_due == dt.date(2032, 12, 31)
    assert "7 digits in steps of 0.001 MWh" in page
    assert "31 December 2032" in page
    assert "class 2, from 3 K, nominal flow 6 m³/h" in page


def test_a_meter_is_exchanged_with_both_dials_and_an_estimated_gap(client: Client):
    channel = make_heat_channel()
    _sign_in(client, channel.site)
    address = f"/ops/points/{channel.point_id}/meter/"
    given = {
        **PLATE, "when": "2026-06-01T10:00", "last_register": "812.5",
        "back_at": "2026-06-01T11:30", "first_register": "0",
    }  # fmt: skip

    prefilled = client.get(address).context["form"]["unit"].value()
    assert prefilled == "kWh"
    backwards = client.post(address, {**given, "back_at": "2026-06-01T09:00"})
    assert backwards.status_code == 422
    assert "before the old one is out" in backwards.content.decode()
    old = Installation.objects.get(point=channel.point)
    twin = client.post(address, {**given, "serial": old.meter.serial})
    assert "You have a meter with this serial." in twin.content.decode()
    early = client.post(address, {**given, "when": "2010-06-01T10:00"})
    assert "no meter was in place" in early.content.decode()
    assert client.post(address, given).status_code == 302

    before, after = Installation.objects.filter(point=channel.point).order_by("valid")
    assert (before.last_register, after.first_register) == (Decimal("812.5"), Decimal(0))
    assert after.valid.lower - before.valid.upper == dt.timedelta(minutes=90)


def test_the_hour_that_comes_twice_is_refused(client: Client):
    channel = make_heat_channel()
    _sign_in(client, channel.site)

    answer = client.post(
        f"/ops/points/{channel.point_id}/meter/",
        {**PLATE, "when": "2026-10-25T02:30", "last_register": "1", "first_register": "0"},
    )

    assert answer.status_code == 422
    assert "when" in answer.context["form"].errors


def test_a_class_without_its_figures_and_a_wrong_unit_are_refused(client: Client):
    channel = make_heat_channel()
    Installation.objects.all().delete()
    _sign_in(client, channel.site)

    answer = client.post(
        f"/ops/points/{channel.point_id}/meter/",
        {**PLATE, "since": "2026-06-01T10:30", "unit": "m3", "qp_m3h": ""},
    )

    assert set(answer.context["form"].errors) == {"unit", "qp_m3h"}


def test_meters_are_found_by_place_and_state_at_the_same_cost_for_many(
    client: Client, django_assert_num_queries
):
    channel = make_heat_channel()
    site = channel.site
    soon = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
    Meter.objects.update(calibration_due=soon)
    Meter.objects.create(
        operator=site.operator, serial="expired", make="x", kind="water", unit="m3",
        max_power_kw=1, calibration_due=dt.date(2020, 12, 31),
    )  # fmt: skip
    make_heat_channel()
    _sign_in(client, site)

    def found(**chosen: str) -> list[str]:
        page = client.get("/ops/meters/", chosen).context["listing"].page
        return [meter.serial for meter in page]

    here = f"{site.pk}-heat"
    assert found() == ["expired", here]
    assert found(search=site.name) == [here]
    assert found(calibration="soon") == [here]
    assert found(kind="water") == found(calibration="expired") == ["expired"]
    assert found(sort="-serial") == ["expired", here][:: 1 if here < "expired" else -1]
    csv = b"".join(client.get("/ops/meters/?format=csv")).decode()
    assert csv.splitlines()[1].startswith("expired,x,water,,")
    with django_assert_num_queries(7):
        client.get("/ops/meters/")
    for number in range(60):
        Meter.objects.create(operator=site.operator, serial=f"m{number}", make="x", max_power_kw=1)
    with django_assert_num_queries(7):
        client.get("/ops/meters/")


def test_a_new_verification_holds_as_the_country_says_or_as_stated(client: Client):
    reference.load_calibration_rules(at=LATER)
    channel = make_heat_channel()
    meter = Meter.objects.get()
    _sign_in(client, channel.site)
    client.post(f"/ops/meters/{meter.pk}/", {"verified_on": "2026-05-12"})
    meter.refresh_from_db()
    assert meter.calibration_due == dt.date(2032, 12, 31)

    channel.site.country = "FR"
    channel.site.save()
    unknown = client.post(f"/ops/meters/{meter.pk}/", {"verified_on": "2026-05-13"})
    assert "No term is held for this country" in unknown.content.decode()
    client.post(
        f"/ops/meters/{meter.pk}/", {"verified_on": "2026-05-13", "calibration_due": "2030-05-13"}
    )
    meter.refresh_from_db()
    assert meter.calibration_due == dt.date(2030, 5, 13)


def test_a_further_register_is_described_once(client: Client):
    channel = make_heat_channel()
    meter = Meter.objects.get()
    _sign_in(client, channel.site)
    address = f"/ops/meters/{meter.pk}/registers/new/"
    given = {
        "quantity": "volume", "unit": "m3", "multiplier": "1", "digits": "8",
        "resolution": "0.01", "max_an_hour": "12",
    }  # fmt: skip

    assert client.post(address, {**given, "unit": "kWh"}).status_code == 422
    assert client.post(address, given).status_code == 302
    again = client.post(address, given)

    assert "described already" in again.content.decode()
    assert MeterRegister.objects.get().register_modulus == 1_000_000


def test_losses_are_agreed_at_the_source_only(client: Client):
    channel = make_heat_channel()
    _sign_in(client, channel.site)
    address = f"/ops/points/{channel.point_id}/losses/"
    assert client.get(address).status_code == 404
    MeteringPoint.objects.update(boundary="heat_source")
    given = {"first_day": "2026-01-01", "method": "const_kw", "loss_kw": "0.3"}

    assert client.post(address, given).status_code == 422
    assert client.post(address, {**given, "warm_from_c": "35"}).status_code == 302
    assert LossPolicy.objects.get().loss_kw == Decimal("0.3")
    page = client.get(f"/ops/points/{channel.point_id}/").content.decode()
    assert "0.3 kW, warm from 35 °C" in page


def test_viewers_see_meters_and_change_nothing(client: Client):
    channel = make_heat_channel()
    meter = Meter.objects.get()
    _sign_in(client, channel.site, Role.VIEWER)

    page = client.get(f"/ops/meters/{meter.pk}/").content.decode()
    client.post(f"/ops/meters/{meter.pk}/", {"verified_on": "2026-05-12"})

    assert "Record verification" not in page
    assert client.get(f"/ops/points/{channel.point_id}/meter/").status_code == 404
    assert client.get(f"/ops/sites/{channel.site.slug}/points/new/").status_code == 404
    meter.refresh_from_db()
    assert meter.verified_on is None


def test_the_checks_page_says_what_is_lacking(client: Client):
    channel = make_heat_channel()
    _sign_in(client, channel.site)

    page = client.get(f"/ops/points/{channel.point_id}/checks/").content.decode()

    assert "both temperatures (or E8 and E9) have to be sent" in page
    assert "The register cannot be checked" in page


def test_the_checks_page_lists_days_and_leaves_silent_ones_open(client: Client):
    energy = make_heat_channel()
    Meter.objects.update(flow_sensor="outlet", resolution=Decimal("0.001"))
    quantities = (Channel.Quantity.FLOW, Channel.Quantity.SUPPLY, Channel.Quantity.RETURN)
    flow, supply, back = (add_channel(point=energy.point, quantity=q) for q in quantities)
    Channel.objects.filter(pk=flow.pk).update(unit="m3/h")
    zone = ZoneInfo("Europe/Berlin")
    today = dt.datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = (today - dt.timedelta(days=2)).astimezone(dt.UTC)
    rows = [
        (channel.key, (begin + n * dt.timedelta(hours=1)).isoformat(), str(value))
        for n in range(26)
        for channel, value in ((energy, 1000 + n * 30), (flow, 1.2), (supply, 60), (back, 40))
    ]
    ingest_csv(site=energy.site, body=csv_of(rows))
    _sign_in(client, energy.site)

    answer = client.get(f"/ops/points/{energy.point_id}/checks/")
    csv = client.get(f"/ops/points/{energy.point_id}/checks/?format=csv")

    assert answer.context["failed"] == 1
    assert "1 day does not fit" in answer.content.decode()
    lines = b"".join(csv).decode().splitlines()
    assert len(lines) == 32
    assert lines[-3].endswith(",silent")
    assert lines[-2].endswith(",fail")


def _new_year(year: int) -> dt.datetime:
    return dt.datetime(year, 1, 1, tzinfo=dt.UTC)


def test_a_point_costs_the_same_however_many_meters_it_had(
    client: Client, django_assert_max_num_queries
):
    channel = make_heat_channel()
    _sign_in(client, channel.site)
    Installation.objects.all().delete()
    for year in range(2015, 2025):
        meter = Meter.objects.create(
            operator=channel.site.operator, serial=f"m{year}", make="x", max_power_kw=1
        )
        MeterRegister.objects.create(meter=meter, quantity="volume", unit="m3", max_an_hour=1)
        Installation.objects.create(
            point=channel.point, meter=meter, valid=(_new_year(year), _new_year(year + 1))
        )

    with django_assert_max_num_queries(15):
        page = client.get(f"/ops/points/{channel.point_id}/")

    assert len(page.context["installations"]) == 10
