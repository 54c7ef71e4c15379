"""
Reads of batches, refused rows and uploads.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Count, Q, QuerySet

from sites.access import Viewer
from telemetry.models import Channel, IngestBatch, RejectedReading, Upload, UploadChunk


def batches(
    *, viewer: Viewer, search: str = "", site: str = "", source: str = "", refused: bool = False
) -> QuerySet[IngestBatch]:
    """
    Return the batches the viewer may see, newest first. `site` is a slug; with `refused` only
    those of which rows were refused or contradict what is stored.
    """
    rows = (
        IngestBatch.objects.visible_to(viewer)
        .select_related("site", "gateway", "by")
        .order_by("-received_at", "-pk")
    )
    if search:
        rows = rows.filter(
            Q(name__icontains=search) | Q(gateway__name__icontains=search)
            | Q(options__mapping__icontains=search)
        )  # fmt: skip
    if site:
        rows = rows.filter(site__slug=site)
    if source:
        rows = rows.filter(source=source)
    return rows.filter(Q(rejected__gt=0) | Q(conflicting__gt=0)) if refused else rows


def refused_rows(
    *, viewer: Viewer, batch_id: int, search: str = "", reason: str = "", open_only: bool = False
) -> QuerySet[RejectedReading]:
    """
    Return the refused rows of a batch in the order of its file.
    """
    rows = (
        RejectedReading.objects.visible_to(viewer).filter(batch_id=batch_id).order_by("row", "pk")
    )
    if search:
        rows = rows.filter(
            Q(channel_text__icontains=search) | Q(at_text__icontains=search)
            | Q(value_text__icontains=search) | Q(detail__icontains=search)
        )  # fmt: skip
    if reason:
        rows = rows.filter(reason=reason)
    return rows.filter(resolved_by__isnull=True) if open_only else rows


def refusals_by_reason(*, viewer: Viewer, batch_id: int) -> list[tuple[str, str, int, int]]:
    """
    Return for each reason of a batch its name, its words, how many rows, how many still open.
    """
    words = dict(RejectedReading.Reason.choices)
    rows = (
        RejectedReading.objects.visible_to(viewer).filter(batch_id=batch_id).values("reason")
        .annotate(count=Count("pk"), waiting=Count("pk", filter=Q(resolved_by__isnull=True)))
        .order_by("-count", "reason")
    )  # fmt: skip
    return [(r["reason"], str(words[r["reason"]]), r["count"], r["waiting"]) for r in rows]


def uploads(*, viewer: Viewer) -> QuerySet[Upload]:
    """
    Return the files that people sent, newest first.
    """
    return (
        Upload.objects.visible_to(viewer)
        .select_related("site", "mapping", "batch", "by")
        .order_by("-created_at", "-pk")
    )


def upload_sample(*, viewer: Viewer, upload_id: int) -> bytes:
    """
    Return the first piece of a file's bytes, at most a mebibyte.
    """
    upload = Upload.objects.visible_to(viewer).filter(pk=upload_id).first()
    if upload is None:
        return b""
    first = UploadChunk.objects.filter(upload_id=upload.pk, number=0).first()
    return bytes(first.data) if first is not None else b""


def uploads_left_queued(*, queued_before: dt.datetime) -> list[int]:
    """
    Return the files whose message to the workers may have got lost.
    """
    waiting = Upload.objects.filter(state=Upload.State.QUEUED, queued_at__lt=queued_before)
    return list(waiting.values_list("pk", flat=True))


def channel_choices(*, viewer: Viewer, site_id: int) -> list[tuple[str, Any]]:
    """
    Return the keys of a site's channels, each with its point's name and quantity.
    """
    rows = (
        Channel.objects.visible_to(viewer).filter(site_id=site_id).select_related("point")
        .order_by("key")
    )  # fmt: skip
    return [(row.key, f"{row.point.name}, {row.get_quantity_display()}") for row in rows]
