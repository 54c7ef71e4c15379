"""
Forms of payments, corrections and disputes: validate, never save.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from babel import Locale
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext_lazy as _

# A month of a busy account is far below; a larger file is no statement.
_STATEMENT_LIMIT = 10 * 1024 * 1024
DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


def search_field(placeholder: Any) -> forms.CharField:
    return forms.CharField(
        label=_("Search"), required=False, max_length=80,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": placeholder}),
    )  # fmt: skip


class ListFilter(forms.Form):
    def chosen(self) -> dict[str, Any]:
        """
        Return what was understood; the rest counts as not chosen.
        """
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class OpenFilter(ListFilter):
    """
    Search in open documents.
    """

    search = search_field(_("Number, customer"))


class PaymentFilter(ListFilter):
    """
    Search in payments, or only those that wait for a person.
    """

    search = search_field(_("Payer, text, reference"))
    unmatched = forms.BooleanField(label=_("Not allocated"), required=False)


class DisputeFilter(ListFilter):
    """
    Search in disputes by document, customer and state.
    """

    search = search_field(_("Number, customer"))
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("All")), ("live", _("Not decided")), ("corrected", _("Corrected")),
            ("rejected", _("Rejected")), ("withdrawn", _("Withdrawn")),
        ],
    )  # fmt: skip


class ContractFilter(ListFilter):
    """
    Search in contracts by customer, price model and state.
    """

    search = search_field(_("Reference, customer, site"))
    model = forms.ChoiceField(label=_("Price model"), required=False)
    status = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("All")), ("draft", _("Draft")), ("active", _("Active")), ("ended", _("Ended")),
        ],
    )  # fmt: skip

    def __init__(self, data: Any, *, models: Sequence[tuple[str, str]]) -> None:
        super().__init__(data)
        self.fields["model"].choices = [("", _("All")), *models]  # type: ignore[attr-defined]


class StatementFile(forms.Form):
    """
    A bank statement to import.
    """

    file = forms.FileField(
        label=_("Bank statement"), help_text=_("camt.053, an XML file of your bank"),
        widget=forms.ClearableFileInput(attrs={"accept": ".xml,application/xml,text/xml"}),
    )  # fmt: skip

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > _STATEMENT_LIMIT:
            raise ValidationError(_("The file is larger than 10 MB. Send one month at a time."))
        return file


class Payment(forms.Form):
    """
    A payment that no statement brings.
    """

    booked_on = forms.DateField(label=_("Day"), widget=DAY)
    amount = forms.DecimalField(
        label=_("Amount"), max_digits=14, decimal_places=2, min_value=Decimal("0.01")
    )
    currency = forms.RegexField(
        label=_("Currency"), regex=r"^[A-Z]{3}$", initial="EUR",
        error_messages={"invalid": _("Three capital letters, such as EUR.")},
    )  # fmt: skip
    reference = forms.CharField(
        label=_("Your reference"), max_length=80, help_text=_("such as the cash book number")
    )
    remittance = forms.CharField(
        label=_("Text"), max_length=200, required=False,
        help_text=_("document numbers in it are settled at once"),
    )  # fmt: skip


class Allocate(forms.Form):
    """
    A part of a payment for a document.
    """

    invoice = forms.ChoiceField(label=_("Document"))
    amount = forms.DecimalField(
        label=_("Amount"), max_digits=14, decimal_places=2, help_text=_("below zero takes back")
    )

    def __init__(self, data: Any, *, documents: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.fields["invoice"].choices = documents  # type: ignore[attr-defined]


class Reason(forms.Form):
    """
    Why a document is corrected or credited; it is printed on the new one.
    """

    reason = forms.CharField(label=_("Reason"), max_length=200)


class Dispute(forms.Form):
    """
    What a customer does not agree with.
    """

    comment = forms.CharField(
        label=_("What is wrong?"), max_length=2000, widget=forms.Textarea(attrs={"rows": 4})
    )
    first_day = forms.DateField(
        label=_("From"), widget=DAY, required=False,
        help_text=_("only if some days of the line are wrong"),
    )  # fmt: skip
    first_hour = forms.IntegerField(
        label=_("From its hour"), required=False, min_value=0, max_value=23,
        help_text=_("0 to 23; empty: all of that day"),
    )  # fmt: skip
    last_day = forms.DateField(label=_("To, that day included"), widget=DAY, required=False)
    end_hour = forms.IntegerField(
        label=_("Up to its hour"), required=False, min_value=1, max_value=24,
        help_text=_("1 to 24; empty: all of that day"),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if (first is None) != (last is None):
            self.add_error(
                "last_day" if last is None else "first_day", _("Give both days, or none.")
            )
        elif first is not None and last is not None and last < first:
            self.add_error("last_day", _("The last day is before the first."))
        hours = cleaned.get("first_hour"), cleaned.get("end_hour")
        if first is None and last is None and hours != (None, None):
            self.add_error("first_day", _("Give the days that the hours belong to."))
        elif first == last and hours[1] is not None and hours[1] <= (hours[0] or 0):
            self.add_error("end_hour", _("It must end after it begins."))
        return cleaned

    def span(self, timezone: str) -> tuple[dt.datetime, dt.datetime] | None:
        """
        Return the instants between which the local days and hours lie, None for all of the line.
        """
        first, last = self.cleaned_data["first_day"], self.cleaned_data["last_day"]
        if first is None or last is None:
            return None
        zone = zoneinfo.ZoneInfo(timezone)
        end_hour = self.cleaned_data["end_hour"]
        if end_hour in (None, 24):
            last, end_hour = last + dt.timedelta(days=1), 0
        start = dt.datetime.combine(first, dt.time(self.cleaned_data["first_hour"] or 0), zone)
        end = dt.datetime.combine(last, dt.time(end_hour), zone)
        return start.astimezone(dt.UTC), end.astimezone(dt.UTC)


class Answer(forms.Form):
    """
    What the operator does with a dispute.
    """

    step = forms.ChoiceField(
        label=_("Step"),
        choices=[
            ("answered", _("Answer")), ("meter_test", _("Promise a check of the meter")),
            ("rejected", _("Reject")), ("corrected", _("Correct the bill")),
        ],
    )  # fmt: skip
    text = forms.CharField(
        label=_("To the customer"), max_length=2000, widget=forms.Textarea(attrs={"rows": 4})
    )


class CustomerWord(forms.Form):
    """
    A further word of the customer, or the end of it.
    """

    text = forms.CharField(
        label=_("Message"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )
    withdraw = forms.BooleanField(label=_("I withdraw the dispute"), required=False)


class CorrectionLimits(forms.Form):
    """
    How many months back corrections are looked for, by country, and what says so.
    """

    def __init__(
        self, *given: Any, countries: Sequence[str], present: Mapping[str, Any], usual: int,
        **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(*given, **more)
        self.countries = countries
        names = Locale.parse(to_locale(get_language() or "en")).territories
        for country in countries:
            limit, name = present.get(country), names.get(country, country)
            self.fields[f"months_{country}"] = forms.IntegerField(
                label=_("%s: months after the end of a bill’s period") % name, required=False,
                min_value=0, max_value=120, initial=limit and limit.months,
                help_text=_("Empty: %s") % usual,
            )  # fmt: skip
            self.fields[f"source_{country}"] = forms.CharField(
                label=_("%s: law or practice that says so") % name, required=False,
                max_length=200, initial=limit.source if limit else "",
            )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        for country in self.countries:
            months, source = given.get(f"months_{country}"), given.get(f"source_{country}")
            if months is not None and not source:
                self.add_error(f"source_{country}", _("Name what says so."))
            if months is None and source and f"months_{country}" not in self.errors:
                self.add_error(f"months_{country}", _("Give the months, or empty both."))
        return given

    def limits(self) -> dict[str, tuple[int, str] | None]:
        """
        Return months and source by country; None where there is no limit of its own.
        """
        given = self.cleaned_data
        return {
            country: None
            if given[f"months_{country}"] is None
            else (given[f"months_{country}"], given[f"source_{country}"])
            for country in self.countries
        }
