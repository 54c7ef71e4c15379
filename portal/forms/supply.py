"""
The form of a delivery point's supply terms. It validates and never saves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from telemetry.domain import supply
from telemetry.models import Reason

_DATE = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
# What the contract may choose; rejected heat never counts.
_CHOSEN = [(r.value, _(r.label)) for r in Reason if r is not Reason.REJECTED]
# The figure a reason needs, and the words where it lacks.
_NEEDS = {
    Reason.COOL.value: "supply_min_c",
    Reason.RETURN_HOT.value: "return_max_c",
    Reason.ESTIMATED.value: "estimated_percent",
}


def _degrees(label: Any, **more: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label, required=False, max_digits=5, decimal_places=1, min_value=Decimal(-60),
        max_value=Decimal(200), **more,
    )  # fmt: skip


def _percent(label: Any, **more: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label, required=False, max_digits=5, decimal_places=2, min_value=Decimal(0),
        max_value=Decimal(100), **more,
    )  # fmt: skip


class SupplyForm(forms.Form):
    """
    What is agreed from a day on: when, how warm, how much, and which heat counts.
    """

    first_day = forms.DateField(
        label=_("From"), widget=_DATE,
        help_text=_("A day that has passed judges the heat since then again"),
    )  # fmt: skip
    metering_point = forms.TypedChoiceField(label=_("Measured at"), coerce=int)
    contracted_kw = forms.DecimalField(
        label=_("Heat to be available, kW"), max_digits=9, decimal_places=2,
        min_value=Decimal("0.01"),
    )  # fmt: skip
    supply_min_c = _degrees(_("Supply at least, °C"))
    supply_max_c = _degrees(_("Supply at most, °C"))
    return_max_c = _degrees(_("Return at most, °C"))
    outdoor_min_c = _degrees(
        _("Down to outdoors, °C"), help_text=_("Colder than this nothing is promised")
    )
    windows = forms.CharField(
        label=_("Delivery times"), required=False, max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono"}),
        help_text=_("One line each, such as Mon-Fri 06:00-22:00; empty: at all times"),
    )  # fmt: skip
    closed = forms.CharField(
        label=_("Closed seasons"), required=False, max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2, "class": "mono"}),
        help_text=_("One line each, such as 1 Jun - 31 Aug, every year"),
    )  # fmt: skip
    promised_percent = _percent(
        _("Promised, % of the delivery times"), help_text=_("Empty: nothing is promised")
    )
    call_metered = forms.BooleanField(
        label=_("The customer’s call for heat is measured"), required=False,
        help_text=_("Only time with a call can then be too cool"),
    )  # fmt: skip
    not_counted = forms.MultipleChoiceField(
        label=_("Heat does not count where"), required=False, choices=_CHOSEN,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    estimated_percent = _percent(_("Estimated heat counts up to, % of the day"))

    def __init__(self, data: Any, *, points: Iterable[Any], held: Any, place: Any) -> None:
        points = list(points)
        super().__init__(data, initial=_initial(held, place, points))
        field: Any = self.fields["metering_point"]
        field.choices = [(point.pk, point.name) for point in points]

    def clean_windows(self) -> list[supply.Band]:
        return self._read("windows", supply.read_bands)

    def clean_closed(self) -> list[supply.Closure]:
        return self._read("closed", supply.read_closures)

    def _read(self, name: str, read: Callable[[str], list[Any]]) -> list[Any]:
        try:
            return read(self.cleaned_data[name])
        except supply.NotUnderstood as problem:
            raise forms.ValidationError(str(problem)) from None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for reason in cleaned.get("not_counted", ()):
            name = _NEEDS.get(reason)
            if name is not None and cleaned.get(name) is None and name not in self.errors:
                self.add_error(name, _("This figure is needed for what does not count."))
        low, high = cleaned.get("supply_min_c"), cleaned.get("supply_max_c")
        if low is not None and high is not None and low >= high:
            self.add_error("supply_max_c", _("This is not above the least supply temperature."))
        if cleaned.get("promised_percent") == 0:
            self.add_error("promised_percent", _("Leave it empty where nothing is promised."))
        return cleaned

    def agreed(self) -> dict[str, Any]:
        """
        Return what was entered as arguments of `telemetry.operations.agree_supply`.
        """
        fields = dict(self.cleaned_data)
        fields["metering_point_id"] = fields.pop("metering_point")
        fields["bands"], fields["closures"] = fields.pop("windows"), fields.pop("closed")
        return fields


_FIELDS = (
    "contracted_kw", "supply_min_c", "supply_max_c", "return_max_c", "outdoor_min_c",
    "promised_percent", "call_metered", "not_counted", "estimated_percent",
)  # fmt: skip


def _initial(held: Any, place: Any, points: list[Any]) -> dict[str, Any]:
    """
    Begin with what holds now, else with what the delivery point says.
    """
    if held is None:
        return {
            "metering_point": points[0].pk if points else None,
            "contracted_kw": place.contracted_kw, "supply_min_c": place.required_supply_c,
            "not_counted": [Reason.OUTSIDE.value, Reason.COOL.value],
        }  # fmt: skip
    bands = [supply.Band(w.weekday, w.begins, w.ends) for w in held.windows.all()]
    closures = [supply.Closure(c.first, c.last) for c in held.closures.all()]
    return {
        "metering_point": held.metering_point_id,
        "windows": "\n".join(supply.write_bands(bands)),
        "closed": "\n".join(supply.write_closures(closures)),
        **{name: getattr(held, name) for name in _FIELDS},
    }
