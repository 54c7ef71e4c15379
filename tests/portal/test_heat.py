import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from billing import operations
from sites.access import Kind
from sites.models import DeliveryPoint, Stakeholder
from telemetry.models import Channel, MeteringPoint
from tests import factories
from tests.factories_billing import make_contract, meter_month
from tests.factories_telemetry import LATER, add_channel, make_heat_channel, send

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)
JANUARY = dt.date(2026, 1, 1)
PAGES = ["/heat/", "/heat/usage/", "/heat/temperature/"]


def _sign_in(client: Client, customer: Stakeholder) -> None:
    client.force_login(factories.make_user(stakeholder=customer))


def _building(channel: Channel) -> DeliveryPoint:
    point = channel.point.delivery_point
    assert point is not None
    return point


def _this_hour() -> dt.datetime:
    return timezone.now().replace(minute=0, second=0, microsecond=0)


def _warm(
    channel: Channel, *, supply_c: float = 61.8, per_hour: float = 20, hours: int = 6
) -> None:
    """
    Give the hand-off a register and both temperatures up to the running hour.
    """
    now = _this_hour()
    times = [now - n * HOUR for n in range(hours, -1, -1)]
    send(channel, [(at, 5000 + per_hour * n) for n, at in enumerate(times)])
    for quantity, value in [
        (Channel.Quantity.SUPPLY, supply_c),
        (Channel.Quantity.RETURN, supply_c - 20),
    ]:
        gauge = add_channel(point=channel.point, quantity=quantity)
        send(gauge, [(at, value) for at in times])


@pytest.mark.parametrize(
    ("supply_c", "per_hour", "says"),
    [
        (61.8, 20, "has heat"),
        (52.4, 20, "is a little cool"),
        (21.0, 0, "has no heat from us"),
    ],
)
def test_home_says_in_words_whether_there_is_heat(
    client: Client, supply_c: float, per_hour: float, says: str
):
    channel = make_heat_channel()
    _warm(channel, supply_c=supply_c, per_hour=per_hour)
    building = _building(channel)
    building.help_phone = "0113 496 0140"
    building.save()
    _sign_in(client, building.partner)

    page = client.get("/heat/").content.decode()

    assert f"<h1>{building.name} {says}</h1>" in page
    assert f"<strong>{supply_c}&nbsp;°C</strong>. You asked for 55&nbsp;°C or more." in page
    assert ("head notice bad" in page) == (says == "has no heat from us")
    assert "0113 496 0140" in page


def test_home_says_when_we_cannot_see_and_since_when(client: Client):
    channel = make_heat_channel()
    at = _this_hour() - 9 * HOUR
    send(channel, [(at - HOUR, 1000), (at, 1020)])
    building = _building(channel)
    _sign_in(client, building.partner)

    page = client.get("/heat/").content.decode()

    local = at.astimezone(ZoneInfo(building.site.timezone))
    assert f"<h1>We cannot see {building.name} right now</h1>" in page
    assert f"{local:%Y, %H:%M}. We do not know whether heat is arriving." in page


def test_home_before_the_first_reading_and_without_a_building(client: Client):
    point = factories.make_delivery_point(site=factories.make_site())
    _sign_in(client, point.partner)
    early = {page: client.get(page).content.decode() for page in PAGES}
    operator = point.site.operator
    _sign_in(client, factories.make_stakeholder(kind=Kind.PARTNER, operator=operator))
    none = {page: client.get(page).content.decode() for page in PAGES}

    assert f"<h1>No readings from {point.name} yet</h1>" in early["/heat/"]
    assert "No bills yet" in early["/heat/"]
    assert "<h1>No readings in " in early["/heat/usage/"]
    assert "The temperature is not measured here" in early["/heat/temperature/"]
    assert all("No building is connected yet" in page for page in none.values())


def test_months_on_the_page_agree_with_the_bills(client: Client):
    channel = make_heat_channel()
    contract = make_contract(channel)
    meter_month(channel, dt.date(2025, 1, 1))
    meter_month(channel, JANUARY, per_hour="2", register="9000")
    for month in [dt.date(2025, 1, 1), JANUARY]:
        operations.bill_contract(contract_id=contract.pk, month=month, at=LATER, issue=True)
    _sign_in(client, contract.customer)

    home = client.get("/heat/")
    page = home.content.decode()
    rows = client.get("/heat/", {"format": "csv"}).getvalue().decode().splitlines()
    january = next(row for row in home.context["months"] if row.month == JANUARY)

    assert (january.kwh, january.before, january.billed_kwh) == (1488, 1860, 1488)
    assert "and all agree" in page or "and it agrees" in page
    assert rows[0] == "month,heat_kwh,coverage,quality,billed_kwh,bills"
    assert any(row.startswith("2026-01,1488.000000000,1.000000,actual,1488.000,") for row in rows)


