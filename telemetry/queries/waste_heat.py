"""
A site's entry in the German platform for waste heat (EnEfG, section 17), with its load profile.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from sites.access import Viewer
from sites.domain import local_days
from sites.models import Site
from telemetry.domain.regulatory import HEAT_FIELDS, as_number
from telemetry.models import MeteringPoint
from telemetry.queries.figures import site_figures
from telemetry.queries.reference import Rules
from telemetry.queries.regulatory import Answer, answered, as_text, stated, warmth_of
from telemetry.queries.series import boundary_energy


@dataclass(frozen=True, slots=True)
class ProfileHour:
    """
    The heat power of one hour of one weekday (1 is Monday) over a month, as lived at the site: how
    many such hours were measured, their sum in kWh and the highest in kW.
    """

    month: int
    weekday: int
    hour: int
    measured: int
    kwh: Decimal
    max_kw: Decimal

    @property
    def mean_kw(self) -> Decimal:
        return self.kwh / self.measured


@dataclass(frozen=True, slots=True)
class ProfileMonth:
    """
    Heat and power of a month; `kwh` None where it was not measured whole, the powers of the hours
    that were.
    """

    month: dt.date
    kwh: Decimal | None
    measured: int
    mean_kw: Decimal | None
    max_kw: Decimal | None


@dataclass(frozen=True, slots=True)
class WasteHeat:
    """
    What the platform asks for of a site and a year. `exempt` None: not known, since the company's
    use of energy was not stated or no rule is held for the country.
    """

    site: Site
    year: int
    answers: list[Answer]
    months: list[ProfileMonth]
    hours: list[ProfileHour]
    exempt: bool | None
    exempt_up_to_kwh: Decimal | None

    @property
    def lacking(self) -> int:
        return sum(answer.gap is not None for answer in self.answers)

    @property
    def by_hour_kw(self) -> list[tuple[int, Decimal | None]]:
        """
        The mean power of each hour of the day over the year.
        """
        return [(hour, _mean(h for h in self.hours if h.hour == hour)) for hour in range(24)]

    @property
    def by_weekday_kw(self) -> list[tuple[int, Decimal | None]]:
        """
        The mean power of each weekday over the year, 1 is Monday.
        """
        return [(day, _mean(h for h in self.hours if h.weekday == day)) for day in range(1, 8)]


def _mean(hours: Iterable[ProfileHour]) -> Decimal | None:
    found = list(hours)
    measured = sum(h.measured for h in found)
    return sum((h.kwh for h in found), Decimal(0)) / measured if measured else None


def waste_heat(*, viewer: Viewer, site_id: int, year: int) -> WasteHeat | None:
    """
    Return what the platform asks for of a site; None for a site the viewer may not see.
    """
    sites = Site.objects.visible_to(viewer).select_related("operator")
    site = sites.filter(pk=site_id).first()
    if site is None:
        return None
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 1)
    heat = site_figures(viewer=viewer, site_ids=[site_id], first_month=first, last_month=last)[
        site_id
    ].heat
    energy = boundary_energy(
        viewer=viewer, site_ids=[site_id], boundary=MeteringPoint.Boundary.HEAT_HANDOFF,
        first_month=first, last_month=last,
    )  # fmt: skip
    hours = _hours(site, year)
    months = [_month(m.month, m.kwh, hours) for m in energy]
    said = stated(viewer=viewer, site_ids=[site_id], year=year)[site_id]
    told: dict[str, tuple[str | None, str]] = {symbol: (v, "") for symbol, v in said.items()}
    operator = site.operator
    whole = sum(m.kwh is not None for m in months)
    told |= {
        "WH-COMPANY": (operator.name, ""),
        "WH-CONTACT": (", ".join(p for p in (operator.email, operator.phone) if p), ""),
        "WH-TOWN": (f"{site.town}, {site.country}", ""),
        "WH-KWH": (
            as_text(heat.kwh if heat else None, 0),
            f"{heat.coverage:.1%} of hours measured" if heat else "",
        ),
        "WH-MAX": (as_text(max((h.max_kw for h in hours), default=None), 1), ""),
        "WH-PROFILE": (str(whole) if whole == 12 else None, f"{whole} of 12 months"),
        "WH-MEAN": (as_text(warmth_of([site], year).get(site_id), 1), ""),
    }
    limit = Rules([site]).value(site, "enefg.heat_register.kwh", on=dt.date(year, 12, 31))
    use = as_number(said.get("WH-COMPANY-USE", ""))
    return WasteHeat(
        site=site,
        year=year,
        answers=answered(HEAT_FIELDS, told),
        months=months,
        hours=hours,
        exempt=None if use is None or limit is None else use <= limit,
        exempt_up_to_kwh=limit,
    )


def _month(month: dt.date, kwh: Decimal | None, hours: Sequence[ProfileHour]) -> ProfileMonth:
    its = [h for h in hours if h.month == month.month]
    return ProfileMonth(
        month=month, kwh=kwh, measured=sum(h.measured for h in its), mean_kw=_mean(its),
        max_kw=max((h.max_kw for h in its), default=None),
    )  # fmt: skip


def _hours(site: Site, year: int) -> list[ProfileHour]:
    span = local_days(dt.date(year, 1, 1), dt.date(year + 1, 1, 1), site.timezone)
    with connection.cursor() as cursor:
        cursor.execute(_PROFILE, [site.timezone, site.pk, span.start, span.end])
        return [ProfileHour(*row) for row in cursor.fetchall()]


# All hand-offs of an hour together; an hour of which one is not known has no figure.
_PROFILE = """
SELECT extract(month FROM at)::int, extract(isodow FROM at)::int, extract(hour FROM at)::int,
  count(*), sum(kwh), max(kwh)
FROM (
  SELECT r.start_at AT TIME ZONE %s AS at, sum(r.energy_kwh) AS kwh
  FROM telemetry_channel c JOIN telemetry_meteringpoint p ON p.id = c.point_id
    AND p.boundary = 'heat_handoff'
  JOIN telemetry_rollup r ON r.channel_id = c.id AND r.grain = 'hour'
  WHERE c.site_id = %s AND c.quantity IN ('energy', 'power') AND c.kind <> 'gauge'
    AND r.start_at >= %s AND r.start_at < %s
  GROUP BY r.start_at
  HAVING min(r.coverage) >= 1 AND bool_and(r.quality NOT IN ('suspect', 'estimated'))
) hours
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
