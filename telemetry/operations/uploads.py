"""
Files that people send: kept in pieces until a mapping is chosen, then imported by a worker.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import IO

from django.db import transaction

from sites.models import Site
from sites.operations import record
from telemetry.models import ColumnMapping, Upload, UploadChunk

CHUNK = 1 << 20


@transaction.atomic(durable=True)
def add_upload(
    *, site_id: int, name: str, pieces: Iterator[bytes], at: dt.datetime, by_id: int | None
) -> Upload:
    """
    Keep a file for a site. `pieces` are its bytes in order.
    """
    site = Site.objects.get(pk=site_id)
    upload = Upload.objects.create(
        site=site, name=name[-200:], size=0, created_at=at, by_id=by_id
    )  # fmt: skip
    for number, piece in enumerate(pieces):
        UploadChunk.objects.create(upload=upload, number=number, data=piece)
        upload.size += len(piece)
    upload.save()
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="file received",
        subject=f"{site.slug}/{upload.pk}", after={"name": upload.name, "bytes": upload.size},
    )  # fmt: skip
    return upload


@transaction.atomic(durable=True)
def queue_upload(
    *, upload_id: int, mapping_id: int | None, at: dt.datetime, by_id: int | None
) -> bool:
    """
    Let a file be imported by a mapping of its operator, or with None by the format that its name
    tells; False where that has begun already.
    """
    upload = Upload.objects.select_for_update().select_related("site").get(pk=upload_id)
    if upload.state in {Upload.State.QUEUED, Upload.State.DONE}:
        return False
    operator_id = upload.site.operator_id
    if mapping_id is not None:
        upload.mapping = ColumnMapping.objects.get(pk=mapping_id, operator_id=operator_id)
    upload.state, upload.queued_at, upload.problem = Upload.State.QUEUED, at, ""
    upload.save()
    code = upload.mapping.code if upload.mapping is not None else None
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="import asked for",
        subject=f"{upload.site.slug}/{upload.pk}", after={"mapping": code},
    )  # fmt: skip
    return True


def upload_to_import(*, upload_id: int) -> Upload | None:
    """
    Return the upload if it waits for a worker, else None.
    """
    return (
        Upload.objects.select_related("mapping")
        .filter(pk=upload_id, state=Upload.State.QUEUED)
        .first()
    )


def copy_upload(*, upload_id: int, to: IO[bytes]) -> None:
    """
    Write the file's bytes, piece by piece, and go back to their beginning. While readings are
    stored the database connection is busy, so they cannot be fetched then.
    """
    for piece in UploadChunk.objects.filter(upload_id=upload_id).order_by("number").iterator(4):
        to.write(piece.data)
    to.seek(0)


@transaction.atomic(durable=True)
def finish_upload(*, upload_id: int, batch_id: int) -> None:
    """
    Note which batch a file became and drop its bytes.
    """
    Upload.objects.filter(pk=upload_id).update(
        state=Upload.State.DONE, batch_id=batch_id, problem=""
    )
    UploadChunk.objects.filter(upload_id=upload_id).delete()


@transaction.atomic(durable=True)
def fail_upload(*, upload_id: int, problem: str) -> None:
    """
    Note why a file could not be imported. It stays, so that its mapping can be mended.
    """
    Upload.objects.filter(pk=upload_id, state=Upload.State.QUEUED).update(
        state=Upload.State.FAILED, problem=problem
    )


@transaction.atomic(durable=True)
def drop_old_uploads(*, made_before: dt.datetime) -> int:
    """
    Delete files that nobody imported; return how many there were.
    """
    left = Upload.objects.filter(
        state__in=[Upload.State.WAITING, Upload.State.FAILED], created_at__lt=made_before
    )
    _, counts = left.delete()
    return counts.get("telemetry.Upload", 0)
