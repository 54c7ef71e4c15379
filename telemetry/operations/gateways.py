"""
Gateways and their tokens.
"""

import datetime as dt
import hashlib
import secrets

from django.db import transaction

from sites.models import Site
from sites.operations import record
from telemetry.models import Channel, ChannelAlias, Gateway


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


@transaction.atomic(durable=True)
def rotate_token(*, gateway_id: int, at: dt.datetime, by_id: int | None) -> str:
    """
    Give a gateway a new token and return it; the old one ends at once.
    """
    gateway = Gateway.objects.select_for_update(of=("self",)).select_related("site").get(
        pk=gateway_id
    )  # fmt: skip
    before = gateway.token_hint
    token = f"wg_{secrets.token_urlsafe(32)}"
    gateway.token_hash, gateway.token_hint = _hash(token), token[:8]
    gateway.save(update_fields=["token_hash", "token_hint"])
    record(
        at=at, operator_id=gateway.site.operator_id, by_id=by_id, action="gateway token renewed",
        subject=f"{gateway.site.slug}/{gateway.name}", before={"token_hint": before},
        after={"token_hint": gateway.token_hint},
    )  # fmt: skip
    return token


@transaction.atomic(durable=True)
def revoke_gateway(*, gateway_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Let a gateway send nothing more. What it sent stays.
    """
    gateway = Gateway.objects.select_for_update(of=("self",)).select_related("site").get(
        pk=gateway_id
    )  # fmt: skip
    gateway.revoked_at = at
    gateway.save(update_fields=["revoked_at"])
    record(
        at=at, operator_id=gateway.site.operator_id, by_id=by_id, action="gateway revoked",
        subject=f"{gateway.site.slug}/{gateway.name}",
    )  # fmt: skip


@transaction.atomic(durable=True)
def name_channel(
    *, site_id: int, text: str, channel_id: int, at: dt.datetime, by_id: int | None
) -> None:
    """
    Let a name that gateways of a site send stand for one of its channels from now on, also for
    the readings that were kept under it.

    :raises Channel.DoesNotExist: if the channel is not one of the site
    """
    channel = Channel.objects.select_related("site").get(pk=channel_id, site_id=site_id)
    ChannelAlias.objects.update_or_create(
        site_id=site_id, text=text, defaults={"channel": channel, "created_at": at}
    )
    record(
        at=at, operator_id=channel.site.operator_id, by_id=by_id, action="channel name added",
        subject=f"{channel.site.slug}/{text}", after={"channel": channel.key},
    )  # fmt: skip
