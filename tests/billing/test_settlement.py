"""
Payments, statements, direct debits, reminders and disputes, and the sums that the database keeps.
"""

import datetime as dt
from decimal import Decimal

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from billing import operations, queries, tasks
from billing.domain.matching import Owed, Paid, match
from billing.formats import bank
from billing.models import BankEntry, Debit, DebitFile, Dispute, Invoice, Reminder
from sites.access import Kind, Role, Viewer
from tests.factories_billing import JANUARY, make_contract, meter_month
from tests.factories_telemetry import LATER, make_heat_channel

D = Decimal
IBAN = "DE89370400440532013000"


def _invoice(**terms: object) -> Invoice:
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = make_contract(channel)
    contract.operator.iban, contract.operator.creditor_id = IBAN, "DE98ZZZ09999999999"
    contract.operator.save()
    invoice = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    assert invoice is not None
    return invoice


def _viewer(invoice: Invoice) -> Viewer:
    return Viewer(
        user_id=None, stakeholder_id=invoice.operator_id, kind=Kind.OPERATOR, role=Role.ADMIN
    )


def _open(invoice: Invoice) -> Decimal:
    return queries.with_balance(Invoice.objects.filter(pk=invoice.pk)).get().open_amount


def _camt(*entries: str) -> bytes:
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>'
        f"<Acct><Id><IBAN>{IBAN}</IBAN></Id></Acct>{''.join(entries)}</Stmt></BkToCstmrStmt>"
        "</Document>"
    ).encode()


def _entry(
    amount: str, text: str = "", *, reference: str = "", side: str = "CRDT", more: str = ""
) -> str:
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        f"<BookgDt><Dt>2030-01-10</Dt></BookgDt><AcctSvcrRef>{reference}</AcctSvcrRef><NtryDtls>"
        f"<TxDtls>{more}<RltdPties><Dbtr><Pty><Nm>Pool</Nm></Pty></Dbtr></RltdPties>"
        f"<RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )


def _import(invoice: Invoice, xml: bytes) -> operations.StatementResult:
    return operations.import_statement(
        operator_id=invoice.operator_id, xml=xml, at=LATER, by_id=None
    )


@pytest.mark.django_db
def test_a_statement_settles_what_it_names_once():
    invoice = _invoice()
    xml = _camt(
        _entry("200.00", f"Rechnung {invoice.number.replace('-', ' ')} Danke", reference="A1"),
        _entry("50.00", "no idea", reference="A2"),
    )

    assert _import(invoice, xml) == operations.StatementResult(2, 0, 1, 1)
    assert _open(invoice) == D("79.15")
    # The same file again, and then the rest with too much.
    assert _import(invoice, xml) == operations.StatementResult(2, 2, 0, 0)
    _import(invoice, _camt(_entry("100.00", invoice.number, reference="A3")))
    assert _open(invoice) == 0
    left = {
        entry.reference: entry.left
        for entry in queries.bank_entries(viewer=_viewer(invoice), unmatched=True)
    }
    assert left == {"A2": D("50.00"), "A3": D("20.85")}


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        (b"hello", "Not readable as XML"),
        (b"<Document/>", "no statement"),
        (_camt("<Ntry><Sts>BOOK</Sts></Ntry>"), "Entry 1 has no amount"),
        (
            b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d>&x;</d>',
            "no statement",
        ),
    ],
)
def test_a_file_that_is_no_statement_is_refused(xml: bytes, says: str):
    with pytest.raises(bank.NotReadable, match=says):
        bank.statement_entries(xml)


@pytest.mark.django_db
def test_a_payment_by_hand_is_allocated_within_what_is_owed_and_paid():
    invoice = _invoice()
    entry = operations.enter_payment(
        operator_id=invoice.operator_id, booked_on=JANUARY, amount=D("300"), currency="EUR",
        reference="cash 1", remittance="", at=LATER, by_id=None,
    )  # fmt: skip
    given_amount = {"entry_id": entry.pk, "invoice_id": invoice.pk, "at": LATER, "by_id": None}

    with pytest.raises(operations.NotPossible, match=r"Settled 300\.00 of 279\.15"):
        operations.allocate(amount=D("300"), **given_amount)  # type: ignore[arg-type]
    operations.allocate(amount=D("279.15"), **given_amount)  # type: ignore[arg-type]
    assert _open(invoice) == 0
    operations.allocate(amount=D("-79.15"), **given_amount)  # type: ignore[arg-type]
    assert _open(invoice) == D("79.15")
    with pytest.raises(operations.NotPossible, match="booked already"):
        operations.enter_payment(
            operator_id=invoice.operator_id, booked_on=JANUARY, amount=D("1"), currency="EUR",
            reference="cash 1", remittance="", at=LATER, by_id=None,
        )  # fmt: skip
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        BankEntry.objects.update(amount=1)


