"""
Forgotten and changed passwords. Django's own views decide; the write is an operation.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth import views as auth
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext

from portal import limits, tasks
from portal.forms.accounts import ChangePasswordForm, ForgottenPasswordForm, NewPasswordForm
from portal.views.base import PortalRequest, for_people
from sites import operations


class Forgotten(auth.PasswordResetView):
    """
    Ask for an address and send it a link, if it has an account; the answer is the same if not.
    """

    template_name = "accounts/password_reset.html"
    form_class = ForgottenPasswordForm

    def form_valid(self, form: Any) -> HttpResponse:
        address = form.cleaned_data["email"]
        if not limits.PASSWORD_RESET.allows(self.request, address):
            form.add_error(None, gettext("There were too many requests. Try again in an hour."))
            return self.render_to_response(self.get_context_data(form=form), status=429)
        for user in form.get_users(address):
            tasks.send_password_reset.delay(user_id=user.pk)
        return redirect("password-reset-sent")

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


class ForgottenSent(auth.PasswordResetDoneView):
    """
    Say that a link is on its way, if the address has an account.
    """

    template_name = "accounts/password_reset_sent.html"


class New(auth.PasswordResetConfirmView):
    """
    Set a new password by the e-mailed link, which works once.
    """

    template_name = "accounts/password_new.html"
    form_class = NewPasswordForm

    def form_valid(self, form: Any) -> HttpResponse:
        # Without a person the link is not valid, and no form gets this far.
        person: Any = self.user
        operations.set_password(
            user_id=person.pk, password=form.cleaned_data["new_password1"], at=timezone.now()
        )
        del self.request.session[auth.INTERNAL_RESET_SESSION_TOKEN]
        return redirect("password-reset-done")

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


class Done(auth.PasswordResetCompleteView):
    """
    Say that the new password counts from now on.
    """

    template_name = "accounts/password_done.html"


@for_people
def change(request: PortalRequest) -> HttpResponseBase:
    """
    Change one's password, knowing the present one. Sessions elsewhere end.
    """
    person: Any = request.user
    form = ChangePasswordForm(person, request.POST if request.method == "POST" else None)
    if form.is_valid():
        user = operations.set_password(
            user_id=person.pk, password=form.cleaned_data["new_password1"], at=timezone.now()
        )
        # Here one stays signed in.
        update_session_auth_hash(request, user)
        messages.success(request, gettext("Your password is changed."))
        return redirect("settings")
    status = 422 if form.errors else 200
    return render(request, "accounts/password_change.html", {"form": form}, status=status)
