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
from portal.forms.money import search_field
from sites.access import Viewer


class InvoiceFilter(forms.Form):
    """
    Search and filters of an invoice list. What is not understood counts as not chosen.
    """

    search = search_field(_("Number, customer"))
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

    search = search_field(_("Number"))
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


class MonthChoice(forms.Form):
    """
    One of the months there are; the newest where none is chosen or understood.
    """

    def __init__(self, data: Any, *, months: list[dt.date]) -> None:
        super().__init__(data)
        self.months = months
        self.fields["month"] = forms.TypedChoiceField(
            label=_("Month"), required=False, coerce=dt.date.fromisoformat, empty_value=None,
            choices=[(m.isoformat(), date_format(m, "F Y")) for m in months],
        )  # fmt: skip
        self.order_fields(["month"])
        self.is_valid()

    @property
    def month(self) -> dt.date | None:
        """
        The month to show; None where there is none at all.
        """
        chosen: dt.date | None = self.cleaned_data.get("month")
        return chosen or (self.months[0] if self.months else None)


class HindranceFilter(MonthChoice):
    """
    Which of the things that stand against a month's bills to show.
    """

    search = search_field(_("Contract, customer"))
    effect = forms.ChoiceField(
        label=_("Effect"),
        required=False,
        choices=[("", _("All")), ("blocks", _("Holds the bill")), ("warns", _("To look at"))],
    )

    def __init__(self, data: Any, *, months: list[dt.date], kinds: list[tuple[str, str]]) -> None:
        self.base_fields["kind"] = forms.ChoiceField(
            label=_("What"), required=False, choices=[("", _("All")), *kinds]
        )
        super().__init__(data, months=months)

    def chosen(self) -> tuple[dt.date | None, dict[str, Any]]:
        """
        Return the month and the other filters that are set.
        """
        names = ("search", "effect", "kind")
        return self.month, {n: v for n in names if (v := self.cleaned_data.get(n))}

    def matches(self, found: queries.Hindrance) -> bool:
        """
        Say whether something is to be shown.
        """
        _month, wanted = self.chosen()
        text = f"{found.reference} {found.customer} {found.site}".casefold()
        return (
            wanted.get("kind", found.kind) == found.kind
            and ("effect" not in wanted or (wanted["effect"] == "blocks") == found.blocks)
            and wanted.get("search", "").casefold() in text
        )


class DraftFilter(MonthChoice):
    """
    Which drafts of a month to show.
    """

    search = search_field(_("Contract, customer"))
    flag = forms.ChoiceField(
        label=_("Look at"),
        required=False,
        choices=[
            ("", _("All")), ("any", _("All to look at")), ("none", _("As expected")),
            ("low", _("Low")), ("high", _("High")), ("above", _("Above contracted power")),
            ("new", _("New")),
        ],
    )  # fmt: skip

    def matches(self, draft: Any) -> bool:
        """
        Say whether a draft with its comparison is to be shown.
        """
        flag, flags = self.cleaned_data.get("flag"), draft.compared.flags
        text = f"{draft.invoice.contract.reference} {draft.invoice.customer.name}".casefold()
        fits = {"": True, "any": bool(flags), "none": not flags}.get(flag or "", flag in flags)
        return fits and (self.cleaned_data.get("search") or "").casefold() in text


class MissingFilter(MonthChoice):
    """
    Which missing bills to show.
    """

    search = search_field(_("Contract, customer"))
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("All")), ("held", _("Held")), ("draft", _("Draft waits")),
            ("none", _("Never tried")), ("stopped", _("Billed the month before")),
        ],
    )  # fmt: skip

    def __init__(self, data: Any, *, months: list[dt.date]) -> None:
        super().__init__(data, months=months)
        month = self.fields["month"]
        if isinstance(month, forms.ChoiceField):
            month.choices = [("", _("All")), *list(month.choices)]  # type: ignore[arg-type]

    @property
    def month_if_chosen(self) -> dt.date | None:
        """
        The chosen month; None for all.
        """
        chosen: dt.date | None = self.cleaned_data.get("month")
        return chosen

    def matches(self, row: queries.MissingBill) -> bool:
        """
        Say whether a missing bill is to be shown.
        """
        state = self.cleaned_data.get("state")
        text = f"{row.reference} {row.customer} {row.site}".casefold()
        fits = row.billed_before if state == "stopped" else state in ("", None, row.state)
        return fits and (self.cleaned_data.get("search") or "").casefold() in text
