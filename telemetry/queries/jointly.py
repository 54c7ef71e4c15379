"""
Energy over the hours in which several channels are all measured: the ground of every ratio.
"""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from sites.domain import local_month
from sites.models import Site
from telemetry.models import Channel, Installation, MeteringPoint


@dataclass(frozen=True, slots=True)
class EnergyChannel:
    """
    The channel that tells a point's energy.
    """

    channel_id: int
    point_id: int
    point_name: str
    boundary: str
    site_id: int
    service_id: int | None
    # When the first of its meters came and the last one went; None: open.
    since: dt.datetime | None
    until: dt.datetime | None

    def is_there(self, start: dt.datetime, end: dt.datetime) -> bool:
        """
        Say whether a meter was installed at any time of [start, end).
        """
        return (self.since is None or self.since < end) and (
            self.until is None or self.until > start
        )


def energy_channels(*, site_ids: Iterable[int]) -> list[EnergyChannel]:
    """
    Return one channel a point for the whole site, whoever asks: its register, or its mean power
    where there is none. For figures in which no single point of another customer shows.
    """
    rows = list(
        Channel.objects.filter(point__site_id__in=list(site_ids))
        .filter(
            quantity__in=[Channel.Quantity.ENERGY, Channel.Quantity.POWER],
            kind__in=[Channel.Kind.REGISTER, Channel.Kind.INTERVAL],
        )
        # "energy" comes before "power".
        .order_by("point_id", "quantity")
        .distinct("point_id")
        .values_list(
            "pk", "point_id", "point__name", "point__boundary", "point__site_id",
            "point__hosting_service_id",
        )
    )  # fmt: skip
    stays: defaultdict[int, list[DateTimeTZRange]] = defaultdict(list)
    installed = Installation.objects.filter(point_id__in=[row[1] for row in rows])
    for point_id, valid in installed.values_list("point_id", "valid"):
        stays[point_id].append(valid)
    return [
        EnergyChannel(
            *row,
            since=_bound(min, [valid.lower for valid in stays[row[1]]]),
            until=_bound(max, [valid.upper for valid in stays[row[1]]]),
        )
        for row in rows
    ]


def _bound(
    choose: Callable[[list[dt.datetime]], dt.datetime], bounds: list[dt.datetime | None]
) -> dt.datetime | None:
    # An open end, or no installation to go by, leaves the stay open.
    known = [bound for bound in bounds if bound is not None]
    return choose(known) if known and len(known) == len(bounds) else None


@dataclass(frozen=True, slots=True)
class FacilityInputs:
    """
    Which channels make up a site's facility and IT energy, and how.
    """

    facility: list[EnergyChannel]
    facility_basis: str | None
    it: list[EnergyChannel]
    it_basis: str | None
    heat: list[EnergyChannel]
    feeds: list[EnergyChannel]


def facility_inputs(channels: Iterable[EnergyChannel]) -> FacilityInputs:
    """
    Choose the inputs of one site: the facility's own meter or else IT and cooling together; the
    meter of all IT or else the tenants' feeds.
    """
    by: dict[str, list[EnergyChannel]] = {b: [] for b in MeteringPoint.Boundary.values}
    for channel in channels:
        by[channel.boundary].append(channel)
    boundary = MeteringPoint.Boundary
    feeds = by[boundary.TENANT_FEED]
    it = by[boundary.IT] or feeds
    it_basis = "it" if by[boundary.IT] else "tenant_feeds" if feeds else None
    facility, facility_basis = by[boundary.FACILITY], "facility"
    if not facility and it and by[boundary.COOLING]:
        facility, facility_basis = it + by[boundary.COOLING], "it_and_cooling"
    return FacilityInputs(
        facility=facility,
        facility_basis=facility_basis if facility else None,
        it=it,
        it_basis=it_basis,
        heat=by[boundary.HEAT_HANDOFF],
        feeds=feeds,
    )


@dataclass(frozen=True, slots=True)
class Span:
    """
    The part of a local month in which a site was in service.
    """

    month: dt.date
    start: dt.datetime
    end: dt.datetime

    @property
    def seconds(self) -> int:
        return round((self.end - self.start).total_seconds())


def months_between(first: dt.date, last: dt.date) -> list[dt.date]:
    """
    Return the first days of the months from `first` to `last`, both included.
    """
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    return [
        dt.date(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1)
        for n in range(count)
    ]


def service_start(site: Site) -> dt.datetime:
    """
    Return the instant from which a site counts.
    """
    zone = zoneinfo.ZoneInfo(site.timezone)
    return dt.datetime.combine(site.started_on, dt.time(), tzinfo=zone).astimezone(dt.UTC)


def spans_of(site: Site, *, first_month: dt.date, last_month: dt.date) -> list[Span]:
    """
    Return the site's months, none of them before it was in service.
    """
    began = service_start(site)
    spans = []
    for month in months_between(first_month, last_month):
        period = local_month(month.year, month.month, site.timezone)
        if began < period.end:
            spans.append(Span(month, max(began, period.start), period.end))
    return spans


