"""
The page about the books and what it exports.
"""

import csv
import io
from decimal import Decimal

import pytest
from django.test import Client

from billing import operations
from billing.models import Bookkeeping, RevenueAccount
from sites.access import Role
from sites.models import AuditEntry
from tests.billing.test_settlement import _invoice
from tests.factories_telemetry import LATER
from tests.portal.test_money import _client, _page

pytestmark = pytest.mark.django_db

ACCOUNTS = {
    "receivables": "1400", "debtors_from": "", "payables": "1600", "bank": "1200", "vat": "1776",
    "input_vat": "1576", "consultant": "1001", "client": "1", "year_begins_in": "1",
    "account_0": "8400", "tax_key_0": "",
}  # fmt: skip


def _export(client: Client, format: str, year: int) -> bytes:
    answer = client.get(f"/ops/money/books/?first={year}-01-01&last={year}-12-31&format={format}")
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_books_are_set_up_and_hold_what_was_billed_and_paid():
    invoice = _invoice()
    client = _client(invoice.operator)
    assert "No accounts are set yet." in _page(client, "/ops/money/books/")
    operations.enter_payment(
        operator_id=invoice.operator_id, booked_on=LATER.date(), amount=Decimal("279.15"),
        currency="EUR", reference="BANK-1", remittance=invoice.number, at=LATER, by_id=None,
    )  # fmt: skip

    wrong = client.post("/ops/money/books/", ACCOUNTS | {"bank": "12x", "client": ""})
    assert "Digits only, three to nine of them." in wrong.content.decode()
    assert "Give both numbers, or none." in wrong.content.decode()
    client.post("/ops/money/books/", ACCOUNTS)
    assert RevenueAccount.objects.get().account == "8400"
    assert AuditEntry.objects.filter(action="books set up").count() == 1

    assert invoice.issued_on is not None
    rows = list(csv.DictReader(io.StringIO(_export(client, "csv", LATER.year).decode())))
    assert sum(Decimal(r["debit"] or 0) - Decimal(r["credit"] or 0) for r in rows) == 0
    assert {r["account"]: r["debit"] or r["credit"] for r in rows if r["document"] == "BANK-1"} == {
        "1200": "279.15", "1400": "279.15",
    }  # fmt: skip
    stack = _export(client, "datev", LATER.year).decode("cp1252").splitlines()
    assert stack[0].startswith('"EXTF";700;21')
    assert len(stack) == 4
    assert invoice.number in stack[2]


def test_an_export_says_what_is_missing_before_it_begins():
    invoice = _invoice()
    client = _client(invoice.operator)
    address = f"/ops/money/books/?first={LATER.year}-01-01&last={LATER.year}-12-31&format=csv"

    assert "Set the accounts first." in _page(client, address)
    client.post("/ops/money/books/", ACCOUNTS | {"account_0": "", "consultant": "", "client": ""})
    assert "There is no account for usage at 19 % VAT (S)." in _page(client, address)
    client.post("/ops/money/books/", ACCOUNTS | {"consultant": "", "client": ""})
    assert "needs the consultant’s number" in _page(client, address.replace("csv", "datev"))
    backwards = _page(client, "/ops/money/books/?first=2026-02-01&last=2026-01-01&format=csv")
    assert "The last day is before the first." in backwards


def test_who_only_looks_does_not_set_accounts():
    client = _client(_invoice().operator, Role.VIEWER)

    client.post("/ops/money/books/", ACCOUNTS)

    assert not Bookkeeping.objects.exists()
