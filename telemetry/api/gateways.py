"""
Who sends readings, and the body as it was sent.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import InterfaceError, OperationalError
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions, permissions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from telemetry import formats, operations


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is larger than this portal takes. Send it in several parts."
    default_code = "request too large"


class LengthRequired(exceptions.APIException):
    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "Say the length of the body with Content-Length."
    default_code = "length required"


class NotSupported(exceptions.APIException):
    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE
    default_code = "unsupported media type"


class Unavailable(exceptions.APIException):
    """
    The database is away: nothing is wrong with the request, so its sender keeps it.
    """

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The readings cannot be stored now. Send them again."
    default_code = "unavailable"
    # Seconds, for Retry-After.
    wait = 5


class GatewayAuthentication(authentication.BaseAuthentication):
    """
    `Authorization: Bearer wg_...` or `Token wg_...`, or Basic with the token as password, as
    clients of InfluxDB 1 send it; `request.auth` is the gateway.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Any] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        scheme, token = scheme.lower(), token.strip()
        if scheme == "basic":
            token = _password(token)
        elif scheme not in {"bearer", "token"}:
            return None
        if not token:
            return None
        gateway = operations.gateway_of_token(token)
        if gateway is None:
            raise exceptions.AuthenticationFailed("This token is not known.")
        return AnonymousUser(), gateway

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class GatewayAuthenticationScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = GatewayAuthentication
    name = "gatewayToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class IsGateway(permissions.BasePermission):
    """
    Only a gateway's token may send readings.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.auth is not None


class GatewayView(APIView):
    """
    What gateways call.
    """

    authentication_classes = [GatewayAuthentication]
    permission_classes = [IsGateway]

    def handle_exception(self, exc: Exception) -> Response:
        """
        Answer 503 while the database is away, so that the sender tries again.
        """
        away = isinstance(exc, OperationalError | InterfaceError)
        response: Response = super().handle_exception(Unavailable() if away else exc)
        return response


def _password(credentials: str) -> str:
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text.partition(":")[2]


class Body:
    """
    The body as it comes over the wire: never more than allowed, never less than announced.
    """

    def __init__(self, stream: formats.Source, length: int | None) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int, /) -> bytes:
        """
        Return the next bytes.

        :raises formats.NotReadable: if the sender left off in the middle
        """
        try:
            data = self._stream.read(size)
        except OSError:
            data = b""
            self._left = self._left or 1
        if self._left is not None:
            self._left -= len(data)
            if not data and self._left:
                raise formats.NotReadable("The body ended before it was complete.")
        return data


def body_of(request: Request) -> formats.Source:
    """
    Return the body of a request as it was before compression, within the limits of both.
    `request.data` would hold it in memory.
    """
    plain = request._request
    limit = settings.INGEST_MAX_BODY_BYTES
    given = request.headers.get("Content-Length", "")
    if given.isdecimal():
        if int(given) > limit:
            raise TooLarge
        body = Body(plain, int(given))
    elif plain.META.get("wsgi.input_terminated") and "Transfer-Encoding" in request.headers:
        # Django takes a body without length for an empty one.
        body = Body(plain.META["wsgi.input"], None)
    else:
        raise LengthRequired
    try:
        return formats.inflated(
            formats.Limited(body, limit),
            encoding=request.headers.get("Content-Encoding", ""),
            max_bytes=settings.INGEST_MAX_INFLATED_BYTES,
        )
    except formats.UnknownEncoding as problem:
        raise NotSupported(str(problem)) from None
