"""
Verification of meters: the terms of countries, and what was verified when.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange

from sites.operations import record
from telemetry.domain.calibration import due_date
from telemetry.models import CalibrationRule, Meter
from telemetry.queries.calibration import rule_of


@dataclass(frozen=True, slots=True)
class RuleRow:
    """
    A term as the law states it, for verifications of the days [valid_from, valid_to); None: open.
    """

    country: str
    meter_kind: str
    valid_from: dt.date
    valid_to: dt.date | None
    years: int | None
    end_of_year: bool
    when_expired: str
    source: str


@transaction.atomic(durable=True)
def load_calibration_rules(
    *, rows: Sequence[RuleRow], at: dt.datetime, by_id: int | None = None
) -> int:
    """
    Bring the table to the given rows and return how many are new; the same rows again change
    nothing. A rule that speaks for the days of a new one is superseded and kept.

    :raises IntegrityError: if two of the rows speak for the same country, kind and day
    """
    held = CalibrationRule.objects.select_for_update().filter(superseded_at__isnull=True)
    current = {_as_row(rule): rule.pk for rule in held}
    fresh = [row for row in rows if row not in current]
    stay = [pk for row, pk in current.items() if row in set(rows)]
    for row in fresh:
        held.filter(
            country=row.country, meter_kind=row.meter_kind,
            valid__overlap=DateRange(row.valid_from, row.valid_to),
        ).exclude(pk__in=stay).update(superseded_at=at)  # fmt: skip
    for row in fresh:
        values = asdict(row)
        del values["valid_from"], values["valid_to"]
        CalibrationRule.objects.create(**values, valid=DateRange(row.valid_from, row.valid_to))
        record(
            at=at, by_id=by_id, operator_id=None, action="calibration rule loaded",
            subject=f"{row.country or 'any country'}/{row.meter_kind}/{row.valid_from}",
            after={"years": row.years, "when_expired": row.when_expired, "source": row.source},
        )  # fmt: skip
    return len(fresh)


def _as_row(rule: CalibrationRule) -> RuleRow:
    return RuleRow(
        country=rule.country, meter_kind=rule.meter_kind, valid_from=rule.valid.lower,
        valid_to=rule.valid.upper, years=rule.years, end_of_year=rule.end_of_year,
        when_expired=rule.when_expired, source=rule.source,
    )  # fmt: skip


class TermUnknown(Exception):
    """
    No rule says how long the verification holds; the last day has to be stated.
    """


@transaction.atomic(durable=True)
def record_verification(
    *, meter_id: int, verified_on: dt.date, at: dt.datetime, by_id: int | None,
    country: str, calibration_due: dt.date | None = None,
) -> Meter:  # fmt: skip
    """
    Note that a meter was verified; it holds as long as the country's rule says, or until
    `calibration_due` where that is given.

    :raises TermUnknown: if neither says until when
    """
    meter = Meter.objects.select_for_update().get(pk=meter_id)
    before = {"verified_on": str(meter.verified_on), "calibration_due": str(meter.calibration_due)}
    due = calibration_due or due_by_rule(country=country, kind=meter.kind, verified_on=verified_on)
    if due is None:
        raise TermUnknown(country)
    meter.verified_on, meter.calibration_due = verified_on, due
    meter.save(update_fields=["verified_on", "calibration_due"])
    record(
        at=at, by_id=by_id, operator_id=meter.operator_id, action="meter verified",
        subject=meter.serial, before=before,
        after={"verified_on": str(verified_on), "calibration_due": str(due)},
    )  # fmt: skip
    return meter


def due_by_rule(*, country: str, kind: str, verified_on: dt.date) -> dt.date | None:
    """
    Return the last day on which a verification holds in a country; None where no rule says.
    """
    rule = rule_of(country=country, kind=kind, day=verified_on)
    if rule is None or rule.years is None:
        return None
    return due_date(verified_on, years=rule.years, end_of_year=rule.end_of_year)
