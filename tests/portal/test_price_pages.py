"""
Indices, baselines, monthly figures and what last year would have cost, on pages.
"""

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from billing import operations, queries
from billing.models import Baseline, Contract, IndexValue, MonthlyFigure, PriceIndex, Terms
from sites.access import Role
from sites.models import Stakeholder
from telemetry.models import Channel, MeteringPoint
from tests import factories
from tests.billing.test_price_models import INDEXED, _bill, _contract, _index
from tests.factories_billing import JANUARY, make_contract, meter_month
from tests.factories_telemetry import LATER, make_channel, make_heat_channel, send

pytestmark = pytest.mark.django_db


def _client(stakeholder: Stakeholder, role: Role = Role.ADMIN) -> Client:
    client = Client()
    client.force_login(factories.make_user(stakeholder=stakeholder, role=role))
    return client


def _text(answer: Any) -> str:
    assert answer.status_code == 200
    if answer.streaming:
        return b"".join(answer.streaming_content).decode()
    return str(answer.content.decode())


def test_an_index_is_named_filled_by_a_table_and_revised():
    contract = make_contract(make_heat_channel())
    client = _client(contract.operator)
    series = {"name": "Gas", "code": "gas", "source": "Office", "basis": "2020 = 100"}

    client.post("/ops/contracts/indices/new/", series)
    again = _text(client.post("/ops/contracts/indices/new/", series))
    index = PriceIndex.objects.get()
    page = f"/ops/contracts/indices/{index.pk}/"
    wrong = _text(client.post(f"{page}import/", {"table": "month;value\n2026-01;1,2\n2026-13;4"}))
    twice = _text(client.post(f"{page}import/", {"table": "month;value\n2026-01;1\n2026-01;2"}))
    headless = _text(client.post(f"{page}import/", {"table": "a,b\n1,2"}))
    table = "month;value;provisional\n2025-12;96,4;\n2026-01;97,1;yes"
    file = SimpleUploadedFile("v.csv", table.encode())
    preview = _text(client.post(f"{page}import/", {"file": file, "look": "1"}))
    assert not IndexValue.objects.exists()
    client.post(f"{page}import/", {"table": table, "save": "1"})
    final = {"month": "2026-01", "value": "97.3", "save": "1"}
    client.post(f"{page}value/", final)

    assert "There is another index of this code." in again
    assert "Line 3, month: “2026-13-01” is not a day" in wrong
    assert "Line 3: the month is there twice." in twice
    assert "month, value is not among them" in headless
    assert "96,4" in preview
    assert preview.count("new</span>") == 2
    values = list(IndexValue.objects.order_by("month", "revision").values_list("value", flat=True))
    assert values == [Decimal("96.4"), Decimal("97.1"), Decimal("97.3")]
    shown = _text(client.get(page))
    assert "97.3" in shown
    assert "97.1" in shown
    assert "month,value,published" in _text(client.get(f"{page}?format=csv"))
    assert "gas" in _text(client.get("/ops/contracts/indices/?search=ga"))
    assert "Nothing matches" in _text(client.get("/ops/contracts/indices/?search=x"))


def test_a_series_on_a_new_base_is_typed_as_published():
    contract = make_contract(make_heat_channel())
    client = _client(contract.operator)
    _index(contract, "gas", m202512="138.0")
    page = f"/ops/contracts/indices/{PriceIndex.objects.get().pk}/"
    given = {"basis": "2025 = 100", "overlap_month": "2026-01", "overlap_new": "109.2"}

    early = _text(client.post(f"{page}rebase/", given))
    client.post(f"{page}rebase/", given | {"overlap_month": "2025-12"})
    basis = PriceIndex.objects.get().bases.get()
    client.post(
        f"{page}value/", {"month": "2026-01", "value": "110", "basis": basis.pk, "save": "1"}
    )

    assert "gas has no value for January 2026." in early
    newest = IndexValue.objects.latest("month")
    assert (newest.published_value, newest.value) == (Decimal(110), Decimal("139.010989"))
    assert "138 ÷ 109.2" in _text(client.get(page))


