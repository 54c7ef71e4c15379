"""
Forms of indices, baselines and monthly figures: validate, never save.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.operations import IndexRow
from portal.forms.money import ListFilter, search_field
from portal.forms.statements import MonthField
from portal.forms.terms_fields import figure, percent

_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
_LIMIT = 1024 * 1024


class IndexFilter(ListFilter):
    """
    Search in indices.
    """

    search = search_field(_("Name, code"))


class IndexForm(forms.Form):
    """
    A published series.
    """

    name = forms.CharField(label=_("Name"), max_length=120)
    code = forms.SlugField(
        label=_("Code"), max_length=40, help_text=_("Letters, digits and hyphens; clauses name it.")
    )
    source = forms.CharField(
        label=_("Publisher and where to look it up"), max_length=200,
        help_text=_("Such as Destatis 61241-0004, GP19-352."),
    )  # fmt: skip
    basis = forms.CharField(
        label=_("Base or unit"), max_length=40, required=False, help_text=_("2020 = 100, EUR/MWh")
    )


class ValueForm(forms.Form):
    """
    One published value; with more than one base also on which it is.
    """

    month = MonthField(label=_("Month"))
    value = figure(_("Value"), needed=True, digits=14)
    basis = forms.TypedChoiceField(
        label=_("On the base"), required=False, coerce=int, empty_value=None
    )
    provisional = forms.BooleanField(label=_("Provisional"), required=False)
    published_on = forms.DateField(label=_("Published on"), required=False, widget=_DAY)

    def __init__(self, *given: Any, bases: Sequence[tuple[Any, str]], **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["basis"].choices = bases  # type: ignore[attr-defined]
        if len(bases) < 2:
            del self.fields["basis"]


class RebaseForm(forms.Form):
    """
    A new base of a series.
    """

    basis = forms.CharField(label=_("New base"), max_length=40, help_text=_("2025 = 100"))
    overlap_month = MonthField(
        label=_("Month known on both"), help_text=_("The series holds its value on the old one.")
    )
    overlap_new = forms.DecimalField(
        label=_("Its value on the new base"), max_digits=14, decimal_places=6,
        min_value=Decimal("0.000001"),
    )  # fmt: skip


def _decoded(file: Any, typed: str) -> str:
    if not file:
        return typed
    if file.size > _LIMIT:
        raise ValidationError(_("The file is larger than 1 MB."))
    try:
        return str(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValidationError(_("The file is not text in UTF-8.")) from None


def _table(text: str, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """
    Return the rows of a table with their line numbers, by the names in its head.
    """
    lines = text.strip().splitlines()
    if not lines:
        raise ValidationError(gettext("Give a file or paste the table."))
    mark = max(";,\t", key=lines[0].count)
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=mark))
    head = [name.strip().lower() for name in rows[0]]
    absent = [name for name in columns if name not in head]
    if absent:
        raise ValidationError(
            gettext("The first line names the columns; %s is not among them.") % ", ".join(absent)
        )
    return [
        (n, dict(zip(head, (cell.strip() for cell in row), strict=False)))
        for n, row in enumerate(rows[1:], start=2)
        if any(row)
    ]


def _number(row: int, name: str, text: str) -> Decimal:
    try:
        # A decimal comma, where the columns are not parted by it.
        found = Decimal(text.replace(",", "."))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise ValidationError(
            gettext("Line %(row)s, %(name)s: “%(text)s” is not a number.")
            % {"row": row, "name": name, "text": text}
        )
    return found


def _day(row: int, name: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValidationError(
            gettext("Line %(row)s, %(name)s: “%(text)s” is not a day such as 2026-01-31.")
            % {"row": row, "name": name, "text": text}
        ) from None


class _TableForm(forms.Form):
    """
    A table as a file or pasted; after the preview it comes back as text.
    """

    file = forms.FileField(
        label=_("CSV file"), required=False,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )  # fmt: skip
    table = forms.CharField(
        label=_("Or the table itself"), required=False, max_length=_LIMIT,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )  # fmt: skip

    def text(self) -> str:
        """
        Return the table as text, from the file where there is one.
        """
        return str(self.cleaned_data.get("text", ""))

    def _read(self, given: dict[str, Any], columns: Sequence[str]) -> list[Any]:
        try:
            given["text"] = _decoded(given.get("file"), given.get("table") or "")
            return _table(given["text"], columns)
        except ValidationError as problem:
            self.add_error("file" if given.get("file") else "table", problem)
            return []


class IndexImport(_TableForm):
    """
    Published values: month, value, and where they are there provisional and published_on.
    """

    basis = forms.TypedChoiceField(
        label=_("On the base"), required=False, coerce=int, empty_value=None
    )

    def __init__(self, *given: Any, bases: Sequence[tuple[Any, str]], **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["table"].help_text = _("Columns month, value; provisional and published_on.")
        self.fields["basis"].choices = bases  # type: ignore[attr-defined]
        if len(bases) < 2:
            del self.fields["basis"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        rows: dict[dt.date, IndexRow] = {}
        for n, row in self._read(given, ("month", "value")):
            try:
                found = self._row(n, row)
                if found.month in rows:
                    raise ValidationError(
                        gettext("Line %(row)s: the month is there twice.") % {"row": n}
                    )
                rows[found.month] = found
            except ValidationError as problem:
                self.add_error("table", problem)
        given["rows"] = list(rows.values())
        return given

    def _row(self, n: int, row: dict[str, str]) -> IndexRow:
        month = _day(n, "month", f"{row['month'][:7]}-01").replace(day=1)
        value = _number(n, "value", row["value"])
        if value <= 0:
            raise ValidationError(gettext("Line %s: the value must be above zero.") % n)
        published = row.get("published_on", "")
        return IndexRow(
            month=month, value=value,
            provisional=row.get("provisional", "").lower() in {"1", "y", "yes", "true", "p"},
            published_on=_day(n, "published_on", published) if published else None,
        )  # fmt: skip


class BaselineForm(_TableForm):
    """
    A baseline fitted to past bills, or stated; and the boiler it stands for.
    """

    name = forms.CharField(label=_("Name"), max_length=80)
    base_temperature = forms.DecimalField(
        label=_("Degree days below, °C"), max_digits=4, decimal_places=1, initial=Decimal("15.5")
    )
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
    field_order = ("name", "file", "table", "base_temperature", "expected", "base_kwh", "slope_kwh")

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["file"].label = _("Past bills, CSV file")
        self.fields["table"].help_text = _("Columns days, degree_days, use_kwh: a line a bill.")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        stated = given.get("base_kwh") is not None or given.get("slope_kwh") is not None
        given["periods"] = []
        if stated and not (given.get("file") or given.get("table")):
            for name in ("base_kwh", "slope_kwh"):
                if given.get(name) is None:
                    self.add_error(name, _("Both figures are needed."))
            return given
        for n, row in self._read(given, ("days", "degree_days", "use_kwh")):
            try:
                found = [_number(n, name, row[name]) for name in ("days", "degree_days", "use_kwh")]
                if found[0] <= 0 or min(found) < 0:
                    raise ValidationError(
                        gettext("Line %s: days are above zero, the rest is not below.") % n
                    )
                given["periods"].append([float(value) for value in found])
            except ValidationError as problem:
                self.add_error("table", problem)
        return given

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


class AgreeForm(forms.Form):
    """
    That both sides agreed to a baseline.
    """

    on = forms.DateField(label=_("Agreed on"), widget=_DAY)
    by_operator = forms.CharField(label=_("For you"), max_length=120)
    by_customer = forms.CharField(label=_("For the customer"), max_length=120)


class FigureForm(forms.Form):
    """
    A figure of a month that no meter tells.
    """

    month = MonthField(label=_("Month"))
    kind = forms.ChoiceField(label=_("Figure"))
    value = forms.DecimalField(
        label=_("Value"), max_digits=18, decimal_places=6,
        widget=forms.NumberInput(attrs={"step": "any"}),
    )  # fmt: skip
    source = forms.CharField(
        label=_("Where it is from"),
        max_length=200,
        help_text=_("Gas bill of March; weather station"),
    )
    agreed_by_operator = forms.CharField(
        label=_("Adjustment agreed, for you"), max_length=120, required=False
    )
    agreed_by_customer = forms.CharField(
        label=_("Adjustment agreed, for the customer"), max_length=120, required=False
    )

    def __init__(self, *given: Any, kinds: Sequence[tuple[str, str]], **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        adjusts = given.get("kind") == "adjustment_kwh"
        for name in ("agreed_by_operator", "agreed_by_customer"):
            if adjusts and not given.get(name):
                self.add_error(name, _("An adjustment needs a name of both sides."))
            elif not adjusts:
                given[name] = ""
        value = given.get("value")
        if value is not None and value < 0 and not adjusts:
            self.add_error("value", _("It must not be below zero."))
        return given
