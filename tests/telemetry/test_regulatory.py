"""
Yearly reports: metered answers come from meters, stated ones are kept, and what lacks is named.
"""

import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from pypdf import PdfReader

from seeds import reference as shipped
from sites.access import Kind, Role, Viewer
from sites.domain import local_days, local_month
from sites.models import Site
from telemetry import operations, queries
from telemetry.documents.yearly import yearly_pdf
from telemetry.domain import regulatory
from telemetry.domain.regulatory import BY_SYMBOL, FIELDS, Gap, Origin
from telemetry.models import Channel, DeclaredFigure, MeteringPoint
from tests import factories
from tests.factories_telemetry import LATER, load, make_channel

Boundary = MeteringPoint.Boundary


def _year_of(**kilowatts: float) -> Site:
    site = factories.make_site()
    year = local_days(dt.date(2025, 1, 1), dt.date(2026, 1, 1), site.timezone)
    for boundary, kw in kilowatts.items():
        load(make_channel(site=site, boundary=Boundary(boundary)), year, kw)
    return site


def _operator(site: Site) -> Viewer:
    return Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)


def _answers(site: Site) -> dict[str, str | None]:
    report = queries.eed_report(viewer=_operator(site), site_id=site.pk, year=2025)
    assert report is not None
    return {answer.field.symbol: answer.value for answer in report.answers}


@pytest.mark.django_db
def test_meters_answer_by_the_symbols_of_the_regulation():
    site = _year_of(facility=24, it=20, heat_handoff=12)
    supply = make_channel(
        site=site, boundary=Boundary.HEAT_HANDOFF, quantity=Channel.Quantity.SUPPLY
    )
    load(supply, local_days(dt.date(2025, 1, 1), dt.date(2025, 2, 1), site.timezone), 52)
    load(supply, local_days(dt.date(2025, 2, 1), dt.date(2025, 3, 4), site.timezone), 58)

    answers = _answers(site)

    assert answers["E-DC"] == str(24 * 8760)
    assert answers["E-IT"] == str(20 * 8760)
    assert answers["E-REUSE"] == str(12 * 8760)
    assert answers["PUE"] == "1.200"
    assert answers["ERF"] == "0.5000"
    assert answers["PD-IT"] == "30.0"
    assert answers["W-IN"] is None
    assert answers["T-WH"] == "55.0"
    heat = queries.waste_heat(viewer=_operator(site), site_id=site.pk, year=2025)
    assert heat is not None
    assert [m.max_kw for m in heat.months] == [12] * 12
    # No rule of a register is held in this test.
    assert heat.exempt is None
    assert heat.exempt_up_to_kwh is None
    assert sum(m.kwh for m in heat.months if m.kwh) == 12 * 8760
    # In the night of March an hour is missing, in that of October one is there twice.
    assert sum(h.measured for h in heat.hours) == 8760
    assert [h.measured for h in heat.hours if (h.month, h.weekday, h.hour) == (3, 7, 2)] == [4]
    assert {kw for _, kw in heat.by_hour_kw} == {kw for _, kw in heat.by_weekday_kw} == {12}
    stranger = factories.make_site()
    assert queries.eed_report(viewer=_operator(stranger), site_id=site.pk, year=2025) is None


@pytest.mark.django_db
def test_stated_answers_are_superseded_and_kept():
    site = factories.make_site()

    def say(**answers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in answers.items()}
        return operations.declare_figures(
            site_id=site.pk, year=2025, answers=named, at=LATER, by_id=None
        )

    first = say(S_DC="120", OWNER="A")
    again = say(S_DC="120", OWNER="A")
    say(S_DC="130", OWNER="")

    assert (first, again) == (2, 0)
    held = DeclaredFigure.objects.filter(superseded_at__isnull=True)
    assert list(held.values_list("symbol", "value")) == [("S-DC", "130")]
    assert DeclaredFigure.objects.count() == 3
    with pytest.raises(operations.NotAsked):
        say(E_DC="1")
    with pytest.raises(IntegrityError), transaction.atomic():
        held.update(value="131")
    with pytest.raises(IntegrityError), transaction.atomic():
        held.delete()


@pytest.mark.django_db
def test_the_page_completes_a_report_and_gives_it_as_files(client: Client):
    site = factories.make_site()
    client.force_login(factories.make_user(stakeholder=site.operator))
    page = f"/ops/statements/reports/{site.slug}/2025/"

    wrong = client.post(page, {"S-DC": "large", "OWNER": "=A"})
    client.post(page, {"S-DC": "120,5", "S-CR": "200", "OWNER": "=A"})
    shown = client.get(page).content.decode()
    book = load_workbook(io.BytesIO(client.get(page + "?format=xlsx").content))
    csv = b"".join(client.get(page + "?format=csv").streaming_content).decode()  # type: ignore[attr-defined]

    assert wrong.status_code == 422
    assert "Write a number" in wrong.content.decode()
    assert "More than the whole" in shown
    rows = {row[3].value: row for row in book.worksheets[0].iter_rows(min_row=2)}
    assert rows["S-DC"][5].value == "120,5"
    # A spreadsheet must not run what somebody typed.
    assert rows["OWNER"][5].data_type == "s"
    assert "S-CR" in csv
    assert "part_exceeds_whole" in csv


