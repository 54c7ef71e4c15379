"""
Forms of energy and heat statements: validate, never save.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from portal.forms.money import ListFilter, search_field
from telemetry.documents.check import LARGEST


class MonthField(forms.DateField):
    """
    A month as browsers write it, 2026-03; its first day.
    """

    widget = forms.TextInput(attrs={"type": "month", "placeholder": "2026-03"})

    def __init__(self, **more: Any) -> None:
        super().__init__(
            input_formats=["%Y-%m"],
            error_messages={"invalid": _("Write the month as year and month, such as 2026-03.")},
            **more,
        )

    def prepare_value(self, value: Any) -> Any:
        return f"{value:%Y-%m}" if isinstance(value, dt.date) else value


class StatementFilter(ListFilter):
    """
    Search in statements by number, tenant, service and site; by state.
    """

    search = search_field(_("Number, tenant, site"))
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("All")),
            ("draft", _("To approve")),
            ("held", _("Held back")),
            ("issued", _("Issued")),
            ("superseded", _("Superseded")),
            ("revoked", _("Revoked")),
        ],
    )


class IssuedFilter(StatementFilter):
    """
    The same among statements that were issued.
    """

    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("All")),
            ("issued", _("Issued")),
            ("superseded", _("Superseded")),
            ("revoked", _("Revoked")),
        ],
    )


class _Months(forms.Form):
    first_month = MonthField(label=_("First month"))
    last_month = MonthField(label=_("Last month"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first_month"), cleaned.get("last_month")
        if first and last and last < first:
            self.add_error("last_month", _("The last month is before the first."))
        return cleaned


class NewStatement(_Months):
    """
    A statement over other months than the last one, such as a year.
    """

    field_order = ["service", "first_month", "last_month"]
    service = forms.TypedChoiceField(label=_("Service"), coerce=int)

    def __init__(self, *args: Any, services: Iterable[Any], **more: Any) -> None:
        super().__init__(*args, **more)
        chosen: Any = self.fields["service"]
        chosen.choices = [(s.pk, f"{s.tenant.name}, {s.name}, {s.site.name}") for s in services]


class Revocation(forms.Form):
    """
    Why a statement no longer holds; everybody who checks it reads this.
    """

    reason = forms.CharField(
        label=_("Reason"), max_length=300, help_text=_("Shown to everybody who checks it."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip


class OutsideCheckForm(_Months):
    """
    What a third party verified of a site.
    """

    field_order = ["site", "checker", "scope", "first_month", "last_month", "checked_on", "file"]
    site = forms.TypedChoiceField(label=_("Site"), coerce=int)
    checker = forms.CharField(label=_("Who checked"), max_length=120)
    scope = forms.CharField(
        label=_("What was checked"), widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Which figures, how far, and by which standard."),
    )  # fmt: skip
    checked_on = forms.DateField(
        label=_("Day of the report"), widget=forms.DateInput(attrs={"type": "date"})
    )
    file = forms.FileField(label=_("Report"), help_text=_("A PDF of at most 2 MB."))

    def __init__(self, *args: Any, sites: Iterable[Any], **more: Any) -> None:
        super().__init__(*args, **more)
        chosen: Any = self.fields["site"]
        chosen.choices = [(site.pk, site.name) for site in sites]

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > LARGEST:
            raise ValidationError(_("The file is larger than 2 MB."))
        if file.read(4) != b"%PDF":
            raise ValidationError(_("The file is not a PDF."))
        file.seek(0)
        return file


class Upload(forms.Form):
    """
    A statement to check: its file, or its text.
    """

    file = forms.FileField(
        label=_("File"), required=False, help_text=_("The PDF, JSON or JWT of a statement.")
    )
    text = forms.CharField(
        label=_("Or its text"), required=False, max_length=LARGEST,
        widget=forms.Textarea(attrs={"rows": 4}),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        file = cleaned.get("file")
        if file is not None and file.size > LARGEST:
            self.add_error("file", _("The file is larger than 2 MB, so it is no statement."))
        elif file is None and not cleaned.get("text") and not self.errors:
            self.add_error("file", _("Choose a file, or paste the text of a statement."))
        return cleaned

    def given(self) -> bytes:
        """
        Return what was handed in.
        """
        file = self.cleaned_data.get("file")
        return bytes(file.read()) if file else str(self.cleaned_data["text"]).encode()
