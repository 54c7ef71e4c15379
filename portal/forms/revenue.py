"""
Forms of revenue and its cost: validate, never save.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


class HeatCost(forms.Form):
    """
    What heat of a site costs the operator from a month on.
    """

    from_month = forms.DateField(
        label=_("From the month"), input_formats=["%Y-%m"],
        widget=forms.DateInput(attrs={"type": "month"}, format="%Y-%m"),
    )  # fmt: skip
    price_per_kwh = forms.DecimalField(
        label=_("Electricity of heat pumps and pumps, per kWh"), min_value=0, max_digits=16,
        decimal_places=6, help_text=_("net, in the site’s currency, for instance 0.22"),
    )  # fmt: skip
    fixed_per_month = forms.DecimalField(
        label=_("Other cost, per month"), min_value=0, max_digits=14, decimal_places=2,
        help_text=_("maintenance, meters, insurance, capital; net"),
    )  # fmt: skip

    def __init__(self, data: Any, *, today: dt.date) -> None:
        super().__init__(data, initial={"from_month": today.replace(day=1)})
        self._today = today

    def clean_from_month(self) -> dt.date:
        month: dt.date = self.cleaned_data["from_month"]
        if month > self._today + dt.timedelta(days=366):
            raise ValidationError(_("Choose a month within the next year."))
        return month
