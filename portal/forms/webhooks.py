"""
Forms of webhooks: validate, never save.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

from portal.forms.money import ListFilter, search_field

NAMES = {
    "alarm.opened": _("An alarm opened"),
    "alarm.resolved": _("An alarm is over"),
    "incident.opened": _("An incident began"),
    "incident.ended": _("An incident is over"),
    "maintenance.announced": _("Work was announced"),
    "maintenance.ended": _("Announced work was ended or called off"),
    "invoice.issued": _("An invoice was issued"),
    "invoice.paid": _("An invoice was paid"),
    "invoice.disputed": _("A line of an invoice is disputed"),
    "statement.issued": _("A statement was issued"),
}


class EventsForm(forms.Form):
    """
    Which events an address is told of.
    """

    events = forms.MultipleChoiceField(
        label=_("Events"), widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one event.")},
    )  # fmt: skip

    def __init__(self, data: Any, *, events: Sequence[str], **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.fields["events"].choices = [  # type: ignore[attr-defined]
            (event, NAMES.get(event, event)) for event in events
        ]


class WebhookForm(EventsForm):
    """
    A new address.
    """

    url = forms.CharField(
        label=_("Address"), max_length=300,
        validators=[URLValidator(
            schemes=["https", "http"], message=_("Enter an address like https://example.org/hook.")
        )],
        help_text=_("On the internet, with https; messages carry what the events are about"),
        widget=forms.URLInput,
    )  # fmt: skip
    field_order = ("url", "events")


class MessageFilter(ListFilter):
    """
    Search in messages by event, thing and state.
    """

    search = search_field(_("Event, thing"))
    state = forms.ChoiceField(
        label=_("State"), required=False,
        choices=[
            ("", _("All")), ("waiting", _("Waiting")), ("delivered", _("Delivered")),
            ("given_up", _("Given up")),
        ],
    )  # fmt: skip