def test_a_value_says_beforehand_which_contracts_it_changes():
    contract = _contract(
        make_heat_channel(), model="fixed", contracted_kw=30, price_per_kw=Decimal("14.50"),
        details={name: value for name, value in INDEXED.items() if name == "index"},
    )  # fmt: skip
    client = _client(contract.operator)
    last = (timezone.localdate().replace(day=1) - dt.timedelta(days=1)).replace(day=1)
    _index(contract, "wages", **{f"m{last:%Y%m}": "118.2"})
    _index(contract, "power", **{f"m{last:%Y%m}": "96.40"})
    index = PriceIndex.objects.get(code="power")
    page = f"/ops/contracts/indices/{index.pk}/"

    follow = _text(client.get(page))
    typed = {"month": f"{last:%Y-%m}", "value": "100", "look": "1"}
    changed = _text(client.post(f"{page}value/", typed))
    old = _text(client.post(f"{page}value/", typed | {"month": "2019-01"}))

    assert contract.reference in follow
    assert "€14.50" in follow
    assert "€14.7166" in changed
    assert "It counts for no month to come." in old
    assert IndexValue.objects.filter(index=index).count() == 1


BILLS = "days,degree_days,use_kwh\n" + "\n".join(
    f"{d},{h},{85 * d + 18.4 * h + (-1) ** h * 40:.1f}"
    for d, h in ((31, 410), (28, 371), (31, 300), (30, 190), (31, 95), (30, 31), (31, 8), (31, 12))
)
BOILER = {
    "name": "Boiler", "base_temperature": "15.5", "boiler_efficiency": "86",
    "fuel_price": "0.0689", "carbon_kg_per_kwh": "0.182", "carbon_price": "60",
}  # fmt: skip


def test_a_baseline_is_looked_at_kept_agreed_and_frozen():
    contract = make_contract(make_heat_channel())
    client = _client(contract.operator)
    new = f"/ops/contracts/{contract.pk}/baselines/new/"

    look = _text(client.post(new, {**BOILER, "table": BILLS, "expected": "50", "look": "1"}))
    assert not Baseline.objects.exists()
    rough = "days,degree_days,use_kwh\n31,400,9000\n28,300,2000\n31,10,8000\n30,100,100"
    refused = _text(client.post(new, {**BOILER, "table": rough, "save": "1"}))
    short = _text(client.post(new, {**BOILER, "table": "days,degree_days,use_kwh\n31,1,1"}))
    wrong = _text(client.post(new, {**BOILER, "table": "days,degree_days,use_kwh\n31,x,1"}))
    client.post(new, {**BOILER, "table": BILLS, "expected": "50", "save": "1"})
    row = Baseline.objects.get()
    page = f"/ops/contracts/baselines/{row.pk}/"
    shown = _text(client.get(page))
    half = _text(client.post(page, {"on": "2026-01-05", "by_operator": "Mara"}))
    client.post(page, {"on": "2026-01-05", "by_operator": "Mara", "by_customer": "Joan"})

    for test in ("CV(RMSE)", "NMBE", "R²", "Uncertainty (FSU) of savings of 50%"):
        assert test in look
    assert look.count("accepted</span>") == 5
    assert "not good enough to carry a contract" in refused
    assert "at least three periods" in short
    assert "Line 2, degree_days: “x” is not a number." in wrong
    assert "The bills it was fitted to" in shown
    assert "This field is required." in half
    row.refresh_from_db()
    assert (row.agreed_by_operator, row.agreed_by_customer) == ("Mara", "Joan")
    assert "frozen since" in _text(client.get(page))
    assert client.post(page, {"on": "2026-01-06"}).status_code == 404


def test_a_baseline_can_be_stated_without_bills():
    contract = make_contract(make_heat_channel())
    client = _client(contract.operator)
    new = f"/ops/contracts/{contract.pk}/baselines/new/"

    half = _text(client.post(new, {**BOILER, "base_kwh": "85", "save": "1"}))
    client.post(new, {**BOILER, "base_kwh": "85", "slope_kwh": "18.4", "save": "1"})

    assert "Both figures are needed." in half
    row = Baseline.objects.get()
    assert (row.base_kwh, row.boiler_efficiency) == (Decimal(85), Decimal("0.86"))
    assert not row.fitted_on


def _weekly_bills(means: dict[dt.date, float], base: float) -> str:
    """
    Bills of weeks of a building that uses 85 kWh a day, and 18.4 kWh a degree day below `base`.
    """
    days = sorted(means)
    rows = ["first_day;last_day;use_kwh"]
    for week in (days[n : n + 7] for n in range(0, len(days), 7)):
        cold = sum(max(base - means[day], 0) for day in week)
        rows.append(f"{week[0]};{week[-1]};{85 * len(week) + 18.4 * cold:.3f}")
    return "\n".join(rows)


