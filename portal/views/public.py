"""
Pages for everybody: sites whose operator opted in. They ask nothing about the reader, set no
cookie and may be cached.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from sites import queries as places

CACHED_S = 300


def _for_everybody(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return view(request, *args, **kwargs)

    return require_safe(cache_control(public=True, max_age=CACHED_S)(shown))


@_for_everybody
def operator(request: HttpRequest, operator: str) -> HttpResponseBase:
    """
    The public sites of an operator; 404 where there is none.
    """
    sites = list(places.public_sites(operator_slug=operator))
    if not sites:
        raise Http404
    return render(request, "public/operator.html", {"operator": sites[0].operator, "sites": sites})


@_for_everybody
def site(request: HttpRequest, operator: str, site: str) -> HttpResponseBase:
    """
    What one public site does, with its figures and how they are made.
    """
    shown = get_object_or_404(places.public_sites(operator_slug=operator), slug=site)
    context = {
        "operator": shown.operator,
        "site": shown,
        "uses": places.public_heat_uses(site_id=shown.pk),
    }
    return render(request, "public/site.html", context)
