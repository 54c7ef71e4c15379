"""
Forms of the books: validate, never save.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dates import MONTHS
from django.utils.translation import gettext_lazy as _

from billing.domain.bookkeeping import RevenueKey, Target
from portal.forms.money import DAY

_NUMBER = r"^\d{3,9}$"
_WRONG = _("Digits only, three to nine of them.")


def _account(label: Any, **more: Any) -> forms.RegexField:
    return forms.RegexField(
        regex=_NUMBER, label=label, max_length=9, error_messages={"invalid": _WRONG},
        widget=forms.TextInput(attrs={"inputmode": "numeric"}), **more,
    )  # fmt: skip


class Stretch(forms.Form):
    """
    The days of an export, the last one included.
    """

    first = forms.DateField(label=_("From"), widget=DAY)
    last = forms.DateField(label=_("To, that day included"), widget=DAY)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and last < first:
            self.add_error("last", _("The last day is before the first."))
        elif first and last and last - first > dt.timedelta(days=366):
            self.add_error("last", _("Export at most a year at a time."))
        return cleaned


class Books(forms.Form):
    """
    The accounts of the books, and one for each kind of revenue that was billed.
    """

    receivables = _account(_("Receivables"), initial="1400")
    debtors_from = forms.IntegerField(
        label=_("First customer account"), required=False, min_value=1000, max_value=999_000_000,
        help_text=_("gives each customer an account of its own; empty: all share receivables"),
    )  # fmt: skip
    payables = _account(_("Payables to hosts"), initial="1600")
    bank = _account(_("Bank"), initial="1200")
    vat = _account(_("VAT"), initial="1776")
    input_vat = _account(_("VAT paid to hosts"), initial="1576")
    consultant = forms.RegexField(
        label=_("Consultant’s number"), regex=r"^\d{1,7}$", required=False,
        help_text=_("for DATEV, from your tax adviser"),
        error_messages={"invalid": _("One to seven digits.")},
    )  # fmt: skip
    client = forms.RegexField(
        label=_("Client’s number"), regex=r"^\d{1,5}$", required=False,
        error_messages={"invalid": _("One to five digits.")},
    )  # fmt: skip
    year_begins_in = forms.TypedChoiceField(
        label=_("The accounting year begins in"), coerce=int, choices=list(MONTHS.items())
    )

    def __init__(
        self, data: Any, *, initial: Mapping[str, Any], kinds: Sequence[tuple[RevenueKey, str]],
        present: Mapping[RevenueKey, Target],
    ) -> None:  # fmt: skip
        super().__init__(data, initial=dict(initial))
        self._kinds = [key for key, _name in kinds]
        for number, (key, name) in enumerate(kinds):
            there = present.get(key)
            self.fields[f"account_{number}"] = _account(
                name, required=False, initial=there.account if there else ""
            )
            self.fields[f"tax_key_{number}"] = forms.RegexField(
                label=_("Tax key for %s") % name, regex=r"^\d{1,4}$", required=False,
                initial=there.tax_key if there else "",
                help_text=_("empty where the account works the tax out by itself"),
                error_messages={"invalid": _("One to four digits.")},
            )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if bool(cleaned.get("consultant")) != bool(cleaned.get("client")):
            missing = "client" if cleaned.get("consultant") else "consultant"
            self.add_error(missing, ValidationError(_("Give both numbers, or none.")))
        return cleaned

    def settings(self) -> dict[str, Any]:
        """
        Return what is set apart from the accounts of revenue.
        """
        return {
            name: value for name, value in self.cleaned_data.items()
            if not name.startswith(("account_", "tax_key_"))
        }  # fmt: skip

    def revenue(self) -> dict[RevenueKey, Target]:
        """
        Return the accounts of each kind of revenue on the form; an empty account takes it away.
        """
        return {
            key: Target(
                self.cleaned_data[f"account_{number}"], self.cleaned_data[f"tax_key_{number}"]
            )
            for number, key in enumerate(self._kinds)
        }
