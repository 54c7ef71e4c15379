"""
Forms of regulatory reports: validate, never save.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from telemetry.domain.regulatory import FIELDS, Field, Origin, as_number

# The act has no symbols for these; an example says more.
_EXAMPLES = {
    "WH-ADDRESS": _("Such as Werftbahnstraße 8, 24143 Kiel."),
    "WH-BESIDES": _("What goes to the air in dry coolers; 0 if nothing."),
    "WH-AVAILABLE": _("Such as: all year, except two days of service in May."),
    "WH-TEMPERATURE": _("Such as: supply 45 to 60 °C by set-point; or: none."),
    "WH-PRESSURE": _("Such as: up to 6 bar, fixed; or: none."),
    "WH-FEED-IN": _("Such as: 0 to 100 % by a valve, within 15 minutes; or: none."),
    "WH-COMPANY-USE": _("All sites and all carriers together. Up to a limit nothing is due."),
}


class Declared(forms.Form):
    """
    The answers of a report that no meter gives. Each may stay open; a number is checked where it
    is entered.
    """

    def __init__(
        self, *args: Any, answers: Mapping[str, str | None], fields: Iterable[Field] = FIELDS,
        **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(*args, **more)
        for field in fields:
            if field.origin is not Origin.DECLARED:
                continue
            label = f"{field.words}, {field.unit}" if field.unit else field.words
            self.fields[field.symbol] = forms.CharField(
                label=label,
                required=False,
                max_length=200,
                initial=answers.get(field.symbol) or "",
                help_text=_EXAMPLES.get(field.symbol, field.symbol),
                validators=[_is_number] if field.number else [],
                widget=forms.TextInput(attrs={"inputmode": "decimal"} if field.number else {}),
            )


def _is_number(text: str) -> None:
    if as_number(text) is None:
        raise ValidationError(_("Write a number, such as 120 or 1.5; leave it empty if unknown."))
