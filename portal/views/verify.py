"""
Where anybody checks a statement: by its address, by its file; and what machines need for it. No
account, no cookie.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from portal.forms.statements import Upload
from portal.views.statement_files import file_of
from telemetry import queries
from telemetry.documents.badge import badge
from telemetry.documents.check import Verdict, check_upload, outcome_of
from telemetry.documents.statements import did_document
from telemetry.documents.words import boxes, rows
from telemetry.domain.statement import fingerprint

_for_machines = cache_control(public=True, max_age=300)


# Nothing is changed and nobody is known here, so there is nothing to forge.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: HttpRequest) -> HttpResponseBase:
    """
    Check the file or text of a statement.
    """
    form = Upload(request.POST, request.FILES) if request.method == "POST" else Upload()
    verdict: Verdict | None = None
    if request.method == "POST" and form.is_valid():
        verdict = check_upload(form.given(), at=timezone.now())
    subject = verdict.content.get("credentialSubject") if verdict and verdict.content else None
    context: dict[str, Any] = {
        "form": form,
        "verdict": verdict,
        "rows": rows(subject) if subject else [],
        "subject": subject,
    }
    return render(request, "public/verify.html", context)


@never_cache
@require_safe
def by_address(request: HttpRequest, public_id: uuid.UUID) -> HttpResponseBase:
    """
    Whether the statement of a code or an id holds. Its figures are not shown: they are the
    tenant's to show.
    """
    shown = queries.public_statement(public_id=public_id)
    if shown is None:
        raise Http404
    context = {
        "statement": shown,
        "operator": shown.operator,
        "outcome": outcome_of(shown, timezone.now()),
        "fingerprint": fingerprint(bytes(shown.content_sha256)),
    }
    return render(request, "public/verify_one.html", context)


@never_cache
@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponseBase:
    """
    A statement its tenant shares, with its figures and files.
    """
    shown = queries.shared_statement(token=token)
    if shown is None:
        raise Http404
    if asked := request.GET.get("format"):
        return file_of(shown, asked)
    context = {
        "statement": shown,
        "operator": shown.operator,
        "outcome": outcome_of(shown, timezone.now()),
        "boxes": boxes(rows(shown.content)),
        "fingerprint": fingerprint(bytes(shown.content_sha256)),
        "checks": queries.checks_of(statement=shown, at=timezone.now()),
    }
    return render(request, "public/statement.html", context)


@_for_machines
@require_safe
def statement_badge(request: HttpRequest, token: str) -> HttpResponse:
    """
    The picture of a shared statement for the tenant's own pages.
    """
    shown = queries.shared_statement(token=token)
    if shown is None:
        raise Http404
    answer = HttpResponse(
        badge(statement=shown, at=timezone.now()), content_type="image/svg+xml; charset=utf-8"
    )
    # It is made to stand on other pages.
    answer["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


@_for_machines
@require_safe
def did(request: HttpRequest, operator: str) -> HttpResponse:
    """
    The DID document of an operator (did:web): the keys its statements are signed with.
    """
    found = queries.issuer(operator_slug=operator)
    if found is None:
        raise Http404
    document = did_document(
        issuer=queries.Issuer.of(found), keys=queries.issuer_keys(operator_ids=[found.pk])
    )
    return JsonResponse(document, content_type="application/did+json")


@_for_machines
@require_safe
def status_list(request: HttpRequest, operator: str) -> HttpResponse:
    """
    The signed list of the operator's statements that ended, with its proof, or as vc+jwt where
    that is asked for.
    """
    found = queries.issuer(operator_slug=operator)
    register = queries.status_list(operator_id=found.pk) if found else None
    if register is None:
        raise Http404
    if "application/vc+jwt" in request.headers.get("Accept", ""):
        return HttpResponse(register.status_jwt, content_type="application/vc+jwt")
    return JsonResponse(register.status_document, content_type="application/vc")
