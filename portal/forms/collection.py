"""
Forms of mandates, direct debits and reminders: validate, never save.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from portal.forms.bank import BicField, IbanField
from portal.forms.money import DAY, ListFilter, search_field

# How bills speak of reminders; an operator's own words replace these.
_PROPOSED = {
    "en": _(
        "Our invoice {number}, due on {due}, is not paid yet. {amount} are open. "
        "If your payment is on its way, thank you; please disregard this letter."
    ),
    "de": "Unsere Rechnung {number}, fällig am {due}, ist noch nicht bezahlt. Offen sind {amount}. "
    "Sollte sich Ihre Zahlung mit diesem Schreiben gekreuzt haben, danken wir Ihnen.",
    "fr": "Notre facture {number}, échue le {due}, n’est pas encore réglée. Il reste {amount} à "
    "payer. Si votre paiement est en route, nous vous en remercions.",
}
LANGUAGES = [("en", _("English")), ("de", _("German")), ("fr", _("French"))]


class MandateFilter(ListFilter):
    """
    Search in mandates, or only those in force.
    """

    search = search_field(_("Reference, customer"))
    state = forms.ChoiceField(
        label=_("State"), required=False,
        choices=[("", _("All")), ("in_force", _("In force")), ("ended", _("Ended"))],
    )  # fmt: skip


class Mandate(forms.Form):
    """
    A customer's signed consent to direct debits.
    """

    customer = forms.ChoiceField(
        label=_("Customer"), help_text=_("a mandate that is in force ends on the day of this one")
    )
    reference = forms.RegexField(
        label=_("Mandate reference"), regex=r"^[A-Za-z0-9+?/:().,' -]{1,35}$", max_length=35,
        help_text=_("as on the signed form, for instance WG-0042"),
        error_messages={
            "invalid": _("Letters without accents, digits, blanks and + ? / - : ( ) . , ' only.")
        },
    )  # fmt: skip
    signed_on = forms.DateField(label=_("Signed on"), widget=DAY)
    account_name = forms.CharField(label=_("Name of the account’s holder"), max_length=70)
    iban = IbanField()
    bic = BicField(required=False, help_text=_("only for accounts outside the EEA"))

    def __init__(self, data: Any, *, customers: Sequence[tuple[str, str]], today: dt.date) -> None:
        super().__init__(data)
        self._today = today
        self.fields["customer"].choices = [("", "–"), *customers]  # type: ignore[attr-defined]

    def clean_signed_on(self) -> dt.date:
        day: dt.date = self.cleaned_data["signed_on"]
        if day > self._today:
            raise ValidationError(_("The day is in the future."))
        return day


class EndMandate(forms.Form):
    """
    The day on which a customer took its consent back.
    """

    day = forms.DateField(label=_("Last day"), widget=DAY)


class Collect(forms.Form):
    """
    The day a file of direct debits is for. Banks want it a business day before at least.
    """

    day = forms.DateField(
        label=_("Collect on"), widget=DAY,
        help_text=_("documents due by then; banks want the file a business day before at least"),
    )  # fmt: skip

    def __init__(self, data: Any, *, today: dt.date) -> None:
        super().__init__(data, initial={"day": today + dt.timedelta(days=3)})
        self._today = today

    def clean_day(self) -> dt.date:
        day: dt.date = self.cleaned_data["day"]
        if day <= self._today:
            raise ValidationError(_("Choose a day after today."))
        if day > self._today + dt.timedelta(days=60):
            raise ValidationError(_("Choose a day within the next 60 days."))
        return day


class ReminderFilter(ListFilter):
    """
    Search in reminders by document, customer and level.
    """

    search = search_field(_("Number, customer"))
    level = forms.ChoiceField(
        label=_("Level"), required=False,
        choices=[("", _("All")), *((str(n), str(n)) for n in range(1, 5))],
    )  # fmt: skip


class DunningLevel(forms.Form):
    """
    One step of reminders: when, for which fee, and its words in each language of bills.
    """

    days_after_due = forms.IntegerField(
        label=_("Days after the due day"), min_value=1, max_value=365
    )
    fee = forms.DecimalField(
        label=_("Fee"), min_value=0, max_digits=9, decimal_places=2, initial=0,
        help_text=_("in the currency of the document; told in the letter, never added to the bill"),
    )  # fmt: skip

    def __init__(self, data: Any, *, initial: dict[str, Any] | None = None) -> None:
        given = dict(initial or {})
        for code, text in _PROPOSED.items():
            given.setdefault(f"text_{code}", text)
        super().__init__(data, initial=given)
        for code, name in LANGUAGES:
            self.fields[f"text_{code}"] = forms.CharField(
                label=_("Words, %s") % name, max_length=2000, required=code == "en",
                widget=forms.Textarea(attrs={"rows": 4, "lang": code}),
                help_text=_("{number}, {amount}, {due} and {fee} are filled in"),
            )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for code, _name in LANGUAGES:
            text = cleaned.get(f"text_{code}", "")
            if text and "{number}" not in text:
                self.add_error(
                    f"text_{code}", _("Say which document it is about: write {number} somewhere.")
                )
        return cleaned

    def texts(self) -> dict[str, str]:
        """
        Return the words by language; languages without any get the English ones.
        """
        return {
            code: text for code, _name in LANGUAGES if (text := self.cleaned_data[f"text_{code}"])
        }
