"""
The manifest of an archived month: what the file holds, signed with the operator's Ed25519 key, so
that neither the file nor what the database says of it can be changed unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from telemetry.archive.errors import ManifestAltered
from telemetry.models import ArchivedChannel, ArchivedMonth

FORMAT = "warmgrid-archive/1"


def canonical(content: dict[str, Any]) -> str:
    """
    Return JSON with sorted names, without spaces.
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def manifest_of(
    archive: ArchivedMonth, channels: Iterable[ArchivedChannel], *, previous: str
) -> dict[str, Any]:
    """
    Return the manifest of what was written; `previous` is the SHA-256 of the manifest that the
    operator signed before, so that none can be taken away unnoticed.
    """
    return {
        "format": FORMAT,
        "operator": archive.site.operator_id,
        "site": archive.site.slug,
        "month": f"{archive.month:%Y-%m}",
        "revision": archive.revision,
        "file": archive.path,
        "bytes": archive.bytes,
        "sha256": bytes(archive.sha256).hex(),
        "readings": archive.rows,
        "previous": previous,
        "channels": [_told(channel) for channel in channels],
    }


def _told(part: ArchivedChannel) -> dict[str, Any]:
    return {
        "id": part.channel_id,
        "key": part.channel.key,
        "unit": part.channel.unit,
        "first_group": part.first_group,
        "groups": part.groups,
        "readings": part.rows,
        "first": part.first_at.isoformat(),
        "last": part.last_at.isoformat(),
        "sha256": bytes(part.sha256).hex(),
    }


def check_manifest(archive: ArchivedMonth) -> dict[int, dict[str, Any]]:
    """
    Return what the manifest says of each channel, by its id.

    :raises ManifestAltered: if it is not what was signed, or the rows beside it say otherwise
    """
    if archive.key is None:
        raise ManifestAltered(f"{archive}: nobody signed the manifest.")
    signed_by = Ed25519PublicKey.from_public_bytes(bytes(archive.key.public))
    try:
        signed_by.verify(bytes(archive.signature), archive.manifest.encode())
    except InvalidSignature:
        raise ManifestAltered(
            f"{archive}: the manifest in the database is not what {archive.key} signed. Restore"
            f" it from a backup, or from {archive.path}.json in the archive."
        ) from None
    content: dict[str, Any] = json.loads(archive.manifest)
    says = (content["file"], content["sha256"], content["readings"], content["month"])
    if says != (
        archive.path, bytes(archive.sha256).hex(), archive.rows, f"{archive.month:%Y-%m}"
    ):  # fmt: skip
        raise ManifestAltered(f"{archive}: the row in the database is not as its manifest says.")
    return {told["id"]: told for told in content["channels"]}
