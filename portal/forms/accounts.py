"""
Forms of accounts: signing in, passwords, invitations, personal settings.
"""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.contrib.auth import get_user_model, password_validation
from django.contrib.auth.forms import (
    AuthenticationForm,
    PasswordChangeForm,
    PasswordResetForm,
    SetPasswordForm,
)
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from portal import limits
from portal.context import DENSITIES, THEMES
from portal.forms.money import search_field
from sites.access import ROLES_OF, Kind, Role


class SignInForm(AuthenticationForm):
    """
    E-mail address and password; too many wrong ones must wait.
    """

    username = forms.EmailField(
        label=_("E-mail address"),
        # No autofocus: after a mistake the summary of it takes the focus.
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
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


PASSWORD_HINT = _("At least 10 characters. Several words in a row are easy to remember.")


class ForgottenPasswordForm(PasswordResetForm):
    """
    Asks where to send the link.
    """

    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """
    A new password, twice.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _label_passwords(self)


class ChangePasswordForm(PasswordChangeForm):
    """
    The present password and a new one, twice.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].label = _("Your present password")
        _label_passwords(self)


def _label_passwords(form: forms.Form) -> None:
    form.fields["new_password1"].label = _("New password")
    form.fields["new_password1"].help_text = PASSWORD_HINT
    form.fields["new_password2"].label = _("New password again")
    form.fields["new_password2"].help_text = ""


class NewPersonForm(forms.Form):
    """
    Name and password of somebody who was invited.
    """

    name = forms.CharField(
        label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        label=_("Password"),
        help_text=PASSWORD_HINT,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=_("Password again"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        password = given.get("password")
        if password and given.get("again") and password != given["again"]:
            self.add_error("again", _("The two passwords are not the same."))
        elif password:
            person = get_user_model()(email=self.email, name=given.get("name", ""))
            try:
                password_validation.validate_password(password, person)
            except ValidationError as weak:
                self.add_error("password", weak)
        return given


_ROLE_HINTS = {
    Role.VIEWER: _("Viewer: reads, changes nothing"),
    Role.STAFF: _("Staff: sites, meters, readings"),
    Role.BILLING: _("Billing: runs and invoices"),
    Role.ADMIN: _("Administrator: all, also people"),
}


def _roles(kind: Kind) -> list[tuple[str, Any]]:
    return [(role.value, hint) for role, hint in _ROLE_HINTS.items() if role in ROLES_OF[kind]]


class RoleForm(forms.Form):
    """
    A role that organisations of the kind have.
    """

    role = forms.TypedChoiceField(label=_("Role"), coerce=Role)

    def __init__(self, *args: Any, kind: Kind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["role"]
        field.choices = _roles(kind)


class InviteForm(RoleForm):
    """
    Whom to invite, as what.
    """

    email = forms.EmailField(label=_("E-mail address"), max_length=254)
    field_order = ["email", "role"]


class PeopleFilter(forms.Form):
    """
    Search in a list of people.
    """

    search = search_field(_("Name, e-mail address"))

    def chosen(self) -> str:
        return self.cleaned_data["search"] if self.is_valid() else ""


def zones() -> list[tuple[str, str]]:
    """
    Return the time zones there are, as choices.
    """
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
        choices=zones,
        help_text=_("For times about people, such as sign-ins. Readings and bills use the site’s."),
    )


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=[(value, value) for value in THEMES])


class KeysForm(forms.Form):
    keys = forms.ChoiceField(choices=[("on", "on"), ("off", "off")])


class DensityForm(forms.Form):
    density = forms.ChoiceField(choices=[(value, value) for value in DENSITIES])
