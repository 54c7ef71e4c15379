"""
Before a month's invoices go out: hindrances, preview, drafts beside the past, missing bills.
"""

import csv
import datetime as dt
import io
from decimal import Decimal

import pytest
from django.test import Client

from billing import operations, queries
from billing.domain.plausibility import Compared, Figures
from billing.models import BillingRun, Contract, Invoice
from sites.access import Kind, Role, Viewer
from telemetry.models import Finding, Meter
from tests import factories
from tests.factories_billing import (
    JANUARY,
    make_contract,
    make_contracts,
    meter_half_past,
    meter_january,
    meter_month,
    send_late,
)
from tests.factories_telemetry import LATER, make_heat_channel

DECEMBER, LAST_JANUARY = dt.date(2025, 12, 1), dt.date(2025, 1, 1)
pytestmark = pytest.mark.django_db


def _sign_in(client: Client, contract: Contract, role: Role = Role.ADMIN) -> None:
    client.force_login(factories.make_user(stakeholder=contract.operator, role=role))


def _viewer(contract: Contract) -> Viewer:
    return Viewer(None, contract.operator_id, Kind.OPERATOR, Role.ADMIN)


def _csv(client: Client, url: str) -> list[dict[str, str]]:
    answer = client.get(url)
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def _kinds(contract: Contract) -> set[tuple[str, bool]]:
    found = queries.preflight(viewer=_viewer(contract), month=JANUARY)
    return {(h.kind, h.blocks) for h in found if h.contract_id == contract.pk}


INDEX = {
    "index": [
        {
            "price": "price_per_kw", "base_price": "14.50", "fixed": "0.40",
            "parts": [{"series": "wages", "weight": "0.60", "base": "118.2"}],
        }
    ],
}  # fmt: skip


def test_what_stands_against_a_bill_is_what_would_hold_it():
    whole = make_heat_channel(code="whole")
    meter_january(whole)
    short = make_heat_channel(site=whole.site, code="short")
    meter_january(short, hours=100)
    fine, lacking = make_contract(whole, reference="fine"), make_contract(short, reference="short")
    untold, indexed = (make_contract(whole, reference=name) for name in ("untold", "indexed"))
    untold.terms.update(valid=(dt.date(2025, 1, 1), dt.date(2026, 1, 15)))
    indexed.terms.update(details=INDEX)
    contracts = list(Contract.objects.order_by("pk"))
    assert contracts == [fine, lacking, untold, indexed]
    expected = [set(), {("readings", True)}, {("terms", True)}, {("index", True)}]

    assert [_kinds(contract) for contract in contracts] == expected
    # What the list says blocks is what the preview, and so the run, holds.
    held = [bool(row.held) for row in operations.preview(contracts=contracts, month=JANUARY)]
    assert held == [bool(kinds) for kinds in expected]


def test_meters_findings_and_a_held_month_are_named_too():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = make_contract(channel)
    Meter.objects.update(calibration_due=dt.date(2025, 12, 31))
    Finding.objects.create(
        channel=channel, rule="spike", severity=1, proposal="none", found_at=LATER,
        span=(dt.datetime(2026, 1, 5, tzinfo=dt.UTC), dt.datetime(2026, 1, 6, tzinfo=dt.UTC)),
    )  # fmt: skip
    operations.bill_contract(contract_id=contract.pk, month=DECEMBER, at=LATER, issue=True)

    kinds = {kind for kind, _ in _kinds(contract)}

    assert kinds == {"calibration", "findings", "held"}
    assert ("findings", False) in _kinds(contract)


def test_the_list_before_billing_filters_links_and_downloads(
    client: Client, django_assert_num_queries
):
    channel = make_heat_channel()
    meter_january(channel, hours=10)
    contract = make_contract(channel)
    _sign_in(client, contract)
    make_contracts([channel], "many", 30)
    url = "/ops/billing/checks/?month=2026-01-01"
    client.get(url)
    with django_assert_num_queries(11):
        page = client.get(url).content.decode()

    assert "31 bills would be held" in page
    assert f'href="/ops/points/{channel.point_id}/"' in page
    assert "31 of 31 days are not fully metered." in page
    assert len(_csv(client, f"{url}&format=csv&search=C-1")) == 1
    assert "Nothing matches" in client.get(f"{url}&kind=index").content.decode()


