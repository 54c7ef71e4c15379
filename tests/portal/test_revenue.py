"""
The page about revenue, the margin of heat, and money due.
"""

import datetime as dt
from decimal import Decimal as D

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from billing import operations, queries
from billing.domain.margin import HeatMonth, margin
from billing.models import HeatCost
from sites.access import Role
from tests.billing.test_settlement import _invoice, _viewer
from tests.factories_billing import JANUARY
from tests.factories_telemetry import LATER
from tests.portal.test_money import _client, _page

money = st.integers(0, 10**7).map(lambda n: D(n) / 100)
unknown = st.one_of(st.none(), money)


@given(st.lists(st.builds(HeatMonth, money, money, unknown, unknown, unknown), min_size=1))
def test_a_margin_is_known_only_where_every_cost_is(months: list[HeatMonth]):
    found = margin(months)

    whole = all(None not in (m.uplift_kwh, m.price_per_kwh, m.fixed) for m in months)
    assert (found.left is not None) == whole
    if found.left is not None:
        assert found.left == sum(
            m.revenue - m.shared - (m.electricity or 0) - (m.fixed or 0) for m in months
        )


@pytest.mark.django_db
def test_revenue_is_told_by_site_model_and_month_and_the_margin_once_costs_are_stated():
    invoice = _invoice()
    client = _client(invoice.operator)
    site = invoice.contract.site

    [row] = queries.revenue(viewer=_viewer(invoice), first_month=JANUARY, last_month=JANUARY)
    assert (row.model, row.month, row.net) == ("usage", JANUARY, invoice.net)
    text = _page(client, "/ops/money/revenue/?year=2026")
    assert "€234.58" in text
    assert "not known" in text
    listed = b"".join(
        client.get("/ops/money/revenue/?year=2026&format=csv").streaming_content  # type: ignore[attr-defined]
    ).decode()
    assert listed.splitlines()[1] == f"{site.name},usage,heat,2026-01,EUR,234.58"

    address = f"/ops/money/costs/{site.slug}/"
    given_cost = {"from_month": "2026-01", "price_per_kwh": "0.22", "fixed_per_month": "100"}
    negative = client.post(address, given_cost | {"price_per_kwh": "-1"}).content.decode()
    assert "greater than or equal to 0" in negative
    client.post(address, given_cost)
    before = client.post(address, given_cost | {"from_month": "2025-12"}).content.decode()
    assert "Costs from January 2026 on are stated already." in before
    # No heat pump: only the stated monthly cost comes off.
    assert "€134.58" in _page(client, "/ops/money/revenue/?year=2026")

    client.post(address, given_cost | {"from_month": "2026-02", "fixed_per_month": "1"})
    stated = queries.heat_costs(viewer=_viewer(invoice), site_id=site.pk)
    assert [cost.valid.upper for cost in stated] == [None, dt.date(2026, 2, 1)]
    with pytest.raises(IntegrityError, match="do_not_overlap"), transaction.atomic():
        HeatCost.objects.create(
            site=site, valid=(dt.date(2026, 3, 1), None), price_per_kwh=1, fixed_per_month=1
        )
    with pytest.raises(IntegrityError, match="whole_months"), transaction.atomic():
        HeatCost.objects.create(
            site=site, valid=(dt.date(2020, 3, 2), dt.date(2020, 5, 1)), price_per_kwh=1,
            fixed_per_month=1,
        )  # fmt: skip


@pytest.mark.django_db
def test_a_credit_note_counts_for_the_month_it_corrects():
    invoice = _invoice()
    operations.credit_invoice(invoice_id=invoice.pk, reason="Wrong", at=LATER, by_id=None)

    [row] = queries.revenue(viewer=_viewer(invoice), first_month=JANUARY, last_month=JANUARY)

    assert row.net == 0


@pytest.mark.django_db
def test_money_due_is_told_by_week_without_what_is_disputed():
    invoice = _invoice()
    assert invoice.due_on is not None
    viewer = _viewer(invoice)

    weeks = queries.cash_due(viewer=viewer, today=invoice.due_on)["EUR"]
    assert [(w.first is None, w.amount) for w in weeks if w.documents] == [(False, D("279.15"))]
    late = queries.cash_due(viewer=viewer, today=invoice.due_on + dt.timedelta(days=1))["EUR"]
    assert late[0].amount == D("279.15")
    early = queries.cash_due(viewer=viewer, today=invoice.due_on - dt.timedelta(days=200))["EUR"]
    assert early[-1].amount == D("279.15")

    operations.open_dispute(
        line_id=invoice.lines.get(charge="energy").pk, comment="No", span=None, at=LATER, by_id=None
    )
    held = queries.cash_due(viewer=viewer, today=invoice.due_on)["EUR"]
    assert sum(w.amount for w in held) == D("279.15") - D("136.35")


@pytest.mark.django_db
def test_the_page_costs_the_same_for_many_and_a_viewer_states_nothing(
    django_assert_max_num_queries,
):
    invoice = _invoice()
    client = _client(invoice.operator, Role.VIEWER)
    with django_assert_max_num_queries(12):
        _page(client, "/ops/money/revenue/?year=2026")

    assert client.get(f"/ops/money/costs/{invoice.contract.site.slug}/").status_code == 404