@pytest.mark.django_db
def test_a_credit_note_is_set_off_and_ageing_shows_what_is_left():
    invoice = _invoice()
    credit = operations.credit_invoice(
        invoice_id=invoice.pk, reason="Wrong customer", at=LATER, by_id=None
    )
    viewer = _viewer(invoice)

    [row] = queries.ageing(viewer=viewer, today=dt.date(2030, 3, 1))
    assert (row.up_to_60, row.credit, row.total) == (D("279.15"), D("-279.15"), D(0))
    operations.use_credit(
        credit_note_id=credit.pk, invoice_id=invoice.pk, amount=D("279.15"), at=LATER, by_id=None
    )
    assert queries.ageing(viewer=viewer, today=dt.date(2030, 3, 1)) == []
    with pytest.raises(operations.NotPossible):
        operations.use_credit(
            credit_note_id=credit.pk, invoice_id=invoice.pk, amount=D("1"), at=LATER, by_id=None
        )
    account = queries.statement(viewer=viewer, customer_id=invoice.customer_id, currency="EUR")
    assert [row.balance for row in account] == [D("-279.15"), 0]


@pytest.mark.django_db
def test_a_direct_debit_is_made_once_settled_and_sent_back():
    invoice = _invoice()
    due = dt.date(2030, 1, 20)

    def make() -> DebitFile | None:
        return operations.make_debit_file(
            operator_id=invoice.operator_id, collect_on=due, at=LATER, by_id=None
        )

    assert make() is None
    operations.add_mandate(
        operator_id=invoice.operator_id, customer_id=invoice.customer_id, reference="M-1",
        signed_on=JANUARY, account_name="Förde Bad", iban=IBAN, bic="", at=LATER, by_id=None,
    )  # fmt: skip
    made = make()
    assert made is not None
    root = etree.fromstring(bytes(made.xml))
    assert root.findtext(".//{*}EndToEndId") == invoice.number
    assert root.findtext(".//{*}InstdAmt") == "279.15"
    assert root.findtext(".//{*}SeqTp") == "FRST"
    assert make() is None

    ours = f"<Refs><EndToEndId>{invoice.number}</EndToEndId></Refs>"
    _import(invoice, _camt(_entry("279.15", reference="B1", more=ours)))
    assert _open(invoice) == 0
    back = ours + "<RtrInf><Rsn><Cd>AM04</Cd></Rsn></RtrInf>"
    _import(invoice, _camt(_entry("279.15", reference="B2", side="DBIT", more=back)))
    assert _open(invoice) == D("279.15")
    assert BankEntry.objects.get(reference="B2").return_reason == "AM04"

    again = operations.make_debit_file(
        operator_id=invoice.operator_id, collect_on=due, at=LATER + dt.timedelta(days=1), by_id=None
    )
    assert again is not None
    assert Debit.objects.get(file=again).end_to_end_id == f"{invoice.number}/2"


@pytest.mark.django_db
def test_reminders_rise_by_age_and_leave_out_what_is_disputed():
    invoice = _invoice()
    for level, days in ((1, 7), (2, 21)):
        operations.set_dunning(
            operator_id=invoice.operator_id, level=level, days_after_due=days, fee=D(level),
            texts={"en": "Please pay {amount} of {number}, due {due}."}, at=LATER, by_id=None,
        )  # fmt: skip
    invoice.customer.email = "joan@foerdebad.example"
    invoice.customer.save()
    energy = invoice.lines.get(charge="energy")
    operations.open_dispute(line_id=energy.pk, comment="Too much", span=None, at=LATER, by_id=None)

    def made(day: int) -> int:
        at = LATER + dt.timedelta(days=14 + day)
        return len(operations.make_reminders(operator_id=invoice.operator_id, at=at))

    assert [made(5), made(8), made(9), made(30), made(31)] == [0, 1, 0, 1, 0]
    first = Reminder.objects.get(level=1)
    # 114.58 with 19 % VAT are in dispute.
    assert first.open_amount == D("279.15") - D("136.35")
    assert first.text == f"Please pay €142.80 of {invoice.number}, due 15 January 2030."
    for _ in range(2):
        tasks.send_reminder(reminder_id=first.pk)
    assert [letter.to for letter in mail.outbox] == [["joan@foerdebad.example"]]


