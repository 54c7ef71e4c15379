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

STRETCHES = [
    ("1d", _("Today")), ("7d", _("7 days")), ("31d", _("31 days")), ("12m", _("12 months")),
    ("5y", _("5 years")),
]  # fmt: skip
_DAYS = {"1d": 1, "7d": 7, "31d": 31, "12m": 366, "5y": 1827}
COMPARISONS = [
    ("", _("Nothing")), ("previous", _("The period before")), ("year", _("A year before")),
]  # fmt: skip
_LONGEST = dt.timedelta(days=366 * 30)


class PointFilter(forms.Form):
    """
    Channel, stretch of time, what is compared with it and drawn beside it, and, for readings, one
    day. What is not understood falls back to the first channel and 31 days.
    """

    stretch = forms.ChoiceField(label=_("Period"), required=False, choices=STRETCHES)
    day = forms.DateField(
        label=_("Day"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    first = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    last = forms.DateField(
        label=_("To"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    compare = forms.ChoiceField(label=_("Compare with"), required=False, choices=COMPARISONS)

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

    def clean(self) -> dict[str, Any]:
        """
        Refuse days in the wrong order, and too many.
        """
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and last < first:
            self.add_error("last", _("The last day is before the first."))
        elif first and last and last - first > _LONGEST:
            self.add_error("last", _("Choose at most 30 years."))
        for name in ("first", "last"):
            if cleaned.get(name) and not 1971 <= cleaned[name].year <= 2999:
                self.add_error(name, _("Choose a day between 1971 and 2999."))
        return cleaned

    def stretch_chosen(self) -> str:
        """
        Return the chosen stretch, "" where days were chosen instead, else 31 days.
        """
        if self._days_chosen():
            return ""
        return self.cleaned_data.get("stretch") or "31d"

    def _days_chosen(self) -> bool:
        return bool(self.cleaned_data.get("first") and self.cleaned_data.get("last"))

    def days(self, *, today: dt.date) -> tuple[dt.date, dt.date]:
        """
        Return the first and last local day of the stretch; twelve months begin on the first of a
        month.
        """
        if self._days_chosen():
            return self.cleaned_data["first"], self.cleaned_data["last"]
        stretch = self.stretch_chosen()
        first = today - dt.timedelta(days=_DAYS[stretch] - 1)
        return (first.replace(day=1) if stretch in {"12m", "5y"} else first), today

    def grain(self, *, today: dt.date) -> str:
        """
        Return the grain of the table beside the chart.
        """
        first, last = self.days(today=today)
        lasts = (last - first).days + 1
        return "hour" if lasts <= 3 else "day" if lasts <= 92 else "month"

    def period(self, *, zone: str, today: dt.date) -> Period:
        """
        Return the stretch in whole local days.
        """
        first, last = self.days(today=today)
        return local_days(first, last + dt.timedelta(days=1), zone)

    def compared(self, *, zone: str, today: dt.date) -> Period | None:
        """
        Return the period that the stretch is compared with: as many days just before it, or the
        same days of the calendar a year before.
        """
        first, last = self.days(today=today)
        chosen = self.cleaned_data.get("compare")
        if chosen == "previous":
            return local_days(first - (last - first) - dt.timedelta(days=1), first, zone)
        if chosen == "year":
            start = _a_year_before(first)
            return local_days(start, start + (last - first) + dt.timedelta(days=1), zone)
        return None


def _a_year_before(day: dt.date) -> dt.date:
    # 29 February has its counterpart on the 28th.
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)
