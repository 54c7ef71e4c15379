"""
What a heat bill tells beside its amounts (Directive 2018/2002, Annex VIIa): the same month a year
before, corrected for the weather where both months' degree days are known; readings and meters; how
much was estimated; whom to ask and where to complain.
"""

from __future__ import annotations

from decimal import Decimal

from babel.dates import format_date, format_skeleton
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
        [_("Meters"), _meters(invoice, locale)],
        [_("Source of the heat"), _source(invoice, locale)],
        [_("Questions"), _contact(invoice)],
        [_("Complaints"), invoice.seller.get("complaints", "")],
    ]  # fmt: skip
    return [[heading, text] for heading, text in told if text]


def heat_bars(*, invoice: Invoice, locale: str) -> list[dict[str, object]]:
    """
    Return the bars of the comparison with the year before: name, figure and length from 0 to 1;
    none where there is nothing to compare.
    """
    if invoice.contract.delivery_point_id is None or invoice.corrects_id is not None:
        return []
    before = queries.bill_of_last_year(invoice=invoice)
    if before is None:
        return []
    told = [(bill.period.local_days.lower, _used(bill)) for bill in (before, invoice)]
    most = max(used for _day, used in told)
    if most <= 0:
        return []
    return [
        {
            "name": format_skeleton("yMMMM", day, locale=locale),
            "figure": f"{_number(used, locale)}\N{NO-BREAK SPACE}kWh",
            "length": float(used / most),
        }
        for day, used in told
    ]


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
        "change": _percent(change, locale, sign="+"),
    }
    days = [_degree_days(bill) for bill in (invoice, before)]
    if not all(days):
        return f"{text} " + _("The weather is not taken into account: no degree days are known.")
    now, then = (Decimal(day or 0) for day in days)
    corrected = (used / now - was / then) / (was / then)
    return f"{text} " + _("Per degree day, corrected for the weather: %(change)s.") % {
        "change": _percent(corrected, locale, sign="+")
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
    return _("%(share)s of the energy was estimated.") % {"share": _percent(share, locale)}


def _source(invoice: Invoice, locale: str) -> str:
    """
    Say what the heat is made of and what it emits, for the month of the bill; what is not known
    is said to be.
    """
    site = invoice.contract.site
    month = invoice.period.local_days.lower.replace(day=1)
    text = str(_("Waste heat of the data centre at %(site)s.") % {"site": site.name})
    found = metering.heat_source(site=site, month=month)
    if found.mix is None:
        return f"{text} " + _(
            "How much electricity heat pumps and pumps took for it is not known for the month."
        )
    if not found.uplift_metered:
        return f"{text} " + _("No heat pump or pump is metered apart from it.")
    text += " " + _(
        "%(heat)s waste heat and %(electricity)s electricity of heat pumps and pumps."
    ) % {
        "heat": _percent(1 - found.mix.electricity, locale),
        "electricity": _percent(found.mix.electricity, locale),
    }
    if found.factor is None:
        return f"{text} " + _("Its emissions are not known: no factor is held for the grid.")
    gas = found.factor.gas.replace("co2", "CO2")
    each = found.mix.kg_per_kwh(found.factor.kg_per_kwh)
    return f"{text} " + _(
        "%(each)s kg %(gas)s a kWh of heat, %(all)s kg for this bill (grid factor: %(source)s, "
        "%(year)s)."
    ) % {
        "each": format_decimal(each, "0.0000", locale=locale), "gas": gas,
        "all": format_decimal(each * _used(invoice), "#,##0", locale=locale),
        "source": found.factor.source, "year": found.factor.data_year,
    }  # fmt: skip


def _meters(invoice: Invoice, locale: str) -> str:
    points = {line.terms.metering_point_id for line in invoice.lines.all()}
    told = []
    for point_id in sorted(point for point in points if point is not None):
        for serial, due in metering.verified_until(
            point_id=point_id, at=invoice.period.instants.upper
        ):
            told.append(
                _("%(serial)s, verified until %(day)s")
                % {
                    "serial": serial,
                    "day": format_date(due, "medium", locale=locale),
                }
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


def _percent(share: Decimal, locale: str, *, sign: str = "") -> str:
    # German and French put a blank before the sign.
    unit = "%" if locale.startswith("en") else "\N{NO-BREAK SPACE}%"
    pattern = f"{sign}0.0{unit};-0.0{unit}"
    return str(format_percent(share, format=pattern, locale=locale))
