"""
Gateways, what they sent lately, and the names they send that nobody knows.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from sites.access import Viewer
from telemetry.models import Channel, Gateway, IngestBatch, RejectedReading


def gateways(*, viewer: Viewer, site_id: int) -> QuerySet[Gateway]:
    """
    Return the gateways of a site that are not revoked, by name.
    """
    own = Gateway.objects.visible_to(viewer).filter(site_id=site_id, revoked_at__isnull=True)
    return own.order_by("name")


def all_gateways(
    *, viewer: Viewer, now: dt.datetime, search: str = "", revoked: bool = False
) -> QuerySet[Gateway]:
    """
    Return the gateways the viewer may see with `rows` and `rejects` of the last 24 hours, those
    silent longest first.
    """
    lately = IngestBatch.objects.filter(
        gateway=OuterRef("pk"), received_at__gt=now - dt.timedelta(hours=24)
    ).order_by().values("gateway")  # fmt: skip
    rows = (
        Gateway.objects.visible_to(viewer)
        .filter(revoked_at__isnull=not revoked)
        .select_related("site")
        .annotate(
            rows=Coalesce(Subquery(lately.annotate(n=Sum("row_count")).values("n")), 0),
            rejects=Coalesce(Subquery(lately.annotate(n=Sum("rejected")).values("n")), 0),
        )
        .order_by("last_seen_at", "name", "pk")
    )
    if search:
        rows = rows.filter(Q(name__icontains=search) | Q(site__name__icontains=search))
    return rows


def batches_of(*, viewer: Viewer, gateway_id: int) -> QuerySet[IngestBatch]:
    """
    Return the deliveries of a gateway, newest first.
    """
    return (
        IngestBatch.objects.visible_to(viewer)
        .filter(gateway_id=gateway_id)
        .order_by("-received_at", "-pk")
    )


@dataclass(frozen=True, slots=True)
class UnknownName:
    """
    A name in kept readings that no channel has: how often, from when to when as sent, some
    values, and what it is likely to be, or "".
    """

    text: str
    count: int
    first: str
    last: str
    values: list[str]
    likely: str


def unknown_names(*, viewer: Viewer, site_id: int, limit: int = 50) -> list[UnknownName]:
    """
    Return the names that gateways of a visible site sent and nobody knows, the most frequent
    first.
    """
    batches = IngestBatch.objects.visible_to(viewer).filter(site_id=site_id)
    if not batches.exists():
        return []
    with connection.cursor() as cursor:
        cursor.execute(_UNKNOWN, {"site": site_id, "limit": limit})
        return [
            UnknownName(text, count, first, last, values, likely_quantity(text))
            for text, count, first, last, values in cursor.fetchall()
        ]


_UNKNOWN = """
SELECT r.channel_text, count(*), min(r.at_text), max(r.at_text),
  (array_agg(r.value_text ORDER BY r.id DESC))[1:3]
FROM telemetry_rejectedreading r JOIN telemetry_ingestbatch b ON b.id = r.batch_id
WHERE b.site_id = %(site)s AND r.reason = 'unknown_channel' AND r.resolved_by_id IS NULL
GROUP BY r.channel_text ORDER BY count(*) DESC, r.channel_text LIMIT %(limit)s
"""

# Words of a name, in the languages of the meters we have seen, and what they mean.
_WORDS = (
    (Channel.Quantity.SUPPLY, r"supply|vorlauf|flow_?temp|t_?sup|forward|fremlob|aller"),
    (Channel.Quantity.RETURN, r"return|ruecklauf|rücklauf|t_?ret|retur|retour"),
    (Channel.Quantity.HEARTBEAT, r"heartbeat|alive|status|up$"),
    (Channel.Quantity.POWER, r"power|leistung|puissance|kw$|watt|effekt"),
    (Channel.Quantity.VOLUME, r"volume|volumen|m3"),
    (Channel.Quantity.ENERGY, r"energy|energie|kwh|mwh|wh$|register|total"),
)


def likely_quantity(text: str) -> str:
    """
    Return the quantity that a name speaks of, or "" where it says nothing.
    """
    plain = text.rpartition(".")[2].lower()
    return next((quantity.value for quantity, words in _WORDS if re.search(words, plain)), "")


def kept_by_reason(*, viewer: Viewer, site_id: int) -> list[tuple[str, int]]:
    """
    Return how many kept rows of a visible site wait, by reason in words.
    """
    found = (
        RejectedReading.objects.visible_to(viewer)
        .filter(batch__site_id=site_id, resolved_by__isnull=True)
        .values_list("reason")
        .annotate(count=Count("pk"))
        .order_by("-count")
    )
    return [(str(RejectedReading.Reason(reason).label), count) for reason, count in found]