def test_the_base_temperature_is_searched_for_from_daily_temperatures_and_kept_with_the_fit():
    heat = make_heat_channel()
    contract = make_contract(heat)
    client = _client(contract.operator)
    new = f"/ops/contracts/{contract.pk}/baselines/new/"
    first = dt.date(2025, 2, 1)
    # In whole hundredths, as readings take; it grows warmer from week to week.
    means = {first + dt.timedelta(days=n): (n * 37 % 1100 + n * 9) / 100 for n in range(98)}
    table = "day;mean_c\n" + "\n".join(f"{day};{mean}" for day, mean in means.items())
    bills = _weekly_bills(means, base=13.5)
    asked = BOILER | {"base_temperature": "", "table": bills, "expected": "50"}

    part = "\n".join(table.splitlines()[:40])
    lacking = _text(client.post(new, asked | {"weather": "table", "temperatures": part}))
    wild = _text(client.post(new, asked | {"weather": "table", "temperatures": table + "\nx;1"}))
    twice = _text(
        client.post(new, asked | {"weather": "table", "temperatures": f"{table}\n{first};1"})
    )
    look = _text(client.post(new, asked | {"weather": "table", "temperatures": table, "look": "1"}))
    stated = _text(client.post(new, asked | {"weather": "", "table": BILLS}))
    assert not Baseline.objects.exists()
    client.post(new, asked | {"weather": "table", "temperatures": table, "save": "1"})

    assert "nine in ten are asked" in lacking
    assert "Line 100, day: “x” is not a day" in wild
    assert "Line 100: the day is there twice." in twice
    assert "13.5 °C is chosen: of 29 temperatures tried" in look
    assert table[:30] in look
    assert "It is needed where bills state their degree days." in stated
    row = Baseline.objects.get()
    assert row.base_temperature == Decimal("13.5")
    assert (row.base_kwh, row.slope_kwh) == (Decimal("85.0000"), Decimal("18.4000"))
    page = _text(client.get(f"/ops/contracts/baselines/{row.pk}/"))
    assert "13.5 °C is chosen" in page
    assert "1 February 2025" in page
    days = _text(client.get(f"/ops/contracts/baselines/{row.pk}/?format=csv"))
    assert days.splitlines()[:2] == ["day,mean_c,degree_days", "2025-02-01,0.0,13.5"]
    assert len(days.splitlines()) == 99

    assert "Outdoor temperature of the site" not in look
    sensor = make_channel(
        site=contract.site, boundary=MeteringPoint.Boundary.COOLING,
        quantity=Channel.Quantity.OUTDOOR, interval_s=3600,
    )  # fmt: skip
    zone = ZoneInfo(contract.site.timezone)
    noons = [(dt.datetime.combine(day, dt.time(12), zone), t) for day, t in means.items()]
    send(sensor, [(at + dt.timedelta(hours=n), t) for at, t in noons for n in range(-2, 12)])
    client.post(new, asked | {"weather": "sensor", "base_temperature": "14", "save": "1"})
    measured = Baseline.objects.latest("pk")
    assert measured.fitted_on["weather"] == f"outdoor temperature of the site, {sensor.key}"
    assert measured.base_temperature == 14
    assert measured.fitted_on["daily_means"] == row.fitted_on["daily_means"]


def test_figures_are_entered_and_adjustments_name_both_sides():
    contract = make_contract(make_heat_channel())
    client = _client(contract.operator)
    page = f"/ops/contracts/{contract.pk}/figures/"
    fuel = {"month": "2026-01", "kind": "fuel_kwh", "value": "1830", "source": "Gas bill"}

    client.post(page, fuel)
    client.post(page, fuel | {"value": "1850"})
    negative = _text(client.post(page, fuel | {"value": "-1"}))
    adjusted = fuel | {"kind": "adjustment_kwh", "agreed_by_operator": "Mara"}
    half = _text(client.post(page, adjusted))
    client.post(page, adjusted | {"agreed_by_customer": "Joan"})

    assert "It must not be below zero." in negative
    assert "An adjustment needs a name of both sides." in half
    assert MonthlyFigure.objects.count() == 3
    assert queries.monthly_figures(contract_id=contract.pk, month=JANUARY)["fuel_kwh"] == 1850
    assert "Mara, Joan" in _text(client.get(page))
    assert _client(contract.operator, Role.VIEWER).post(page, fuel).status_code == 404


