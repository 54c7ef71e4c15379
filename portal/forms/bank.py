"""
Fields for accounts at banks, checked by their digits.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from stdnum import bic, iban
from stdnum.exceptions import ValidationError as WrongNumber


class _Checked(forms.CharField):
    rules: Any
    problem: Any

    def clean(self, value: Any) -> str:
        said = super().clean(value)
        if not said:
            return ""
        try:
            return str(self.rules.validate(said))
        except WrongNumber:
            raise ValidationError(self.problem) from None


class IbanField(_Checked):
    """
    An IBAN, with or without blanks; without them when cleaned.
    """

    rules = iban
    problem = _("This is no valid IBAN: its check digits or its length are off.")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label=_("IBAN"), max_length=42, **kwargs)


class BicField(_Checked):
    """
    A bank's BIC.
    """

    rules = bic
    problem = _("This is no valid BIC.")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label=_("BIC"), max_length=11, **kwargs)