def test_a_month_that_changed_after_its_bill_is_named(client: Client):
    channel = make_heat_channel()
    contract = make_contract(channel)
    meter_month(channel, JANUARY)
    operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    channel.rollups.filter(grain="month").update(energy_kwh=1800)
    _sign_in(client, contract.customer)

    page = client.get("/heat/").content.decode()

    assert "For January 2026 the readings now say 1,800 kWh and your bill 1,860 kWh" in page


def test_a_month_with_a_hole_is_no_figure_and_compares_with_nothing(client: Client):
    channel = make_heat_channel()
    meter_month(channel, JANUARY, hours=600)
    _sign_in(client, _building(channel).partner)

    months = client.get("/heat/").context["months"]
    usage = client.get("/heat/usage/", {"month": "2026-01"}).content.decode()
    january = next(row for row in months if row.month == JANUARY)

    assert january.kwh is None
    assert january.known_kwh == 1500
    assert january.agrees is None
    assert "80.6% of the month’s hours are known" in usage
    assert "Hatched: not every hour of the day is known." in usage


def test_several_buildings_come_as_a_list_first(client: Client):
    first = make_heat_channel()
    building = _building(first)
    second = factories.make_delivery_point(site=first.site, partner=building.partner)
    strange = factories.make_delivery_point(site=first.site)
    _warm(first, supply_c=50)
    _sign_in(client, building.partner)

    listed = client.get("/heat/").content.decode()
    chosen = client.get("/heat/", {"building": str(building.pk)}).content.decode()
    codes = [
        client.get(page, {"building": str(key)}).status_code
        for page in PAGES
        for key in [second.pk, strange.pk, "x"]
    ]

    assert "<h1>1 of your 2 buildings is too cool</h1>" in listed
    assert second.name in listed
    assert strange.name not in listed
    assert f"<h1>{building.name} is a little cool</h1>" in chosen
    assert f'href="?building={second.pk}"' in chosen
    assert codes == [200, 404, 404] * 3


def test_pages_show_what_must_be_known_about_the_data(client: Client):
    channel = make_heat_channel()
    channel.site.data_note = "Dates were moved by two years."
    channel.site.save()
    _sign_in(client, _building(channel).partner)

    assert all("Dates were moved" in client.get(page).content.decode() for page in PAGES)


def test_usage_shows_the_days_of_a_month_that_agree_with_its_bill(client: Client):
    channel = make_heat_channel()
    contract = make_contract(channel)
    meter_month(channel, JANUARY)
    operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    _sign_in(client, contract.customer)

    january = client.get("/heat/usage/", {"month": "2026-01"})
    page = january.content.decode()
    odd = [
        client.get("/heat/usage/", {"month": month}).context["month"]
        for month in ["2026-13", "rubbish", "9999-01", "0001-01"]
    ]

    assert "<h1>1,860 kWh in January 2026</h1>" in page
    assert "Sum of days 1,860 kWh. On your bill 1,860 kWh. They agree." in page
    assert len(january.context["days"]) == 31
    assert len(set(odd)) == 1


@pytest.mark.parametrize(
    ("month", "hours", "local"),
    [
        ("2026-03", 743, "2026-03-29T03:00:00+02:00"),
        ("2025-10", 745, "2025-10-26T02:00:00+01:00"),
    ],
    ids=["clocks go forward", "clocks go back"],
)
def test_hours_download_with_both_clocks(client: Client, month: str, hours: int, local: str):
    channel = make_heat_channel()
    meter_month(channel, dt.date.fromisoformat(f"{month}-01"))
    _sign_in(client, _building(channel).partner)

    answer = client.get("/heat/usage/", {"month": month, "format": "csv"})
    lines = answer.getvalue().decode().splitlines()

    assert lines[0] == "start_utc,start_local,kwh,quality"
    assert len(lines) == hours + 1
    assert sum(local in line for line in lines) == 1
    assert lines[1].endswith(",2.500000000,actual")


