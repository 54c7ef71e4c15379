"""
Reads of alarms, their rules, and whom they reach.
"""

from __future__ import annotations

import datetime as dt

from django.db.models import Case, Count, Q, QuerySet, Value, When

from sites.access import Viewer
from telemetry.models import (
    Alarm,
    AlarmEntry,
    AlarmRule,
    AlarmSilence,
    Channel,
    EscalationContact,
)


def alarms(
    *,
    viewer: Viewer,
    search: str = "",
    site: int | None = None,
    state: str = "",
    kind: str = "",
    severity: str = "",
) -> QuerySet[Alarm]:
    """
    Return the alarms the viewer may see: those nobody took first, then what is to act on, then
    the newest. `state` "live" is all that are not over.
    """
    rows = Alarm.objects.visible_to(viewer).select_related(
        "site", "rule", "channel", "acknowledged_by"
    )
    if search:
        rows = rows.filter(
            Q(place__icontains=search) | Q(rule__name__icontains=search)
            | Q(site__name__icontains=search)
        )  # fmt: skip
    if state == "live":
        rows = rows.exclude(state=Alarm.State.RESOLVED)
    elif state:
        rows = rows.filter(state=state)
    wanted = {"site": site, "rule__kind": kind, "severity": severity}
    rows = rows.filter(**{name: value for name, value in wanted.items() if value})
    first = Case(
        When(state=Alarm.State.OPEN, then=Value(0)),
        When(state=Alarm.State.ACKNOWLEDGED, then=Value(1)),
        default=Value(2),
    )
    return rows.order_by(first, "severity", "-opened_at", "-pk")


def alarm_history(*, viewer: Viewer, alarm_id: int) -> QuerySet[AlarmEntry]:
    """
    Return the steps of an alarm, oldest first.
    """
    rows = AlarmEntry.objects.visible_to(viewer).filter(alarm=alarm_id)
    return rows.select_related("by").order_by("at", "pk")


def alarm_rules(
    *,
    viewer: Viewer,
    search: str = "",
    site: int | None = None,
    kind: str = "",
    ended: bool = False,
) -> QuerySet[AlarmRule]:
    """
    Return the rules the viewer may see with `open_now`, the alarms of each that are not over.
    """
    rows = (
        AlarmRule.objects.visible_to(viewer)
        .filter(ended_at__isnull=not ended)
        .select_related("site", "channel__point")
        .annotate(open_now=Count("alarms", filter=~Q(alarms__state="resolved")))
    )
    if search:
        rows = rows.filter(Q(name__icontains=search) | Q(channel__key__icontains=search))
    if site is not None:
        rows = rows.filter(site=site)
    if kind:
        rows = rows.filter(kind=kind)
    return rows.order_by("site__name", "name", "pk")


def alarm_channels(*, viewer: Viewer) -> QuerySet[Channel]:
    """
    Return the channels that a rule can be about.
    """
    rows = Channel.objects.visible_to(viewer).select_related("point")
    return rows.order_by("point__name", "quantity")


def alarm_contacts(*, viewer: Viewer, site_id: int | None = None) -> QuerySet[EscalationContact]:
    """
    Return who is told of alarms, by site and in the order they are told.
    """
    rows = EscalationContact.objects.visible_to(viewer).filter(ended_at__isnull=True)
    if site_id is not None:
        rows = rows.filter(site=site_id)
    return rows.select_related("site").order_by("site__name", "after_min", "name")


def alarm_silences(*, viewer: Viewer, over_after: dt.datetime) -> QuerySet[AlarmSilence]:
    """
    Return the silences that are not over by then, the next to end first.
    """
    rows = AlarmSilence.objects.visible_to(viewer).filter(span__endswith__gt=over_after)
    return rows.select_related("site", "by").order_by("span", "pk")


def alarms_of_letter(*, letter_id: int, is_over: bool = False) -> list[Alarm]:
    """
    Return the alarms that a letter says began, or that it says are over, the gravest first; for
    the task that sends it.
    """
    rows = Alarm.objects.filter(notices__letter=letter_id, notices__is_over=is_over)
    return list(rows.select_related("site", "rule").order_by("severity", "since", "pk"))
