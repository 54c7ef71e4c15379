"""
A meter's stored month-end registers: what they change in the rollups, and where they disagree.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from sites.domain import Period
from telemetry.domain.month_ends import MonthEnd, Verdict
from telemetry.models import Channel, Finding, Rule
from telemetry.queries.month_ends import compared
from telemetry.queries.rule_settings import thresholds_of

_INSTANT = dt.timedelta(microseconds=1)


def take_in(*, channel: Channel, lower: dt.datetime, upper: dt.datetime, at: dt.datetime) -> None:
    """
    Let the stored registers of a stretch count in the rollups of the energy register, and note
    where the two differ. Opens no transaction: it belongs to the rollup's.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _MARK, {"channel": channel.pk, "lower": lower, "upper": upper, "at": at}
        )  # fmt: skip
    register = Channel.objects.filter(point_id=channel.point_id, quantity="energy").first()
    limits = thresholds_of(channel=channel, when=lower)[Rule.STORED.value]
    if register is None or limits is None:
        return
    found = compared(
        point_id=channel.point_id, period=Period(lower, max(upper, lower + _INSTANT)),
        resolutions=Decimal(str(limits["resolutions"])),
    )  # fmt: skip
    differing = {end.at: end for end in found if end.verdict is Verdict.FAIL}
    noted = Finding.objects.filter(
        channel=register, rule=Rule.STORED, span__overlap=DateTimeTZRange(lower, upper, "[]")
    ).exclude(state=Finding.State.GONE)
    for finding in noted:
        end = differing.pop(finding.span.lower, None)
        if end is None or finding.measured != end.deviation_kwh:
            finding.state = Finding.State.GONE
            finding.save(update_fields=["state"])
            if end is not None:
                differing[end.at] = end
    Finding.objects.bulk_create(_finding(register, end, at) for end in differing.values())


def _finding(register: Channel, end: MonthEnd, at: dt.datetime) -> Finding:
    return Finding(
        channel=register, rule=Rule.STORED, span=DateTimeTZRange(end.at, end.at + _INSTANT),
        severity=Finding.Severity.MEDIUM, measured=end.deviation_kwh, limit=end.limit_kwh,
        detail=f"Meter {end.serial} kept {end.stored.normalize():f} {end.unit} for this instant.",
        proposal=Finding.Proposal.NONE, found_at=at,
    )  # fmt: skip


# From the reading before to the one after: between them the register takes another course.
_MARK = """
INSERT INTO telemetry_dirtyrange (channel_id, span, marked_at)
SELECT e.id, tstzrange(
  coalesce((SELECT r.at FROM telemetry_reading r WHERE r.channel_id = e.id AND r.at < %(lower)s
    ORDER BY r.at DESC LIMIT 1), %(lower)s - interval '1 hour'),
  coalesce((SELECT r.at FROM telemetry_reading r WHERE r.channel_id = e.id AND r.at > %(upper)s
    ORDER BY r.at LIMIT 1), %(upper)s + interval '1 hour')), %(at)s
FROM telemetry_channel k
JOIN telemetry_channel e ON e.point_id = k.point_id AND e.quantity = 'energy'
  AND e.kind = 'register'
WHERE k.id = %(channel)s
"""
