"""
What stands against billing a month, over all contracts of an operator at once.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection

from billing.domain import agreement
from billing.models import Terms
from billing.queries.inputs import next_month
from billing.queries.pricing import index_values
from sites.access import Kind, Viewer
from telemetry import queries as metering
from telemetry.domain.quality import BLOCK_OVER, REVIEW_OVER

# In the order a person would mend them; the first part of a month's work comes first.
KINDS = (
    "terms", "register", "losses", "readings", "estimates", "approval", "findings", "calibration",
    "index", "figures", "heartbeat", "dispute", "held",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hindrance:
    """
    One thing that stands against a contract's bill. `blocks`: the period would be held. `figures`
    are what the sentence about it names; `point_id` the metering point it is about.
    """

    kind: str
    blocks: bool
    contract_id: int
    reference: str
    customer: str
    site: str
    point_id: int | None
    figures: tuple[Any, ...]


def preflight(*, viewer: Viewer, month: dt.date) -> list[Hindrance]:
    """
    Return what stands against billing the contracts of the viewer's that run in the month and
    have no invoice for it, what blocks first. The statements are as many for one contract as for
    ten thousand.
    """
    if viewer.kind is not Kind.OPERATOR or viewer.stakeholder_id is None:
        return []
    due = _due(viewer.stakeholder_id, month)
    found = [
        *_without_terms(due), *_metering(due), *_expired(due), *_index(due, viewer, month),
        *_months_figures(due, month), *_heartbeats(due, viewer, month), *_past(due, month),
    ]  # fmt: skip
    order = {kind: n for n, kind in enumerate(KINDS)}
    return sorted(found, key=lambda h: (not h.blocks, order[h.kind], h.reference))


@dataclass(frozen=True, slots=True)
class _Due:
    """
    A contract's days of the month under one version of its terms; `terms_id` None: under none.
    """

    contract_id: int
    reference: str
    customer: str
    site: str
    timezone: str
    country: str
    first: dt.date
    end: dt.date
    operator_id: int
    service_id: int | None
    terms_id: int | None
    model: str | None
    written: str
    point_id: int | None
    terms_first: dt.date | None
    terms_end: dt.date | None

    @property
    def details(self) -> dict[str, Any]:
        # A document of JSON comes as text where no field converts it.
        found: dict[str, Any] = json.loads(self.written)
        return found

    def hindrance(self, kind: str, *figures: Any, blocks: bool = True) -> Hindrance:
        return Hindrance(
            kind, blocks, self.contract_id, self.reference, self.customer, self.site,
            self.point_id, figures,
        )  # fmt: skip


def _rows(sql: str, **given: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        return list(cursor.fetchall())


def _due(operator_id: int, month: dt.date) -> list[_Due]:
    rows = _rows(_DUE, operator=operator_id, first=month, end=next_month(month))
    return [_Due(*row) for row in rows]


_DUE = """
WITH due AS (
  SELECT c.id, c.reference, s.name AS customer, p.name AS site, p.timezone, p.country,
    c.valid * daterange(%(first)s, %(end)s) AS days, c.operator_id, c.hosting_service_id
  FROM billing_contract c
  JOIN sites_stakeholder s ON s.id = c.customer_id
  JOIN sites_site p ON p.id = c.site_id
  WHERE c.operator_id = %(operator)s AND c.status <> 'draft'
    AND c.valid && daterange(%(first)s, %(end)s)
    AND NOT EXISTS (
      SELECT FROM billing_invoice i JOIN billing_billingperiod b ON b.id = i.period_id
      WHERE i.contract_id = c.id AND i.status <> 'void'
        AND b.local_days && daterange(%(first)s, %(end)s)
    )
)
SELECT d.id, d.reference, d.customer, d.site, d.timezone, d.country, lower(d.days),
  upper(d.days), d.operator_id, d.hosting_service_id, t.id, t.model,
  coalesce(t.details, '{}')::text, t.metering_point_id, lower(t.valid * d.days),
  upper(t.valid * d.days)
