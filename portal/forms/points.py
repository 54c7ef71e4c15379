"""
What a reader chooses on the page of a metering point.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from sites.domain import Period, local_days

STRETCHES = [("7d", _("7 days")), ("31d", _("31 days")), ("12m", _("12 months"))]
_DAYS = {"7d": 7, "31d": 31, "12m": 366}
_GRAIN = {"7d": "day", "31d": "day", "12m": "month"}


class PointFilter(forms.Form):
    """
    Channel, stretch of time and, for readings, one day. What is not understood falls back to
    the first channel and 31 days.
    """

    stretch = forms.ChoiceField(label=_("Period"), required=False, choices=STRETCHES)
    day = forms.DateField(
        label=_("Day"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, data: Any, *, channels: Sequence[Any]) -> None:
        super().__init__(data)
        self._channels = {channel.quantity: channel for channel in channels}
        self.fields["channel"] = forms.ChoiceField(
            label=_("Quantity"), required=False,
            choices=[(c.quantity, c.get_quantity_display()) for c in channels],
        )  # fmt: skip
        self.is_valid()

    def channel(self) -> Any:
        """
        Return the chosen channel, else the energy or first one; None where there are none.
        """
        chosen = self._channels.get(self.cleaned_data.get("channel", ""))
        return chosen or self._channels.get("energy") or next(iter(self._channels.values()), None)

    def stretch_chosen(self) -> str:
        """
        Return the chosen stretch, else 31 days.
        """
        return self.cleaned_data.get("stretch") or "31d"

    def grain(self) -> str:
        """
        Return the grain of the table beside the chart.
        """
        return _GRAIN[self.stretch_chosen()]

    def period(self, *, zone: str, today: dt.date) -> Period:
        """
        Return the stretch that ends with today, in whole local days; twelve months begin on
        the first of a month.
        """
        first = today - dt.timedelta(days=_DAYS[self.stretch_chosen()] - 1)
        if self.grain() == "month":
            first = first.replace(day=1)
        return local_days(first, today + dt.timedelta(days=1), zone)
