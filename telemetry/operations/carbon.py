"""
Emission factors: added and superseded, never edited.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange

from sites.operations import record
from telemetry.models import EmissionFactor


@dataclass(frozen=True, slots=True)
class FactorRow:
    """
    A factor as published: kg/kWh for the days [valid_from, valid_to), from `data_year`.
    """

    carrier: str
    region: str
    valid_from: dt.date
    valid_to: dt.date
    data_year: int
    kg_per_kwh: Decimal
    basis: str
    source: str
    licence: str

    @property
    def valid(self) -> DateRange:
        return DateRange(self.valid_from, self.valid_to)


class FactorsOverlap(Exception):
    """
    Two rows to be loaded speak for the same carrier, region and day.
    """


@transaction.atomic(durable=True)
def load_emission_factors(
    *, rows: Sequence[FactorRow], at: dt.datetime, by_id: int | None = None
) -> int:
    """
    Bring the table to the given rows and return how many are new; the same rows again change
    nothing. A factor that speaks for the days of a new one is superseded and kept.

    :raises FactorsOverlap: naming the second of two rows for one day
    """
    _refuse_overlaps(rows)
    held = EmissionFactor.objects.select_for_update().filter(superseded_at__isnull=True)
    current = {_as_row(factor): factor for factor in held.order_by("pk")}
    fresh = [row for row in rows if row not in current]
    for row in fresh:
        for other, factor in current.items():
            if factor.superseded_at is None and _overlap(row, other):
                factor.superseded_at = at
                factor.save(update_fields=["superseded_at"])
    for row in fresh:
        values = asdict(row)
        del values["valid_from"], values["valid_to"]
        EmissionFactor.objects.create(**values, valid=row.valid)
        record(
            at=at, by_id=by_id, operator_id=None, action="emission factor loaded",
            subject=f"{row.carrier}/{row.region}/{row.valid_from}",
            after={"kg_per_kwh": str(row.kg_per_kwh), "source": row.source},
        )  # fmt: skip
    return len(fresh)


def _refuse_overlaps(rows: Sequence[FactorRow]) -> None:
    for n, row in enumerate(rows):
        if any(_overlap(row, other) for other in rows[:n]):
            raise FactorsOverlap(f"{row.carrier} {row.region} {row.valid_from}")


def _overlap(one: FactorRow, other: FactorRow) -> bool:
    return (
        (one.carrier, one.region) == (other.carrier, other.region)
        and one.valid_from < other.valid_to
        and other.valid_from < one.valid_to
    )


def _as_row(factor: EmissionFactor) -> FactorRow:
    return FactorRow(
        carrier=factor.carrier, region=factor.region, valid_from=factor.valid.lower,
        valid_to=factor.valid.upper, data_year=factor.data_year, kg_per_kwh=factor.kg_per_kwh,
        basis=factor.basis, source=factor.source, licence=factor.licence,
    )  # fmt: skip
