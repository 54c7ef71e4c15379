"""
What every request passes through: an id for the logs, the content policy, and who is looking.
"""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject

from sites import queries
from sites.access import Kind
from telemetry.archive import ArchiveUnreadable

logger = structlog.get_logger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]

SESSION_STAKEHOLDER = "stakeholder_id"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)


class RequestIdMiddleware:
    """
    Gives each request an id that stands in its log lines and in the answer's X-Request-ID.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            logger.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                milliseconds=round((time.monotonic() - started) * 1000, 1),
            )
        response["X-Request-ID"] = request_id
        return response


class ContentSecurityPolicyMiddleware:
    """
    Sends one strict policy with every answer: nothing inline, nothing from elsewhere.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response


class ViewerMiddleware:
    """
    Sets `request.viewer`: the signed-in person acting for the stakeholder chosen in the session.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.viewer = SimpleLazyObject(  # type: ignore[attr-defined]
            lambda: queries.viewer_for(
                user_id=request.user.pk,
                stakeholder_id=request.session.get(SESSION_STAKEHOLDER),
            )
        )
        response = self.get_response(request)
        # A page that never asked who is looking is the same for everybody; asking only now would
        # make it depend on the cookie.
        if request.session.accessed and request.user.is_authenticated:
            # Reception desks share a computer: nothing of a signed-in page stays in a cache.
            response["Cache-Control"] = "private, no-store"
        patch_vary_headers(response, ["HX-Request"])
        return response


class ArchiveMiddleware:
    """
    Says so where readings are in the archive and cannot be had, instead of showing too few; the
    operator is told which file.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, ArchiveUnreadable):
            return None
        logger.error("archive unreadable", problem=str(exception))
        is_operator = request.viewer.kind is Kind.OPERATOR  # type: ignore[attr-defined]
        problem = str(exception) if is_operator else ""
        answer: HttpResponse
        if request.path.startswith("/api/"):
            detail = problem or "These readings are in the archive, which cannot be read now."
            answer = JsonResponse({"detail": detail}, status=503)
        else:
            answer = render(request, "503.html", {"problem": problem}, status=503)
        answer["Retry-After"] = "60"
        return answer
