"""
Figures that are shown to others: each with its scope, coverage, formula and source in words. What
cannot be stated is a reason, never a zero.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from portal.templatetags.portal import number, percent
from portal.views.lists import Column
from telemetry.domain.kpi import PUBLISHED_FROM, Ratio, Reason, without

# Regulation (EU) 2024/1364 names these standards for the two ratios.
PUE_SOURCE = "EN 50600-4-2, ISO/IEC 30134-2"
ERF_SOURCE = "EN 50600-4-6, ISO/IEC 30134-6"
REF_SOURCE = "EN 50600-4-3, ISO/IEC 30134-3"


@dataclass(frozen=True, slots=True)
class Claim:
    """
    One figure over whole months. `value` is in `unit` ("1" for a ratio) and None where `reason`
    says why there is none; `text` and `shown_unit` are for readers, `coverage` the share of hours
    that were measured.
    """

    key: str
    title: str
    value: Decimal | None
    unit: str
    text: str
    shown_unit: str | SafeString
    scope: str
    source: str
    coverage: Decimal | None
    months: int
    formula: str = ""
    reason: str = ""

    @property
    def whole(self) -> bool:
        """
        Whether every hour was measured.
        """
        return self.coverage is not None and self.coverage >= 1

    @property
    def stated(self) -> str | None:
        """
        The figure for machines: a ratio to four decimals, an amount to one; more would be noise.
        """
        places = 4 if self.unit == "1" else 1
        return None if self.value is None else f"{self.value:.{places}f}"

    @property
    def stated_coverage(self) -> str | None:
        return None if self.coverage is None else f"{self.coverage:.4f}"

    @property
    def interim(self) -> bool:
        return self.months < 12

    @property
    def span(self) -> str:
        """
        The months behind an interim figure, in words.
        """
        return ngettext("Interim: %s month", "Interim: %s months", self.months) % self.months


def reason_in_words(reason: Reason | None, coverage: Decimal | None) -> str:
    """
    Say why a figure is not there; empty where it is.
    """
    if reason is None:
        return ""
    if reason is Reason.LOW_COVERAGE:
        words = gettext("Not published: %(measured)s of hours measured, 90%% needed.")
        return words % {"measured": percent(coverage)}
    return {
        Reason.NO_METER: gettext("Not published: a meter for it is missing."),
        Reason.NOT_STARTED: gettext("Not published: measuring began later."),
        Reason.ZERO_DENOMINATOR: gettext("Not published: the servers used no electricity."),
        Reason.IMPLAUSIBLE: gettext("Not published: readings contradict each other."),
        Reason.NO_ATTRIBUTES: gettext("Not published: no certificates or contracts are recorded."),
        Reason.NO_FACTOR: gettext("Not published: the emission factor for it is missing."),
    }[reason]


def _not_shown(words: str) -> str:
    # Whoever knows one tenant's use could tell a neighbour's from the energies of a small site.
    return (
        words
        + " "
        + gettext("The energies themselves are not shown; they would tell what others used.")
    )


def pue_claim(pue: Ratio) -> Claim:
    """
    Return power usage effectiveness as a claim.
    """
    text = number(pue.value, 2)
    return Claim(
        key="pue",
        title=gettext("Energy the site needs"),
        value=pue.value,
        unit="1",
        text=text,
        shown_unit=gettext("kWh for each kWh of its servers (PUE)"),
        scope=gettext(
            "Everything the site used, with cooling and losses, set against its servers."
        ),
        source=PUE_SOURCE,
        coverage=pue.coverage,
        months=pue.months,
        formula=_not_shown(gettext("Energy of the site / energy of all its servers = %s.") % text),
        reason=reason_in_words(pue.reason, pue.coverage),
    )


def erf_claim(erf: Ratio, *, own_footprint: bool) -> Claim:
    """
    Return the energy reuse factor as a claim.

    :param own_footprint: the reader has a footprint there, and is told that it stays the same
    """
    text = percent(erf.value)
    limit = (
        gettext(
            "It is about the buildings that take the heat; it does not reduce your own footprint."
        )
        if own_footprint
        else gettext("It does not make the electricity that the site used any less.")
    )
    return Claim(
        key="erf",
        title=gettext("Heat that was reused"),
        value=erf.value,
        unit="1",
        text=text,
        shown_unit=gettext("of the site’s energy (ERF)"),
        scope=gettext("Heat handed over to others, set against everything the site used. ") + limit,
        source=ERF_SOURCE,
        coverage=erf.coverage,
        months=erf.months,
        formula=_not_shown(gettext("Heat handed over / energy of the site = %s.") % text),
        reason=reason_in_words(erf.reason, erf.coverage),
    )


def avoided_claim(found: Sequence[Any], months: int) -> Claim:
    """
    Return the emissions that heat avoided at the buildings, as a claim. It has no figure while
    one building that took heat has none, and a negative one is shown.
    """
    taking = [d for d in found if d.heat_kwh]
    known = [d.avoided for d in taking if d.avoided is not None]
    total = sum((a.claim_kg for a in known), Decimal(0)) if len(known) == len(taking) else None
    heat = sum((d.heat_kwh for d in taking), Decimal(0))
    coverage = sum((d.coverage * d.heat_kwh for d in taking), Decimal(0)) / heat if heat else None
    missing = gettext("Not published: what would have heated a building is not recorded.")
    low = coverage is not None and coverage < PUBLISHED_FROM
    if low:
        missing = reason_in_words(Reason.LOW_COVERAGE, coverage)
    shown = None if low or not taking else total
    return Claim(
        key="avoided_emissions",
        title=gettext("Emissions avoided at the buildings"),
        value=shown,
        unit="kg",
        text=number(shown),
        shown_unit=gettext("kg CO2, an estimate"),
        scope=gettext(
            "Fuel that boilers would have burned, less the pumping, less its uncertainty. Outside"
            " every inventory: it makes no footprint smaller, and whoever takes the heat claims it."
        ),
        source="; ".join(
            dict.fromkeys(d.counterfactual.source for d in taking if d.counterfactual is not None)
        ),
        coverage=coverage,
        months=months,
        formula=_avoided_formula(taking) if shown is not None else "",
        reason=missing if shown is None else "",
    )


def _avoided_formula(taking: Sequence[Any]) -> str:
    parts = [
        gettext("%(heat)s kWh × %(factor)s kg/kWh (%(fuel)s) / %(efficiency)s − pumping")
        % {
            "heat": number(d.heat_kwh),
            "factor": number(d.counterfactual.fuel_kg_per_kwh, 5),
            "fuel": d.counterfactual.fuel,
            "efficiency": number(d.counterfactual.efficiency, 2),
        }
        for d in taking
    ]
    return "; ".join(parts)


def renewable_claim(found: Any | None) -> Claim:
    """
    Return the renewable share of a site's electricity with its mix as a claim.
    """
    ref = found.ref if found is not None else without(Reason.NO_METER)
    mix = found.mix if found is not None else []
    return Claim(
        key="ref",
        title=gettext("Renewable electricity"),
        value=ref.value,
        unit="1",
        text=percent(ref.value),
        shown_unit=gettext("of the site’s electricity, over the whole time (REF)"),
        scope=gettext(
            "Certificates cancelled for these months, contracts, and what the site made and used"
            " itself. It is a balance: it says nothing of single hours, nor of the heat."
        ),
        source=REF_SOURCE,
        coverage=ref.coverage if ref.value is not None else None,
        months=ref.months,
        formula="; ".join(f"{name}: {percent(share)}" for name, share in mix),
        reason=reason_in_words(ref.reason, ref.coverage),
    )


def claim_columns(first: dt.date, last: dt.date) -> Sequence[Column[Any]]:
    """
    Return the columns of claims as CSV, for months from `first` to `last`.
    """
    return [
        Column("figure", value=lambda c: c.key),
        Column("value", value=lambda c: c.stated),
        Column("unit", value=lambda c: c.unit),
        Column("coverage", value=lambda c: c.stated_coverage),
        Column("first_month", value=lambda c: f"{first:%Y-%m}"),
        Column("last_month", value=lambda c: f"{last:%Y-%m}"),
        Column("months", value=lambda c: c.months),
        Column("scope", value=lambda c: c.scope),
        Column("reason", value=lambda c: c.reason),
        Column("source", value=lambda c: c.source),
    ]
