"""
From an e-mailed invitation to being a member.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache

from portal.forms.accounts import NewPersonForm
from portal.middleware import SESSION_STAKEHOLDER
from sites import operations, queries

# Whose link this browser has opened. The token itself stays out of sessions and page addresses.
SESSION_INVITATION = "invitation_id"


def _refused(request: HttpRequest, refusal: operations.InvitationRefused) -> HttpResponse:
    known = isinstance(refusal, (operations.InvitationExpired, operations.InvitationUsed))
    context = {
        "expired": isinstance(refusal, operations.InvitationExpired),
        "used": isinstance(refusal, operations.InvitationUsed),
        "somebody_else": isinstance(refusal, operations.InvitedSomebodyElse),
    }
    status = 410 if known else 404
    return render(request, "accounts/invitation_refused.html", context, status=status)


@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    """
    Take the e-mailed link. Opening it uses nothing up: programs that check mail do it too.
    """
    try:
        found = operations.invitation_of_token(token=token, at=timezone.now())
    except operations.InvitationRefused as refusal:
        return _refused(request, refusal)
    request.session[SESSION_INVITATION] = found.pk
    return redirect("invitation-accept")


@never_cache
def accept(request: HttpRequest) -> HttpResponseBase:
    """
    Join: as a new person with name and password, as a known one by a press of a button.
    """
    try:
        found = operations.open_invitation(
            invitation_id=request.session.get(SESSION_INVITATION, 0), at=timezone.now()
        )
        if request.user.is_authenticated:
            return _as_known_person(request, found)
        if queries.has_account(email=found.email):
            return redirect_to_login(request.path, resolve_url("sign-in"))
        return _as_new_person(request, found)
    except operations.InvitationRefused as refusal:
        return _refused(request, refusal)


def _as_known_person(request: HttpRequest, found: Any) -> HttpResponse:
    user: Any = request.user
    if user.email.lower() != found.email.lower():
        raise operations.InvitedSomebodyElse
    if request.method != "POST":
        return render(request, "accounts/invitation.html", {"invitation": found})
    membership = operations.accept_as_known_person(
        invitation_id=found.pk, user_id=user.pk, at=timezone.now()
    )
    return _welcome(request, membership)


def _as_new_person(request: HttpRequest, found: Any) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    form = NewPersonForm(data, email=found.email)
    if not form.is_valid():
        context = {"invitation": found, "form": form}
        status = 422 if form.errors else 200
        return render(request, "accounts/invitation.html", context, status=status)
    membership = operations.accept_as_new_person(
        invitation_id=found.pk,
        name=form.cleaned_data["name"],
        password=form.cleaned_data["password"],
        at=timezone.now(),
    )
    login(request, membership.user)
    return _welcome(request, membership)


def _welcome(request: HttpRequest, membership: Any) -> HttpResponse:
    request.session.pop(SESSION_INVITATION, None)
    request.session[SESSION_STAKEHOLDER] = membership.stakeholder_id
    name = membership.stakeholder.name
    messages.success(request, gettext("Welcome. You act for %s now.") % name)
    return redirect("home")
