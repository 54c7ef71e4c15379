"""
Reads of people and places.
"""

from __future__ import annotations

from sites.access import STRANGER, Kind, Role, Viewer
from sites.models import Membership


def viewer_for(*, user_id: int | None, stakeholder_id: int | None) -> Viewer:
    """
    Return the user acting for the chosen stakeholder, or for their first one where the choice
    is absent or no longer theirs; a stranger where there is none.
    """
    if user_id is None:
        return STRANGER
    memberships = list(
        Membership.objects.filter(user_id=user_id, user__is_active=True)
        .select_related("stakeholder")
        .order_by("stakeholder__name", "pk")
    )
    if not memberships:
        return Viewer(user_id=user_id)
    chosen = next((m for m in memberships if m.stakeholder_id == stakeholder_id), memberships[0])
    return Viewer(
        user_id=user_id,
        stakeholder_id=chosen.stakeholder_id,
        kind=Kind(chosen.stakeholder.kind),
        role=Role(chosen.role),
    )
