"""
Reference data as people read it, as it would become, and the rules a site is bound by.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q, QuerySet

from sites.access import Viewer
from sites.models import Site
from telemetry.domain import reference
from telemetry.domain.reference import FactorRow, KpiRuleRow, Standing, Step
from telemetry.models import EmissionFactor, KpiRule


def emission_factors(
    *, viewer: Viewer, search: str = "", carrier: str = "", superseded: str = ""
) -> QuerySet[EmissionFactor]:
    """
    Return the factors the viewer's figures may be made with: the installation's and its own, by
    carrier and region, newest first; those in force unless `superseded` is "yes".
    """
    rows = EmissionFactor.objects.visible_to(viewer).select_related("operator")
    if search:
        rows = rows.filter(Q(region__iexact=search) | Q(source__icontains=search))
    if carrier:
        rows = rows.filter(carrier=carrier)
    if superseded != "yes":
        rows = rows.filter(superseded_at__isnull=True)
    return rows.order_by("carrier", "region", "-valid", "-pk")


def carriers(*, viewer: Viewer) -> list[str]:
    """
    Return the carriers of the factors the viewer may see.
    """
    rows = EmissionFactor.objects.visible_to(viewer).order_by("carrier")
    return list(rows.values_list("carrier", flat=True).distinct())


def kpi_rules(
    *, viewer: Viewer, search: str = "", standing: str = "", superseded: str = ""
) -> QuerySet[KpiRule]:
    """
    Return the rules about ratios the viewer may see, by name, those that hold first before later
    ones. Drafts bind nobody: they are there where `standing` is "draft" or "all".
    """
    rows = KpiRule.objects.visible_to(viewer).select_related("operator")
    if search:
        rows = rows.filter(
            Q(code__icontains=search) | Q(words__icontains=search) | Q(region__iexact=search)
        )
    if not standing:
        rows = rows.exclude(standing=Standing.DRAFT)
    elif standing != "all":
        rows = rows.filter(standing=standing)
    if superseded != "yes":
        rows = rows.filter(superseded_at__isnull=True)
    return rows.order_by("region", "code", "standing", "valid", "started", "pk")


def factor_plan(*, viewer: Viewer, rows: Sequence[FactorRow]) -> list[Step[FactorRow]]:
    """
    Return what would become of factors that the viewer's operator hands in.
    """
    held = EmissionFactor.objects.visible_to(viewer).filter(
        operator_id=viewer.stakeholder_id, superseded_at__isnull=True
    )
    return reference.plan(rows, [as_factor_row(factor) for factor in held])


def rule_plan(*, viewer: Viewer, rows: Sequence[KpiRuleRow]) -> list[Step[KpiRuleRow]]:
    """
    Return what would become of rules that the viewer's operator hands in.
    """
    held = KpiRule.objects.visible_to(viewer).filter(
        operator_id=viewer.stakeholder_id, superseded_at__isnull=True
    )
    return reference.plan(rows, [as_rule_row(rule) for rule in held])


def as_factor_row(factor: EmissionFactor) -> FactorRow:
    """
    Return a factor as it is handed in.
    """
    return FactorRow(
        carrier=factor.carrier, region=factor.region, valid_from=factor.valid.lower,
        valid_to=factor.valid.upper, data_year=factor.data_year, kg_per_kwh=factor.kg_per_kwh,
        basis=factor.basis, source=factor.source, licence=factor.licence, gas=factor.gas,
        extent=factor.extent, heating_value=factor.heating_value, published=factor.published,
    )  # fmt: skip


def as_rule_row(rule: KpiRule) -> KpiRuleRow:
    """
    Return a rule as it is handed in.
    """
    return KpiRuleRow(
        code=rule.code, region=rule.region, valid_from=rule.valid.lower,
        valid_to=rule.valid.upper, started_from=rule.started.lower,
        started_to=rule.started.upper, grace_months=rule.grace_months, value=rule.value,
        unit=rule.unit, standing=rule.standing, words=rule.words, source=rule.source,
        licence=rule.licence,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Threshold:
    """
    A rule as it applies to one site: from which day it binds it.
    """

    rule: KpiRule
    binds_from: dt.date

    @property
    def is_draft(self) -> bool:
        return self.rule.standing == Standing.DRAFT.value


class Rules:
    """
    The rules for some sites, read once; an operator's own stand before the installation's.
    """

    def __init__(self, sites: Iterable[Site], *, drafts: bool = False) -> None:
        wanted = [Standing.LAW.value, Standing.BENCHMARK.value]
        operators = {site.operator_id for site in sites}
        self._rows = list(
            KpiRule.objects.filter(
                Q(operator__isnull=True) | Q(operator__in=operators),
                superseded_at__isnull=True,
                standing__in=[*wanted, Standing.DRAFT.value] if drafts else wanted,
            ).order_by("valid", "pk")
        )

    def of(self, site: Site, code: str, *, on: dt.date) -> list[Threshold]:
        """
        Return the rules of a name for a site that are in force on a day or come into force later,
        the earliest first.
        """
        found = [
            Threshold(rule, binds)
            for rule in self._rows
            if rule.code == code
            and rule.region in reference.regions_of(site.country)
            and site.started_on in rule.started
            and (rule.valid.upper is None or on < rule.valid.upper)
            and (binds := max(rule.valid.lower, _after(site.started_on, rule.grace_months)))
        ]
        own = [t for t in found if t.rule.operator_id == site.operator_id]
        return own or [t for t in found if t.rule.operator_id is None]

    def value(self, site: Site, code: str, *, on: dt.date) -> Decimal | None:
        """
        Return the threshold that is in force for a site on a day; None where none is.
        """
        held = [t for t in self.of(site, code, on=on) if t.binds_from <= on and not t.is_draft]
        return held[-1].rule.value if held else None


def _after(day: dt.date, months: int) -> dt.date:
    count = day.year * 12 + day.month - 1 + months
    year, month = divmod(count, 12)
    # A start on the 31st reaches shorter months at their end.
    for last in range(day.day, 27, -1):
        try:
            return dt.date(year, month + 1, last)
        except ValueError:
            continue
    return dt.date(year, month + 1, day.day)
