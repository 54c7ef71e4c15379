"""
Gateways: making one, what to type at the other end, what arrives, and names that nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal.forms.gateways import GatewayFilter, GatewayForm, NameForm
from portal.gateway_examples import examples
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries, tasks

SHOWN_BATCHES = 10


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("name", gettext("Gateway"), ("name",), lambda g: g.name),
        Column("site", gettext("Site"), ("site__name",), lambda g: g.site.name),
        Column("token", gettext("Token"), (), lambda g: g.token_hint),
        Column(
            "last_seen", gettext("Last seen"), ("last_seen_at",),
            lambda g: g.last_seen_at and g.last_seen_at.isoformat(),
        ),
        Column("rows", gettext("Rows, 24 h"), ("rows",), lambda g: g.rows, numeric=True),
        Column("rejects", gettext("Refused, 24 h"), ("rejects",), lambda g: g.rejects,
               numeric=True),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def gateways(request: PortalRequest) -> HttpResponseBase:
    """
    All gateways, those silent longest first.
    """
    form = GatewayFilter(request.GET)
    rows = queries.all_gateways(viewer=request.viewer, now=timezone.now(), **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="gateways.csv")
    context = {
        "form": form, "listing": listing(request, rows, columns, default_sort="last_seen"),
        "may_manage": request.viewer.can(Action.MANAGE_METERING),
    }  # fmt: skip
    template = "ops/_gateway_rows.html" if request.htmx else "ops/gateways.html"
    return render(request, template, context)


@for_action(Action.MANAGE_METERING)
def new(request: PortalRequest) -> HttpResponseBase:
    """
    Make a gateway; its token is on the answer and nowhere else.
    """
    sites = [(str(s.pk), s.name) for s in places.sites(viewer=request.viewer)]
    form = GatewayForm(request.POST or None, sites=sites)
    if request.method == "POST" and form.is_valid():
        try:
            gateway, token = operations.create_gateway(
                site_id=int(form.cleaned_data["site"]), name=form.cleaned_data["name"],
                at=timezone.now(), by_id=request.viewer.user_id,
            )  # fmt: skip
            return _with_token(request, gateway.pk, token)
        except IntegrityError:
            form.add_error("name", gettext("This site has a gateway of that name."))
    return render(request, "ops/gateway_new.html", {"form": form})


def _with_token(request: PortalRequest, gateway_id: int, token: str) -> HttpResponseBase:
    context = {**_shown(request, gateway_id, token=token), "token": token}
    answer = render(request, "ops/gateway.html", context)
    # The token must not lie in a cache.
    answer["Cache-Control"] = "no-store"
    return answer


@for_kind(Kind.OPERATOR)
def gateway(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One gateway: how to send with it, what arrived, and names to give; the panel alone for HTMX.
    """
    context = _shown(request, pk)
    template = "ops/_gateway_live.html" if request.htmx else "ops/gateway.html"
    return render(request, template, context)


def _shown(request: PortalRequest, pk: int, token: str = "") -> dict[str, Any]:
    now = timezone.now()
    shown = get_object_or_404(
        queries.all_gateways(viewer=request.viewer, now=now)
        | queries.all_gateways(viewer=request.viewer, now=now, revoked=True),
        pk=pk,
    )
    channels = list(queries.channels(viewer=request.viewer, site_id=shown.site_id))
    choices = [(str(c.pk), f"{c.point.name}: {c.get_quantity_display()}") for c in channels]
    return {
        "gateway": shown,
        "batches": queries.batches_of(viewer=request.viewer, gateway_id=shown.pk)[:SHOWN_BATCHES],
        "kept": queries.kept_by_reason(viewer=request.viewer, site_id=shown.site_id),
        "names": [
            (
                name,
                NameForm(
                    None, channels=choices, auto_id=f"id_{n}_%s",
                    initial={"text": name.text, "channel": _likely_channel(name, channels)},
                ),
            )
            for n, name in enumerate(
                queries.unknown_names(viewer=request.viewer, site_id=shown.site_id)
            )
        ],
        "examples": examples(
            channels=channels, gateway_id=shown.pk, token=token,
            base=settings.BASE_URL.rstrip("/"), broker_url=settings.MQTT_URL,
            topics=settings.MQTT_TOPICS,
        ),
        "may_manage": request.viewer.can(Action.MANAGE_METERING),
    }  # fmt: skip


def _likely_channel(name: Any, channels: list[Any]) -> str | None:
    """
    Return the channel that a name may stand for: of the quantity it speaks of, the most alike.
    """
    fit = [channel for channel in channels if channel.quantity == name.likely]
    alike = max(
        fit, key=lambda c: SequenceMatcher(None, name.text.lower(), c.key).ratio(), default=None
    )
    return str(alike.pk) if alike is not None else None


@for_action(Action.MANAGE_METERING)
@require_POST
def change(request: PortalRequest, pk: int, how: str) -> HttpResponseBase:
    """
    Renew the token of a gateway, or revoke it.
    """
    shown = _shown(request, pk)["gateway"]
    now, by = timezone.now(), request.viewer.user_id
    if how == "revoke":
        operations.revoke_gateway(gateway_id=shown.pk, at=now, by_id=by)
        messages.success(request, gettext("%s can send nothing more.") % shown.name)
        return redirect("ops-gateways")
    token = operations.rotate_token(gateway_id=shown.pk, at=now, by_id=by)
    return _with_token(request, shown.pk, token)


@for_action(Action.MANAGE_METERING)
@require_POST
def give_name(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Let an unknown name stand for a channel and try its kept readings again.
    """
    shown = _shown(request, pk)["gateway"]
    channels = queries.channels(viewer=request.viewer, site_id=shown.site_id)
    form = NameForm(request.POST, channels=[(str(c.pk), c.key) for c in channels])
    if not form.is_valid():
        messages.error(request, gettext("Choose one of the site’s channels."))
        return redirect("ops-gateway", pk=pk)
    operations.name_channel(
        site_id=shown.site_id, text=form.cleaned_data["text"],
        channel_id=int(form.cleaned_data["channel"]), at=timezone.now(),
        by_id=request.viewer.user_id,
    )  # fmt: skip
    tasks.replay_site.delay(site_id=shown.site_id, by_id=request.viewer.user_id)
    messages.success(
        request,
        gettext("“%s” has its channel. Its kept readings are being tried again.")
        % form.cleaned_data["text"],
    )
    return redirect("ops-gateway", pk=pk)