def test_a_preview_shows_what_a_run_bills_and_stores_nothing(
    client: Client, django_assert_max_num_queries
):
    channel = make_heat_channel()
    meter_january(channel)
    contract = make_contract(channel)
    make_contracts([channel], "many", 30)
    _sign_in(client, contract)
    url = "/ops/billing/preview/?month=2026-01-01"

    with django_assert_max_num_queries(24):
        page = client.get(url).content.decode()
    told = {row["contract"]: row["gross"] for row in _csv(client, f"{url}&format=csv")}

    silent = make_contract(make_heat_channel(site=channel.site, code="silent"), reference="S")
    fragment = client.get(f"{url}&totals=1", headers={"HX-Request": "true"}).content.decode()
    whole = client.get(f"{url}&totals=1").content.decode()
    silent.terms.all().delete()
    silent.delete()

    assert "31 contracts" in page
    # 234.58 and 44.57 of VAT each.
    for text in ("7,271.98", "1,381.67", "8,653.65", "<dd>31</dd>", "<dd>1</dd>"):
        assert text in fragment
        assert text in whole
    assert "<html" not in fragment
    assert "<html" in whole
    assert not Invoice.objects.exists()
    assert not contract.periods.exists()
    run = operations.start_run(
        operator_id=contract.operator_id, month=JANUARY, issue=True, at=LATER, by_id=None
    )
    while operations.bill_next(run_id=run.pk, at=LATER):
        pass
    billed = Invoice.objects.values_list("contract__reference", "gross")
    assert told == {reference: str(gross) for reference, gross in billed}


def _drafts(count: int) -> list[Contract]:
    channel = make_heat_channel()
    meter_january(channel)
    make_contracts([channel], "many", count)
    contracts = list(Contract.objects.order_by("pk"))
    run = operations.start_run(
        operator_id=contracts[0].operator_id, month=JANUARY, issue=False, at=LATER, by_id=None
    )
    while operations.bill_next(run_id=run.pk, at=LATER):
        pass
    return contracts


def test_drafts_are_issued_together_and_a_second_press_waits(client: Client):
    contracts = _drafts(3)
    _sign_in(client, contracts[0])
    drafts = list(Invoice.objects.order_by("pk"))
    page = client.get("/ops/billing/drafts/").content.decode()
    body = {"month": "2026-01-01", "invoice": [drafts[0].pk, drafts[2].pk], "which": "ticked"}

    started = client.post("/ops/billing/drafts/issue/", body)
    again = client.post("/ops/billing/drafts/issue/", body)
    run = BillingRun.objects.get(kind="issue")
    while operations.bill_next(run_id=run.pk, at=LATER):
        pass

    assert "3 drafts wait" in page
    assert "New" in page
    assert started.headers["Location"] == again.headers["Location"] == f"/ops/billing/{run.pk}/"
    numbers = list(Invoice.objects.order_by("pk").values_list("number", flat=True))
    assert numbers == ["INV-2030-000001", "", "INV-2030-000002"]
    assert "drafts issued" in client.get(f"/ops/billing/{run.pk}/").content.decode()
    client.post("/ops/billing/drafts/issue/", {"month": "2026-01-01", "which": "all"})
    while operations.bill_next(run_id=BillingRun.objects.latest("pk").pk, at=LATER):
        pass
    assert not Invoice.objects.filter(status="draft").exists()


def test_nothing_ticked_and_a_viewer_issue_nothing(client: Client):
    contracts = _drafts(1)
    _sign_in(client, contracts[0])
    client.post("/ops/billing/drafts/issue/", {"month": "2026-01-01", "which": "ticked"})
    viewer = Client()
    _sign_in(viewer, contracts[0], Role.VIEWER)

    refused = viewer.post("/ops/billing/drafts/issue/", {"month": "2026-01-01", "which": "all"})

    assert refused.status_code == 404
    assert not BillingRun.objects.filter(kind="issue").exists()


def test_drafts_cost_the_same_for_many(client: Client, django_assert_num_queries):
    contracts = _drafts(30)
    _sign_in(client, contracts[0])
    client.get("/ops/billing/drafts/")
    with django_assert_num_queries(10):
        client.get("/ops/billing/drafts/")


