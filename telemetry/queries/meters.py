"""
Reads of meters: where they are, how long their verification holds, how far they may err now.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Now

from sites.access import Viewer
from telemetry.domain.accuracy import PermissibleError, permissible_error
from telemetry.domain.calibration import SOON, CalibrationState
from telemetry.models import Channel, Installation, LossPolicy, Meter, MeterStatus, Reading


def _standing(today: dt.date, due: str) -> Case:
    """
    Return the state of a verification as `telemetry.domain.calibration.state_on` tells it.
    """
    state = CalibrationState
    return Case(
        When(**{f"{due}__isnull": True}, then=Value(state.UNKNOWN.value)),
        When(**{f"{due}__lt": today}, then=Value(state.EXPIRED.value)),
        When(**{f"{due}__lte": today + SOON}, then=Value(state.SOON.value)),
        default=Value(state.VALID.value),
    )


def meters(
    *, viewer: Viewer, today: dt.date, search: str = "", kind: str = "", calibration: str = ""
) -> QuerySet[Meter]:
    """
    Return the meters the viewer may see with the status byte last heard of them (`status`, None
    where none ever was), their place now (`point_id`, `point_name`,
    `site_name`, `site_slug`, `site_country`; None where they are nowhere) and how their
    verification stands today (`standing`), those that end first on top.

    :param search: part of the serial, the make, or the name of point or site
    :param calibration: a `CalibrationState`
    """
    said = MeterStatus.objects.filter(meter=OuterRef("pk")).order_by("-span")
    there = Installation.objects.filter(meter=OuterRef("pk"), valid__contains=Now())
    rows = (
        Meter.objects.visible_to(viewer)
        .annotate(
            point_id=Subquery(there.values("point")[:1]),
            point_name=Subquery(there.values("point__name")[:1]),
            site_name=Subquery(there.values("point__site__name")[:1]),
            site_slug=Subquery(there.values("point__site__slug")[:1]),
            site_country=Subquery(there.values("point__site__country")[:1]),
            standing=_standing(today, "calibration_due"),
            status=Subquery(said.values("status")[:1]),
        )
        .order_by(F("calibration_due").asc(nulls_last=True), "serial")
    )
    if search:
        rows = rows.filter(
            Q(serial__icontains=search)
            | Q(make__icontains=search)
            | Q(point_name__icontains=search)
            | Q(site_name__icontains=search)
        )
    if kind:
        rows = rows.filter(kind=kind)
    return rows.filter(standing=calibration) if calibration else rows


def places_of(*, viewer: Viewer, meter_id: int) -> QuerySet[Installation]:
    """
    Return where a meter was and is, newest first.
    """
    return (
        Installation.objects.visible_to(viewer)
        .filter(meter_id=meter_id)
        .select_related("point__site")
        .order_by("-valid")
    )


def statuses_of(*, viewer: Viewer, meter_id: int) -> QuerySet[MeterStatus]:
    """
    Return what a meter said of itself, newest first.
    """
    own = MeterStatus.objects.visible_to(viewer).filter(meter_id=meter_id)
    return own.order_by("-span")


def sites_of_meter(*, viewer: Viewer, meter_id: int) -> list[int]:
    """
    Return the sites where a meter was or is.
    """
    stays = Installation.objects.visible_to(viewer).filter(meter_id=meter_id)
    return sorted(set(stays.values_list("point__site_id", flat=True)))


def meters_at(*, viewer: Viewer, point_id: int, today: dt.date) -> QuerySet[Installation]:
    """
    Return the meters that were at a point, the present one first, each with its further
    registers, how its verification stands (`standing`) and its last status byte (`status`).
    """
    return (
        Installation.objects.visible_to(viewer)
        .filter(point_id=point_id)
        .select_related("meter")
        .prefetch_related("meter__registers")
        .annotate(
            standing=_standing(today, "meter__calibration_due"),
            status=Subquery(
                MeterStatus.objects.filter(meter=OuterRef("meter"))
                .order_by("-span")
                .values("status")[:1]
            ),
        )
        .order_by("-valid")
    )


@dataclass(frozen=True, slots=True)
class WorkingPoint:
    """
    How far a heat meter may err at the latest temperatures, K and m³/h; `flow_m3h` None: flow is
    not sent, so the nominal one was taken.
    """

    dt_k: Decimal
    flow_m3h: Decimal | None
    error: PermissibleError


_M3H = {"m3/h": Decimal(1), "m³/h": Decimal(1), "l/h": Decimal("0.001")}


def working_point(*, viewer: Viewer, point_id: int, meter: Meter) -> WorkingPoint | None:
    """
    Return the permissible error of a meter at a point now; None where its class is not stated or
    the temperatures are not sent.
    """
    if meter.accuracy_class is None or meter.dt_min_k is None or meter.qp_m3h is None:
        return None
    newest = Reading.objects.filter(channel=OuterRef("pk")).order_by("-at").values("value")[:1]
    rows = (
        Channel.objects.visible_to(viewer)
        .filter(point_id=point_id, quantity__in=["supply", "return", "flow"])
        .annotate(last=Subquery(newest))
        .values_list("quantity", "unit", "last")
    )
    last = {quantity: (unit, value) for quantity, unit, value in rows if value is not None}
    if not {"supply", "return"} <= set(last):
        return None
    dt_k = last["supply"][1] - last["return"][1]
    unit, flow = last.get("flow", ("", None))
    # In a unit that is not known here, the flow says nothing.
    flow_m3h = flow * _M3H[unit] if flow is not None and unit in _M3H else None
    error = permissible_error(
        accuracy_class=meter.accuracy_class,
        dt_min=float(meter.dt_min_k),
        dt=float(dt_k),
        qp=float(meter.qp_m3h),
        q=float(meter.qp_m3h if flow_m3h is None else flow_m3h),
        qi=None if meter.qi_m3h is None else float(meter.qi_m3h),
    )
    return WorkingPoint(dt_k, flow_m3h, error)


def loss_policies(*, viewer: Viewer, delivery_point_id: int) -> QuerySet[LossPolicy]:
    """
    Return what is agreed about losses to a delivery point, the latest first.
    """
    own = LossPolicy.objects.visible_to(viewer).filter(delivery_point_id=delivery_point_id)
    return own.order_by("-valid")
