"""
Announced work and incidents.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from sites.models import DeliveryPoint, HostingService, Site
from sites.operations import announce, record
from telemetry.domain import supply
from telemetry.models import (
    Incident,
    MaintenancePolicy,
    MaintenanceWindow,
    Part,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """
    What work or an incident is about: the whole site, one service or one delivery point.
    """

    site_id: int
    part: str
    service_id: int | None = None
    delivery_id: int | None = None

    def customers(self) -> list[int]:
        """
        Return the stakeholders it touches.
        """
        services = HostingService.objects.filter(site_id=self.site_id)
        deliveries = DeliveryPoint.objects.filter(site_id=self.site_id)
        if self.service_id is not None:
            services = services.filter(pk=self.service_id)
        if self.delivery_id is not None:
            deliveries = deliveries.filter(pk=self.delivery_id)
        found: set[int] = set()
        if self.part != Part.HEAT and self.delivery_id is None:
            found |= set(services.values_list("tenant_id", flat=True))
        if self.part != Part.IT and self.service_id is None:
            found |= set(deliveries.values_list("partner_id", flat=True))
        return sorted(found)


@transaction.atomic(durable=True)
def set_maintenance_policy(
    *, site_id: int, notice_h: int, allowance_min: int, at: dt.datetime, by_id: int | None,
    yearly_min: int | None = None, bands: Iterable[supply.Band] = (),
) -> None:  # fmt: skip
    """
    Set how long ahead work is announced, how much of a month and a year it may take, and in which
    hours of the week it is done.
    """
    site = Site.objects.select_for_update().get(pk=site_id)
    before = MaintenancePolicy.objects.filter(site=site).first()
    given: dict[str, Any] = {
        "notice_h": notice_h, "allowance_min": allowance_min, "yearly_min": yearly_min,
        "hours": [[b.weekday, b.begins, b.ends] for b in bands],
    }  # fmt: skip
    MaintenancePolicy.objects.update_or_create(site=site, defaults=given)
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="maintenance terms set",
        subject=site.slug, before={"terms": str(before) if before else ""}, after=given,
    )  # fmt: skip


@transaction.atomic(durable=True)
def announce_maintenance(
    *, subject: Subject, start: dt.datetime, end: dt.datetime, reason: str, text: str,
    at: dt.datetime, by_id: int | None,
) -> MaintenanceWindow:  # fmt: skip
    """
    Announce work to the customers it touches. The instant of the announcement is `at`.
    """
    site = Site.objects.get(pk=subject.site_id)
    window = MaintenanceWindow.objects.create(
        site=site, part=subject.part, hosting_service_id=subject.service_id,
        delivery_point_id=subject.delivery_id, span=DateTimeTZRange(start, end), reason=reason,
        text=text, announced_at=at, by_id=by_id,
    )  # fmt: skip
    window.told.set(subject.customers())
    told = {"start": start.isoformat(), "end": end.isoformat(), "reason": reason}
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="maintenance announced",
        subject=f"{site.slug}/{window.pk}", after=told,
    )  # fmt: skip
    announce(
        operator_id=site.operator_id, event="maintenance.announced", subject=str(window.pk),
        payload={"site": site.slug, **told}, at=at,
    )  # fmt: skip
    return window


class AlreadyOver(Exception):
    """
    What has ended cannot be ended or called off.
    """


@transaction.atomic(durable=True)
def end_maintenance(*, window_id: int, at: dt.datetime, by_id: int | None) -> bool:
    """
    Call announced work off or, where it has begun, end it early: what is left of its time is no
    planned time. Return whether it had begun.

    :raises AlreadyOver: if it has ended or was called off before
    """
    window = (
        MaintenanceWindow.objects.select_for_update(of=("self",))
        .select_related("site")
        .get(pk=window_id)
    )
    if window.cancelled_at is not None or window.span.upper <= at:
        raise AlreadyOver
    begun: bool = window.span.lower < at
    before = {"end": window.span.upper.isoformat()}
    if begun:
        window.span = DateTimeTZRange(window.span.lower, at)
    else:
        window.cancelled_at = at
    window.save(update_fields=["cancelled_at", "span"])
    record(
        at=at, by_id=by_id, operator_id=window.site.operator_id,
        action="maintenance ended" if begun else "maintenance called off",
        subject=f"{window.site.slug}/{window.pk}", before=before,
    )  # fmt: skip
    announce(
        operator_id=window.site.operator_id, event="maintenance.ended", subject=str(window.pk),
        payload={"site": window.site.slug, "begun": begun, "reason": window.reason}, at=at,
    )  # fmt: skip
    return begun


@transaction.atomic(durable=True)
def maintenance_to_mail(*, window_id: int, at: dt.datetime) -> MaintenanceWindow | None:
    """
    Take the announcement of work to e-mail it; None where it went, or is too late or off.
    """
    window = (
        MaintenanceWindow.objects.select_for_update(of=("self",))
        .select_related("site__operator", "hosting_service", "delivery_point")
        .filter(pk=window_id, mailed_at__isnull=True, cancelled_at__isnull=True)
        .first()
    )
    if window is None or window.span.upper <= at:
        return None
    window.mailed_at = at
    window.save(update_fields=["mailed_at"])
    return window


@transaction.atomic(durable=True)
def record_incident(
    *, subject: Subject, started_at: dt.datetime, ended_at: dt.datetime | None, cause: str,
    title: str, text: str, at: dt.datetime, by_id: int | None,
) -> Incident:  # fmt: skip
    """
    Record an incident that the rules did not find.

    :raises IntegrityError: if it would end before it began
    """
    return _open(
        subject, Incident.Origin.PERSON, at=at, by_id=by_id, started_at=started_at,
        ended_at=ended_at, cause=cause, title=title, text=text,
    )  # fmt: skip


def _open(
    subject: Subject, origin: str, *, at: dt.datetime, by_id: int | None, **fields: Any
) -> Incident:
    incident = Incident.objects.create(
        site_id=subject.site_id, part=subject.part, hosting_service_id=subject.service_id,
        delivery_point_id=subject.delivery_id, origin=origin, recorded_at=at, **fields,
    )  # fmt: skip
    incident.affected.set(subject.customers())
    site = incident.site
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="incident opened",
        subject=f"{site.slug}/{incident.pk}", after=_told(incident),
    )  # fmt: skip
    announce(
        operator_id=site.operator_id, event="incident.opened", subject=str(incident.pk),
        payload={"site": site.slug, **_told(incident)}, at=at,
    )  # fmt: skip
    return incident


_EDITED = ("started_at", "ended_at", "cause", "title", "text")


def _told(incident: Incident) -> dict[str, str]:
    return {name: str(getattr(incident, name) or "") for name in (*_EDITED, "withdrawn_at")}


@transaction.atomic(durable=True)
def edit_incident(
    *, incident_id: int, at: dt.datetime, by_id: int | None, withdrawn: bool = False, **fields: Any
) -> Incident:
    """
    Change start, end, cause, title or text of an incident, or withdraw it; the trail keeps what
    stood there.
    """
    incident = (
        Incident.objects.select_for_update(of=("self",)).select_related("site").get(pk=incident_id)
    )
    before = _told(incident)
    for name in _EDITED:
        setattr(incident, name, fields.get(name, getattr(incident, name)))
    incident.withdrawn_at = (incident.withdrawn_at or at) if withdrawn else None
    incident.save()
    record(
        at=at, by_id=by_id, operator_id=incident.site.operator_id, action="incident edited",
        subject=f"{incident.site.slug}/{incident.pk}", before=before, after=_told(incident),
    )  # fmt: skip
    return incident


@transaction.atomic(durable=True)
def watch_heartbeats(*, at: dt.datetime) -> tuple[int, int]:
    """
    Open an incident for each service or site whose heartbeat says down, or is missing while a
    probe of it fails as well, and end those that are over. Silence alone opens none. Return how
    many were opened and ended.
    """
    with connection.cursor() as cursor:
        # Two workers would open the same incident.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(_HEARTS, {"now": at, "since": at - _LOOKED_BACK})
        rows = cursor.fetchall()
    hearts = {(site, service): (since, back) for site, service, since, back in rows}
    open_now = {
        (incident.site_id, incident.hosting_service_id): incident
        for incident in Incident.objects.filter(
            origin=Incident.Origin.RULE, part=Part.IT, ended_at__isnull=True,
            withdrawn_at__isnull=True,
        ).select_related("site")
    }  # fmt: skip
    opened = ended = 0
    for key, (since, _) in hearts.items():
        if since is not None and key not in open_now:
            _open(
                Subject(key[0], Part.IT, key[1]), Incident.Origin.RULE, at=at, by_id=None,
                started_at=since, title="Not reachable",
            )  # fmt: skip
            opened += 1
    for key, incident in open_now.items():
        since, back = hearts.get(key, (None, None))
        if since is None and back is not None:
            _end(incident, back, at)
            ended += 1
    return opened, ended


def _end(incident: Incident, back: dt.datetime, at: dt.datetime) -> None:
    before = _told(incident)
    if back > incident.started_at:
        incident.ended_at = back
    else:
        # Beats that came in late fill the whole silence.
        incident.withdrawn_at = at
    incident.save(update_fields=["ended_at", "withdrawn_at"])
    record(
        at=at, by_id=None, operator_id=incident.site.operator_id, action="incident ended",
        subject=f"{incident.site.slug}/{incident.pk}", before=before, after=_told(incident),
    )  # fmt: skip
    announce(
        operator_id=incident.site.operator_id, event="incident.ended", subject=str(incident.pk),
        payload={"site": incident.site.slug, **_told(incident)}, at=at,
    )  # fmt: skip


_LOCK = 0x57A7
_LOOKED_BACK = dt.timedelta(days=14)

# Of each heartbeat its newest reading, since when it is down, and when it was back. Several
# heartbeats of one subject: it is down while all of them are.
_HEARTS = """
WITH hearts AS (
  SELECT c.id, c.site_id, p.hosting_service_id AS service_id, last.at, last.value,
    c.interval_s * interval '1 second' AS every, up.at AS up_at, inc.started_at
  FROM telemetry_channel c
  JOIN telemetry_meteringpoint p ON p.id = c.point_id
  JOIN LATERAL (
    SELECT r.at, r.value FROM telemetry_reading r
    WHERE r.channel_id = c.id AND r.at > %(since)s AND r.at <= %(now)s ORDER BY r.at DESC LIMIT 1
  ) last ON true
  LEFT JOIN LATERAL (
    SELECT r.at FROM telemetry_reading r
    WHERE r.channel_id = c.id AND r.at > %(since)s AND r.at <= %(now)s AND r.value >= 0.5
    ORDER BY r.at DESC LIMIT 1
  ) up ON true
  LEFT JOIN telemetry_incident inc ON inc.site_id = c.site_id AND inc.origin = 'rule'
    AND inc.part = 'it' AND inc.ended_at IS NULL AND inc.withdrawn_at IS NULL
    AND inc.hosting_service_id IS NOT DISTINCT FROM p.hosting_service_id
  WHERE c.kind = 'heartbeat'
), judged AS (
  SELECT h.*,
    CASE
      WHEN h.value < 0.5 THEN (
        SELECT min(r.at) FROM telemetry_reading r WHERE r.channel_id = h.id
          AND r.at > coalesce(h.up_at, %(since)s) AND r.at <= h.at)
      WHEN %(now)s - h.at > 3 * h.every AND probed.failing THEN h.at + h.every
    END AS since,
    least(
      (SELECT min(r.at) FROM telemetry_reading r WHERE r.channel_id = h.id
        AND r.at >= h.started_at AND r.at <= %(now)s AND r.value >= 0.5),
      CASE WHEN h.value >= 0.5 THEN (
        SELECT min(q.at) FROM telemetry_proberesult q JOIN telemetry_probe b ON b.id = q.probe_id
        WHERE b.site_id = h.site_id AND q.ok AND q.at > h.started_at AND q.at <= %(now)s
          AND b.hosting_service_id IS NOT DISTINCT FROM h.service_id)
      END) AS back
  FROM hearts h
  LEFT JOIN LATERAL (
    -- A service without a probe of its own is seen by those of its site.
    SELECT bool_and(NOT q.ok) AS failing FROM (
      SELECT DISTINCT ON (b.id) q.ok, q.at FROM telemetry_probe b
      JOIN telemetry_proberesult q ON q.probe_id = b.id
      WHERE b.site_id = h.site_id AND b.ended_at IS NULL AND b.paused_at IS NULL
        AND q.at > h.at + h.every
        AND q.at <= %(now)s
        AND (b.hosting_service_id IS NOT DISTINCT FROM h.service_id
          OR (b.hosting_service_id IS NULL AND NOT EXISTS (
            SELECT 1 FROM telemetry_probe own WHERE own.hosting_service_id = h.service_id
              AND own.ended_at IS NULL AND own.paused_at IS NULL)))
      ORDER BY b.id, q.at DESC
    ) q
  ) probed ON true
)
SELECT site_id, service_id,
  CASE WHEN bool_and(since IS NOT NULL) THEN max(since) END, min(back)
FROM judged GROUP BY site_id, service_id
"""
