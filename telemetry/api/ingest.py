"""
Readings from gateways.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from telemetry import formats, operations, queries
from telemetry.api.gateways import (
    GatewayView,
    NotSupported,
    TooLarge,
    body_of,
)


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
_BODIES: dict[str, Any] = {
    **dict.fromkeys(formats.media_types(), str),
    "application/json": ReadingInput(many=True),
}


def take_in(request: Request, *, format: str) -> operations.IngestResult:
    """
    Store the readings of a gateway's request, and answer 400 or 413 for a body of which nothing
    can be taken.
    """
    gateway: Any = request.auth
    stream = body_of(request)
    try:
        return operations.ingest(
            site_id=gateway.site_id,
            stream=stream,
            format=format,
            source="http",  # type: ignore[arg-type]
            received_at=timezone.now(),
            gateway_id=gateway.pk,
            options=request.query_params.dict(),
        )
    except formats.TooLarge as problem:
        raise TooLarge(str(problem)) from None
    except formats.NotReadable as problem:
        raise exceptions.ParseError(str(problem)) from None


class Readings(GatewayView):
    """
    Readings of one gateway's site. Sending a batch again is safe.
    """

    @extend_schema(
        request=_BODIES,
        responses={200: inline_serializer("IngestCounts", fields=_COUNTS)},  # type: ignore[arg-type]
    )
    def post(self, request: Request) -> Response:
        """
        Take readings in the format that Content-Type names, compressed as Content-Encoding says
        (gzip, deflate, zstd). Rows in error are refused and kept, the rest is stored; a body of
        which no row can be stored answers 422.
        """
        format = formats.of_media_type(request.content_type)
        if format is None:
            raise NotSupported(
                f"Send one of these as Content-Type: {', '.join(formats.media_types())}."
            )
        result = take_in(request, format=format.name)
        body = {
            **dataclasses.asdict(result),
            "problems": queries.problems_of_batch(batch_id=result.batch_id, limit=20),
        }
        if result.rejected + result.conflicting == result.rows and result.rows:
            return Response({"detail": "No row could be stored.", **body}, status=422)
        return Response(body)
