"""
The writing half of InfluxDB's interface, so that what can send to InfluxDB can send here.
"""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from telemetry import operations, queries
from telemetry.api.gateways import GatewayView
from telemetry.api.ingest import take_in

_CODES = {400: "invalid", 401: "unauthorized", 405: "method not allowed"}
_NAMED = 20


class Write(GatewayView):
    """
    Line protocol of InfluxDB 2. The gateway decides the site, so organisation and bucket are
    not looked at; nor is the Content-Type, which curl gets wrong.
    """

    @extend_schema(
        request={"text/plain": str},
        parameters=[
            OpenApiParameter("precision", enum=["ns", "us", "ms", "s"], default="ns"),
            OpenApiParameter("org", description="Not looked at"),
            OpenApiParameter("bucket", description="Not looked at"),
        ],
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        """
        Store the fields of each line as readings; see the documentation for how lines name
        channels. 204 where every row is stored now or was before; 400 names the lines that are
        not, while the others are.
        """
        result = take_in(request, format="line")
        not_stored = result.rejected + result.conflicting
        if not_stored:
            return self._answer(
                _partial(result, not_stored), code="invalid", status=status.HTTP_400_BAD_REQUEST
            )
        return Response(status=status.HTTP_204_NO_CONTENT)

    def handle_exception(self, exc: Exception) -> Response:
        """
        Answer as InfluxDB does: a code and a message.
        """
        response: Response = super().handle_exception(exc)
        code = _CODES.get(response.status_code) or str(getattr(exc, "default_code", "unavailable"))
        answer = self._answer(str(response.data["detail"]), code=code, status=response.status_code)
        for name in ("WWW-Authenticate", "Retry-After"):
            if name in response:
                answer[name] = response[name]
        return answer

    def _answer(self, message: str, *, code: str, status: int) -> Response:
        return Response({"code": code, "message": message}, status=status)


class WriteV1(Write):
    """
    The same for clients of InfluxDB 1: user and database are not looked at, the password is the
    gateway's token.
    """

    @extend_schema(
        request={"text/plain": str},
        parameters=[
            OpenApiParameter("precision", enum=["ns", "u", "ms", "s", "m", "h"], default="ns"),
            OpenApiParameter("db", description="Not looked at"),
        ],
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        """
        As /api/v2/write.
        """
        return super().post(request)

    def _answer(self, message: str, *, code: str, status: int) -> Response:
        # Header values are one line of Latin letters.
        short = message.encode("ascii", "replace").decode().partition("\n")[0]
        return Response({"error": message}, status=status, headers={"X-Influxdb-Error": short})


class Ping(APIView):
    """
    What clients of InfluxDB ask first: whether somebody is there.
    """

    authentication_classes = []
    permission_classes = []

    @extend_schema(responses={204: None})
    def get(self, request: Request) -> Response:
        """
        204, always; `/readyz` says whether the portal can work.
        """
        return Response(status=status.HTTP_204_NO_CONTENT)

    head = get


def _partial(result: operations.IngestResult, not_stored: int) -> str:
    problems = queries.problems_of_batch(batch_id=result.batch_id, limit=_NAMED)
    lines = [f"line {p['row']}: {p['detail']} ({p['text']})" for p in problems]
    if not_stored > len(lines):
        lines.append(f"and {not_stored - len(lines)} more")
    stored = result.rows - not_stored
    head = f"partial write: {not_stored} of {result.rows} fields were not stored"
    return "\n".join([f"{head}, {stored} were" if stored else head, *lines])
