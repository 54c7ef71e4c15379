"""
Webhooks: which addresses are told of what, and what became of each message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal.forms.webhooks import NAMES, EventsForm, MessageFilter, WebhookForm
from portal.views.base import PortalRequest, for_action
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import operations, outbound, queries, tasks
from sites.access import Action


@for_action(Action.MANAGE_HOOKS)
def webhooks(request: PortalRequest) -> HttpResponseBase:
    """
    The addresses that are told of events.
    """
    rows = [(hook, _named(hook.events)) for hook in queries.webhooks(viewer=request.viewer)]
    return render(request, "ops/webhooks.html", {"webhooks": rows})


def _named(events: Sequence[str]) -> list[str]:
    return [str(NAMES.get(event, event)) for event in events]


@for_action(Action.MANAGE_HOOKS)
def new(request: PortalRequest) -> HttpResponseBase:
    """
    Add an address; its secret is on the answer and nowhere else.
    """
    form = WebhookForm(request.POST or None, events=operations.EVENTS)
    operator_id = request.viewer.stakeholder_id
    if request.method == "POST" and operator_id is not None and form.is_valid():
        try:
            hook, secret = operations.add_webhook(
                operator_id=operator_id, at=timezone.now(),
                by_id=request.viewer.user_id, **form.cleaned_data,
            )  # fmt: skip
        except outbound.Refused:
            form.add_error("url", gettext(
                "Messages do not go to this machine or to a private network. Enter an address on"
                " the internet, or let whoever runs the portal set WEBHOOK_PRIVATE."
            ))  # fmt: skip
        else:
            return _with_secret(request, hook.pk, secret)
    status = 422 if form.errors else 200
    return render(request, "ops/webhook_new.html", {"form": form}, status=status)


def _with_secret(request: PortalRequest, pk: int, secret: str) -> HttpResponseBase:
    answer = render(request, "ops/webhook.html", {**_shown(request, pk), "secret": secret})
    # The secret must not lie in a cache.
    answer["Cache-Control"] = "no-store"
    return answer


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("created_at", gettext("When"), ("created_at",), lambda m: m.created_at.isoformat()),
        Column("event", gettext("Event"), ("event",), lambda m: m.event),
        Column("subject", gettext("About"), ("subject",), lambda m: m.subject),
        Column("state", gettext("State"), ("state",), lambda m: m.state),
        Column("attempts", gettext("Attempts"), ("attempts",), lambda m: m.attempts,
               numeric=True),
        Column("last_answer", gettext("Last answer"), (), lambda m: m.last_answer),
        Column("next_attempt_at", "", (),
               lambda m: m.next_attempt_at.isoformat() if m.state == "waiting" else ""),
    ]  # fmt: skip


def _shown(request: PortalRequest, pk: int) -> dict[str, Any]:
    hook = get_object_or_404(queries.webhooks(viewer=request.viewer), pk=pk)
    filter_form = MessageFilter(request.GET)
    rows = queries.webhook_messages(
        viewer=request.viewer, webhook_id=hook.pk, **filter_form.chosen()
    )
    return {
        "webhook": hook, "form": filter_form, "rows": rows,
        "listing": listing(request, rows, _columns(), default_sort="-created_at"),
        "events": EventsForm(
            None, events=operations.EVENTS, initial={"events": hook.events},
        ),
    }  # fmt: skip


@for_action(Action.MANAGE_HOOKS)
def webhook(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One address: its events, how messages are signed, and what became of each.
    """
    context = _shown(request, pk)
    if request.method == "POST":
        events = EventsForm(request.POST, events=operations.EVENTS)
        if events.is_valid():
            operations.edit_webhook(
                webhook_id=pk, events=events.cleaned_data["events"], at=timezone.now(),
                by_id=request.viewer.user_id,
            )  # fmt: skip
            messages.success(request, gettext("The events are kept."))
            return redirect("ops-webhook", pk=pk)
        context["events"] = events
    if request.GET.get("format") == "csv":
        columns = _columns()
        rows = sorted_rows(request, context["rows"], columns)
        return csv_answer(rows, columns, filename="messages.csv")
    template = "ops/_webhook_rows.html" if request.htmx else "ops/webhook.html"
    return render(request, template, context)


@for_action(Action.MANAGE_HOOKS)
@require_POST
def change(request: PortalRequest, pk: int, how: str) -> HttpResponseBase:
    """
    Send a test message to an address, renew its secret, or tell it nothing more.
    """
    hook = get_object_or_404(queries.webhooks(viewer=request.viewer), pk=pk)
    now, by = timezone.now(), request.viewer.user_id
    if how == "renew":
        return _with_secret(
            request, pk, operations.renew_secret(webhook_id=pk, at=now, by_id=by)
        )  # fmt: skip
    if how == "end":
        operations.end_webhook(webhook_id=pk, at=now, by_id=by)
        messages.success(request, gettext("%s is told nothing more.") % hook.url)
        return redirect("ops-webhooks")
    operations.send_test(webhook_id=pk, at=now, by_id=by)
    tasks.deliver_messages.delay()
    messages.success(request, gettext("A test message is on its way. Its answer appears below."))
    return redirect("ops-webhook", pk=pk)


@for_action(Action.MANAGE_HOOKS)
@require_POST
def send_again(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Send one message again, whatever became of it before.
    """
    message = get_object_or_404(queries.webhook_messages(viewer=request.viewer), pk=pk)
    operations.send_again(message_id=pk, at=timezone.now(), by_id=request.viewer.user_id)
    tasks.deliver_messages.delay()
    messages.success(request, gettext("The message is on its way again."))
    return redirect("ops-webhook", pk=message.webhook_id)