@pytest.mark.django_db
def test_a_dispute_of_some_hours_holds_their_part_and_is_decided_once():
    invoice = _invoice()
    line = invoice.lines.get(charge="energy")
    start = line.service.lower
    span = (start, start + dt.timedelta(hours=186))

    dispute = operations.open_dispute(
        line_id=line.pk, comment="Closed that week", span=span, at=LATER, by_id=None
    )

    # 186 of 744 even hours are a quarter of 136.35.
    assert dispute.amount == D("34.09")
    with pytest.raises(operations.DisputeRefused, match="in dispute already"):
        operations.open_dispute(line_id=line.pk, comment="x", span=None, at=LATER, by_id=None)
    with pytest.raises(operations.DisputeRefused, match="not the time of the line"):
        operations.open_dispute(
            line_id=line.pk, comment="x", span=(start - dt.timedelta(days=1), start), at=LATER,
            by_id=None,
        )  # fmt: skip
    operations.answer_dispute(
        dispute_id=dispute.pk, text="We look at the meter", meter_test=True, at=LATER, by_id=None
    )
    with pytest.raises(operations.DisputeRefused, match="readings say what the invoice says"):
        operations.decide_dispute(
            dispute_id=dispute.pk, outcome="corrected", text="yes", at=LATER, by_id=None
        )
    operations.decide_dispute(
        dispute_id=dispute.pk, outcome="rejected", text="It is right", at=LATER, by_id=None
    )
    with pytest.raises(operations.DisputeRefused, match="decided already"):
        operations.decide_dispute(
            dispute_id=dispute.pk, outcome="withdrawn", text="", at=LATER, by_id=None
        )
    assert [note.step for note in dispute.notes.order_by("pk")] == [
        "open", "meter_test", "rejected",
    ]  # fmt: skip
    assert Dispute.objects.get().state == "rejected"


@pytest.mark.django_db
def test_a_dispute_cannot_be_of_more_than_the_line():
    invoice = _invoice()
    line = invoice.lines.get(charge="standing")

    with pytest.raises(IntegrityError, match="more than the line"), transaction.atomic():
        Dispute.objects.create(
            line=line, amount=D("142.81"), opened_at=LATER, answer_by=JANUARY, state="open"
        )
    with pytest.raises(operations.DisputeRefused, match="Only a metered line"):
        operations.open_dispute(
            line_id=line.pk, comment="x", at=LATER, by_id=None,
            span=(line.service.lower, line.service.upper),
        )  # fmt: skip


def _owed(number: str, amount: str, *ibans: str) -> Owed:
    return Owed(int(number[-3:]), number, D(amount), frozenset(ibans))


OWED = [_owed("INV-2026-000001", "100"), _owed("INV-2026-000012", "50", IBAN)]


@pytest.mark.parametrize(
    ("paid", "expected"),
    [
        (Paid(D(100), end_to_end_id="INV-2026-000001"), {1: D(100)}),
        (Paid(D(100), end_to_end_id="INV-2026-000001/2"), {1: D(100)}),
        (Paid(D(150), remittance="inv 2026 000001 und INV2026000012"), {1: D(100), 12: D(50)}),
        # A number is not found in a longer one.
        (Paid(D(100), remittance="INV-2026-0000012"), {}),
        (Paid(D(50), iban=IBAN), {12: D(50)}),
        (Paid(D(49), iban=IBAN), {}),
        (Paid(D(50)), {}),
    ],
)
def test_what_a_payment_is_for(paid: Paid, expected: dict[int, Decimal]):
    assert {share.invoice_id: share.amount for share in match(paid, OWED)} == expected


amounts = st.decimals(D("0.01"), 10_000, places=2)


@given(amount=amounts, opens=st.lists(amounts, min_size=1, max_size=5))
def test_never_more_than_was_paid_or_is_open(amount: Decimal, opens: list[Decimal]):
    owed = [Owed(n, f"INV-2026-{n:06}", o) for n, o in enumerate(opens, start=1)]
    text = " ".join(o.number for o in owed)

    shares = match(Paid(amount, remittance=text), owed)

    assert sum(share.amount for share in shares) == min(amount, sum(opens))
    for share in shares:
        assert 0 < share.amount <= opens[share.invoice_id - 1]
