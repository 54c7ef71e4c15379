"""
What several pages look up by their address, and show in a form.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import Http404
from django.shortcuts import get_object_or_404

from portal.views.base import PortalRequest
from sites import queries


def own_organisation(request: PortalRequest) -> Any:
    """
    Return the organisation the viewer acts for.
    """
    viewer = request.viewer
    return get_object_or_404(queries.organisations(viewer=viewer), pk=viewer.stakeholder_id)


def delivery_point(request: PortalRequest, pk: int) -> Any:
    """
    Return a delivery point the viewer may see, with its site and its heat partner.
    """
    return _only(queries.buildings(viewer=request.viewer, pk=pk))


def hosting_service(request: PortalRequest, pk: int) -> Any:
    """
    Return a hosting service the viewer may see, with its site and its tenant.
    """
    return _only(queries.hosting_services(viewer=request.viewer, pk=pk))


def _only(rows: list[Any]) -> Any:
    if not rows:
        raise Http404
    return rows[0]


def fields_of(row: Any, form: type[forms.Form]) -> dict[str, Any]:
    """
    Return what a form that changes a row begins with.
    """
    return {name: getattr(row, name) for name in form.base_fields}
