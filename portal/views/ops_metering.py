"""
Setting up what is measured: points, channels, meters and losses; and whether a heat meter's
figures hold together.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from portal.drawings import first_of_month
from portal.forms.metering import ChannelForm, ExchangeMeter, InstallMeter, LossForm, PointForm
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer
from sites import queries as places
from sites.access import Action, Kind
from sites.domain import local_days
from telemetry import operations, queries, tasks
from telemetry.formats.profiled import plain

# A month of days is enough to see a drift.
CHECKED_DAYS = 31
# So many months back what meters kept for a month's end is compared.
MONTH_ENDS = 24

# What the database refuses, told at the field it is about.
_REFUSED = {
    "serial_once_an_operator": ("serial", gettext_lazy("You have a meter with this serial.")),
    "one_meter_at_a_point_at_a_time": (
        None,
        gettext_lazy("At that time another meter is in place here."),
    ),
    "point_code_once_a_site": (
        "code",
        gettext_lazy("Another point of this site has this code."),
    ),
    "quantity_once_a_point": (
        "quantity",
        gettext_lazy("This point has a channel of that quantity."),
    ),
    "one_loss_policy_at_a_time": (
        "first_day",
        gettext_lazy("Losses are agreed from that day or a later one already."),
    ),
}


def _try(form: Any, write: Callable[[], object]) -> bool:
    """
    Do a write; where the database refuses it, tell the form why and say that it failed.
    """
    try:
        write()
    except IntegrityError as refusal:
        for name, (field, words) in _REFUSED.items():
            if name in str(refusal):
                form.add_error(field, words)
                return False
        raise
    except ObjectDoesNotExist:
        form.add_error("when", gettext("At that time no meter was in place here."))
        return False
    return True


def _data(request: PortalRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _form_page(
    request: PortalRequest, form: Any, *, title: str, button: str,
    crumbs: Sequence[tuple[str, str]], hint: str = "",
) -> HttpResponseBase:  # fmt: skip
    context = {"form": form, "title": title, "button": button, "crumbs": crumbs, "hint": hint}
    return render(request, "ops/form.html", context, status=422 if form.errors else 200)


def _crumbs(site: Any, point: Any = None) -> list[tuple[str, str]]:
    found = [
        (reverse("ops-fleet"), gettext("Sites")),
        (reverse("ops-site", args=[site.slug]), site.name),
    ]
    if point is not None:
        found.append((reverse("ops-point", args=[point.pk]), point.name))
    return found


@for_action(Action.MANAGE_METERING)
def new_point(request: PortalRequest, slug: str) -> HttpResponseBase:
    """
    Add a metering point to a site.
    """
    site = get_object_or_404(places.sites(viewer=request.viewer), slug=slug)
    viewer = request.viewer
    form = PointForm(
        _data(request),
        codes=queries.points(viewer=viewer, site_id=site.pk).values_list("code", flat=True),
        deliveries=places.buildings(viewer=viewer, site_id=site.pk),
        services=places.hosting_services(viewer=viewer, site_id=site.pk),
    )
    if form.is_valid():
        fields = dict(form.cleaned_data)
        fields["delivery_point_id"] = fields.pop("delivery_point")
        fields["hosting_service_id"] = fields.pop("hosting_service")
        made: list[Any] = []

        def write() -> None:
            made.append(
                operations.add_metering_point(
                    site_id=site.pk, at=timezone.now(), by_id=viewer.user_id, **fields
                )
            )

        if _try(form, write):
            messages.success(request, gettext("The metering point is there. Add its channels."))
            return redirect("ops-point", pk=made[0].pk)
    return _form_page(
        request, form, title=gettext("New metering point"), button=gettext("Add point"),
        crumbs=_crumbs(site),
    )  # fmt: skip


@for_action(Action.MANAGE_METERING)
def new_channel(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Add a channel to a point.
    """
    point = get_object_or_404(queries.points(viewer=request.viewer), pk=pk)
    present = queries.channels(viewer=request.viewer, point_id=pk)
    form = ChannelForm(_data(request), present=present.values_list("quantity", flat=True))
    if form.is_valid() and _try(
        form,
        lambda: operations.add_channel(
            point_id=pk, at=timezone.now(), by_id=request.viewer.user_id, **form.cleaned_data
        ),
    ):
        key = f"{point.code}.{form.cleaned_data['quantity']}"
        # What was sent under this name before waits.
        tasks.replay_site.delay(site_id=point.site_id, by_id=request.viewer.user_id)
        messages.success(request, gettext("Gateways can now send %s.") % key)
        return redirect("ops-point", pk=pk)
    return _form_page(
        request, form, title=gettext("New channel"), button=gettext("Add channel"),
        crumbs=_crumbs(point.site, point),
    )  # fmt: skip


