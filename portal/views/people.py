"""
The people of an organisation: who takes part, invitations, roles, the end of access.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal import tasks
from portal.forms.accounts import InviteForm, PeopleFilter, RoleForm
from portal.views.base import PortalRequest, for_action, for_members
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import operations, queries
from sites.access import Action, Kind, Role


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("name", gettext("Name"), ("user__name", "user__email"), lambda m: m.user.name),
        Column(
            "email", gettext("E-mail address"), ("user__email",), lambda m: m.user.email
        ),
        Column("role", gettext("Role"), ("role",), lambda m: m.role),
        Column(
            "last_sign_in", gettext("Last sign-in"), ("user__last_login",),
            lambda m: m.user.last_login.isoformat() if m.user.last_login else "",
        ),
        Column("since", gettext("Since"), ("created_at",), lambda m: m.created_at.isoformat()),
    ]  # fmt: skip


def _page_of(request: PortalRequest, stakeholder_id: int) -> HttpResponse:
    if stakeholder_id == request.viewer.stakeholder_id:
        return redirect("people")
    return redirect("people-of", stakeholder_id=stakeholder_id)


@for_members
def people(request: PortalRequest, stakeholder_id: int | None = None) -> HttpResponseBase:
    """
    Who acts for one's own organisation, or an operator's customer, and who is invited.
    """
    viewer = request.viewer
    organisation = get_object_or_404(
        queries.organisations(viewer=viewer), pk=stakeholder_id or viewer.stakeholder_id
    )
    may_manage = viewer.can(Action.MANAGE_PEOPLE)
    data = request.POST if request.method == "POST" else None
    members = queries.members(viewer=viewer).filter(stakeholder=organisation)
    # The first person has to be able to invite others.
    role = Role.VIEWER if members.exists() else Role.ADMIN
    invite = InviteForm(data, kind=Kind(organisation.kind), initial={"role": role})
    if data is not None and not may_manage:
        raise Http404
    if invite.is_valid():
        done = _invite(request, organisation, invite)
        if done is not None:
            return done
    search = PeopleFilter(request.GET)
    rows = queries.members(viewer=viewer, search=search.chosen()).filter(stakeholder=organisation)
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="people.csv")
    context = {
        "organisation": organisation,
        "own": organisation.pk == viewer.stakeholder_id,
        "may_manage": may_manage,
        "form": invite,
        "search": search,
        "listing": listing(request, rows, columns, default_sort="name"),
        "invitations": queries.invitations(viewer=viewer).filter(stakeholder=organisation),
        "now": timezone.now(),
    }
    template = "accounts/_people_rows.html" if request.htmx else "accounts/people.html"
    return render(request, template, context, status=422 if invite.errors else 200)


def _invite(request: PortalRequest, organisation: Any, form: InviteForm) -> HttpResponse | None:
    try:
        invitation, _ = operations.invite(
            viewer=request.viewer, stakeholder_id=organisation.pk, at=timezone.now(),
            **form.cleaned_data,
        )  # fmt: skip
    except operations.AlreadyMember:
        form.add_error("email", gettext("This address belongs to somebody who takes part already."))
        return None
    tasks.send_invitation.delay(invitation_id=invitation.pk)
    messages.success(request, gettext("An invitation is on its way to %s.") % invitation.email)
    return _page_of(request, organisation.pk)


@for_action(Action.MANAGE_PEOPLE)
@require_POST
def withdraw(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Make an open invitation worthless.
    """
    invitation = get_object_or_404(queries.invitations(viewer=request.viewer), pk=pk)
    try:
        operations.withdraw_invitation(
            viewer=request.viewer, invitation_id=invitation.pk, at=timezone.now()
        )
    except operations.InvitationRefused:
        messages.warning(request, gettext("The invitation was accepted or withdrawn just now."))
    else:
        messages.success(request, gettext("The invitation of %s is withdrawn.") % invitation.email)
    return _page_of(request, invitation.stakeholder_id)


@for_action(Action.MANAGE_PEOPLE)
def person(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One person's part in the organisation; changes the role.
    """
    membership = get_object_or_404(queries.members(viewer=request.viewer), pk=pk)
    data = request.POST if request.method == "POST" else None
    kind = Kind(membership.stakeholder.kind)
    form = RoleForm(data, kind=kind, initial={"role": membership.role})
    if form.is_valid():
        try:
            operations.change_role(
                viewer=request.viewer, membership_id=pk, role=form.cleaned_data["role"],
                at=timezone.now(),
            )  # fmt: skip
        except operations.LastAdministrator:
            form.add_error("role", _last_administrator())
        else:
            messages.success(request, gettext("The role of %s is saved.") % membership.user)
            return _page_of(request, membership.stakeholder_id)
    context = {"membership": membership, "form": form}
    status = 422 if form.errors else 200
    return render(request, "accounts/person.html", context, status=status)


def _last_administrator() -> str:
    return gettext("This is the only administrator. Make somebody else administrator first.")


@for_action(Action.MANAGE_PEOPLE)
def end(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Ask whether to end a person's access, then end it.
    """
    membership = get_object_or_404(queries.members(viewer=request.viewer), pk=pk)
    if request.method != "POST":
        return render(request, "accounts/end_access.html", {"membership": membership})
    try:
        operations.end_membership(viewer=request.viewer, membership_id=pk, at=timezone.now())
    except operations.LastAdministrator:
        context = {"membership": membership, "problem": _last_administrator()}
        return render(request, "accounts/end_access.html", context, status=422)
    messages.success(request, gettext("The access of %s has ended.") % membership.user)
    if membership.user_id == request.viewer.user_id:
        # One's own access: what comes next depends on the organisations that are left.
        return redirect("home")
    return _page_of(request, membership.stakeholder_id)
