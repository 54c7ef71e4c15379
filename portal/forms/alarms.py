"""
Forms of alarms, their rules, contacts and silences: validate, never save.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.forms.money import ListFilter, search_field

Choices = Sequence[tuple[Any, Any]]

KINDS = [
    ("above", _("Above a level")),
    ("below", _("Below a level")),
    ("rate", _("Changes faster than")),
    ("supply_low", _("Supply too cool")),
    ("bypass", _("Heat partner offline, heat rejected")),
    ("no_data", _("No data for")),
    ("gateway_silent", _("Gateway silent for")),
    ("calibration", _("Verification ends within")),
    ("meter_fault", _("Meter reports a fault")),
]
SEVERITIES = [("act", _("Act now")), ("watch", _("Watch"))]
_NEED_CHANNEL = {"above", "below", "rate"}
_NEED_LIMIT = {"no_data", "gateway_silent", "calibration"}
_MOMENT = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class AlarmFilter(ListFilter):
    """
    Search in alarms by place, state, kind, severity and site.
    """

    search = search_field(_("Place, rule, site"))
    site = forms.TypedChoiceField(label=_("Site"), required=False, coerce=int, empty_value=None)
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("All")), ("live", _("Not over")), ("open", _("Open")),
            ("acknowledged", _("Taken")), ("resolved", _("Over")),
        ],
    )  # fmt: skip
    severity = forms.ChoiceField(
        label=_("Severity"), required=False, choices=[("", _("All")), *SEVERITIES]
    )
    kind = forms.ChoiceField(label=_("Kind"), required=False, choices=[("", _("All")), *KINDS])

    def __init__(self, data: Any, *, sites: Choices) -> None:
        super().__init__(data)
        self.fields["site"].choices = [("", _("All")), *sites]  # type: ignore[attr-defined]


class RuleFilter(ListFilter):
    """
    Search in rules by name, kind and site.
    """

    search = search_field(_("Name, channel"))
    site = forms.TypedChoiceField(label=_("Site"), required=False, coerce=int, empty_value=None)
    kind = forms.ChoiceField(label=_("Kind"), required=False, choices=[("", _("All")), *KINDS])
    ended = forms.BooleanField(label=_("Ended"), required=False)

    def __init__(self, data: Any, *, sites: Choices) -> None:
        super().__init__(data)
        self.fields["site"].choices = [("", _("All")), *sites]  # type: ignore[attr-defined]


class AlarmStep(forms.Form):
    """
    What a person does about an alarm, and why.
    """

    step = forms.ChoiceField(
        label=_("What"),
        choices=[
            ("take", _("I take it")), ("note", _("Add a note")), ("close", _("Close it")),
        ],
    )  # fmt: skip
    text = forms.CharField(
        label=_("Note"), max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("step") in {"note", "close"} and not data.get("text"):
            self.add_error("text", gettext("Say what it was."))
        return data


class RuleFields(forms.Form):
    """
    What of a rule can be changed.
    """

    name = forms.CharField(label=_("Name"), max_length=80)
    severity = forms.ChoiceField(label=_("Severity"), choices=SEVERITIES)
    set_level = forms.DecimalField(
        label=_("Level"), required=False, max_digits=18, decimal_places=6,
        help_text=_("in the unit the channel sends; a rate is per hour"),
    )  # fmt: skip
    clear_level = forms.DecimalField(
        label=_("Over again at"), required=False, max_digits=18, decimal_places=6,
        help_text=_("empty: the same level"),
    )  # fmt: skip
    delay_min = forms.IntegerField(
        label=_("For at least, minutes"), min_value=0, max_value=7 * 24 * 60, initial=0
    )
    limit = forms.IntegerField(
        label=_("Minutes of silence, or days before the end of a verification"), required=False,
        min_value=1, max_value=100_000,
    )  # fmt: skip

    def fields_of(self, kind: str) -> dict[str, Any]:
        """
        Return what fits the kind, as arguments of `telemetry.operations.add_alarm_rule`.
        """
        data = self.cleaned_data
        levels = kind in _NEED_CHANNEL or kind == "supply_low"
        return {
            "name": data["name"], "severity": data["severity"], "delay_s": data["delay_min"] * 60,
            "set_level": data["set_level"] if levels else None,
            "clear_level": data["clear_level"] if levels else None,
            "limit": data["limit"] if kind in _NEED_LIMIT else None,
        }  # fmt: skip

    def check(self, kind: str) -> None:
        """
        Put what does not fit the kind next to its field.
        """
        data = self.cleaned_data
        at, back = data.get("set_level"), data.get("clear_level")
        if kind in _NEED_CHANNEL and at is None:
            self.add_error("set_level", gettext("This kind of rule needs a level."))
        if kind in _NEED_LIMIT and data.get("limit") is None:
            self.add_error("limit", gettext("This kind of rule needs a number."))
        if at is None:
            data["clear_level"] = None
            return
        if back is None:
            data["clear_level"] = back = at
        if kind in {"above", "rate"} and back > at:
            self.add_error("clear_level", gettext("It must not lie above the level."))
        if kind in {"below", "supply_low"} and back < at:
            self.add_error("clear_level", gettext("It must not lie below the level."))


class ChangeRuleForm(RuleFields):
    """
    A rule that is there; its kind and channel stay.
    """

    def __init__(self, data: Any, *, kind: str, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.kind = kind
        unused = {"limit"} if kind not in _NEED_LIMIT else {"set_level", "clear_level", "delay_min"}
        if kind == "meter_fault":
            unused |= {"delay_min"}
        if kind in {"bypass", "meter_fault"}:
            unused |= {"set_level", "clear_level"}
        for name in unused:
            self.fields[name].widget = forms.HiddenInput()
        if "delay_min" in unused:
            self.fields["delay_min"].required = False

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        data["delay_min"] = data.get("delay_min") or 0
        self.check(self.kind)
        return data


class NewRuleForm(RuleFields):
    """
    A new rule: for one channel, or for all of its kind at a site.
    """

    site = forms.TypedChoiceField(label=_("Site"), coerce=int)
    kind = forms.ChoiceField(label=_("Kind"), choices=KINDS)
    channel = forms.TypedChoiceField(
        label=_("Channel"), required=False, coerce=int, empty_value=None,
        help_text=_("empty: every one of the kind at the site"),
    )  # fmt: skip
    field_order = ("site", "kind", "channel")

    def __init__(
        self, data: Any, *, sites: Choices, channels: Iterable[tuple[int, int, str]], **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        self.site_of: dict[int, int] = {}
        grouped: dict[Any, list[tuple[int, str]]] = {name: [] for _, name in sites}
        names = dict(sites)
        for key, site_id, label in channels:
            self.site_of[key] = site_id
            grouped[names[site_id]].append((key, label))
        own: Any = self.fields
        own["site"].choices = sites
        own["channel"].choices = [("", "–"), *grouped.items()]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        kind, channel = data.get("kind", ""), data.get("channel")
        if kind in _NEED_CHANNEL and channel is None:
            self.add_error("channel", gettext("This kind of rule needs a channel."))
        if kind in {"gateway_silent", "calibration", "meter_fault"}:
            data["channel"] = None
        elif channel is not None and self.site_of[channel] != data.get("site"):
            self.add_error("channel", gettext("This channel is at another site."))
        self.check(kind)
        return data


class ChangeContactForm(forms.Form):
    """
    What of somebody who is told can be changed.
    """

    name = forms.CharField(label=_("Name"), max_length=80)
    after_min = forms.IntegerField(
        label=_("Told when nobody has taken an alarm after, minutes"), min_value=0,
        max_value=7 * 24 * 60, initial=0,
    )  # fmt: skip


class ContactForm(ChangeContactForm):
    """
    Somebody who is told of a site's alarms.
    """

    site = forms.TypedChoiceField(label=_("Site"), coerce=int)
    email = forms.EmailField(label=_("E-mail"))
    field_order = ("site", "name", "email", "after_min")

    def __init__(self, data: Any, *, sites: Choices) -> None:
        super().__init__(data)
        self.fields["site"].choices = sites  # type: ignore[attr-defined]


class SilenceForm(forms.Form):
    """
    A stretch in which nobody is told; times are the site's.
    """

    site = forms.TypedChoiceField(label=_("Site"), coerce=int)
    start = forms.DateTimeField(label=_("From"), widget=_MOMENT, help_text=_("time of the site"))
    end = forms.DateTimeField(label=_("Until"), widget=_MOMENT)
    reason = forms.CharField(label=_("Reason"), max_length=120)

    def __init__(self, data: Any, *, sites: Choices, zones: dict[int, str]) -> None:
        super().__init__(data)
        self.fields["site"].choices = sites  # type: ignore[attr-defined]
        self.zones = zones

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        start, end, site = data.get("start"), data.get("end"), data.get("site")
        if start and end and site:
            data["start"], data["end"] = (at_site(x, self.zones[site]) for x in (start, end))
            if data["end"] <= data["start"]:
                self.add_error("end", gettext("It must end after it begins."))
        return data


def at_site(moment: dt.datetime, zone: str) -> dt.datetime:
    """
    Return the instant at which clocks in a zone show what was typed, whatever zone the portal has.
    """
    return moment.replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC)
