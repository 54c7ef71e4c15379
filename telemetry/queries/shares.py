"""
How much of the energy of each register rests on estimates, and how much may.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from sites.access import Viewer
from sites.domain import local_month
from telemetry.domain.quality import Share
from telemetry.domain.vee import DEFAULTS
from telemetry.models import Channel, MeteringPoint, Rollup, RuleSetting
from telemetry.queries.quality import energy_at_edges, share_of

_BILLED = (
    MeteringPoint.Boundary.HEAT_HANDOFF, MeteringPoint.Boundary.HEAT_SOURCE,
    MeteringPoint.Boundary.TENANT_FEED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShareLimits:
    """
    Shares of 1 above which a person looks at a bill and above which it waits.
    """

    review_over: Decimal
    block_over: Decimal


def share_limits(*, channel_ids: Iterable[int], when: dt.datetime) -> dict[int, ShareLimits]:
    """
    Return the limits that hold for some channels at an instant, in two statements. Where the rule
    is switched off nothing is looked at.
    """
    channels = list(
        Channel.objects.filter(pk__in=set(channel_ids)).values_list("pk", "point_id", "site_id")
    )
    settings = list(
        RuleSetting.objects.filter(
            site_id__in={site for _, _, site in channels}, rule="share", valid__contains=when
        )
    )
    return {key: _limits(_nearest(settings, key, point, site)) for key, point, site in channels}


def _nearest(
    settings: Iterable[RuleSetting], channel: int, point: int, site: int
) -> RuleSetting | None:
    fitting = [
        s for s in settings
        if s.site_id == site and (
            s.channel_id == channel or s.point_id == point
            or (s.channel_id is None and s.point_id is None)
        )
    ]  # fmt: skip
    return max(
        fitting, key=lambda s: (s.channel_id is not None, s.point_id is not None), default=None
    )


def _limits(setting: RuleSetting | None) -> ShareLimits:
    if setting is not None and not setting.enabled:
        return ShareLimits(Decimal(1), Decimal(1))
    told: Mapping[str, Any] = {**DEFAULTS["share"], **(setting.thresholds if setting else {})}
    return ShareLimits(
        Decimal(str(told["review_percent"])) / 100, Decimal(str(told["block_percent"])) / 100
    )


@dataclass(frozen=True, slots=True)
class MonthShare:
    """
    A register over a local month: what of its energy is estimated, and what that means for a bill.
    """

    point_id: int
    point: str
    site: str
    channel_id: int
    channel_key: str
    share: Share
    limits: ShareLimits

    @property
    def verdict(self) -> str:
        return self.share.tolerance(
            review_over=self.limits.review_over, block_over=self.limits.block_over
        ).value

    @property
    def review_percent(self) -> Decimal:
        return self.limits.review_over * 100

    @property
    def block_percent(self) -> Decimal:
        return self.limits.block_over * 100


def estimated_shares(
    *, viewer: Viewer, month: dt.date, site: int | None = None, search: str = ""
) -> list[MonthShare]:
    """
    Return the registers that bills rest on with their estimated share of a month, the highest
    first.
    """
    channels = Channel.objects.visible_to(viewer).filter(
        quantity=Channel.Quantity.ENERGY, kind=Channel.Kind.REGISTER, point__boundary__in=_BILLED
    ).select_related("point", "site")  # fmt: skip
    if site is not None:
        channels = channels.filter(site_id=site)
    if search:
        channels = channels.filter(key__icontains=search) | channels.filter(
            point__name__icontains=search
        )
    found = list(channels.order_by("key"))
    periods = {c.pk: local_month(month.year, month.month, c.site.timezone) for c in found}
    starts = {period.start for period in periods.values()}
    sums = {
        row["channel_id"]: (row["estimated"] or Decimal(0), row["energy"] or Decimal(0))
        for row in Rollup.objects.filter(
            channel__in=found, grain=Rollup.Grain.MONTH, start_at__in=starts
        )
        .values("channel_id")
        .annotate(estimated=Sum("estimated_kwh"), energy=Sum("energy_kwh"))
    }
    edges = energy_at_edges(wanted=[(c.pk, periods[c.pk]) for c in found]) if found else []
    limits = (
        share_limits(
            channel_ids=[c.pk for c in found], when=max(p.end for p in periods.values())
        )
        if found else {}
    )  # fmt: skip
    rows = [
        MonthShare(
            c.point_id, c.point.name, c.site.name, c.pk, c.key,
            share_of(*sums.get(c.pk, (Decimal(0), Decimal(0))), edge), limits[c.pk],
        )
        for c, edge in zip(found, edges, strict=True)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-row.share.share, row.channel_key))
