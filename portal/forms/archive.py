"""
Forms of the archive: validate, never save.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.forms.money import ListFilter
from portal.forms.statements import MonthField


class ArchiveFilter(ListFilter):
    """
    Archived months of a site, a year, a state, or with readings that came late.
    """

    site = forms.ChoiceField(label=_("Site"), required=False)
    year = forms.IntegerField(
        label=_("Year"), required=False, min_value=1970, max_value=2200,
        widget=forms.NumberInput(attrs={"placeholder": "2026"}),
    )  # fmt: skip
    state = forms.ChoiceField(label=_("State"), required=False)
    late = forms.BooleanField(label=_("With late readings"), required=False)

    def __init__(
        self,
        *args: Any,
        sites: Sequence[tuple[str, str]],
        states: Sequence[tuple[str, Any]],
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.fields["site"].choices = [("", _("All")), *sites]  # type: ignore[attr-defined]
        self.fields["state"].choices = [("", _("All")), *states]  # type: ignore[attr-defined]


class SealForm(forms.Form):
    """
    A month of a site that goes to the archive.
    """

    site = forms.TypedChoiceField(label=_("Site"), coerce=int)
    month = MonthField(
        label=_("Month"),
        help_text=_("In UTC, as readings are kept. It has to be over for 14 days."),
    )

    def __init__(self, *args: Any, sites: Sequence[tuple[int, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["site"].choices = list(sites)  # type: ignore[attr-defined]
