"""
Reference data: emission factors and rules about ratios, added and superseded, never edited.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import QuerySet

from sites.operations import record
from telemetry.domain import reference
from telemetry.domain.reference import FactorRow, Fate, KpiRuleRow, Step
from telemetry.models import EmissionFactor, KpiRule
from telemetry.queries.reference import as_factor_row, as_rule_row


class FactorsOverlap(Exception):
    """
    Two rows to be loaded speak for the same thing and day.
    """


@transaction.atomic(durable=True)
def load_emission_factors(
    *,
    rows: Sequence[FactorRow],
    at: dt.datetime,
    by_id: int | None = None,
    operator_id: int | None = None,
) -> int:
    """
    Take the given rows into the factors of an operator, or of the installation, and return how
    many are new; the same rows again change nothing. A factor that speaks for the days of a new
    one is superseded and kept; an operator's goes on for its other days.

    :raises FactorsOverlap: naming the second of two rows for one day
    """
    held = EmissionFactor.objects.filter(superseded_at__isnull=True, operator_id=operator_id)
    steps, made = _supersede(rows, held, as_factor_row, at=at, goes_on=operator_id is not None)
    EmissionFactor.objects.bulk_create(
        EmissionFactor(
            operator_id=operator_id, created_at=at, valid=DateRange(row.valid_from, row.valid_to),
            carrier=row.carrier, region=row.region, data_year=row.data_year,
            kg_per_kwh=row.kg_per_kwh, published=row.published, gas=row.gas, extent=row.extent,
            heating_value=row.heating_value, basis=row.basis, source=row.source,
            licence=row.licence,
        )
        for row in made
    )  # fmt: skip
    for step in steps:
        record(
            at=at, by_id=by_id, operator_id=operator_id, action="emission factor loaded",
            subject=f"{step.row.carrier}/{step.row.region}/{step.row.valid_from}",
            after={"kg_per_kwh": str(step.row.kg_per_kwh), "source": step.row.source},
        )  # fmt: skip
    return len(steps)


@transaction.atomic(durable=True)
def load_kpi_rules(
    *,
    rows: Sequence[KpiRuleRow],
    at: dt.datetime,
    by_id: int | None = None,
    operator_id: int | None = None,
) -> int:
    """
    Take rules as `load_emission_factors` takes factors.

    :raises FactorsOverlap: naming the second of two rows for one data centre and day
    """
    held = KpiRule.objects.filter(superseded_at__isnull=True, operator_id=operator_id)
    steps, made = _supersede(rows, held, as_rule_row, at=at, goes_on=operator_id is not None)
    KpiRule.objects.bulk_create(
        KpiRule(
            operator_id=operator_id, created_at=at, valid=DateRange(row.valid_from, row.valid_to),
            started=DateRange(row.started_from, row.started_to), code=row.code, region=row.region,
            value=row.value, unit=row.unit, standing=row.standing, words=row.words,
            grace_months=row.grace_months, source=row.source, licence=row.licence,
        )
        for row in made
    )  # fmt: skip
    for step in steps:
        record(
            at=at, by_id=by_id, operator_id=operator_id, action="rule loaded",
            subject=f"{step.row.code}/{step.row.region}/{step.row.valid_from}",
            after={"value": str(step.row.value), "source": step.row.source},
        )  # fmt: skip
    return len(steps)


def _supersede(
    rows: Sequence[reference.Row],
    held: QuerySet[Any],
    as_row: Callable[[Any], reference.Row],
    *,
    at: dt.datetime,
    goes_on: bool,
) -> tuple[list[Step[reference.Row]], list[reference.Row]]:
    """
    Mark what is held and spoken for by new rows as superseded. Return the steps that change
    something, and the rows to be made: new ones and, with `goes_on`, what is left of the old.

    :raises FactorsOverlap: naming the second of two rows for one thing and day
    """
    pair = reference.twice(rows)
    if pair is not None:
        raise FactorsOverlap(str(rows[pair[1]]))
    locked = held.select_for_update(of=("self",)).order_by("pk")
    current = {as_row(row): row.pk for row in locked}
    steps = [s for s in reference.plan(rows, current) if s.fate is not Fate.HELD]
    replaced = list(dict.fromkeys(other for step in steps for other in step.replaced))
    held.filter(pk__in=[current[row] for row in replaced]).update(superseded_at=at)
    made = [step.row for step in steps]
    return steps, made + reference.remains(replaced, made) if goes_on else made
