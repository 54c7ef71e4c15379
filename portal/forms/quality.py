"""
Forms of the quality workbench: validate, never save.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.forms.money import ListFilter, search_field
from telemetry.domain.quality import Flag
from telemetry.domain.vee import DEFAULTS
from telemetry.domain.vee_rules import BOUNDS, ThresholdRefused, checked

Choices = Sequence[tuple[Any, Any]]
_ALL = ("", _("All"))
_MOMENT = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
_REASON = forms.Textarea(attrs={"rows": 2})

RULES: list[tuple[str, Any]] = [
    ("time", _("Clock is ahead")),
    ("dup", _("Contradicts a stored reading")),
    ("lost", _("Zeros after lost communication")),
    ("reset", _("Register fell")),
    ("dip", _("Register fell and came back")),
    ("rise", _("Register rose more than it can")),
    ("stale", _("Register stood still and caught up")),
    ("spike", _("Peak out of line")),
    ("limit", _("Beyond what is possible")),
    ("sum", _("Power and register disagree")),
    ("high_low", _("Unusual day")),
    ("iqr", _("Far above the usual days")),
    ("flat", _("Does not change")),
    ("zero", _("No heat while servers run")),
    ("gap", _("Readings missing")),
    ("xcheck", _("Flow and temperatures disagree with the register")),
]
_SETTABLE = [*RULES, ("share", _("Estimated share of a bill"))]
SEVERITIES = [("1", _("High")), ("2", _("Medium")), ("3", _("Low"))]
STATES: list[tuple[str, Any]] = [
    ("live", _("Needs somebody")),
    ("open", _("Open")),
    ("waiting", _("Waiting for approval")),
    ("accepted", _("Accepted")),
    ("edited", _("Edited")),
    ("dismissed", _("Dismissed")),
    ("gone", _("No longer there")),
]

# What each threshold means, for people: its name and its unit.
THRESHOLDS: dict[str, tuple[Any, Any]] = {
    "ahead_s": (_("Ahead by more than"), _("seconds")),
    "hours": (_("For longer than"), _("hours")),
    "min_kwh": (_("Only from"), "kWh"),
    "ratio": (_("Above the third highest hour by more than"), _("times it")),
    "factor": (_("Doubted above"), _("times the rated power")),
    "set_aside_factor": (_("Left out above"), _("times the rated power")),
    "low": (_("Not below"), _("°C; for unusual days: times the usual")),
    "high": (_("Not above"), _("°C; for unusual days: times the usual")),
    "sentinels": (_("Figures that mean “no value”"), _("separated by spaces")),
    "share": (_("Apart by more than"), _("of the register, 0.005 is half a per cent")),
    "resolutions": (_("And by more than"), _("steps of the register")),
    "days": (_("Compared with the last"), _("days")),
    "times": (_("Above the median by more than"), _("interquartile ranges")),
    "it_share": (_("While servers draw more than"), _("of the rated power, 0.2 is a fifth")),
    "steps": (_("Missing from"), _("usual steps")),
    "auto": (_("Fill gaps in without asking"), _("what the ladder of estimates says then counts")),
    "backup": (_("Backup meter"), _("the key of a register that meters the same")),
    "region": (
        _("Region"),
        _("such as SH or BY in Germany; its public holidays are days like Sundays"),
    ),
    "warn": (_("A note from"), _("of the register, 0.03 is three per cent")),
    "fail": (_("Doubted from"), _("of the register")),
    "review_percent": (_("A person looks above"), _("% estimated")),
    "block_percent": (_("The bill waits above"), _("% estimated")),
}  # fmt: skip


class FindingFilter(ListFilter):
    """
    Search in findings by words, site, rule, state and severity; without a state those that need
    somebody.
    """

    search = search_field(_("Channel, point, site"))
    site = forms.TypedChoiceField(label=_("Site"), required=False, coerce=int, empty_value=None)
    rule = forms.ChoiceField(label=_("Rule"), required=False, choices=[_ALL, *RULES])
    state = forms.ChoiceField(
        label=_("State"), required=False, choices=[*STATES, ("any", _("All"))]
    )
    severity = forms.TypedChoiceField(
        label=_("Severity"), required=False, coerce=int, empty_value=None,
        choices=[_ALL, *SEVERITIES],
    )  # fmt: skip
    point = forms.IntegerField(required=False, widget=forms.HiddenInput())

    def __init__(self, data: Any, *, sites: Choices) -> None:
        super().__init__(data)
        self.fields["site"].choices = [_ALL, *sites]  # type: ignore[attr-defined]

    def chosen(self) -> dict[str, Any]:
        found = super().chosen()
        if found.get("state") == "any":
            del found["state"]
        elif "state" not in found:
            found["state"] = "live"
        return found


class EditFilter(ListFilter):
    """
    Search in edits and estimates by words, site, state and kind.
    """

    search = search_field(_("Channel, reason, person"))
    site = forms.TypedChoiceField(label=_("Site"), required=False, coerce=int, empty_value=None)
    state = forms.ChoiceField(
        label=_("State"), required=False,
        choices=[
            _ALL, ("proposed", _("Waiting for approval")), ("in_force", _("In force")),
            ("rejected", _("Turned down")), ("superseded", _("No longer in force")),
        ],
    )  # fmt: skip
    source = forms.ChoiceField(
        label=_("Kind"), required=False,
        choices=[
            _ALL, ("edit", _("Edit")), ("accepted", _("Proposal accepted")),
            ("rule", _("Estimated by rule")), ("undo", _("Taken back")),
        ],
    )  # fmt: skip

    def __init__(self, data: Any, *, sites: Choices) -> None:
        super().__init__(data)
        self.fields["site"].choices = [_ALL, *sites]  # type: ignore[attr-defined]


class FindingStep(forms.Form):
    """
    What a person decides about one finding or several.
    """

    step = forms.ChoiceField(
        choices=[(name, name) for name in ("accept", "dismiss", "reopen")],
        widget=forms.HiddenInput(),
    )
    reason = forms.CharField(label=_("Reason"), max_length=300, required=False)
    seen = forms.CharField(required=False, max_length=16, widget=forms.HiddenInput())

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("step") == "dismiss" and not data.get("reason"):
            self.add_error("reason", gettext("Say why the readings are right."))
        return data


class DecisionStep(forms.Form):
    """
    What a person does about an edit: approve it, turn it down, ask for it to be taken back.
    """

    step = forms.ChoiceField(
        choices=[(name, name) for name in ("approve", "reject", "undo")],
        widget=forms.HiddenInput(),
    )
    reason = forms.CharField(label=_("Reason"), max_length=300, required=False)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("step") in {"reject", "undo"} and not data.get("reason"):
            self.add_error("reason", gettext("Say why."))
        return data


class EditForm(forms.Form):
    """
    Other values for a stretch of a channel, in local time.
    """

    start = forms.DateTimeField(label=_("From"), widget=_MOMENT)
    end = forms.DateTimeField(label=_("Until, not included"), widget=_MOMENT)
    how = forms.ChoiceField(
        label=_("What counts there"),
        choices=[
            ("estimate", _("What the ladder of estimates says")),
            ("values", _("The values typed in below")),
            ("aside", _("Nothing: leave the readings out")),
        ],
        widget=forms.RadioSelect,
    )
    values = forms.CharField(
        label=_("Values"), required=False, widget=forms.Textarea(attrs={"rows": 10}),
        help_text=_(
            "one a line: local time and value, as 2026-01-14 10:00 1234.5; without a value the"
            " reading is left out"
        ),
    )  # fmt: skip
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=_REASON)

    def __init__(self, data: Any, *, zone: str, now: dt.datetime, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.zone = zoneinfo.ZoneInfo(zone)
        self.now = now

    def _local(self, moment: dt.datetime) -> dt.datetime:
        # Django took it for the portal's own zone.
        return moment.replace(tzinfo=self.zone).astimezone(dt.UTC)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name in ("start", "end"):
            if data.get(name) is not None:
                data[name] = self._local(data[name])
        start, end = data.get("start"), data.get("end")
        if start is not None and end is not None:
            if end <= start:
                self.add_error("end", gettext("It must lie after the beginning."))
            elif end > self.now:
                self.add_error("end", gettext("That time has not come yet."))
            elif end - start > dt.timedelta(days=400):
                self.add_error("end", gettext("At most 400 days can be changed at once."))
            elif data.get("how") == "values":
                data["wanted"] = self._typed(data.get("values") or "", start, end)
        return data

    def _typed(
        self, text: str, start: dt.datetime, end: dt.datetime
    ) -> list[tuple[dt.datetime, Decimal | None, Flag]]:
        wanted: dict[dt.datetime, Decimal | None] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            try:
                at, value = self._line(line)
            except ValueError as problem:
                self.add_error("values", gettext("Line %(n)d: %(why)s") % {
                    "n": number, "why": problem,
                })  # fmt: skip
                continue
            if not start <= at < end:
                self.add_error("values", gettext(
                    "Line %(n)d lies outside the time above."
                ) % {"n": number})  # fmt: skip
            elif at in wanted:
                self.add_error("values", gettext("Line %(n)d repeats a time.") % {"n": number})
            wanted[at] = value
        if not wanted:
            self.add_error("values", gettext("Type at least one line."))
        return [(at, value, Flag.EDITED) for at, value in sorted(wanted.items())]

    def _line(self, line: str) -> tuple[dt.datetime, Decimal | None]:
        parts = line.replace(";", " ").replace("\t", " ").replace("T", " ").split()
        try:
            at = dt.datetime.fromisoformat(" ".join(parts[:2]))
        except (ValueError, IndexError):
            raise ValueError(gettext("begin with a time, as 2026-01-14 10:00")) from None
        if at.tzinfo is None:
            at = at.replace(tzinfo=self.zone)
        if len(parts) > 3:
            raise ValueError(gettext("one value a line, without spaces in it"))
        if len(parts) < 3:
            return at.astimezone(dt.UTC), None
        try:
            value = Decimal(parts[2])
        except InvalidOperation:
            raise ValueError(gettext("“%s” is no number; use a decimal point") % parts[2]) from None
        if not value.is_finite() or abs(value) >= Decimal(10) ** 15:
            raise ValueError(gettext("“%s” is no value of a meter") % parts[2])
        return at.astimezone(dt.UTC), value


class SettingFilter(ListFilter):
    """
    Search in thresholds by words, site and rule; past ones on demand.
    """

    search = search_field(_("Site, point, channel"))
    site = forms.TypedChoiceField(label=_("Site"), required=False, coerce=int, empty_value=None)
    rule = forms.ChoiceField(label=_("Rule"), required=False, choices=[_ALL, *_SETTABLE])
    past = forms.BooleanField(label=_("Past and coming ones too"), required=False)

    def __init__(self, data: Any, *, sites: Choices) -> None:
        super().__init__(data)
        self.fields["site"].choices = [_ALL, *sites]  # type: ignore[attr-defined]


class SettingForm(forms.Form):
    """
    Thresholds of one rule from an instant on; which fields there are depends on the rule.
    """

    place = forms.ChoiceField(label=_("For"))
    since = forms.DateTimeField(
        label=_("From"), widget=_MOMENT, help_text=_("local time of the site")
    )
    enabled = forms.BooleanField(label=_("The rule looks"), required=False, initial=True)
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=_REASON)
    field_order = ("place", "since", "enabled")

    def __init__(
        self, data: Any, *, rule: str, places: Choices, zones: Mapping[str, str], **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        self.rule = rule
        self.zones = zones
        self.fields["place"].choices = places  # type: ignore[attr-defined]
        for name, bound in BOUNDS.get(rule, {}).items():
            label, unit = THRESHOLDS[name]
            default = DEFAULTS[rule][name]
            field: forms.Field
            if bound.is_switch:
                field = forms.BooleanField(required=False, initial=default)
            elif bound.is_text:
                field = forms.CharField(required=False, max_length=90, initial=default)
            elif bound.is_list:
                field = forms.CharField(
                    required=False, max_length=200, initial=" ".join(map(str, default))
                )
            else:
                field = forms.FloatField(initial=default)
            field.label, field.help_text = label, unit
            self.fields[name] = field
        self.order_fields(["place", "since", "enabled", *BOUNDS.get(rule, {}), "reason"])

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("since") is not None and data.get("place") in self.zones:
            zone = zoneinfo.ZoneInfo(self.zones[data["place"]])
            data["since"] = data["since"].replace(tzinfo=zone).astimezone(dt.UTC)
        if not self.errors:
            try:
                data["thresholds"] = checked(self.rule, self._told(data))
            except ThresholdRefused as problem:
                self.add_error(problem.name, problem.why)
        return data

    def _told(self, data: Mapping[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for name, bound in BOUNDS.get(self.rule, {}).items():
            value = data.get(name)
            if bound.is_list:
                try:
                    value = [float(part) for part in (value or "").split()]
                except ValueError:
                    raise ThresholdRefused(name, gettext("is not a list of numbers")) from None
            elif isinstance(value, float) and value.is_integer():
                value = int(value)
            told[name] = value
        return told


def told_thresholds(rule: str, thresholds: Mapping[str, Any]) -> Iterable[str]:
    """
    Yield each threshold of a rule as words, its value and its unit.
    """
    for name in BOUNDS.get(rule, {}):
        label, unit = THRESHOLDS[name]
        value = thresholds.get(name, DEFAULTS[rule][name])
        if isinstance(value, bool):
            yield f"{label}: {gettext('yes') if value else gettext('no')}"
        elif isinstance(value, list):
            yield f"{label}: {', '.join(map(str, value))}"
        elif value != "":
            yield f"{label} {value} {unit}"


class ShareFilter(ListFilter):
    """
    A month, a site and words; without a month the one that ended last.
    """

    search = search_field(_("Channel, point"))
    site = forms.TypedChoiceField(label=_("Site"), required=False, coerce=int, empty_value=None)
    when = forms.DateField(
        label=_("Month"), required=False, input_formats=["%Y-%m"],
        widget=forms.DateInput(attrs={"type": "month"}, format="%Y-%m"),
    )  # fmt: skip

    def __init__(self, data: Any, *, sites: Choices, today: dt.date) -> None:
        super().__init__(data)
        self.today = today
        self.fields["site"].choices = [_ALL, *sites]  # type: ignore[attr-defined]
        self.fields["when"].initial = self._last()

    def _last(self) -> dt.date:
        return (self.today.replace(day=1) - dt.timedelta(days=1)).replace(day=1)

    def month(self) -> dt.date:
        """
        Return the first day of the month that is shown.
        """
        self.is_valid()
        found: dt.date | None = self.cleaned_data.get("when")
        return found or self._last()

    def chosen_month(self) -> dict[str, Any]:
        """
        Return what was chosen, as arguments of `telemetry.queries.estimated_shares`.
        """
        found = self.chosen()
        found.pop("when", None)
        return {"month": self.month(), **found}
