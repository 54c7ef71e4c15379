"""
The documents of the methods statements were made by, each kept as it was.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.views.public import for_everybody
from telemetry.documents.methods import VERSIONS, digest_of


@for_everybody
@require_safe
def method(request: HttpRequest, version: str) -> HttpResponseBase:
    """
    One version of the method, with its digest.
    """
    if version not in VERSIONS:
        raise Http404
    context = {
        "version": version,
        "versions": list(VERSIONS),
        "newest": version == VERSIONS[-1],
        "sha256": digest_of(version),
        "document": f"methods/{version}.html",
    }
    return render(request, "public/method.html", context)