@dataclass(slots=True)
class JointMonth:
    """
    Energy in kWh by role over the seconds of a month in which every input was measured.
    """

    span: Span
    measured_s: int = 0
    kwh: dict[str, Decimal] = field(default_factory=dict)

    def of(self, role: str) -> Decimal:
        return self.kwh.get(role, Decimal(0))


@dataclass(frozen=True, slots=True)
class Question:
    """
    A figure wanted: its channels by role, over some spans of months. Each role needs a meter at
    the time, unless it is `optional`: a tenant who had none yet used nothing.
    """

    roles: dict[str, list[EnergyChannel]]
    spans: list[Span]
    optional: frozenset[str] = frozenset()


def joint_energy(questions: list[Question]) -> list[list[JointMonth]]:
    """
    Return for each question its months, in one statement however many there are. An hour counts
    when every channel that had a meter then was measured throughout it.
    """
    answers = [[JointMonth(span) for span in question.spans] for question in questions]
    # One set of channels, asked for over several stretches: its number, and the answers they
    # belong to.
    sets: dict[tuple[int, tuple[int, ...]], int] = {}
    inputs: list[tuple[int, str, int]] = []
    pieces: list[tuple[int, int, dt.datetime, dt.datetime]] = []
    belongs: list[JointMonth] = []
    for n, question in enumerate(questions):
        for m, span in enumerate(question.spans):
            for start, end in _pieces(question, span):
                there = _there(question, start, end)
                if there is None:
                    continue
                key = (n, tuple(channel for _, channel in there))
                if key not in sets:
                    sets[key] = len(sets)
                    inputs += [(sets[key], role, channel) for role, channel in there]
                pieces.append((sets[key], len(belongs), start, end))
                belongs.append(answers[n][m])
    if not pieces:
        return answers
    with connection.cursor() as cursor:
        cursor.execute(_JOINT, [*map(list, zip(*inputs, strict=True)),
                                *map(list, zip(*pieces, strict=True))])  # fmt: skip
        counted: set[int] = set()
        for piece, role, kwh, seconds in cursor.fetchall():
            answer = belongs[piece]
            answer.kwh[role] = answer.of(role) + kwh
            if piece not in counted:
                counted.add(piece)
                answer.measured_s += int(seconds)
    return answers


def _pieces(question: Question, span: Span) -> list[tuple[dt.datetime, dt.datetime]]:
    """
    Cut a span where a meter first came or finally went.
    """
    cuts = {
        edge
        for channels in question.roles.values()
        for channel in channels
        for edge in (channel.since, channel.until)
        if edge is not None and span.start < edge < span.end
    }
    edges = [span.start, *sorted(cuts), span.end]
    return list(itertools.pairwise(edges))


def _there(
    question: Question, start: dt.datetime, end: dt.datetime
) -> list[tuple[str, int]] | None:
    there: list[tuple[str, int]] = []
    for role, channels in question.roles.items():
        present = [(role, c.channel_id) for c in channels if c.is_there(start, end)]
        if not present and role not in question.optional:
            return None
        there += present
    return there or None


# Whole months where every input is whole; hours only for the others. An hour in which a meter
# came or went belongs to the stretch it lies in entirely, so to none.
_JOINT = """
WITH input AS (
  SELECT * FROM unnest(%s::int[], %s::text[], %s::bigint[]) AS i(question, role, channel_id)
), span AS (
  SELECT * FROM unnest(%s::int[], %s::int[], %s::timestamptz[], %s::timestamptz[])
    AS s(question, piece, start_at, end_at)
), size AS (SELECT question, count(*) AS inputs FROM input GROUP BY question),
monthly AS MATERIALIZED (
  SELECT s.piece, i.role, r.energy_kwh, s.end_at - s.start_at AS lasts,
    count(*) OVER (PARTITION BY s.piece) = z.inputs AS whole
  FROM span s JOIN size z USING (question) JOIN input i USING (question)
  JOIN telemetry_rollup r ON r.channel_id = i.channel_id AND r.grain = 'month'
    AND r.start_at = s.start_at AND r.end_at = s.end_at
  WHERE r.coverage = 1 AND r.energy_kwh IS NOT NULL AND r.quality NOT IN ('missing', 'suspect')
), hourly AS (
  SELECT s.piece, i.role, r.start_at, r.energy_kwh,
    count(*) OVER (PARTITION BY s.piece, r.start_at) = z.inputs AS whole
  FROM span s JOIN size z USING (question) JOIN input i USING (question)
  JOIN telemetry_rollup r ON r.channel_id = i.channel_id AND r.grain = 'hour'
    AND r.start_at >= s.start_at AND r.start_at < s.end_at AND r.end_at <= s.end_at
  WHERE s.piece NOT IN (SELECT piece FROM monthly WHERE whole)
    AND r.coverage = 1 AND r.energy_kwh IS NOT NULL AND r.quality NOT IN ('missing', 'suspect')
)
SELECT piece, role, sum(energy_kwh), extract(epoch FROM max(lasts))
FROM monthly WHERE whole GROUP BY 1, 2
UNION ALL
SELECT piece, role, sum(energy_kwh), 3600 * count(DISTINCT start_at)
FROM hourly WHERE whole GROUP BY 1, 2
"""
