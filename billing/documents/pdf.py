"""
An issued document as PDF/A-3 in the customer's language, its electronic form inside (Factur-X).
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import typst
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from django.conf import settings
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from stdnum import iban

from billing.documents.einvoice import Syntax, electronic_invoice
from billing.documents.embedding import FILE_NAME, named_as_factur_x
from billing.documents.heat import heat_bars, heat_information
from billing.documents.payment_code import payment_code
from billing.models import Invoice, InvoiceLine

_LOCALES = {"de": "de_DE", "fr": "fr_FR"}
_PRICES = dict.fromkeys(_LOCALES.values(), "#,##0.00####\N{NO-BREAK SPACE}¤")


def invoice_pdf(*, invoice: Invoice) -> bytes:
    """
    Return the PDF/A-3 of an issued document; the same document gives the same text.
    """
    language = invoice.buyer.get("language") or "en-gb"
    with override(language):
        content = _content(invoice)
    source = settings.BASE_DIR / "templates" / "billing" / "invoice.typ"
    pdf = typst.compile(
        source.read_bytes(),
        format="pdf",
        pdf_standards=["a-3b"],
        sys_inputs={
            "data": json.dumps(content),
            "xml": electronic_invoice(invoice=invoice, syntax=Syntax.CII).decode(),
        },
    )
    return named_as_factur_x(bytes(pdf))


def _locale() -> str:
    return _LOCALES.get((get_language() or "")[:2], "en_GB")


def _title(invoice: Invoice) -> str:
    titles = {
        Invoice.Type.INVOICE: _("Invoice %(number)s"),
        Invoice.Type.CREDIT_NOTE: _("Credit note %(number)s"),
        Invoice.Type.SELF_BILLED: _("Self-billed invoice %(number)s"),
    }
    return titles[Invoice.Type(invoice.document_type)] % {"number": invoice.number}


def _facts(invoice: Invoice, issued_on: dt.date, due_on: dt.date) -> list[list[str]]:
    days = invoice.period.local_days
    period = _("%(first)s to %(last)s, %(zone)s time") % {
        "first": _date(days.lower),
        "last": _date(days.upper - dt.timedelta(days=1)),
        "zone": invoice.period.timezone,
    }
    facts = [
        [_("Issued"), _date(issued_on)],
        [_("Due"), _date(due_on)],
        [_("Period"), period],
        [_("Contract"), invoice.contract.reference],
        [_("Place"), str(invoice.contract.delivery_point or invoice.contract.site.name)],
    ]
    if invoice.corrects is not None:
        facts.append([_("Corrects"), f"{invoice.corrects.number}: {invoice.reason}"])
    return facts


def _content(invoice: Invoice) -> dict[str, object]:
    issued_on, due_on = invoice.issued_on, invoice.due_on
    if issued_on is None or due_on is None:
        raise ValueError("Only an issued invoice has a document.")
    return {
        "title": _title(invoice),
        "attachment": FILE_NAME,
        "language": (get_language() or "en")[:2],
        "date": [issued_on.year, issued_on.month, issued_on.day],
        "sender": " · ".join(_address(invoice.seller, invoice.seller["country"])),
        "seller": _address(invoice.seller, invoice.buyer["country"]),
        "buyer": _address(invoice.buyer, invoice.seller["country"]),
        "footer": _footer(invoice.seller),
        "facts": _facts(invoice, issued_on, due_on),
        "columns": [_("Charge"), _("Quantity"), _("Unit price"), _("Net")],
        "lines": [
            _line(line, invoice.currency)
            for line in sorted(invoice.lines.all(), key=lambda line: line.position)
        ],
        "totals": [
            [_("Net"), _money(invoice.net, invoice.currency)],
            *(
                [
                    _("VAT %(rate)s %% on %(base)s")
                    % {
                        "rate": _number(vat.rate),
                        "base": _money(vat.base, invoice.currency),
                    },
                    _money(vat.tax, invoice.currency),
                ]
                for vat in sorted(invoice.vat_lines.all(), key=lambda v: (v.category, v.rate))
            ),
        ],
        "gross": [
            _("To pay") if invoice.gross >= 0 else _("Credited to you"),
            _money(abs(invoice.gross), invoice.currency),
        ],
        "payment": _payment(invoice, due_on),
        "code": _code(invoice),
        "heat": heat_information(invoice=invoice, locale=_locale()),
        "bars": heat_bars(invoice=invoice, locale=_locale()),
    }


def _payment(invoice: Invoice, due_on: dt.date) -> list[str]:
    """
    Return what is to be done about the amount, then the account it goes to.
    """
    reverse = any(vat.category == "AE" for vat in invoice.vat_lines.all())
    further = [_("Reverse charge: the recipient owes the VAT.")] if reverse else []
    if invoice.gross < 0:
        return [_("The amount is set off against what you owe, or paid back."), *further]
    if invoice.by_direct_debit:
        return [_debit(invoice, due_on), *further]
    told = _("Please pay by %(due)s with reference %(number)s.") % {
        "due": _date(due_on), "number": invoice.number,
    }  # fmt: skip
    return [told, *_account(invoice.seller), *further]


def _debit(invoice: Invoice, due_on: dt.date) -> str:
    account = invoice.buyer["mandate_iban"]
    return _(
        "You need not pay anything yourself: on %(due)s or soon after we collect the amount by SEPA"
        " direct debit from the account %(account)s. Mandate %(mandate)s, creditor identifier"
        " %(creditor)s."
    ) % {
        "due": _date(due_on),
        # Enough to know it by, and no more in a letter.
        "account": f"{account[:4]} … {account[-4:]}",
        "mandate": invoice.buyer["mandate_reference"],
        "creditor": invoice.seller["creditor_id"],
    }


def _account(seller: dict[str, str]) -> list[str]:
    account = f"IBAN {iban.format(seller['iban'])}" if seller.get("iban") else ""
    bic = f"BIC {seller['bic']}" if seller.get("bic") else ""
    return [text for text in (seller["bank_details"], account, bic) if text]


def _code(invoice: Invoice) -> dict[str, str]:
    """
    Return the payment code as a drawing and what stands under it; nothing where there is none.
    """
    if invoice.document_type != Invoice.Type.INVOICE or invoice.by_direct_debit:
        return {}
    code = payment_code(
        seller=invoice.seller, currency=invoice.currency, amount=invoice.gross,
        reference=invoice.number,
    )  # fmt: skip
    if code is None:
        return {}
    return {
        "svg": code.svg_inline(border=0, lineclass=None, svgclass=None),
        "name": _("Pay by banking app"),
    }


def _footer(seller: dict[str, str]) -> list[list[str]]:
    """
    Return the columns at the foot of each page: who bills, how they are reached, their numbers.
    """
    numbers = [
        _("VAT number %(id)s") % {"id": seller["vat_id"]} if seller["vat_id"] else "",
        _("Tax number %(id)s") % {"id": seller["tax_number"]} if seller.get("tax_number") else "",
    ]
    columns = [
        _address(seller, seller["country"]),
        [seller.get("contact_name", ""), seller.get("phone", ""), seller.get("email", "")],
        [*numbers, *_account(seller)],
    ]
    return [[text for text in column if text] for column in columns]


def _line(line: InvoiceLine, currency: str) -> dict[str, str]:
    notes = [
        _("Register %(opening)s to %(closing)s, meter %(serial)s, %(count)s readings")
        % {
            "opening": _number(kept.opening),
            "closing": f"{_number(kept.closing)} {line.explanation.get('register', '')}".rstrip(),
            "serial": kept.meter_serial,
            "count": _number(Decimal(kept.reading_count)),
        }
        for kept in line.evidence.all()
    ]
    # Without this switch a unit price is printed with the currency's two decimals.
    price = format_currency(
        line.unit_price,
        currency,
        _PRICES.get(_locale(), "¤#,##0.00####"),
        locale=_locale(),
        currency_digits=False,
    )
    return {
        "description": line.description,
        "note": "; ".join(notes),
        "quantity": _quantity(line),
        "price": str(price),
        "net": _money(line.net, currency),
    }


def _quantity(line: InvoiceLine) -> str:
    one = abs(line.quantity) == 1
    # "x" counts things that have no unit.
    units = {
        "x": "", "month": _("month") if one else _("months"), "day": _("day") if one else _("days"),
    }  # fmt: skip
    unit = units.get(line.unit, line.unit)
    return f"{_number(line.quantity)}\N{NO-BREAK SPACE}{unit}".rstrip()


def _address(party: dict[str, str], seen_from: str) -> list[str]:
    """
    Return the rows of an address; the country only where it is another than `seen_from`.
    """
    town = " ".join(part for part in (party["postcode"], party["town"]) if part)
    country = "" if party["country"] == seen_from else _country(party["country"])
    return [row for row in (party["name"], party["street"], town, country) if row]


def _country(code: str) -> str:
    return str(Locale.parse(_locale()).territories.get(code, code))


def _date(day: dt.date) -> str:
    return str(format_date(day, "long", locale=_locale()))


def _money(amount: Decimal, currency: str) -> str:
    return str(format_currency(amount, currency, locale=_locale()))


def _number(value: Decimal) -> str:
    return str(format_decimal(value, "#,##0.###", locale=_locale()))
