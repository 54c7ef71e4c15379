"""
What an operator declares of its sites' ratios, and reports of a year: closed once, restated where
it has to be, never edited.
"""

from __future__ import annotations

import datetime as dt

from django.db import IntegrityError, transaction

from sites.access import Kind, Viewer
from sites.models import Site
from sites.operations import record
from telemetry.domain.statement import METHOD
from telemetry.models import ReportingYear, SiteBoundary
from telemetry.queries.emissions import figures_of_year, reported_year


class NotClosed(Exception):
    """
    The year is not over, has no figure, or was closed before.
    """


class NotRestated(Exception):
    """
    Nothing of the year changed by more than a restatement needs, or it was never reported.
    """


@transaction.atomic(durable=True)
def declare_boundary(
    *,
    site_id: int,
    valid_from: dt.date,
    it_category: int,
    heat_pump: str,
    own_production_sold: bool,
    note: str,
    at: dt.datetime,
    by_id: int | None,
) -> SiteBoundary:
    """
    Declare from a day on how a site's ratios are bounded; what was said for that day is kept.
    """
    site = Site.objects.select_for_update(of=("self",)).get(pk=site_id)
    SiteBoundary.objects.filter(
        site=site, valid_from=valid_from, superseded_at__isnull=True
    ).update(superseded_at=at)
    made = SiteBoundary.objects.create(
        site=site, valid_from=valid_from, it_category=it_category, heat_pump=heat_pump,
        own_production_sold=own_production_sold, note=note, created_at=at, created_by_id=by_id,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="boundary declared",
        subject=f"{site.slug}/{valid_from}",
        after={"category": it_category, "heat_pump": heat_pump},
    )  # fmt: skip
    return made


@transaction.atomic(durable=True)
def close_year(*, operator_id: int, year: int, at: dt.datetime, by_id: int | None) -> ReportingYear:
    """
    Keep the figures of a year that is over as reported, and freeze its factors: what supersedes
    them later changes nothing of the year until it is restated.

    :raises NotClosed: if it is not over, nothing is known of it, or it was closed before
    """
    if year >= at.year:
        raise NotClosed("The year is not over.")
    found = figures_of_year(viewer=_owner(operator_id), year=year, frozen=False)
    if not any(figures["location_based_kg"] for figures in found.figures.values()):
        raise NotClosed("No site has enough measured hours and a factor in this year.")
    try:
        with transaction.atomic():
            made = ReportingYear.objects.create(
                operator_id=operator_id, year=year, method=METHOD, figures=found.figures,
                factor_ids=found.factor_ids, closed_at=at, closed_by_id=by_id,
            )  # fmt: skip
    except IntegrityError:
        raise NotClosed("The year was closed before.") from None
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="year closed", subject=str(year),
        after=found.figures,
    )  # fmt: skip
    return made


@transaction.atomic(durable=True)
def restate_year(
    *, operator_id: int, year: int, reason: str, at: dt.datetime, by_id: int | None
) -> ReportingYear:
    """
    Report a year anew with what is known and the factors in force now; the figures it replaces
    are kept beside it.

    :raises NotRestated: if the year was never reported, or no figure changed by more than 5 %
    """
    # Two who restate take turns here.
    list(ReportingYear.objects.select_for_update().filter(operator_id=operator_id, year=year))
    owner = _owner(operator_id)
    held = reported_year(viewer=owner, year=year)
    if held is None:
        raise NotRestated("The year was never reported.")
    if not held.restatement_due:
        raise NotRestated("No figure changed by more than 5 %, so what was reported stands.")
    found = figures_of_year(viewer=owner, year=year, frozen=False)
    made = ReportingYear.objects.create(
        operator_id=operator_id, year=year, method=METHOD, figures=found.figures,
        factor_ids=found.factor_ids, closed_at=at, closed_by_id=by_id, replaces=held.latest,
        reason=reason,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="year restated", subject=str(year),
        before=held.latest.figures, after=found.figures,
    )  # fmt: skip
    return made


def _owner(operator_id: int) -> Viewer:
    return Viewer(stakeholder_id=operator_id, kind=Kind.OPERATOR)