FROM due d LEFT JOIN billing_terms t ON t.contract_id = d.id AND t.valid && d.days
ORDER BY d.reference, t.valid
"""


def _without_terms(due: Sequence[_Due]) -> Iterator[Hindrance]:
    covered: defaultdict[int, int] = defaultdict(int)
    one: dict[int, _Due] = {}
    for row in due:
        one[row.contract_id] = row
        if row.terms_first is not None and row.terms_end is not None:
            covered[row.contract_id] += (row.terms_end - row.terms_first).days
    for contract_id, row in one.items():
        missing = (row.end - row.first).days - covered[contract_id]
        if missing:
            yield row.hindrance("terms", missing)


def _metering(due: Sequence[_Due]) -> Iterator[Hindrance]:
    """
    Registers, readings, estimates and findings of the points that are billed from.
    """
    metered = [row for row in due if row.point_id is not None]
    rows = _rows(
        _METERED,
        n=list(range(len(metered))),
        points=[row.point_id for row in metered],
        firsts=[row.terms_first for row in metered],
        ends=[row.terms_end for row in metered],
        zones=[row.timezone for row in metered],
    )
    for n, channel, lacking, whole, estimated, total, waiting, findings, source in rows:
        row, days = metered[n], whole + lacking
        if source:
            yield row.hindrance("losses")
        if channel is None:
            yield row.hindrance("register")
        elif lacking:
            yield row.hindrance("readings", lacking, days)
        if total and estimated / total > REVIEW_OVER:
            share = round(estimated / total * 100, 1)
            yield row.hindrance("estimates", share, blocks=estimated / total > BLOCK_OVER)
        if waiting:
            yield row.hindrance("approval", waiting, blocks=False)
        if findings:
            yield row.hindrance("findings", findings, blocks=False)


# By local days, so that a month of ten thousand meters is 300,000 rows and not 7 million.
_METERED = """
WITH asked AS (
  SELECT u.n, u.point_id, c.id AS channel_id, u.days_end - u.days_first AS days,
    u.days_first, u.days_end,
    u.days_first::timestamp AT TIME ZONE u.zone AS starts,
    u.days_end::timestamp AT TIME ZONE u.zone AS ends
  FROM unnest(%(n)s::int[], %(points)s::bigint[], %(firsts)s::date[], %(ends)s::date[],
    %(zones)s::text[]) AS u(n, point_id, days_first, days_end, zone)
  LEFT JOIN telemetry_channel c ON c.point_id = u.point_id AND c.quantity = 'energy'
)
SELECT a.n, a.channel_id, a.days - coalesce(d.whole, 0), coalesce(d.whole, 0),
  coalesce(d.estimated, 0), coalesce(d.total, 0),
  (SELECT count(*) FROM telemetry_decision v WHERE v.channel_id = a.channel_id
    AND v.state = 'proposed' AND v.span && tstzrange(a.starts, a.ends)),
  (SELECT count(*) FROM telemetry_finding f WHERE f.channel_id = a.channel_id
    AND f.state IN ('open', 'waiting') AND f.span && tstzrange(a.starts, a.ends)),
  p.boundary = 'heat_source' AND NOT EXISTS (
    SELECT FROM telemetry_losspolicy l WHERE l.delivery_point_id = p.delivery_point_id
      AND l.valid @> daterange(a.days_first, a.days_end))
FROM asked a
JOIN telemetry_meteringpoint p ON p.id = a.point_id
LEFT JOIN LATERAL (
  SELECT count(*) FILTER (WHERE coverage >= 1 AND energy_kwh IS NOT NULL) AS whole,
    sum(estimated_kwh) AS estimated, sum(energy_kwh) AS total
  FROM telemetry_rollup r
  WHERE r.channel_id = a.channel_id AND r.grain = 'day'
    AND r.start_at >= a.starts AND r.start_at < a.ends
) d ON true
ORDER BY a.n
"""


def _expired(due: Sequence[_Due]) -> Iterator[Hindrance]:
    metered = [row for row in due if row.point_id is not None]
    rules: dict[tuple[str, str], bool] = {}
    for n, serial, kind, until in _rows(
        _PAST,
        n=list(range(len(metered))),
        points=[row.point_id for row in metered],
        firsts=[row.terms_first for row in metered],
        ends=[row.terms_end for row in metered],
        zones=[row.timezone for row in metered],
    ):
        row = metered[n]
        if (row.country, kind) not in rules:
            rule = metering.rule_of(country=row.country, kind=kind, day=row.end)
            rules[row.country, kind] = rule is not None and rule.when_expired == "block"
        blocks = rules[row.country, kind] or bool(row.details.get("hold_unverified"))
        yield row.hindrance("calibration", serial, until, blocks=blocks)


_PAST = """
SELECT u.n, m.serial, m.kind, m.calibration_due
FROM unnest(%(n)s::int[], %(points)s::bigint[], %(firsts)s::date[], %(ends)s::date[],
  %(zones)s::text[]) AS u(n, point_id, first, days_end, zone)
