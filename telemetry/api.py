"""
Readings from gateways.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import authentication, exceptions, permissions, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from telemetry import formats, operations, queries


class NotAFormat(exceptions.APIException):
    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE

    def __init__(self) -> None:
        super().__init__(f"Send one of these as Content-Type: {', '.join(formats.media_types())}.")


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is larger than this portal takes. Send it in several parts."


class GatewayAuthentication(authentication.BaseAuthentication):
    """
    `Authorization: Bearer wg_...` or `Token wg_...`; `request.auth` is the gateway.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Any] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() not in {"bearer", "token"} or not token.strip():
            return None
        gateway = operations.gateway_of_token(token.strip())
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


class ReadingInput(serializers.Serializer[Any]):
    """
    One reading as sent.
    """

    channel = serializers.CharField(help_text="Key of the channel, such as pool-heat.energy")
    at = serializers.DateTimeField(help_text="ISO 8601 with offset or Z")
    value = serializers.DecimalField(max_digits=24, decimal_places=9)


_COUNTS = {
    name: serializers.IntegerField()
    for name in ("batch_id", "rows", "accepted", "duplicate", "conflicting", "rejected")
}


class Readings(APIView):
    """
    Readings of one gateway's site. Sending a batch again is safe.
    """

    authentication_classes = [GatewayAuthentication]
    permission_classes = [IsGateway]

    @extend_schema(
        request={"application/json": ReadingInput(many=True), "text/csv": str},
        responses={200: inline_serializer("IngestCounts", fields=_COUNTS)},  # type: ignore[arg-type]
    )
    def post(self, request: Request) -> Response:
        """
        Take readings in the format that Content-Type names. Rows in error are refused and kept,
        the rest is stored; a body of which no row can be stored answers 422.
        """
        format = formats.of_media_type(request.content_type)
        if format is None:
            raise NotAFormat
        if int(request.headers.get("Content-Length") or 0) > settings.INGEST_MAX_BODY_BYTES:
            raise TooLarge
        gateway: Any = request.auth
        try:
            result = operations.ingest(
                site_id=gateway.site_id,
                # The plain request streams; `request.data` would hold the body in memory.
                stream=request._request,  # type: ignore[arg-type]
                format=format.name,
                source="http",  # type: ignore[arg-type]
                received_at=timezone.now(),
                gateway_id=gateway.pk,
                options=request.query_params.dict(),
            )
        except formats.NotReadable as problem:
            raise exceptions.ParseError(str(problem)) from None
        body = {
            **dataclasses.asdict(result),
            "problems": queries.problems_of_batch(batch_id=result.batch_id, limit=20),
        }
        if result.rejected + result.conflicting == result.rows and result.rows:
            return Response({"detail": "No row could be stored.", **body}, status=422)
        return Response(body)
