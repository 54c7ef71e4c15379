"""
Forms of gateways: validate, never save.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.forms.money import search_field


class GatewayFilter(forms.Form):
    """
    Search in gateways. What is not understood counts as not chosen.
    """

    search = search_field(_("Name, site"))
    revoked = forms.BooleanField(label=_("Revoked"), required=False)

    def chosen(self) -> dict[str, Any]:
        """
        Return what was understood, as arguments of `telemetry.queries.all_gateways`.
        """
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class GatewayForm(forms.Form):
    """
    A new gateway.
    """

    site = forms.ChoiceField(label=_("Site"))
    name = forms.CharField(
        label=_("Name"), max_length=80, help_text=_("such as the box it is: boiler room Pi")
    )

    def __init__(self, data: Any, *, sites: Sequence[tuple[str, str]]) -> None:
        super().__init__(data)
        self.fields["site"].choices = sites  # type: ignore[attr-defined]


class NameForm(forms.Form):
    """
    The channel that an unknown name stands for.
    """

    text = forms.CharField(widget=forms.HiddenInput, max_length=200)
    channel = forms.ChoiceField(label=_("Channel"))

    def __init__(self, data: Any, *, channels: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.fields["channel"].choices = channels  # type: ignore[attr-defined]