@pytest.mark.parametrize(
    ("day", "hours", "named"),
    [
        ("2026-03-28", 24, "02:00"),
        ("2026-03-29", 23, "03:00"),
        ("2025-10-26", 25, "02:00 (second)"),
    ],
    ids=["any day", "clocks go forward", "clocks go back"],
)
def test_a_day_shows_the_hours_it_had(client: Client, day: str, hours: int, named: str):
    channel = make_heat_channel()
    meter_month(channel, dt.date.fromisoformat(day).replace(day=1))
    _sign_in(client, _building(channel).partner)

    answer = client.get("/heat/usage/", {"day": day})
    page = answer.content.decode()
    lines = client.get("/heat/usage/", {"day": day, "format": "csv"}).getvalue().decode()

    assert len(answer.context["hours"]) == hours
    assert f'<th scope="row">{named}</th>' in page
    assert f"<h1>{hours * 2.5:.1f} kWh on " in page
    assert len(lines.splitlines()) == hours + 1


def test_a_day_without_readings_or_still_to_come_is_no_zero(client: Client):
    channel = make_heat_channel()
    _sign_in(client, _building(channel).partner)

    silent = client.get("/heat/usage/", {"day": "2026-01-14"}).content.decode()
    odd = [
        client.get("/heat/usage/", {"day": day}).content.decode()
        for day in ["9999-12-31", "0001-01-01", "rubbish"]
    ]

    assert "<h1>No readings on 14 January 2026</h1>" in silent
    assert "not the same as no heat" in silent
    assert all("All months" in page or "Day by day" in page for page in odd)


def test_temperatures_keep_their_gaps(client: Client):
    channel = make_heat_channel()
    building = _building(channel)
    supply = add_channel(point=channel.point, quantity=Channel.Quantity.SUPPLY)
    now = _this_hour()
    # Thirty hours, of which five are silent and two too cool.
    send(
        supply,
        [
            (now - n * HOUR, 50 if n in {20, 21} else 60)
            for n in range(1, 31)
            if n not in range(10, 15)
        ],
    )
    _sign_in(client, building.partner)

    answer = client.get("/heat/temperature/")
    page = answer.content.decode()
    month = client.get("/heat/temperature/", {"days": "30"})
    lines = client.get("/heat/temperature/", {"format": "csv"}).getvalue().decode().splitlines()

    warmth = answer.context["warmth"]
    assert (warmth.measured, warmth.cooler) == (25, 2)
    assert warmth.missing == len(answer.context["hours"]["supply"]) - 25
    assert "<h1>Water was cooler than agreed in 2 hours</h1>" in page
    assert "have no reading; the line stops there." in page
    assert month.context["days"] == 30
    assert lines[0] == "start_utc,start_local,supply_c,return_c,quality"
    assert sum(",,," in line or line.endswith(",,,missing") for line in lines) >= 5


def test_pages_cost_the_same_for_much_data(client: Client, django_assert_max_num_queries):
    channel = make_heat_channel()
    contract = make_contract(channel)
    meter_month(channel, dt.date(2025, 1, 1))
    meter_month(channel, JANUARY, register="9000")
    _sign_in(client, contract.customer)
    _warm(channel, hours=60)
    for month in [dt.date(2025, 1, 1), JANUARY]:
        operations.bill_contract(contract_id=contract.pk, month=month, at=LATER, issue=True)
    client.get("/heat/")

    for page, most in [
        ("/heat/", 17),
        ("/heat/usage/", 15),
        ("/heat/temperature/", 17),
        ("/heat/agreement/", 11),
    ]:
        with django_assert_max_num_queries(most):
            assert client.get(page).status_code == 200


def test_a_list_of_buildings_costs_the_same_for_many(client: Client, django_assert_num_queries):
    first = _building(make_heat_channel())
    partner = first.partner
    _sign_in(client, partner)

    def add(count: int) -> None:
        for number in range(count):
            channel = make_heat_channel(site=first.site, code=f"b{partner.pk}-{number}-{count}")
            DeliveryPoint.objects.filter(pk=_building(channel).pk).update(partner=partner)

    add(1)
    client.get("/heat/")
    with django_assert_num_queries(9):
        client.get("/heat/")
    add(12)
    with django_assert_num_queries(9):
        client.get("/heat/")


def test_heat_metered_at_the_source_is_told_as_such(client: Client):
    channel = make_heat_channel()
    _warm(channel)
    _sign_in(client, _building(channel).partner)
    here = client.get("/heat/usage/").content.decode()
    MeteringPoint.objects.filter(pk=channel.point_id).update(boundary="heat_source")

    there = [client.get(page).content.decode() for page in PAGES]

    assert "where it leaves the data centre" not in here
    assert all("where it leaves the data centre" in page for page in there)