def _last_month() -> dt.date:
    return (timezone.localdate().replace(day=1) - dt.timedelta(days=1)).replace(day=1)


def _metered_contract() -> Contract:
    channel = make_heat_channel()
    meter_month(channel, _last_month())
    contract = make_contract(channel)
    _bill(contract, _last_month())
    return contract


def test_last_year_is_simulated_with_one_input_changed(django_assert_num_queries: Any):
    contract = _metered_contract()
    client = _client(contract.operator)
    page = f"/ops/contracts/{contract.pk}/simulate/"
    energy = (
        queries.billed_by_month(viewer=_viewer(contract), contract_id=contract.pk)
        [_last_month()]["energy"]
    )  # fmt: skip

    same = _text(client.get(page))
    changed = _text(client.get(f"{page}?price_per_kw=5"))
    wrong = _text(client.get(f"{page}?price_per_kw=x"))
    table = _text(client.get(f"{page}?price_per_kw=5&format=csv"))

    assert "the same as billed" in same
    assert "has no readings for the hour" in same
    assert "€30.00" in changed
    assert 'class="ch only-wide"' in changed
    assert "Contracted power" in changed
    assert "Enter a number." in wrong
    assert f"{energy + 120},{energy + 150},30.00" in table.replace("120.00", "120")
    with django_assert_num_queries(29):
        client.get(page)


def _viewer(contract: Contract) -> Any:
    from sites.access import Kind, Viewer

    return Viewer(
        user_id=None, stakeholder_id=contract.operator_id, kind=Kind.OPERATOR, role=Role.ADMIN
    )


def test_models_stand_side_by_side_and_begin_with_even_prices():
    contract = _metered_contract()
    client = _client(contract.operator)
    page = f"/ops/contracts/{contract.pk}/compare/"

    text = _text(client.get(page))
    other = _text(client.get(f"{page}?fixed_kw=10&fixed_price=7"))
    table = _text(client.get(f"{page}?fixed_kw=10&fixed_price=7&format=csv"))

    assert "as agreed" in text
    assert "No baseline was fitted yet." in text
    assert "€70.00" in other
    assert table.splitlines()[0] == "month,billed_net,usage,fixed,savings"
    assert table.splitlines()[-1].startswith(f"{_last_month():%Y-%m},")


def test_typed_terms_are_tried_on_last_year_and_not_stored():
    contract = _metered_contract()
    client = _client(contract.operator)
    given = {
        "first_day": f"{timezone.localdate():%Y-%m-%d}", "vat_category": "S", "vat_rate": "19",
        "contracted_kw": "30", "price_per_kw": "6", "covers": "standby", "try": "1",
    }  # fmt: skip

    text = _text(client.post(f"/ops/contracts/{contract.pk}/terms/new/?model=fixed", given))

    assert "What last year would have cost by these terms" in text
    assert "€180.00" in text
    assert Terms.objects.count() == 1


def test_customers_read_what_is_agreed_and_no_drafts():
    contract = make_contract(make_heat_channel())
    client = _client(contract.customer)
    draft = make_contract(make_heat_channel(), reference="D-9")
    Contract.objects.filter(pk=draft.pk).update(status="draft")
    operations.add_terms(
        contract_id=contract.pk, first_day=dt.date(2026, 6, 1), at=LATER, by_id=None,
        model="fixed", contracted_kw=30, price_per_kw=5, vat_rate=19,
        details={"covers": "standby", "service_level": {"contact": "Hotline"}},
    )  # fmt: skip

    moved = client.get("/account/agreements/")
    assert moved.headers["Location"] == "/heat/agreement/"
    text = _text(client.get("/heat/agreement/"))

    assert "Work is planned if it was announced 72 hours ahead" in text
    assert "The fee keeps the power ready; energy is not part of it." in text
    assert "In case of a fault: Hotline." in text
    assert "Prices from 1 January 2025 to 31 May 2026" in text
    assert "D-9" not in text
    assert "D-9" not in _text(_client(draft.customer).get("/heat/agreement/"))
