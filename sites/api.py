"""
Places for the machines and people that may see them.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, pagination, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from sites import queries
from sites.access import Viewer


class Pages(pagination.LimitOffsetPagination):
    """
    Fifty rows at a time unless asked otherwise.
    """

    default_limit = 50
    max_limit = 500


def viewer_of(request: Request) -> Viewer:
    """
    Return who is asking, as the middleware found it.
    """
    viewer: Viewer = request._request.viewer  # type: ignore[attr-defined]
    return viewer


class SiteOutput(serializers.Serializer[Any]):
    """
    A site; powers in kW. Times of its readings are given in UTC, its days are those of `timezone`.
    """

    slug = serializers.SlugField()
    name = serializers.CharField()
    town = serializers.CharField()
    country = serializers.CharField()
    timezone = serializers.CharField()
    currency = serializers.CharField()
    phase = serializers.CharField()
    rated_it_kw = serializers.DecimalField(max_digits=9, decimal_places=2)
    capture_kw = serializers.DecimalField(max_digits=9, decimal_places=2)
    data_note = serializers.CharField()


class Sites(generics.GenericAPIView[Any]):
    """
    The sites of the stakeholder one acts for, by name.
    """

    serializer_class = SiteOutput
    pagination_class = Pages

    @extend_schema(responses=SiteOutput(many=True))
    def get(self, request: Request) -> Response:
        """
        Operators see their own sites; customers those where they take heat or host servers.
        """
        page = self.paginate_queryset(queries.sites(viewer=viewer_of(request)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
