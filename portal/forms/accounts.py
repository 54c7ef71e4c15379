"""
Forms of accounts: signing in, passwords, invitations, personal settings.
"""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from portal import limits
from portal.context import DENSITIES, THEMES


class SignInForm(AuthenticationForm):
    """
    E-mail address and password; too many wrong ones must wait.
    """

    username = forms.EmailField(
        label=_("E-mail address"),
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    error_messages = {
        "invalid_login": _(
            "The e-mail address or the password is not right. "
            "Check both, or ask for a new password below."
        ),
        "inactive": _("This account is closed."),
    }
    limited = False

    def clean(self) -> dict[str, Any]:
        address = self.cleaned_data.get("username")
        if not address or self.request is None:
            return self.cleaned_data
        if not limits.SIGN_IN.allows(self.request, address):
            self.limited = True
            raise ValidationError(
                _(
                    "There were too many attempts to sign in. Wait %(minutes)s minutes and try "
                    "again, or ask for a new password below."
                ),
                params={"minutes": limits.SIGN_IN.minutes},
            )
        cleaned = super().clean()
        limits.SIGN_IN.forget(self.request, address)
        return cleaned


def _zones() -> list[tuple[str, str]]:
    names = sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})
    return [(name, name.replace("_", " ")) for name in names]


class PreferencesForm(forms.Form):
    """
    Name and zone of a person.
    """

    name = forms.CharField(
        label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    timezone = forms.ChoiceField(
        label=_("Time zone"),
        choices=_zones,
        help_text=_("For times about people, such as sign-ins. Readings and bills use the site’s."),
    )


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=[(value, value) for value in THEMES])


class DensityForm(forms.Form):
    density = forms.ChoiceField(choices=[(value, value) for value in DENSITIES])
