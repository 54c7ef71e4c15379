"""
Bookings balance, and what other programs get adds up to the documents.
"""

import csv
import datetime as dt
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.bookkeeping import (
    AccountMissing,
    Accounts,
    Document,
    DocumentSum,
    Payment,
    RevenueKey,
    Target,
    entries_of_document,
    entries_of_payment,
    postings_of_document,
    postings_of_payment,
)
from billing.domain.money import to_cents
from billing.formats.books import datev_stack, journal_csv

RATES = [("S", Decimal("19.00")), ("S", Decimal("7.00")), ("AE", Decimal("0.00"))]
MODELS = ["fixed", "usage", "compute"]
ACCOUNTS = Accounts(
    receivables="1400", payables="1600", bank="1200", vat="1776", input_vat="1576",
    debtors_from=10000,
    revenue={
        RevenueKey(model, *rate): Target(str(8000 + n * 10 + m), "3" if m else "")
        for n, model in enumerate(MODELS)
        for m, rate in enumerate(RATES)
    },
)  # fmt: skip
DAY = dt.date(2026, 2, 3)
cents = st.integers(-500_000, 500_000).map(lambda n: Decimal(n) / 100)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    sums = [
        DocumentSum(RevenueKey(model, *rate), draw(cents))
        for model in draw(st.sets(st.sampled_from(MODELS), min_size=1))
        for rate in draw(st.sets(st.sampled_from(RATES), min_size=1))
    ]
    vat = {}
    for category, rate in RATES:
        under = [s.net for s in sums if s.key[1:] == (category, rate)]
        if under:
            vat[category, rate] = to_cents(sum(under, Decimal(0)) * rate / 100)
    return Document("INV-1", DAY, 7, "Pool", "EUR", draw(st.booleans()), sums, vat)


@given(documents())
def test_every_document_balances_and_adds_up_to_its_gross(document: Document):
    gross = sum((s.net for s in document.sums), Decimal(0)) + sum(document.vat.values())

    postings = postings_of_document(document, ACCOUNTS)
    assert sum(p.amount for p in postings) == 0
    other = "1600" if document.self_billed else "10007"
    side = -gross if document.self_billed else gross
    assert postings[0].account == other
    assert postings[0].amount == side
    tax_account = "1576" if document.self_billed else "1776"
    taxed = -sum((p.amount for p in postings if p.account == tax_account), Decimal(0))
    assert taxed == sum(document.vat.values()) * (-1 if document.self_billed else 1)

    assert sum((e.amount for e in entries_of_document(document, ACCOUNTS)), Decimal(0)) == gross


def test_a_kind_of_revenue_without_an_account_is_named():
    key = RevenueKey("bundle", "S", Decimal("19.00"))
    document = Document(
        "INV-1", DAY, 7, "Pool", "EUR", False, [DocumentSum(key, Decimal(10))],
        {("S", Decimal("19.00")): Decimal("1.90")},
    )  # fmt: skip

    with pytest.raises(AccountMissing, match=r"bundle at 19 % VAT \(S\)"):
        postings_of_document(document, ACCOUNTS)


def _invoice() -> Document:
    return Document(
        "INV-2026-000001", DAY, 7, '=Pool "Nord" 🏊', "EUR", False,
        [DocumentSum(RevenueKey("usage", *RATES[0]), Decimal("100.00"))],
        {RATES[0]: Decimal("19.00")},
    )  # fmt: skip


def test_the_journal_is_plain_csv_with_both_sides():
    sent_back = Payment("BANK-9", DAY, 7, "Pool", "EUR", "INV-2026-000001", Decimal("-119.00"))
    postings = [
        *postings_of_document(_invoice(), ACCOUNTS),
        *postings_of_payment(sent_back, ACCOUNTS),
    ]

    rows = list(csv.DictReader(io.StringIO("".join(journal_csv(postings)))))

    assert [(r["account"], r["debit"], r["credit"]) for r in rows] == [
        ("10007", "119.00", ""), ("8010", "", "100.00"), ("1776", "", "19.00"),
        ("1200", "", "119.00"), ("10007", "119.00", ""),
    ]  # fmt: skip
    assert rows[0]["text"].startswith("'=Pool")
    assert rows[0]["day"] == "2026-02-03"


def test_a_stack_for_datev_has_its_header_and_gross_bookings():
    paid = Payment("BANK-1", DAY, 7, "Pool", "EUR", "INV-2026-000001", Decimal("119.00"))
    entries = [*entries_of_document(_invoice(), ACCOUNTS), *entries_of_payment(paid, ACCOUNTS)]
    text = "".join(
        datev_stack(
            entries, consultant="1001", client="1", year_begins=dt.date(2026, 1, 1), first=DAY,
            last=DAY, digits=4, made_at=dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC),
        )
    )  # fmt: skip
    header, columns, bill, payment = csv.reader(
        io.StringIO(text.encode("cp1252").decode("cp1252")), delimiter=";"
    )

    assert header[:5] == ["EXTF", "700", "21", "Buchungsstapel", "13"]
    assert header[10:16] == ["1001", "1", "20260101", "4", "20260203", "20260203"]
    assert columns[6:8] == ["Konto", "Gegenkonto (ohne BU-Schlüssel)"]
    assert bill[:3] == ["119,00", "S", "EUR"]
    assert bill[6:11] == ["10007", "8010", "", "0302", "INV-2026-000001"]
    assert bill[13] == '=Pool "Nord" ?'
    assert (payment[6], payment[7]) == ("1200", "10007")
