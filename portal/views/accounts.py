"""
Signing in and out, whom one acts for, and personal settings.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal.forms.accounts import (
    DensityForm,
    KeysForm,
    PreferencesForm,
    SignInForm,
    ThemeForm,
)
from portal.middleware import SESSION_STAKEHOLDER
from portal.views.base import PortalRequest, for_people
from sites import operations, queries
from sites.access import Action, Kind, Role

HOME_OF = {Kind.OPERATOR: "/ops/", Kind.PARTNER: "/heat/", Kind.TENANT: "/hosting/"}
A_YEAR = 365 * 24 * 3600


class SignIn(auth.LoginView):
    """
    Sign in with e-mail address and password, then go where one wanted to.
    """

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: Any) -> HttpResponse:
        context = self.get_context_data(form=form)
        return self.render_to_response(context, status=429 if form.limited else 422)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponseBase:
    """
    End the session, and have the browser drop what it kept of it.
    """
    answer: HttpResponseBase = auth.LogoutView.as_view()(request)
    # A shared computer: the next person must not find these pages by going back.
    answer["Clear-Site-Data"] = '"cache", "storage"'
    return answer


@for_people
def home(request: PortalRequest) -> HttpResponseBase:
    """
    Lead to the pages for whom one acts; say so where that is nobody.
    """
    if request.viewer.kind is None:
        return render(request, "accounts/nobody.html")
    return redirect(HOME_OF[request.viewer.kind])


@for_people
@require_POST
def switch(request: PortalRequest) -> HttpResponseBase:
    """
    Act for another of one's own stakeholders from now on.
    """
    user: Any = request.user
    own = queries.memberships_of(user_id=user.pk)
    wanted = request.POST.get("stakeholder", "")
    chosen = next((m for m in own if str(m.stakeholder_id) == wanted), None)
    if chosen is None:
        raise Http404
    request.session[SESSION_STAKEHOLDER] = chosen.stakeholder_id
    return redirect("home")


@for_people
def personal_settings(request: PortalRequest) -> HttpResponseBase:
    """
    Name, time zone, look and password of the person.
    """
    user: Any = request.user
    form = PreferencesForm(
        request.POST or None, initial={"name": user.name, "timezone": user.timezone}
    )
    if request.method == "POST" and form.is_valid():
        operations.set_preferences(user_id=user.pk, **form.cleaned_data, at=timezone.now())
        messages.success(request, gettext("Your settings are saved."))
        return redirect("settings")
    status = 422 if form.errors else 200
    viewer = request.viewer
    customer = viewer.kind in (Kind.PARTNER, Kind.TENANT)
    context = {
        "form": form,
        "customer": customer,
        "named": customer and queries.may_be_named(viewer=viewer),
        "may_name": customer and viewer.role is Role.ADMIN,
        "may_edit_organisation": viewer.can(Action.MANAGE_ORGANISATION),
    }
    return render(request, "accounts/settings.html", context, status=status)


def _back(request: HttpRequest) -> HttpResponse:
    # The address of the page comes from the browser: only one of our own is followed.
    referer = urlsplit(request.headers.get("Referer", ""))
    own = url_has_allowed_host_and_scheme(
        referer.geturl(), allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    if not own or not referer.netloc:
        return redirect("home")
    path = referer._replace(scheme="", netloc="", fragment="").geturl()
    safe = url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return redirect(path if safe and path.startswith("/") else "home")


def _remember(request: HttpRequest, form: forms.Form, name: str) -> HttpResponse:
    answer = _back(request)
    if form.is_valid():
        answer.set_cookie(
            name,
            form.cleaned_data[name],
            max_age=A_YEAR,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    return answer


@require_POST
def set_theme(request: HttpRequest) -> HttpResponseBase:
    """
    Remember light, dark or as the system has it; for strangers too.
    """
    return _remember(request, ThemeForm(request.POST), "theme")


@require_POST
def set_density(request: HttpRequest) -> HttpResponseBase:
    """
    Remember how close table rows stand.
    """
    return _remember(request, DensityForm(request.POST), "density")


@require_POST
def set_keys(request: HttpRequest) -> HttpResponseBase:
    """
    Remember whether single keys do anything; some people's speech or hands press them by chance.
    """
    return _remember(request, KeysForm(request.POST), "keys")
