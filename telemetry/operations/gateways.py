"""
Gateways and their tokens.
"""

import datetime as dt
import hashlib
import secrets

from django.db import transaction

from sites.models import Site
from sites.operations import record
from telemetry.models import Gateway


def _hash(token: str) -> bytes:
    # A token of 256 random bits needs no slow hash.
    return hashlib.sha256(token.encode()).digest()


@transaction.atomic(durable=True)
def create_gateway(
    *, site_id: int, name: str, at: dt.datetime, by_id: int | None
) -> tuple[Gateway, str]:
    """
    Make a gateway of a site and return it with its token, which is kept nowhere.
    """
    site = Site.objects.get(pk=site_id)
    token = f"wg_{secrets.token_urlsafe(32)}"
    gateway = Gateway.objects.create(
        site=site, name=name, token_hash=_hash(token), token_hint=token[:8], created_at=at
    )
    record(
        at=at, operator_id=site.operator_id, by_id=by_id, action="gateway created",
        subject=f"{site.slug}/{name}", after={"token_hint": gateway.token_hint},
    )  # fmt: skip
    return gateway, token


def gateway_of_token(token: str) -> Gateway | None:
    """
    Return the gateway that holds the token; None for an unknown or revoked one.
    """
    return (
        Gateway.objects.select_related("site")
        .filter(token_hash=_hash(token), revoked_at__isnull=True)
        .first()
    )
