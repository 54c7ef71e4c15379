"""
Forms of billing pages: validate, never save.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from billing import queries
from sites.access import Viewer


class InvoiceFilter(forms.Form):
    """
    Search and filters of an invoice list. What is not understood counts as not chosen.
    """

    search = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Number, customer")}),
    )
    status = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[("", _("All")), ("draft", _("Draft")), ("issued", _("Issued"))],
    )

    def __init__(self, data: Any, *, viewer: Viewer) -> None:
        super().__init__(data)
        years = [(str(year), str(year)) for year in queries.invoice_years(viewer=viewer)]
        self.fields["year"] = forms.TypedChoiceField(
            label=_("Year"), required=False, coerce=int, empty_value=None,
            choices=[("", _("All")), *years],
        )  # fmt: skip

    def chosen(self) -> dict[str, Any]:
        """
        Return what was understood, as arguments of `billing.queries.invoices`.
        """
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class OwnInvoiceFilter(InvoiceFilter):
    """
    The same for customers, who see issued invoices only, all addressed to themselves.
    """

    search = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Number")}),
    )
    status = None  # type: ignore[assignment]


class StartRun(forms.Form):
    """
    Which month to bill, and whether to issue at once.
    """

    field_order = ("month", "issue")

    issue = forms.TypedChoiceField(
        label=_("What to make"),
        coerce=lambda value: value == "issue",
        choices=[
            ("issue", _("Issue invoices: they get numbers and cannot be edited afterwards")),
            ("draft", _("Drafts: a person looks at each and issues it")),
        ],
        widget=forms.RadioSelect,
        initial="issue",
    )

    def __init__(self, data: Any, *, months: list[dt.date]) -> None:
        super().__init__(data)
        self.fields["month"] = forms.TypedChoiceField(
            label=_("Month"), coerce=dt.date.fromisoformat,
            choices=[(m.isoformat(), date_format(m, "F Y")) for m in months],
        )  # fmt: skip
