"""
An issued invoice as PDF/A-3. What is printed is what was stored; nothing is computed here.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import typst
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from django.conf import settings
from django.utils.translation import gettext as _

from billing.models import Invoice, InvoiceLine

_LOCALE = "en_GB"


def invoice_pdf(*, invoice: Invoice) -> bytes:
    """
    Return the PDF/A-3 of an issued invoice; the same invoice gives the same text.
    """
    source = settings.BASE_DIR / "templates" / "billing" / "invoice.typ"
    pdf = typst.compile(
        source.read_bytes(),
        format="pdf",
        pdf_standards=["a-3b"],
        sys_inputs={"data": json.dumps(_content(invoice))},
    )
    return bytes(pdf)


def _content(invoice: Invoice) -> dict[str, object]:
    issued_on, due_on = invoice.issued_on, invoice.due_on
    if issued_on is None or due_on is None:
        raise ValueError("Only an issued invoice has a document.")
    days = invoice.period.local_days
    last_day = days.upper - dt.timedelta(days=1)
    return {
        "title": _("Invoice %(number)s") % {"number": invoice.number},
        "date": [issued_on.year, issued_on.month, issued_on.day],
        "labels": {"bill_to": _("Bill to")},
        "seller": _address(invoice.seller),
        "buyer": _address(invoice.buyer),
        "facts": [
            [_("Issued"), _date(issued_on)],
            [_("Due"), _date(due_on)],
            [_("Contract"), invoice.contract.reference],
            [
                _("Period"),
                _("%(first)s to %(last)s, %(zone)s time")
                % {
                    "first": _date(days.lower),
                    "last": _date(last_day),
                    "zone": invoice.period.timezone,
                },
            ],
        ],
        "columns": [_("Charge"), _("Quantity"), _("Unit price"), _("Net")],
        "lines": [
            _line(line, invoice.currency)
            for line in invoice.lines.order_by("position").prefetch_related("evidence")
        ],
        "totals": [
            [_("Net"), _money(invoice.net, invoice.currency)],
            *(
                [
                    _("VAT %(rate)s %% on %(base)s")
                    % {
                        "rate": f"{vat.rate.normalize():f}",
                        "base": _money(vat.base, invoice.currency),
                    },
                    _money(vat.tax, invoice.currency),
                ]
                for vat in invoice.vat_lines.order_by("category", "rate")
            ),
        ],
        "gross": [_("To pay"), _money(invoice.gross, invoice.currency)],
        "payment": _("Pay by %(due)s with reference %(number)s. %(bank)s")
        % {
            "due": _date(due_on),
            "number": invoice.number,
            "bank": invoice.seller["bank_details"],
        },
    }


def _line(line: InvoiceLine, currency: str) -> dict[str, str]:
    notes = [
        _("Register %(opening)s to %(closing)s, meter %(serial)s, %(count)s readings")
        % {
            "opening": _number(kept.opening),
            "closing": _number(kept.closing),
            "serial": kept.meter_serial,
            "count": _number(Decimal(kept.reading_count)),
        }
        for kept in line.evidence.all()
    ]
    # Without this switch a unit price is printed with the currency's two decimals.
    price = format_currency(
        line.unit_price, currency, "¤#,##0.00####", locale=_LOCALE, currency_digits=False
    )
    return {
        "description": line.description,
        "note": "; ".join(notes),
        "quantity": f"{_number(line.quantity)}\N{NO-BREAK SPACE}{line.unit}",
        "price": str(price),
        "net": _money(line.net, currency),
    }


def _address(party: dict[str, str]) -> list[str]:
    town = " ".join(part for part in (party["postcode"], party["town"]) if part)
    vat = _("VAT number %(id)s") % {"id": party["vat_id"]} if party["vat_id"] else ""
    rows = [party["name"], party["street"], town, party["country"], vat]
    return [row for row in rows if row]


def _date(day: dt.date) -> str:
    return str(format_date(day, "d MMMM y", locale=_LOCALE))


def _money(amount: Decimal, currency: str) -> str:
    return str(format_currency(amount, currency, locale=_LOCALE))


def _number(value: Decimal) -> str:
    return str(format_decimal(value, "#,##0.###", locale=_LOCALE))
