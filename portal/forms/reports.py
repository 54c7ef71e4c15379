"""
Forms of regulatory reports: validate, never save.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from telemetry.domain.regulatory import FIELDS, Origin, as_number


class Declared(forms.Form):
    """
    The answers of a report that no meter gives. Each may stay open; a number is checked where it
    is entered.
    """

    def __init__(self, *args: Any, answers: Mapping[str, str | None], **more: Any) -> None:
        super().__init__(*args, **more)
        for field in FIELDS:
            if field.origin is not Origin.DECLARED:
                continue
            label = f"{field.words}, {field.unit}" if field.unit else field.words
            self.fields[field.symbol] = forms.CharField(
                label=label,
                required=False,
                max_length=200,
                initial=answers.get(field.symbol) or "",
                help_text=field.symbol,
                validators=[_is_number] if field.number else [],
                widget=forms.TextInput(attrs={"inputmode": "decimal"} if field.number else {}),
            )


def _is_number(text: str) -> None:
    if as_number(text) is None:
        raise ValidationError(_("Write a number, such as 120 or 1.5; leave it empty if unknown."))