JOIN telemetry_installation i ON i.point_id = u.point_id
  AND i.valid && tstzrange(u.first::timestamp AT TIME ZONE u.zone,
    u.days_end::timestamp AT TIME ZONE u.zone)
JOIN telemetry_meter m ON m.id = i.meter_id
WHERE m.calibration_due
  < (least(upper(i.valid), u.days_end::timestamp AT TIME ZONE u.zone) AT TIME ZONE u.zone
     - interval '1 microsecond')::date
ORDER BY u.n
"""


def _index(due: Sequence[_Due], viewer: Viewer, month: dt.date) -> Iterator[Hindrance]:
    needed: dict[int, tuple[_Due, dict[str, list[dt.date]]]] = {}
    wanted: defaultdict[str, set[dt.date]] = defaultdict(set)
    for row in due:
        if not row.details.get("index") or row.terms_id is None or row.model is None:
            continue
        try:
            agreed = agreement.read(row.model, row.details)
        except agreement.BadTerms:
            continue
        months = agreement.months_needed(agreed, month)
        needed[row.terms_id] = (row, months)
        for series, those in months.items():
            wanted[series].update(those)
    known = index_values(operator_id=viewer.stakeholder_id or 0, wanted=wanted) if wanted else {}
    for row, months in needed.values():
        for series, those in months.items():
            lacking = [m for m in those if m not in known.get(series, {})]
            if lacking:
                yield row.hindrance("index", series, lacking[0], len(lacking))


def _months_figures(due: Sequence[_Due], month: dt.date) -> Iterator[Hindrance]:
    saving = {row.contract_id: row for row in due if row.model == Terms.Model.SAVINGS}
    rows = _rows(
        "SELECT c.id, k.kind FROM unnest(%(contracts)s::bigint[]) AS c(id)"
        " CROSS JOIN (VALUES ('fuel_kwh'), ('degree_days')) AS k(kind)"
        " WHERE NOT EXISTS (SELECT FROM billing_monthlyfigure f"
        "  WHERE f.contract_id = c.id AND f.month = %(month)s AND f.kind = k.kind)"
        " ORDER BY c.id, k.kind",
        contracts=list(saving), month=month,
    )  # fmt: skip
    for contract_id, kind in rows:
        yield saving[contract_id].hindrance("figures", kind)


def _heartbeats(due: Sequence[_Due], viewer: Viewer, month: dt.date) -> Iterator[Hindrance]:
    promised = [row for row in due if row.details.get("service_credit")]
    if not promised:
        return
    end = next_month(month)
    known = metering.service_availability(
        viewer=viewer, service_ids={row.service_id for row in promised if row.service_id},
        first=month, end=end, now=dt.datetime.combine(end, dt.time(), dt.UTC) + dt.timedelta(2),
    )  # fmt: skip
    for row in promised:
        found = known.get(row.service_id or 0)
        if found is None or not found.known_s:
            yield row.hindrance("heartbeat")


def _past(due: Sequence[_Due], month: dt.date) -> Iterator[Hindrance]:
    """
    What the contract brings along: a live dispute, a month before that is still held.
    """
    one = {row.contract_id: row for row in due}
    before = (month - dt.timedelta(days=1)).replace(day=1)
    for contract_id, disputed, reason in _rows(
        _PAST_MONTHS, contracts=list(one), first=before, end=month
    ):
        if disputed is not None:
            yield one[contract_id].hindrance("dispute", Decimal(disputed), blocks=False)
        if reason is not None:
            yield one[contract_id].hindrance("held", before, reason, blocks=False)


_PAST_MONTHS = """
SELECT c.id, d.amount, p.parked_reason
FROM unnest(%(contracts)s::bigint[]) AS c(id)
LEFT JOIN (
  SELECT i.contract_id, sum(x.amount) AS amount
  FROM billing_dispute x
  JOIN billing_invoiceline l ON l.id = x.line_id JOIN billing_invoice i ON i.id = l.invoice_id
  WHERE x.decided_at IS NULL AND i.contract_id = ANY(%(contracts)s) GROUP BY 1
) d ON d.contract_id = c.id
LEFT JOIN billing_billingperiod p ON p.contract_id = c.id AND p.status = 'parked'
  AND p.local_days && daterange(%(first)s, %(end)s)
WHERE d.amount IS NOT NULL OR p.id IS NOT NULL
ORDER BY c.id
"""
