"""
The people of the stakeholder one acts for.
"""

from __future__ import annotations

from django.http import HttpResponseBase
from django.shortcuts import render

from portal.views.base import PortalRequest, for_members
from sites import queries


@for_members
def people(request: PortalRequest) -> HttpResponseBase:
    """
    Who acts for the stakeholder, in which role.
    """
    members = queries.members(viewer=request.viewer)
    return render(request, "accounts/people.html", {"members": members})
