"""
What a heat bill tells beside its amounts (Directive 2018/2002, Annex VIIa): the same month a year
before, corrected for the weather where both months' degree days are known; readings and meters; how
much was estimated; whom to ask and where to complain.
"""

from __future__ import annotations

from decimal import Decimal

from babel.numbers import format_decimal, format_percent
from django.utils.translation import gettext as _

from billing import queries
from billing.domain import rating
from billing.models import Invoice, MonthlyFigure
from telemetry import queries as metering


def heat_information(*, invoice: Invoice, locale: str) -> list[list[str]]:
    """
    Return headings and texts for a bill about heat; nothing for another document.
    """
    if invoice.contract.delivery_point_id is None or invoice.corrects_id is not None:
        return []
    told = [
        [_("Compared with last year"), _comparison(invoice, locale)],
        [_("Estimated"), _estimated(invoice, locale)],
        [_("Meters"), _meters(invoice)],
        [_("Source of the heat"), _("Waste heat of the data centre at %(site)s.")
         % {"site": invoice.contract.site.name}],
        [_("Questions"), _contact(invoice)],
        [_("Complaints"), invoice.seller.get("complaints", "")],
    ]  # fmt: skip
    return [[heading, text] for heading, text in told if text]


def _used(invoice: Invoice) -> Decimal:
    return sum(
        (line.quantity for line in invoice.lines.all() if rating.is_energy(line.charge)), Decimal(0)
    )


def _comparison(invoice: Invoice, locale: str) -> str:
    before = queries.bill_of_last_year(invoice=invoice)
    used = _used(invoice)
    if before is None or not (was := _used(before)):
        return _("There is no bill for the same month a year before.")
    change = (used - was) / was
    text = _("%(now)s kWh, after %(before)s kWh a year before (%(change)s).") % {
        "now": _number(used, locale),
        "before": _number(was, locale),
        "change": format_percent(change, format="+0.0%;-0.0%", locale=locale),
    }
    days = [_degree_days(bill) for bill in (invoice, before)]
    if not all(days):
        return f"{text} " + _("The weather is not taken into account: no degree days are known.")
    now, then = (Decimal(day or 0) for day in days)
    corrected = (used / now - was / then) / (was / then)
    return f"{text} " + _("Per degree day, corrected for the weather: %(change)s.") % {
        "change": format_percent(corrected, format="+0.0%;-0.0%", locale=locale)
    }


def _degree_days(invoice: Invoice) -> Decimal | None:
    figures = queries.monthly_figures(
        contract_id=invoice.contract_id, month=invoice.period.local_days.lower.replace(day=1)
    )
    return figures.get(MonthlyFigure.Kind.DEGREE_DAYS)


def _estimated(invoice: Invoice, locale: str) -> str:
    kept = {
        (e.channel_id, e.instants): e for line in invoice.lines.all() for e in line.evidence.all()
    }
    energy = sum((e.energy_kwh for e in kept.values()), Decimal(0))
    if not energy:
        return ""
    share = sum((e.estimated_kwh for e in kept.values()), Decimal(0)) / energy
    return _("%(share)s of the energy was estimated.") % {
        "share": format_percent(share, format="0.0%", locale=locale)
    }


def _meters(invoice: Invoice) -> str:
    points = {line.terms.metering_point_id for line in invoice.lines.all()}
    told = []
    for point_id in sorted(point for point in points if point is not None):
        for serial, due in metering.verified_until(
            point_id=point_id, at=invoice.period.instants.upper
        ):
            told.append(
                _("%(serial)s, verified until %(day)s") % {"serial": serial, "day": due.isoformat()}
                if due
                else serial
            )
    return "; ".join(told)


def _contact(invoice: Invoice) -> str:
    seller = invoice.seller
    return ", ".join(
        text for text in (seller.get("contact_name"), seller.get("phone"), seller.get("email"))
        if text
    )  # fmt: skip


def _number(value: Decimal, locale: str) -> str:
    return str(format_decimal(value, "#,##0.###", locale=locale))
