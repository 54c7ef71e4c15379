"""
Forms of baselines: fitted to past bills or stated, then agreed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.domain.balance_point import Bill
from portal.forms.tables import TableForm, day_in, decoded, number_in, read_table
from portal.forms.terms_fields import figure, percent

_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
# As many as days of ten years; each base temperature is tried on all of them.
_MOST_ROWS = 3660
_COLDEST, _WARMEST = Decimal(-60), Decimal(60)


@dataclass(frozen=True, slots=True)
class Section:
    """
    Fields that stand together under a title.
    """

    title: str
    hint: str
    fields: list[forms.BoundField]


class BaselineForm(TableForm):
    """
    A baseline fitted to past bills, or stated; and the boiler it stands for.
    """

    name = forms.CharField(label=_("Name"), max_length=80)
    weather = forms.ChoiceField(
        label=_("Weather of the bills"), required=False,
        help_text=_("From daily temperatures the base temperature can be searched for."),
    )  # fmt: skip
    temperatures_file = forms.FileField(
        label=_("Daily mean temperatures, CSV file"), required=False,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )  # fmt: skip
    temperatures = forms.CharField(
        label=_("Or the daily temperatures themselves"), required=False, max_length=1024 * 1024,
        help_text=_("Columns day, mean_c: a line a day, in °C."),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )  # fmt: skip
    base_temperature = forms.DecimalField(
        label=_("Base temperature, °C"), max_digits=4, decimal_places=1, required=False,
        min_value=Decimal(-10), max_value=Decimal(35),
        help_text=_(
            "A day counts what it is colder. Left empty with daily temperatures, it is searched for"
            " from 8 to 22 °C; 15.5 is usual."
        ),
    )  # fmt: skip
    base_kwh = figure(_("Stated: kWh of heat a day"), _("Only without bills"), places=4, digits=12)
    slope_kwh = figure(_("Stated: kWh per degree day"), places=4, digits=12)
    expected = percent(_("Savings expected, %"), _("How sure the savings will be hangs on it."))
    boiler_efficiency = forms.DecimalField(
        label=_("Boiler efficiency, %"), min_value=Decimal(1), max_value=Decimal(110),
        max_digits=5, decimal_places=2, help_text=_("On the heating value of the fuel price."),
    )  # fmt: skip
    fuel_price = figure(_("Fuel price per kWh"), needed=True)
    carbon_kg_per_kwh = figure(_("Emissions of the fuel, kg per kWh"), needed=True, digits=10)
    carbon_price = figure(
        _("Carbon price per tonne"), _("0 if the fuel price has it"), places=2, digits=10,
        needed=True,
    )  # fmt: skip
    maintenance_per_year = figure(_("Maintenance a year"), places=2, digits=12)

    def __init__(self, *given: Any, sensor: str = "", **more: Any) -> None:
        """
        :param sensor: what measures the outdoor temperature at the site, where something does
        """
        super().__init__(*given, **more)
        self.fields["file"].label = _("Past bills, CSV file")
        self.fields["table"].help_text = _(
            "A line a bill: columns days, degree_days, use_kwh; or with daily temperatures"
            " first_day, last_day, use_kwh."
        )
        ways: list[tuple[str, Any]] = [
            ("", _("The bills state their degree days")),
            ("table", _("Temperatures below")),
        ]
        if sensor:
            ways.insert(1, ("sensor", _("Outdoor temperature of the site: %s") % sensor))
        self.fields["weather"].choices = ways  # type: ignore[attr-defined]

    def sections(self) -> list[Section]:
        """
        Return the fields in their groups.
        """
        groups: list[tuple[Any, Any, tuple[str, ...]]] = [
            (
                _("Past bills"), _("What the building used, before the heat came."),
                ("name", "expected", "file", "table"),
            ),
            (
                _("Weather"), "",
                ("weather", "base_temperature", "temperatures_file", "temperatures"),
            ),
            (
                _("Or stated without bills"),
                _("A boiler model both sides work with; the base temperature is above."),
                ("base_kwh", "slope_kwh"),
            ),
            (
                _("The boiler the heat would come from"), "",
                (
                    "boiler_efficiency", "fuel_price", "carbon_kg_per_kwh", "carbon_price",
                    "maintenance_per_year",
                ),
            ),
        ]  # fmt: skip
        return [
            Section(str(title), str(hint), [self[name] for name in names])
            for title, hint, names in groups
        ]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        given["periods"], given["bills"], given["means"] = [], [], {}
        stated = any(given.get(name) is not None for name in ("base_kwh", "slope_kwh"))
        if stated and not (given.get("file") or given.get("table")):
            self._state(given)
            self._need_base(given, _("It is needed where the figures are stated."))
        elif given.get("weather"):
            self._take_bills(given)
        else:
            self._take_periods(given)
            self._need_base(given, _("It is needed where bills state their degree days."))
        return given

    def _need_base(self, given: dict[str, Any], why: Any) -> None:
        if given.get("base_temperature") is None and "base_temperature" not in self.errors:
            self.add_error("base_temperature", why)

    def _state(self, given: dict[str, Any]) -> None:
        for name in ("base_kwh", "slope_kwh"):
            if given.get(name) is None:
                self.add_error(name, _("Both figures are needed."))

    def _take_periods(self, given: dict[str, Any]) -> None:
        names = ("days", "degree_days", "use_kwh")
        for n, row in self._rows(given, names):
            try:
                found = [number_in(n, name, row[name]) for name in names]
                if found[0] <= 0 or min(found) < 0:
                    raise ValidationError(
                        gettext("Line %s: days are above zero, the rest is not below.") % n
                    )
                given["periods"].append([float(value) for value in found])
            except ValidationError as problem:
                self.add_error("table", problem)

    def _take_bills(self, given: dict[str, Any]) -> None:
        for n, row in self._rows(given, ("first_day", "last_day", "use_kwh")):
            try:
                given["bills"].append(_bill(n, row))
            except ValidationError as problem:
                self.add_error("table", problem)
        if given["weather"] == "table":
            self._take_temperatures(given)

    def _take_temperatures(self, given: dict[str, Any]) -> None:
        file = given.get("temperatures_file")
        means: dict[dt.date, float] = given["means"]
        place = "temperatures_file" if file else "temperatures"
        try:
            given["temperatures_text"] = decoded(file, given.get("temperatures") or "")
            for n, row in read_table(given["temperatures_text"], ("day", "mean_c")):
                day, mean = day_in(n, "day", row["day"]), number_in(n, "mean_c", row["mean_c"])
                if day in means:
                    raise ValidationError(gettext("Line %s: the day is there twice.") % n)
                if not _COLDEST <= mean <= _WARMEST:
                    raise ValidationError(
                        gettext("Line %s: no outdoor temperature in °C is that far from zero.") % n
                    )
                means[day] = float(mean)
        except ValidationError as problem:
            self.add_error(place, problem)

    def _rows(self, given: dict[str, Any], names: Sequence[str]) -> list[Any]:
        rows = self._read(given, names)
        if len(rows) > _MOST_ROWS:
            self.add_error("table", gettext("At most %s lines are taken.") % _MOST_ROWS)
            return []
        return rows

    def typed_again(self) -> dict[str, Any]:
        """
        Return what was typed, files as text, so that the form can be sent again.
        """
        typed = {name: self.data.get(name, "") for name in self.fields}
        daily = self.cleaned_data.get("temperatures_text", "")
        return {**typed, "table": self.text(), "temperatures": daily}

    def boiler(self) -> dict[str, Any]:
        """
        Return the fields of the boiler as the operations take them.
        """
        given = self.cleaned_data
        names = ("fuel_price", "carbon_kg_per_kwh", "carbon_price")
        return {
            **{name: given[name] for name in names},
            "boiler_efficiency": given["boiler_efficiency"] / 100,
            "maintenance_per_year": given.get("maintenance_per_year") or Decimal(0),
        }


def _bill(n: int, row: dict[str, str]) -> Bill:
    first, last = (day_in(n, name, row[name]) for name in ("first_day", "last_day"))
    use = number_in(n, "use_kwh", row["use_kwh"])
    if last < first:
        raise ValidationError(gettext("Line %s: the last day is before the first.") % n)
    if (last - first).days > 366:
        raise ValidationError(gettext("Line %s: a bill is of at most a year.") % n)
    if use < 0:
        raise ValidationError(gettext("Line %s: the use is not below zero.") % n)
    return Bill(first, last, float(use))


class AgreeForm(forms.Form):
    """
    That both sides agreed to a baseline.
    """

    on = forms.DateField(label=_("Agreed on"), widget=_DAY)
    by_operator = forms.CharField(label=_("For you"), max_length=120)
    by_customer = forms.CharField(label=_("For the customer"), max_length=120)