@pytest.mark.django_db
def test_an_entry_of_waste_heat_names_what_lacks_until_it_is_complete(
    client: Client, django_assert_max_num_queries
):
    shipped.load_kpi_rules(at=LATER)
    site = _year_of(heat_handoff=12, facility=24)
    supply = make_channel(
        site=site, boundary=Boundary.HEAT_HANDOFF, quantity=Channel.Quantity.SUPPLY
    )
    load(supply, local_days(dt.date(2025, 1, 1), dt.date(2025, 2, 1), site.timezone), 52)
    client.force_login(factories.make_user(stakeholder=site.operator))
    page = f"/ops/statements/reports/{site.slug}/2025/heat/"
    stated = {
        "WH-ADDRESS": "Werft 8, 24143 Kiel", "WH-BESIDES": "0", "WH-AVAILABLE": "all year",
        "WH-TEMPERATURE": "45 to 60 °C", "WH-PRESSURE": "none", "WH-FEED-IN": "0 to 100 %",
        "WH-COMPANY-USE": "2500000",
    }  # fmt: skip

    with django_assert_max_num_queries(30):
        before = client.get(page).content.decode()
    wrong = client.post(page, stated | {"WH-BESIDES": "some"})
    client.post(page, stated | {"WH-PRESSURE": ""})
    open_one = client.get(page).content.decode()
    client.post(page, stated)
    done = client.get(page).content.decode()

    # Besides what is stated the operator's contact lacks: it has no address in this test.
    assert "Waste heat: 8 answers are lacking" in before
    assert "State the company’s use below" in before
    assert wrong.status_code == 422
    assert "Waste heat: 2 answers are lacking" in open_one
    assert "Waste heat: one answer is lacking" in done
    # At the limit itself nothing is due.
    assert "Not a duty" in done
    client.post(page, stated | {"WH-COMPANY-USE": "2500001"})
    assert "A duty" in client.get(page).content.decode()
    entry = b"".join(client.get(page + "?format=csv").streaming_content).decode()  # type: ignore[attr-defined]
    assert "WH-FEED-IN,How far the feed-in can be controlled,0 to 100 %" in entry
    profile = b"".join(client.get(page + "?format=profile").streaming_content).decode()  # type: ignore[attr-defined]
    assert profile.count("\n") == 1 + 12 * 7 * 24
    assert "2025-03,7,2,4,12.000,12.000" in profile


@pytest.mark.django_db
def test_a_customers_year_is_its_meter_and_its_share(client: Client):
    site = _year_of(facility=12)
    feed = make_channel(site=site, boundary=Boundary.TENANT_FEED)
    load(feed, local_days(dt.date(2025, 1, 1), dt.date(2026, 1, 1), site.timezone), 10)
    client.force_login(factories.make_user(stakeholder=site.operator))

    answer: Any = client.get("/ops/statements/reports/?year=2025&format=customers")
    csv = b"".join(answer.streaming_content)
    page = client.get("/ops/statements/reports/?year=2025")

    assert f"{10 * 8760}.000000000" in csv.decode()
    assert b"105,120" in page.content


@given(st.dictionaries(st.sampled_from(sorted(BY_SYMBOL)), st.text(max_size=6)))
def test_whatever_is_answered_each_gap_has_a_reason(answers: dict[str, str]):
    found = regulatory.gaps(answers)

    assert {f.symbol for f in FIELDS if not answers.get(f.symbol)} <= found.keys()
    assert all(isinstance(gap, Gap) for gap in found.values())


def test_parts_and_totals():
    parts: dict[str, str | None] = {"E-RES-GOO": "100", "E-RES-PPA": "0", "E-RES-OS": "1,5"}

    assert regulatory.renewable_total(parts) == Decimal("101.5")
    assert regulatory.renewable_total({**parts, "E-RES-OS": ""}) is None
    assert regulatory.gaps({"E-IT": "11", "E-DC": "10"})["E-IT"] is Gap.PART_EXCEEDS_WHOLE
    assert regulatory.gaps({"T-IN": "-5"}).get("T-IN") is None
    assert regulatory.gaps({"S-DC": "-5"})["S-DC"] is Gap.NEGATIVE
    assert regulatory.gaps({"S-DC": "NaN"})["S-DC"] is Gap.NOT_A_NUMBER
    assert {f.origin for f in FIELDS} == set(Origin)


@pytest.mark.django_db
def test_a_customer_has_its_year_on_paper():
    site = factories.make_site()
    march = local_month(2025, 3, site.timezone)
    load(make_channel(site=site, boundary=MeteringPoint.Boundary.FACILITY), march, 10)
    feed = make_channel(site=site, boundary=MeteringPoint.Boundary.TENANT_FEED)
    load(feed, march, 8)
    site.started_on = dt.date(2025, 3, 1)
    site.save()
    service = feed.point.hosting_service
    assert service is not None
    viewer = Viewer(1, service.tenant_id, Kind.TENANT, Role.VIEWER)

    (year,) = queries.customer_years(viewer=viewer, year=2025, service_ids=[service.pk])
    pdf = yearly_pdf(year=year, on=dt.date(2026, 1, 5))

    words = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    assert "Electricity of 2025" in words
    assert "5,944.0" in words
    assert "section 15" in words
    stranger = Viewer(1, factories.make_stakeholder().pk, Kind.OPERATOR, Role.ADMIN)
    assert queries.customer_years(viewer=stranger, year=2025, service_ids=[service.pk]) == []


@pytest.mark.django_db
def test_duties_follow_the_rules_of_the_country():
    shipped.load_kpi_rules(at=LATER)
    large, small, abroad = (factories.make_site(country=c) for c in ("DE", "DE", "GB"))
    for site, kw in ((large, 600), (small, 30), (abroad, 600)):
        site.rated_it_kw = Decimal(kw)
        site.save()

    duties = [
        report.mandatory
        for site in (large, small, abroad)
        for report in queries.eed_reports(
            viewer=Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN), year=2025
        )
    ]

    assert duties == [True, False, False]
