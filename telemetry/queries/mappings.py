"""
Reads of column mappings and of what they are checked against.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from sites.access import Viewer
from telemetry.models import Channel, ColumnMapping, Installation, Meter


def mapping_spec(*, site_id: int, code: str) -> Any:
    """
    Return what the mapping of the site's operator says; None where there is none.
    """
    return (
        ColumnMapping.objects.filter(operator__sites=site_id, code=code)
        .values_list("spec", flat=True)
        .first()
    )


def units_of_channels(*, site_id: int) -> dict[str, list[str]]:
    """
    Return the units of each channel's readings: one as a rule, none where neither meter nor
    channel states it (as for a register that nobody described yet), several where meters of
    different units came one after the other.
    """
    channels = Channel.objects.filter(site_id=site_id)
    units = {key: [unit] if unit else [] for key, unit in channels.values_list("key", "unit")}
    installed = Installation.objects.filter(point__site_id=site_id)
    dials: dict[tuple[int, str], set[str]] = {}
    for point_id, quantity, unit in installed.filter(meter__registers__isnull=False).values_list(
        "point_id", "meter__registers__quantity", "meter__registers__unit"
    ):
        dials.setdefault((point_id, quantity), set()).add(unit)
    mains: dict[tuple[int, str], set[str]] = {}
    for point_id, kind, unit in installed.values_list("point_id", "meter__kind", "meter__unit"):
        counts = "volume" if kind in {Meter.Kind.WATER, Meter.Kind.GAS} else "energy"
        mains.setdefault((point_id, counts), set()).add(unit)
    registers = channels.filter(kind=Channel.Kind.REGISTER)
    for key, point_id, quantity in registers.values_list("key", "point_id", "quantity"):
        found = dials.get((point_id, quantity)) or mains.get((point_id, quantity))
        if found:
            units[key] = sorted(found)
    return units


def mappings(*, viewer: Viewer, search: str = "") -> QuerySet[ColumnMapping]:
    """
    Return the column mappings the viewer may see, by name.
    """
    rows = ColumnMapping.objects.visible_to(viewer).select_related("changed_by").order_by("name")
    if search:
        rows = rows.filter(Q(name__icontains=search) | Q(code__icontains=search))
    return rows
