"""
Which of a heat customer's buildings a page is about.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404

from portal.views.base import PortalRequest
from sites import queries


def chosen_building(request: PortalRequest) -> tuple[list[Any], Any]:
    """
    Return the viewer's buildings and the chosen one, the first where none was chosen; None
    where there is none.
    """
    buildings = queries.buildings(viewer=request.viewer)
    asked = request.GET.get("building", "")
    if asked:
        chosen = next((b for b in buildings if str(b.pk) == asked), None)
        if chosen is None:
            raise Http404
        return buildings, chosen
    return buildings, buildings[0] if buildings else None