def test_drafts_stand_beside_the_past_and_say_what_is_unusual(client: Client):
    channel = make_heat_channel()
    meter_month(channel, LAST_JANUARY, per_hour="6")
    meter_month(channel, DECEMBER, per_hour="2", register="9000")
    meter_month(channel, JANUARY, per_hour="2.5", register="10488")
    contract = make_contract(channel)
    for month, issue in ((LAST_JANUARY, True), (DECEMBER, True), (JANUARY, False)):
        operations.bill_contract(contract_id=contract.pk, month=month, at=LATER, issue=issue)
    _sign_in(client, contract)

    [row] = _csv(client, "/ops/billing/drafts/?format=csv")

    # 2.5 kWh an hour is under half of the 6 of a year before; December's 2 would not tell.
    assert row["flags"] == "low"
    assert Decimal(row["kwh"]) == 1860
    assert (Decimal(row["month_before"]), Decimal(row["year_before"])) == (
        Decimal("211.66"), Decimal("394.98"),
    )  # fmt: skip
    assert _csv(client, "/ops/billing/drafts/?format=csv&flag=none") == []


def _figures(kwh: str, net: str = "100") -> Figures:
    return Figures(Decimal(net), Decimal(kwh), 31)


@pytest.mark.parametrize(
    ("now", "before", "year", "most", "flags"),
    [
        ("100", "100", None, None, []),
        ("201", "100", None, None, ["high"]),
        ("49", "100", None, None, ["low"]),
        ("201", "100", "110", None, []),
        ("100", None, None, None, ["new"]),
        ("801", "800", "800", "744", ["above"]),
        ("0", "100", None, None, ["low"]),
    ],
)
def test_what_is_looked_at(
    now: str, before: str | None, year: str | None, most: str | None, flags: list[str]
):
    found = Compared(
        _figures(now), (before and _figures(before)) or None, (year and _figures(year)) or None,
        Decimal(most) if most else None,
    )  # fmt: skip

    assert found.flags == flags


def test_missing_bills_say_why_and_who_was_billed_before(client: Client):
    channel = make_heat_channel()
    meter_month(channel, DECEMBER)
    contract = make_contract(channel)
    never = make_contract(channel, reference="never")
    for month in (DECEMBER, JANUARY):
        operations.bill_contract(contract_id=contract.pk, month=month, at=LATER, issue=True)
    _sign_in(client, contract)

    rows = queries.missing_bills(
        viewer=_viewer(contract), before=dt.date(2026, 2, 3), month=JANUARY
    )

    told = [(row.reference, row.state, row.billed_before) for row in rows]
    assert told == [(contract.reference, "held", True), (never.reference, "none", False)]
    assert "has no readings" in rows[0].reason
    page = client.get("/ops/billing/missing/?month=2026-01-01").content.decode()
    assert "1 bill is missing of a contract billed before" in page
    assert len(_csv(client, "/ops/billing/missing/?month=2026-01-01&state=stopped&format=csv")) == 1


def test_late_readings_are_corrected_together(client: Client):
    channel = make_heat_channel()
    meter_half_past(channel)
    contracts = [make_contract(channel, reference=name) for name in ("A", "B")]
    Contract.objects.update(correction_months=60)
    for contract in contracts:
        operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    send_late(channel, "1488.2")
    _sign_in(client, contracts[0])
    asked = list(Invoice.objects.values_list("pk", flat=True))
    body = {"invoice": asked, "reason": "Late reading"}

    refused = client.post("/ops/money/corrections/issue/", {"invoice": asked})
    started = client.post("/ops/money/corrections/issue/", body)
    run = BillingRun.objects.get(kind="correct")
    while operations.bill_next(run_id=run.pk, at=LATER):
        pass

    assert refused.headers["Location"] == "/ops/money/corrections/"
    assert started.headers["Location"] == f"/ops/billing/{run.pk}/"
    assert list(run.items.values_list("state", flat=True)) == ["issued", "issued"]
    made = Invoice.objects.filter(corrects__isnull=False)
    assert [document.reason for document in made] == ["Late reading"] * 2
    page = client.get(f"/ops/billing/{run.pk}/").content.decode()
    assert "corrections" in page
    assert made[0].number in page
    # Done twice nothing more is owed.
    client.post("/ops/money/corrections/issue/", body)
    again = BillingRun.objects.filter(kind="correct").latest("pk")
    while operations.bill_next(run_id=again.pk, at=LATER):
        pass
    assert list(again.items.values_list("state", flat=True)) == ["skipped", "skipped"]
