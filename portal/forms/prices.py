"""
Forms of indices and monthly figures: validate, never save.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.operations import IndexRow
from portal.forms.money import ListFilter, search_field
from portal.forms.statements import MonthField
from portal.forms.tables import TableForm, day_in, number_in
from portal.forms.terms_fields import figure

_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


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


class IndexImport(TableForm):
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
        month = day_in(n, "month", f"{row['month'][:7]}-01").replace(day=1)
        value = number_in(n, "value", row["value"])
        if value <= 0:
            raise ValidationError(gettext("Line %s: the value must be above zero.") % n)
        published = row.get("published_on", "")
        return IndexRow(
            month=month, value=value,
            provisional=row.get("provisional", "").lower() in {"1", "y", "yes", "true", "p"},
            published_on=day_in(n, "published_on", published) if published else None,
        )  # fmt: skip


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
