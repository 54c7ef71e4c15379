"""
Forms of sites: search and filters of the fleet, the public page.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.forms.money import search_field
from sites import queries
from sites.access import Viewer


class PublicPage(forms.Form):
    """
    What everybody may read of a site.
    """

    is_public = forms.BooleanField(
        label=_("Show this site’s figures to everybody"), required=False,
        help_text=_("PUE, ERF, heat and uptime; with one tenant they tell what it uses."),
    )  # fmt: skip
    public_text = forms.CharField(
        label=_("What the site does, in two sentences"), required=False, max_length=600,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip
    data_note = forms.CharField(
        label=_("What a reader must know about the data"), required=False, max_length=600,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("is_public") and not cleaned.get("public_text"):
            self.add_error("public_text", _("Say what the site does; the page begins with it."))
        return cleaned


class SiteFilter(forms.Form):
    """
    What is not understood counts as not chosen.
    """

    search = search_field(_("Site, town, heat partner"))
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
