"""
Channels, their readings and their rollups, for the people and machines that may see them.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, generics, pagination, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sites.api import Pages, viewer_of
from sites.domain import Period
from telemetry import queries

_GRAINS = ["hour", "day", "month"]
_LONGEST = dt.timedelta(days=32)


class ChannelFilter(serializers.Serializer[Any]):
    """
    Which channels are wanted.
    """

    site = serializers.SlugField(required=False, help_text="Slug of the site")
    point = serializers.SlugField(required=False, help_text="Code of the metering point")
    quantity = serializers.CharField(required=False, help_text="Such as energy or supply")
    key = serializers.CharField(required=False, help_text="Key that gateways write")


class ChannelOutput(serializers.Serializer[Any]):
    """
    A channel. Registers are read in the unit of the meter that is installed.
    """

    id = serializers.IntegerField()
    site = serializers.CharField(source="point.site.slug")
    point = serializers.CharField(source="point.code")
    boundary = serializers.CharField(source="point.boundary")
    key = serializers.CharField()
    quantity = serializers.CharField()
    kind = serializers.CharField()
    unit = serializers.CharField()
    interval_s = serializers.IntegerField(allow_null=True)
    last_hour = serializers.DateTimeField(allow_null=True)


class Range(serializers.Serializer[Any]):
    """
    From an instant until just before another; ISO 8601, UTC where no offset is given.
    """

    start = serializers.DateTimeField(required=False)
    end = serializers.DateTimeField(required=False)


class RollupFilter(Range):
    """
    Which rollups are wanted.
    """

    resolution = serializers.ChoiceField(_GRAINS, default="day")
    channel = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    site = serializers.SlugField(required=False)


class ReadingOutput(serializers.Serializer[Any]):
    """
    A reading as the meter sent it, in the unit of its channel.
    """

    at = serializers.DateTimeField()
    value = serializers.DecimalField(max_digits=24, decimal_places=9, normalize_output=True)


class RollupOutput(serializers.Serializer[Any]):
    """
    A channel over a local hour, day or month; the peak is the greatest mean power of a quarter
    of an hour, kW. Energy in kWh, null where nothing is known of it;
    mean, minimum and maximum in the unit of the channel; coverage from 0 to 1.
    """

    channel = serializers.IntegerField(source="channel_id")
    start_at = serializers.DateTimeField()
    end_at = serializers.DateTimeField()
    energy_kwh = serializers.DecimalField(24, 9, allow_null=True, normalize_output=True)
    estimated_kwh = serializers.DecimalField(24, 9, normalize_output=True)
    peak_kw = serializers.DecimalField(24, 9, allow_null=True, normalize_output=True)
    peak_at = serializers.DateTimeField(allow_null=True)
    mean = serializers.DecimalField(24, 9, allow_null=True, normalize_output=True)
    minimum = serializers.DecimalField(24, 9, allow_null=True, normalize_output=True)
    maximum = serializers.DecimalField(24, 9, allow_null=True, normalize_output=True)
    samples = serializers.IntegerField()
    coverage = serializers.DecimalField(7, 6, normalize_output=True)
    quality = serializers.CharField()
    version = serializers.IntegerField()


class QuarterOutput(serializers.Serializer[Any]):
    """
    A channel over fifteen minutes. Energy in kWh, null where nothing is known of it; `kept` is
    false where nothing was read inside the hour, and the quarter is a fourth of it.
    """

    start_at = serializers.DateTimeField()
    energy_kwh = serializers.DecimalField(24, 11, allow_null=True, normalize_output=True)
    estimated_kwh = serializers.DecimalField(24, 11, normalize_output=True)
    mean = serializers.DecimalField(24, 9, allow_null=True, normalize_output=True)
    minimum = serializers.DecimalField(24, 9, allow_null=True, normalize_output=True)
    maximum = serializers.DecimalField(24, 9, allow_null=True, normalize_output=True)
    coverage = serializers.DecimalField(7, 6, normalize_output=True)
    quality = serializers.CharField()
    kept = serializers.BooleanField()


class QuarterRange(serializers.Serializer[Any]):
    """
    From an instant until just before another, at most 32 days.
    """

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class ByTime(pagination.CursorPagination):
    """
    A thousand rows at a time unless asked otherwise, oldest first. Rows that come in meanwhile
    shift no page.
    """

    page_size = 1000
    page_size_query_param = "limit"
    max_page_size = 10_000
    ordering: str | tuple[str, ...] = "at"


class ByStart(ByTime):
    ordering = ("start_at", "channel_id")


class Channels(generics.GenericAPIView[Any]):
    """
    The channels of the stakeholder one acts for, by site and key.
    """

    serializer_class = ChannelOutput
    pagination_class = Pages

    @extend_schema(parameters=[ChannelFilter], responses=ChannelOutput(many=True))
    def get(self, request: Request) -> Response:
        """
        Operators see the channels of their sites; customers those of their own points.
        """
        wanted = _wanted(ChannelFilter, request)
        page = self.paginate_queryset(queries.channels_by_name(viewer=viewer_of(request), **wanted))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class ChannelReadings(generics.GenericAPIView[Any]):
    """
    The readings of one channel as they were sent.
    """

    serializer_class = ReadingOutput
    pagination_class = ByTime

    @extend_schema(parameters=[Range], responses=ReadingOutput(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """
        404 for a channel that is not there or not the viewer's.
        """
        page = self.paginate_queryset(_readings(request, pk))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class ChannelReadingsCsv(APIView):
    """
    The readings of one channel as CSV, however many they are.
    """

    @extend_schema(parameters=[Range], responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, pk: int) -> StreamingHttpResponse:
        """
        Columns at (UTC) and value. 404 as for the readings in JSON.
        """
        rows = _readings(request, pk).values_list("at", "value").iterator(chunk_size=10_000)
        cells = ((at.isoformat(), f"{value.normalize():f}") for at, value in rows)
        response = StreamingHttpResponse(_csv(["at", "value"], cells), content_type="text/csv")
        response["Content-Disposition"] = f'attachment; filename="readings-{pk}.csv"'
        return response


class ChannelQuarters(APIView):
    """
    The quarters of an hour of one channel, gaps included.
    """

    @extend_schema(parameters=[QuarterRange], responses=QuarterOutput(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """
        Those that begin within the range. 404 for a channel that is not there or not the viewer's.
        """
        channel = get_object_or_404(queries.channels(viewer=viewer_of(request)), pk=pk)
        wanted = _wanted(QuarterRange, request)
        if wanted["end"] - wanted["start"] > _LONGEST:
            raise exceptions.ValidationError({"end": ["Ask for at most 32 days at a time."]})
        if wanted["start"].timestamp() % 900:
            raise exceptions.ValidationError(
                {"start": ["Quarters begin at 0, 15, 30 and 45 minutes past the hour."]}
            )
        rows = queries.quarter_hours(
            channel_id=channel.pk, period=Period(wanted["start"], wanted["end"])
        )
        return Response(QuarterOutput(rows, many=True).data)


class Rollups(generics.GenericAPIView[Any]):
    """
    Quantities per local hour, day or month of the site, oldest first.
    """

    serializer_class = RollupOutput
    pagination_class = ByStart

    @extend_schema(parameters=[RollupFilter], responses=RollupOutput(many=True))
    def get(self, request: Request) -> Response:
        """
        Of the channels the viewer may see, those that begin within the range.
        """
        wanted = _wanted(RollupFilter, request)
        page = self.paginate_queryset(
            queries.rollups_between(
                viewer=viewer_of(request),
                grain=wanted["resolution"],
                start=wanted.get("start"),
                end=wanted.get("end"),
                channel_id=wanted.get("channel"),
                site=wanted.get("site"),
            )
        )
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


def _wanted(filter: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    asked = filter(data=request.query_params)
    asked.is_valid(raise_exception=True)
    found: dict[str, Any] = asked.validated_data
    start, end = found.get("start"), found.get("end")
    if start is not None and end is not None and end <= start:
        raise exceptions.ValidationError({"end": ["The end has to be after the start."]})
    return found


def _readings(request: Request, pk: int) -> Any:
    viewer = viewer_of(request)
    channel = get_object_or_404(queries.channels(viewer=viewer), pk=pk)
    return queries.readings_between(viewer=viewer, channel_id=channel.pk, **_wanted(Range, request))


class _Line:
    """
    What the writer of the csv module writes to: it hands the line back.
    """

    def write(self, line: str) -> str:
        return line


def _csv(header: list[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(header)
    for row in rows:
        yield writer.writerow(row)