@for_action(Action.MANAGE_METERING)
def place_meter(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Put a meter at a point, or exchange the one that is there.
    """
    # Any: the serial of the present meter is the query's, not the model's.
    point: Any = get_object_or_404(queries.points(viewer=request.viewer), pk=pk)
    exchanges = point.serial is not None
    # A time in the form is that of the site; one the clock change makes doubtful is refused.
    with timezone.override(ZoneInfo(point.site.timezone)):
        kind = ExchangeMeter if exchanges else InstallMeter
        form = kind(_data(request), initial=_like_present(request, point))
        valid = form.is_valid()
        write = operations.exchange_meter if exchanges else operations.install_meter
        if valid and _try(
            form,
            lambda: write(
                point_id=pk, at=timezone.now(), by_id=request.viewer.user_id, **form.cleaned_data
            ),
        ):
            # Telegrams that named a meter nobody knew may be its.
            tasks.replay_site.delay(site_id=point.site_id, by_id=request.viewer.user_id)
            messages.success(
                request, gettext("Meter %s is in place.") % form.cleaned_data["serial"]
            )
            return redirect("ops-point", pk=pk)
        return _form_page(
            request, form,
            title=gettext("Exchange meter %s") % point.serial
            if exchanges else gettext("Install a meter"),
            button=gettext("Exchange meter") if exchanges else gettext("Install meter"),
            crumbs=_crumbs(point.site, point),
            hint=gettext("Times are those of the site, %s.") % point.site.timezone,
        )  # fmt: skip


# What a new meter usually has in common with the one it replaces.
_ALIKE = (
    "make", "kind", "unit", "multiplier", "digits", "resolution", "max_power_kw", "flow_sensor",
    "fluid", "accuracy_class", "dt_min_k", "qp_m3h", "qi_m3h",
)  # fmt: skip


def _like_present(request: PortalRequest, point: Any) -> dict[str, Any]:
    if point.serial is None:
        return {"unit": "kWh"}
    stays = queries.meters_at(viewer=request.viewer, point_id=point.pk, today=timezone.localdate())
    present = next(stay.meter for stay in stays if stay.meter.serial == point.serial)
    alike = {name: getattr(present, name) for name in _ALIKE}
    # Shown as a person would write them, without the zeros of the database.
    return {
        name: Decimal(plain(value.normalize())) if isinstance(value, Decimal) else value
        for name, value in alike.items()
    }


@for_action(Action.MANAGE_METERING)
def new_losses(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Agree on losses between a meter at the source and its customer.
    """
    point = get_object_or_404(queries.points(viewer=request.viewer), pk=pk)
    if point.boundary != "heat_source":
        raise Http404
    form = LossForm(_data(request))
    if form.is_valid() and _try(
        form,
        lambda: operations.agree_losses(
            delivery_point_id=point.delivery_point_id or 0, at=timezone.now(),
            by_id=request.viewer.user_id, **form.cleaned_data,
        ),
    ):  # fmt: skip
        messages.success(request, gettext("The losses are agreed."))
        return redirect("ops-point", pk=pk)
    return _form_page(
        request, form, title=gettext("Losses on the way to the customer"),
        button=gettext("Agree"), crumbs=_crumbs(point.site, point),
    )  # fmt: skip


def _check_columns() -> Sequence[Column[Any]]:
    def of(name: str) -> Callable[[Any], object]:
        return lambda row: getattr(row.check, name) if row.check else None

    return [
        Column("day", value=lambda r: r.day),
        Column("register_kwh", value=of("register_kwh")),
        Column("computed_kwh", value=of("computed_kwh")),
        Column("deviation", value=of("deviation")),
        Column("covered", value=of("covered")),
        Column("verdict", value=lambda r: r.check.verdict.value if r.check else r.reason),
    ]


@for_kind(Kind.OPERATOR)
def checks(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Each of the last days of a point: its register beside volume and temperatures, and the
    site's heat beside what its servers took in.
    """
    point = get_object_or_404(queries.points(viewer=request.viewer), pk=pk)
    today = timezone.now().astimezone(ZoneInfo(point.site.timezone)).date()
    first = today - dt.timedelta(days=CHECKED_DAYS)
    days = queries.heat_checks(viewer=request.viewer, point_id=pk, first=first, end=today)
    if request.GET.get("format") == "csv":
        return csv_answer(days, _check_columns(), filename=f"{point.code}-checks.csv")
    days.reverse()
    known = [day.check for day in days if day.check]
    judged = [check for check in known if check.verdict != "too_few"]
    ends = queries.month_ends(
        viewer=request.viewer, point_id=pk,
        period=local_days(first_of_month(today, back=MONTH_ENDS), today + dt.timedelta(days=1),
                          point.site.timezone),
    )  # fmt: skip
    balance = queries.heat_balance(
        viewer=request.viewer, site_id=point.site_id, first=first, end=today
    )
    context = {
        "point": point,
        "days": days,
        "reason": days[0].reason if days and not known else None,
        "judged": bool(judged),
        "failed": sum(check.verdict == "fail" for check in judged),
        "ends": ends,
        "ends_apart": sum(end.verdict == "fail" for end in ends),
        "balance": balance[::-1],
        "unbalanced": sum(day.verdict == "fail" for day in balance),
    }
    return render(request, "ops/checks.html", context)
