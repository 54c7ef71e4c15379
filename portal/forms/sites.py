"""
Search and filters of the fleet.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from sites import queries
from sites.access import Viewer


class SiteFilter(forms.Form):
    """
    What is not understood counts as not chosen.
    """

    search = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=80,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": _("Site, town, heat partner")}
        ),
    )
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("All")),
            ("no_data", _("No data")),
            ("unread", _("Heat not read yet")),
            ("idle", _("No heat asked for")),
            ("delivering", _("Delivering")),
            ("not_started", _("Not started")),
        ],
    )

    def __init__(self, data: Any, *, viewer: Viewer) -> None:
        super().__init__(data)
        countries = queries.countries(viewer=viewer)
        self.fields["country"] = forms.ChoiceField(
            label=_("Country"), required=False,
            choices=[("", _("All")), *((code, code) for code in countries)],
        )  # fmt: skip

    def chosen(self) -> dict[str, Any]:
        """
        Return what was understood, as arguments of `sites.queries.sites`, and the state.
        """
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}
