"""
Energy attributes from a CSV file: looked at before it is taken.
"""

from __future__ import annotations

import csv
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe

from portal.forms.attributes import KINDS, TECHNOLOGIES
from portal.forms.reference import CheckedFile, CheckedText
from portal.views.base import PortalRequest, for_action
from sites.access import Action
from telemetry import operations, queries
from telemetry.formats import lots_csv
from telemetry.formats.checked_csv import Fault

# A preview shows this many rows; all are judged.
_SHOWN = 200


@for_action(Action.ISSUE_STATEMENTS)
def take(request: PortalRequest) -> HttpResponseBase:
    """
    Look at a file, then take it; with a fault in it nothing is taken.
    """
    again = CheckedText(request.POST) if "text" in request.POST else None
    if again is not None and again.is_valid():
        return _taken(request, again.cleaned_data["text"].encode())
    form = CheckedFile(request.POST or None, request.FILES or None)
    form.fields["file"].help_text = gettext("UTF-8, with the columns below.")
    context: dict[str, Any] = {"form": form, "columns": _columns()}
    if request.method == "POST" and form.is_valid():
        context |= _preview(request, form.cleaned_data["file"])
    status = 422 if form.errors or context.get("faults") else 200
    return render(request, "ops/lots_file.html", context, status=status)


def _preview(request: PortalRequest, data: bytes) -> dict[str, Any]:
    read = lots_csv.read_lots(data)
    fates = queries.lot_fates(viewer=request.viewer, rows=read.rows)
    words = gettext(
        "These numbers are held already, with other figures or by another owner. A lot is never"
        " edited: leave the row out, or note its cancellation on the lot’s page."
    )
    taken = [
        Fault(line, "number", words)
        for line, fate in zip(read.lines, fates, strict=True) if fate is queries.LotFate.TAKEN
    ]  # fmt: skip
    faults = sorted([*read.faults, *taken], key=lambda fault: fault.line)
    kinds, technologies = dict(KINDS), dict(TECHNOLOGIES)
    return {
        "faults": faults,
        "rows": [
            (row, kinds[row.kind], technologies[row.technology], fate == queries.LotFate.NEW)
            for row, fate in zip(read.rows[:_SHOWN], fates, strict=False)
        ],
        "more": max(len(read.rows) - _SHOWN, 0),
        "fresh": fates.count(queries.LotFate.NEW),
        "text": "" if faults else data.decode("utf-8-sig"),
    }


def _taken(request: PortalRequest, data: bytes) -> HttpResponseBase:
    # Read again: what comes back from a browser is judged like any file.
    read = lots_csv.read_lots(data)
    operator_id = request.viewer.stakeholder_id
    if read.faults or operator_id is None:
        messages.error(request, gettext("The rows have faults. Hand the file in again."))
        return redirect("ops-lots-file")
    try:
        count = operations.add_lots(
            operator_id=operator_id, rows=read.rows, at=timezone.now(),
            by_id=request.viewer.user_id,
        )  # fmt: skip
    except operations.NotAllocated:
        words = gettext("Numbers of the file are held already, so nothing was taken. Look again.")
        messages.error(request, words)
        return redirect("ops-lots-file")
    if count:
        messages.success(request, ngettext("%s lot entered.", "%s lots entered.", count) % count)
    else:
        messages.info(request, gettext("All these lots are held already."))
    return redirect("ops-lots")


def _columns() -> list[tuple[str, str, str]]:
    """
    Return each column with what is written there and an example.
    """
    told = {
        "number": (gettext("First and last number, or that of the contract"), "1001-1500"),
        "kind": (gettext("One of %s") % ", ".join(code for code, _ in KINDS), "go"),
        "technology": (gettext("One of %s") % ", ".join(code for code, _ in TECHNOLOGIES), "wind"),
        "country": (gettext("Two letters"), "DE"),
        "plant": (gettext("Plant or supplier"), "Windpark Nordermeldorf"),
        "registry": (gettext("Its name; empty for a contract"), "HKNR"),
        "first_day": (gettext("First day of production"), "2026-01-01"),
        "last_day": (gettext("Last day, included"), "2026-06-30"),
        "kwh": (gettext("Energy, kWh"), "125000"),
        "kg_per_kwh": (gettext("Emissions, kg per kWh; 0 for wind, solar and hydropower"), "0"),
        "cancelled_on": (gettext("Day of cancellation; may be empty"), "2026-07-02"),
        "proof": (gettext("The registry’s proof of it; empty without a day"), "HKNR 2026/481"),
    }
    return [(name, *told[name]) for name in lots_csv.COLUMNS]


@for_action(Action.ISSUE_STATEMENTS)
@require_safe
def template(request: PortalRequest) -> HttpResponseBase:
    """
    The head of the file with one example row.
    """
    answer = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="attributes-template.csv"'},
    )
    lines = csv.writer(answer)
    lines.writerow(lots_csv.COLUMNS)
    lines.writerow([example for _, _, example in _columns()])
    return answer
