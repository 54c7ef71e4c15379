"""
Profiles of meter makes, and telegrams that wait for one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Count, F, Q, QuerySet

from sites.access import Viewer
from sites.models import Site
from telemetry.domain.meter_profiles import Bytes, Coding, Profile, Take
from telemetry.models import (
    Installation,
    MeterProfile,
    MeterProfileLine,
    RejectedReading,
    TelegramLayout,
)


def profiles_of_site(*, site_id: int) -> list[Profile]:
    """
    Return the profiles that telegrams of a site are read by: its operator's and those that come
    with the portal.
    """
    operator = Site.objects.values("operator").filter(pk=site_id)
    return _in_force(Q(operator__isnull=True) | Q(operator__in=operator))


def profiles_in_force(*, viewer: Viewer) -> list[Profile]:
    """
    Return the profiles that the telegrams of a viewer are read by.
    """
    return _in_force(Q(pk__in=MeterProfile.objects.visible_to(viewer)))


def _in_force(which: Q) -> list[Profile]:
    rows = MeterProfile.objects.filter(which, superseded_at__isnull=True)
    return [as_profile(row) for row in rows.prefetch_related("lines")]


def as_profile(row: MeterProfile) -> Profile:
    """
    Return a stored profile as it is worked with; its lines should be fetched with it.
    """
    return Profile(
        manufacturer=row.manufacturer, first_version=row.first_version,
        last_version=row.last_version, medium=row.medium, since=row.valid.lower,
        until=row.valid.upper, own=row.operator_id is not None,
        takes=tuple(_take(line) for line in row.lines.all()), pk=row.pk, name=row.name,
    )  # fmt: skip


def _take(line: MeterProfileLine) -> Take:
    place = None
    if line.first_byte is not None and line.byte_count is not None:
        place = Bytes(line.first_byte, line.byte_count, Coding(line.coding))
    return Take(
        quantity=line.quantity, measured=line.measured, function=line.function,
        storage=line.storage, tariff=line.tariff, device=line.device, nth=line.nth,
        unit=line.unit, factor=line.factor, place=place,
    )  # fmt: skip


def meter_profiles(
    *, viewer: Viewer, search: str = "", past: bool = False
) -> QuerySet[MeterProfile, MeterProfile]:
    """
    Return the profiles a viewer may see, those that took another's place only with `past`.
    """
    rows = (
        MeterProfile.objects.visible_to(viewer)
        .select_related("set_by")
        .annotate(line_count=Count("lines"), from_at=F("valid__startswith"))
        .order_by("manufacturer", "first_version", "medium", "-set_at", "pk")
    )
    if search:
        rows = rows.filter(Q(name__icontains=search) | Q(manufacturer__icontains=search))
    return rows if past else rows.filter(superseded_at__isnull=True)


def kept_telegrams(*, viewer: Viewer) -> QuerySet[RejectedReading]:
    """
    Return the M-Bus telegrams that could not be placed and wait, the newest first.
    """
    return (
        RejectedReading.objects.visible_to(viewer)
        .filter(
            batch__format="mbus", reason=RejectedReading.Reason.UNREADABLE,
            resolved_by__isnull=True,
        )
        .select_related("batch__site")
        .order_by("-pk")
    )  # fmt: skip


def site_of_meter(*, viewer: Viewer, plain_serial: str) -> int | None:
    """
    Return where a meter of the viewer's is or was last, by its serial without leading zeros.
    """
    rows = (
        Installation.objects.visible_to(viewer)
        .filter(meter__serial__iregex=rf"^\s*0*{plain_serial}\s*$")
        .order_by("-valid")
    )
    return rows.values_list("point__site_id", flat=True).first()


def sites_with_kept_telegrams(*, viewer: Viewer) -> list[int]:
    """
    Return the sites of a viewer at which telegrams wait.
    """
    rows = kept_telegrams(viewer=viewer).order_by("batch__site_id")
    return list(rows.values_list("batch__site_id", flat=True).distinct())


def layouts_of_site(*, site_id: int) -> dict[int, dict[int, tuple[bytes, ...]]]:
    """
    Return what full telegrams of a site's meters said of their records, by meter and signature.
    """
    found: defaultdict[int, dict[int, tuple[bytes, ...]]] = defaultdict(dict)
    rows = TelegramLayout.objects.filter(meter__installations__point__site_id=site_id)
    for meter_id, signature, heads in rows.values_list("meter_id", "signature", "heads"):
        found[meter_id][signature] = unpacked(bytes(heads))
    return dict(found)


def packed(heads: Iterable[bytes]) -> bytes:
    """
    Return the heads of records in one piece, each behind its length.
    """
    return b"".join(bytes([len(head)]) + head for head in heads)


def unpacked(piece: bytes) -> tuple[bytes, ...]:
    """
    Return the heads of records from one piece.
    """
    heads = []
    while piece:
        heads.append(piece[1 : 1 + piece[0]])
        piece = piece[1 + piece[0] :]
    return tuple(heads)
