"""
The keys operators sign statements with.
"""

from __future__ import annotations

import datetime as dt

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction

from sites.models import Stakeholder
from sites.operations import record
from telemetry.domain.secrets import hidden, shown
from telemetry.models import IssuerKey

_PURPOSE = "issuer key"


@transaction.atomic(durable=True)
def rotate_key(*, operator_id: int, at: dt.datetime, by_id: int | None) -> IssuerKey:
    """
    Retire the operator's key and make the next one. What the old one signed still verifies.
    """
    return _next_key(operator_id=operator_id, at=at, by_id=by_id)


@transaction.atomic(durable=True)
def key_compromised(*, key_id: int, at: dt.datetime, by_id: int | None) -> IssuerKey:
    """
    Say that a key fell into wrong hands: nothing it signed verifies any more, and the next key
    takes its place. Statements it signed have to be issued anew.
    """
    key = IssuerKey.objects.select_for_update().get(pk=key_id)
    if key.retired_at is None:
        _next_key(operator_id=key.operator_id, at=at, by_id=by_id)
        key.refresh_from_db()
    key.compromised_at = key.compromised_at or at
    key.save(update_fields=["compromised_at"])
    record(
        at=at, by_id=by_id, operator_id=key.operator_id, action="issuer key compromised",
        subject=str(key),
    )  # fmt: skip
    return key


def current_key(*, operator_id: int, at: dt.datetime) -> IssuerKey:
    """
    Return the key to sign with, made now where there is none. Opens no transaction.
    """
    key = IssuerKey.objects.filter(operator_id=operator_id, retired_at__isnull=True).first()
    return key or _next_key(operator_id=operator_id, at=at, by_id=None)


def private_key(key: IssuerKey) -> Ed25519PrivateKey:
    """
    :raises WrongSecret: if SECRET_KEY was changed since the key was made; rotate the key then
    """
    raw = shown(bytes(key.secret), under=settings.SECRET_KEY, purpose=_PURPOSE)
    return Ed25519PrivateKey.from_private_bytes(raw)


def _next_key(*, operator_id: int, at: dt.datetime, by_id: int | None) -> IssuerKey:
    # Two who want the first key take turns at the operator's row.
    Stakeholder.objects.select_for_update(of=("self",)).get(pk=operator_id)
    held = IssuerKey.objects.filter(operator_id=operator_id)
    held.filter(retired_at__isnull=True).update(retired_at=at)
    made = Ed25519PrivateKey.generate()
    key = IssuerKey.objects.create(
        operator_id=operator_id,
        number=held.count() + 1,
        public=made.public_key().public_bytes_raw(),
        secret=hidden(made.private_bytes_raw(), under=settings.SECRET_KEY, purpose=_PURPOSE),
        created_at=at,
    )
    record(at=at, by_id=by_id, operator_id=operator_id, action="issuer key made", subject=str(key))
    return key
