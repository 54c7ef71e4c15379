"""
Who decides what everybody sees: the operator for its sites, a customer for its name.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal.forms.sites import PublicPage
from portal.views.base import PortalRequest, for_action, for_members
from sites import operations
from sites import queries as places
from sites.access import Action, Kind, Role


@for_action(Action.MANAGE_SITES)
def public_page(request: PortalRequest, slug: str) -> HttpResponseBase:
    """
    Open a site's figures to everybody, with a sentence and a note about the data.
    """
    site = get_object_or_404(places.sites(viewer=request.viewer), slug=slug)
    form = PublicPage(
        request.POST or None,
        initial={
            "is_public": site.is_public,
            "public_text": site.public_text,
            "data_note": site.data_note,
        },
    )
    if request.method == "POST" and form.is_valid():
        operations.show_site(
            site_id=site.pk, **form.cleaned_data, at=timezone.now(), by_id=request.viewer.user_id
        )
        messages.success(request, gettext("The public page is saved."))
        return redirect("ops-site", slug=slug)
    context = {
        "form": form,
        "title": gettext("Public page of %s") % site.name,
        "button": gettext("Save"),
        "crumbs": [
            (reverse("ops-fleet"), gettext("Sites")),
            (reverse("ops-site", args=[slug]), site.name),
        ],
        "hint": gettext(
            "It shows PUE, ERF, heat and uptime of the last twelve months. Customers are named"
            " only where they agreed."
        ),
    }
    return render(request, "ops/form.html", context)


@for_members
@require_POST
def naming(request: PortalRequest) -> HttpResponseBase:
    """
    Say whether one's organisation may be named on public pages; for its administrators.
    """
    viewer = request.viewer
    if viewer.kind is Kind.OPERATOR or viewer.role is not Role.ADMIN:
        raise Http404
    if viewer.stakeholder_id is not None:
        operations.allow_naming(
            stakeholder_id=viewer.stakeholder_id, allowed=request.POST.get("allowed") == "yes",
            at=timezone.now(), by_id=viewer.user_id,
        )  # fmt: skip
    return redirect("settings")
