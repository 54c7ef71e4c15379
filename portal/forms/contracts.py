"""
Forms of contracts: validate, never save.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
REGIMES = [
    ("", _("Freely agreed")),
    ("avbfernwaermev", _("AVBFernwärmeV and FFVAV (Germany)")),
    ("gb_heat_networks", _("Heat network regulations (Great Britain)")),
    ("eed", _("Energy Efficiency Directive (other EU)")),
]


class Conditions(forms.Form):
    """
    What of a contract can change while it runs.
    """

    payment_days = forms.IntegerField(
        label=_("To be paid within, days"), min_value=0, max_value=365, initial=14
    )
    correction_months = forms.IntegerField(
        label=_("Corrections may charge more, months back"), min_value=0, max_value=120, initial=12,
        help_text=_("12 is usual; what goes back to the customer knows no limit."),
    )  # fmt: skip
    look_back_months = forms.IntegerField(
        label=_("Corrections are looked for, months back"), required=False, min_value=0,
        max_value=120, help_text=_("Empty: as set for the country of the site."),
    )  # fmt: skip
    legal_regime = forms.ChoiceField(label=_("Law"), required=False, choices=REGIMES)
    pilot_until = forms.DateField(
        label=_("Pilot until, that day included"), required=False, widget=_DAY,
        help_text=_("Empty: a full contract from the start."),
    )  # fmt: skip
    pilot_converts = forms.ChoiceField(
        label=_("After the pilot"), required=False,
        choices=[("", _("it ends")), ("y", _("it goes on as a full contract"))],
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        given["pilot_converts"] = bool(given.get("pilot_converts") and given.get("pilot_until"))
        return given


class ContractForm(Conditions):
    """
    A contract about one delivery point or hosting service; site and customer are those of it.
    """

    subject = forms.ChoiceField(
        label=_("Building or hosting service"), help_text=_("Site and customer follow from it.")
    )
    reference = forms.CharField(
        label=_("Reference"), max_length=40, help_text=_("Your number for it, once.")
    )
    currency = forms.RegexField(
        label=_("Currency"), regex=r"^[A-Z]{3}$", initial="EUR",
        error_messages={"invalid": _("Three capital letters, such as EUR.")},
    )  # fmt: skip
    first_day = forms.DateField(label=_("First day"), widget=_DAY)
    last_day = forms.DateField(
        label=_("Last day"), required=False, widget=_DAY, help_text=_("Empty: until it is ended.")
    )
    field_order = ("subject", "reference", "first_day", "last_day", "currency")

    def __init__(
        self, *given: Any, subjects: dict[str, list[tuple[str, str]]], **more: Any
    ) -> None:
        super().__init__(*given, **more)
        self.fields["subject"].choices = [("", "–"), *subjects.items()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        first, last = given.get("first_day"), given.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", _("The last day is before the first."))
        pilot = given.get("pilot_until")
        if pilot and ((first and pilot < first) or (last and pilot > last)):
            self.add_error("pilot_until", _("The pilot must end while the contract runs."))
        return given


class EndForm(forms.Form):
    """
    The last day of a contract.
    """

    last_day = forms.DateField(
        label=_("Last day, that day included"), widget=_DAY,
        help_text=_("It is still billed up to then. An ended contract stays ended."),
    )  # fmt: skip
