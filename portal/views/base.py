"""
Who gets a page at all; what they see on it is decided by the queries.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from sites.access import Action, Kind, Viewer


class PortalRequest(HttpRequest):
    """
    A request as the middleware leaves it.
    """

    viewer: Viewer
    htmx: HtmxDetails


P = ParamSpec("P")
View = Callable[Concatenate[PortalRequest, P], HttpResponseBase]
# Django's own request type in front, so that urls.py accepts the result.
Guarded = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def _to_sign_in(request: PortalRequest) -> HttpResponse:
    answer = redirect_to_login(request.get_full_path(), resolve_url("sign-in"))
    # A session that ended must not put the sign-in page into a table.
    return HttpResponseClientRedirect(answer.url) if request.htmx else answer


def _guard(view: Any, allowed: Callable[[Viewer], bool]) -> Any:
    @wraps(view)
    def guarded(request: PortalRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.viewer.user_id is None:
            return _to_sign_in(request)
        if not allowed(request.viewer):
            raise Http404
        answer: HttpResponseBase = view(request, *args, **kwargs)
        return answer

    return guarded


def document_page(request: PortalRequest) -> str:
    """
    Return the name of the page on which this audience reads a document, which takes its key.
    """
    pages = {Kind.OPERATOR: "ops-invoice", Kind.PARTNER: "heat-bill"}
    return pages.get(request.viewer.kind or Kind.TENANT, "hosting-invoice")


def for_kind(kind: Kind) -> Callable[[View[P]], Guarded[P]]:
    """
    Let members of stakeholders of one kind through. Strangers are led to sign in; others get
    404, as if the page were not there.
    """
    return lambda view: _guard(view, lambda viewer: viewer.kind is kind)


def for_action(action: Action) -> Callable[[View[P]], Guarded[P]]:
    """
    Let those through whose role allows the action; 404 for others.
    """
    return lambda view: _guard(view, lambda viewer: viewer.can(action))


def for_members(view: View[P]) -> Guarded[P]:
    """
    Let everybody through who is signed in and acts for a stakeholder.
    """
    guarded: Guarded[P] = _guard(view, lambda viewer: viewer.is_member)
    return guarded


def for_people(view: View[P]) -> Guarded[P]:
    """
    Let everybody through who is signed in, also a person who acts for nobody yet.
    """
    guarded: Guarded[P] = _guard(view, lambda viewer: True)
    return guarded
