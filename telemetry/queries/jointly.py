"""
Energy over the hours in which several channels are all measured: the ground of every ratio.
"""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import F, OuterRef, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from sites.domain import local_month
from sites.models import Site
from telemetry.models import Channel, HeatEntry, Installation, MeteringPoint, Rollup


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
    # -1 for energy that leaves, such as what a roof feeds into the grid.
    sign: int = 1

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
    Which channels make up a site's facility and IT energy, and how. `own` is what the site itself
    produced less what it fed in, empty where nothing is produced.
    """

    facility: list[EnergyChannel]
    facility_basis: str | None
    it: list[EnergyChannel]
    it_basis: str | None
    heat: list[EnergyChannel]
    feeds: list[EnergyChannel]
    own: list[EnergyChannel]


def facility_inputs(channels: Iterable[EnergyChannel]) -> FacilityInputs:
    """
    Choose the inputs of one site: the facility's own meter, else what is drawn from the grid and
    produced less what is fed in, else IT and cooling together; the meter of all IT or else the
    tenants' feeds.
    """
    by: dict[str, list[EnergyChannel]] = {b: [] for b in MeteringPoint.Boundary.values}
    for channel in channels:
        by[channel.boundary].append(channel)
    boundary = MeteringPoint.Boundary
    feeds = by[boundary.TENANT_FEED]
    it = by[boundary.IT] or feeds
    it_basis = "it" if by[boundary.IT] else "tenant_feeds" if feeds else None
    facility, facility_basis = by[boundary.FACILITY], "facility"
    own = by[boundary.PV] and [
        *by[boundary.PV], *(replace(c, sign=-1) for c in by[boundary.GRID_EXPORT])
    ]  # fmt: skip
    if not facility and by[boundary.GRID_IMPORT]:
        facility, facility_basis = [*by[boundary.GRID_IMPORT], *own], "grid_and_own"
    if not facility and it and by[boundary.COOLING]:
        facility, facility_basis = it + by[boundary.COOLING], "it_and_cooling"
    return FacilityInputs(
        facility=facility,
        facility_basis=facility_basis if facility else None,
        it=it,
        it_basis=it_basis,
        heat=by[boundary.HEAT_HANDOFF],
        feeds=feeds,
        own=own,
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

    def add(self, role: str, kwh: Decimal) -> None:
        """
        Add energy to a role, or take it off where the role has a minus in front.
        """
        name = role.removeprefix("-")
        self.kwh[name] = self.of(name) + (kwh if name == role else -kwh)


@dataclass(frozen=True, slots=True)
class Question:
    """
    A figure wanted: its channels by role, over some spans of months. Each role needs a meter at
    the time, unless it is `optional`: a tenant who had none yet used nothing.
    """

    roles: dict[str, list[EnergyChannel]]
    spans: list[Span]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Piece:
    """
    A stretch in which the same channels (role, id) answer a question, and where to add them.
    """

    start: dt.datetime
    end: dt.datetime
    there: list[tuple[str, int]]
    answer: JointMonth


def joint_energy(questions: list[Question]) -> list[list[JointMonth]]:
    """
    Return for each question its months, in two statements at most however many there are. An
    hour counts when every channel that had a meter then was measured throughout it. Heat that was
    rejected while a site was in bypass was not used by anybody: it is no part of the energy.
    """
    answers = [[JointMonth(span) for span in question.spans] for question in questions]
    pieces = [
        piece
        for question, months in zip(questions, answers, strict=True)
        for piece in _pieces(question, months)
    ]
    if pieces:
        _add_parts(_add_whole_months(pieces))
    return answers


_REJECTED = (
    HeatEntry.objects.filter(
        channel=OuterRef("channel_id"), mode=2, superseded_at__isnull=True,
        start_at__gte=OuterRef("start_at"), start_at__lt=OuterRef("end_at"),
    )
    .order_by()
    .values("channel")
    .annotate(kwh=Sum("metered_kwh"))
    .values("kwh")
)  # fmt: skip


def _add_whole_months(pieces: list[_Piece]) -> list[_Piece]:
    """
    Add the pieces that are months of which every channel is whole; return the others.
    """
    channels = {channel for piece in pieces for _, channel in piece.there}
    whole = {
        (channel, start, end): kwh
        for channel, start, end, kwh in Rollup.objects.filter(
            channel_id__in=channels,
            grain=Rollup.Grain.MONTH,
            start_at__gte=min(piece.start for piece in pieces),
            start_at__lt=max(piece.end for piece in pieces),
            coverage=1,
            energy_kwh__isnull=False,
        )
        .exclude(quality__in=[Rollup.Quality.MISSING, Rollup.Quality.SUSPECT])
        .annotate(used_kwh=F("energy_kwh") - Coalesce(Subquery(_REJECTED), Value(Decimal(0))))
        .values_list("channel_id", "start_at", "end_at", "used_kwh")
    }
    others = []
    for piece in pieces:
        energies = [whole.get((c, piece.start, piece.end)) for _, c in piece.there]
        if None in energies:
            others.append(piece)
            continue
        for (role, _), kwh in zip(piece.there, energies, strict=True):
            piece.answer.add(role, kwh or Decimal(0))
        piece.answer.measured_s += round((piece.end - piece.start).total_seconds())
    return others


def _add_parts(pieces: list[_Piece]) -> None:
    """
    Add the whole days of the pieces, and of their other days the whole hours.
    """
    if not pieces:
        return
    inputs = [(n, role, c) for n, piece in enumerate(pieces) for role, c in piece.there]
    spans = [(n, p.start, p.end, len(p.there)) for n, p in enumerate(pieces)]
    columns = [list(column) for rows in (inputs, spans) for column in zip(*rows, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_PARTS, columns)
        counted: set[int] = set()
        for n, role, kwh, seconds in cursor.fetchall():
            answer = pieces[n].answer
            answer.add(role, kwh)
            if n not in counted:
                counted.add(n)
                answer.measured_s += int(seconds)


def _pieces(question: Question, months: list[JointMonth]) -> Iterator[_Piece]:
    """
    Cut the months of a question where a meter first came or finally went.
    """
    if not months:
        return
    first, last = months[0].span.start, months[-1].span.end
    edges = {
        edge
        for channels in question.roles.values()
        for channel in channels
        for edge in (channel.since, channel.until)
        if edge is not None and first < edge < last
    }
    # As a rule the same meters are there throughout: one look serves all months.
    throughout = None if edges else _there(question, first, last)
    for month in months:
        cuts = sorted(edge for edge in edges if month.span.start < edge < month.span.end)
        for start, end in itertools.pairwise([month.span.start, *cuts, month.span.end]):
            there = _there(question, start, end) if throughout is None else throughout
            if there:
                yield _Piece(start, end, there, month)


def _there(question: Question, start: dt.datetime, end: dt.datetime) -> list[tuple[str, int]]:
    there: list[tuple[str, int]] = []
    for role, channels in question.roles.items():
        present = [
            (role if c.sign > 0 else f"-{role}", c.channel_id)
            for c in channels
            if c.is_there(start, end)
        ]
        if not present and role not in question.optional:
            return []
        there += present
    return there


# A part counts when all its inputs are measured throughout. What whole days leave of a piece is
# read by the hour. Each lateral read is one index scan: joined freely, a wrong guess of how many
# rows there are costs minutes.
_USED = """r.energy_kwh - coalesce((
      SELECT sum(e.metered_kwh) FROM telemetry_heatentry e
      WHERE e.channel_id = r.channel_id AND e.mode = 2 AND e.superseded_at IS NULL
        AND e.start_at >= r.start_at AND e.start_at < r.end_at), 0) AS energy_kwh"""
_PARTS = f"""
WITH input AS (
  SELECT * FROM unnest(%s::int[], %s::text[], %s::bigint[]) AS i(piece, role, channel_id)
), piece AS (
  SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::timestamptz[], %s::int[])
    AS p(piece, start_at, end_at, inputs)
), daily AS MATERIALIZED (
  SELECT p.piece, i.role, d.*,
    count(*) OVER (PARTITION BY p.piece, d.start_at) = p.inputs AS whole
  FROM piece p JOIN input i USING (piece)
  CROSS JOIN LATERAL (
    SELECT r.start_at, r.end_at, {_USED} FROM telemetry_rollup r
    WHERE r.channel_id = i.channel_id AND r.grain = 'day' AND r.start_at >= p.start_at
      AND r.start_at < p.end_at AND r.end_at <= p.end_at AND r.coverage = 1
      AND r.energy_kwh IS NOT NULL AND r.quality NOT IN ('missing', 'suspect') OFFSET 0
  ) d
), days AS MATERIALIZED (
  SELECT piece, range_agg(tstzrange(start_at, end_at)) AS covered FROM daily
  WHERE whole GROUP BY piece
), remaining AS MATERIALIZED (
  SELECT p.piece, p.inputs, unnest(tstzmultirange(tstzrange(p.start_at, p.end_at))
    - coalesce(d.covered, tstzmultirange())) AS span
  FROM piece p LEFT JOIN days d USING (piece)
), hourly AS MATERIALIZED (
  SELECT s.piece, i.role, h.*,
    count(*) OVER (PARTITION BY s.piece, h.start_at) = s.inputs AS whole
  FROM remaining s JOIN input i USING (piece)
  CROSS JOIN LATERAL (
    SELECT r.start_at, r.end_at, {_USED} FROM telemetry_rollup r
    WHERE r.channel_id = i.channel_id AND r.grain = 'hour' AND r.start_at >= lower(s.span)
      AND r.start_at < upper(s.span) AND r.end_at <= upper(s.span) AND r.coverage = 1
      AND r.energy_kwh IS NOT NULL AND r.quality NOT IN ('missing', 'suspect') OFFSET 0
  ) h
), known AS (
  SELECT * FROM daily WHERE whole UNION ALL SELECT * FROM hourly WHERE whole
), per_role AS (
  -- Several channels of one role have the same parts: their time counts once.
  SELECT piece, role, start_at, sum(energy_kwh) AS kwh, max(end_at - start_at) AS lasts
  FROM known GROUP BY 1, 2, 3
)
SELECT piece, role, sum(kwh), extract(epoch FROM sum(lasts)) FROM per_role GROUP BY 1, 2
"""  # noqa: S608 - the parts are constants of this module
