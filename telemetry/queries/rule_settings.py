"""
Which thresholds the rules of validation hold for a channel, and since when.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q, QuerySet

from sites.access import Viewer
from telemetry.domain import vee
from telemetry.models import Channel, RuleSetting

Rules = dict[str, dict[str, Any] | None]


class Regime(NamedTuple):
    """
    The thresholds by rule that hold from an instant on; None: the rule is switched off.
    """

    start: dt.datetime
    rules: Rules


def regimes(*, channel: Channel, lower: dt.datetime, upper: dt.datetime) -> list[Regime]:
    """
    Return what holds for a channel over a stretch of time, one entry for each change in it.
    """
    settings = list(
        RuleSetting.objects.filter(
            site_id=channel.site_id, valid__overlap=DateTimeTZRange(lower, upper, "[]")
        ).filter(Q(channel=channel) | Q(point_id=channel.point_id) | Q(channel=None, point=None))
    )
    bounds = [bound for s in settings for bound in (s.valid.lower, s.valid.upper)]
    edges = {lower, *(bound for bound in bounds if bound and lower < bound <= upper)}
    return [Regime(edge, _merged(settings, edge)) for edge in sorted(edges)]


def _merged(settings: Iterable[RuleSetting], when: dt.datetime) -> Rules:
    # The nearest setting wins, so it comes last.
    nearest = sorted(settings, key=lambda s: (s.channel_id is not None, s.point_id is not None))
    rules: Rules = dict(vee.DEFAULTS)
    for setting in nearest:
        lower, upper = setting.valid.lower, setting.valid.upper
        if (lower is None or lower <= when) and (upper is None or when < upper):
            merged = {**vee.DEFAULTS[setting.rule], **setting.thresholds}
            rules[setting.rule] = merged if setting.enabled else None
    return rules


def regime_at(regimes: Sequence[Regime], when: dt.datetime) -> Rules:
    """
    Return what holds at an instant; before the first regime that of the first.
    """
    found = regimes[0].rules
    for regime in regimes[1:]:
        if regime.start <= when:
            found = regime.rules
    return found


def thresholds_of(*, channel: Channel, when: dt.datetime) -> Rules:
    """
    Return the thresholds by rule that hold for a channel at an instant.
    """
    return regimes(channel=channel, lower=when, upper=when)[-1].rules


def validation_settings(
    *, viewer: Viewer, search: str = "", site: int | None = None, rule: str = "",
    now: dt.datetime | None = None,
) -> QuerySet[RuleSetting]:  # fmt: skip
    """
    Return settings that the viewer may see, newest first; with `now` only those in force then.
    """
    rows = RuleSetting.objects.visible_to(viewer).select_related(
        "site", "point", "channel__point", "set_by"
    )
    if search:
        rows = rows.filter(
            Q(site__name__icontains=search) | Q(point__name__icontains=search)
            | Q(channel__key__icontains=search) | Q(reason__icontains=search)
        )  # fmt: skip
    if site is not None:
        rows = rows.filter(site_id=site)
    if rule:
        rows = rows.filter(rule=rule)
    if now is not None:
        rows = rows.filter(valid__contains=now)
    return rows.order_by("-valid__startswith", "-pk")
