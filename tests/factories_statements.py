"""
Issued statements for tests.
"""

import datetime as dt
from decimal import Decimal

from django.utils import timezone

from sites.models import Site, Stakeholder
from telemetry import operations
from telemetry.models import MeteringPoint, Statement
from tests.factories_billing import JANUARY
from tests.factories_hosting import last_month, make_feed, make_metered_site
from tests.factories_telemetry import LATER, load, make_channel


def make_statement_site(*, operator: Stakeholder, tenant: Stakeholder) -> tuple[Site, Statement]:
    """
    Make a site measured throughout last month with one tenant, and its issued statement.
    """
    site = make_metered_site(operator=operator, facility=10)
    feed = make_feed(site, 8, tenant=tenant)
    load(make_channel(site=site, boundary=MeteringPoint.Boundary.HEAT_HANDOFF), last_month(site), 4)
    return site, issue_last_month(site=site, service_id=feed.pk)


def issue_last_month(*, site: Site, service_id: int) -> Statement:
    """
    Draft and issue a service's statement of the newest month that is over.
    """
    month = (last_month(site).start + dt.timedelta(days=2)).date().replace(day=1)
    now = timezone.now()
    draft = operations.draft_statement(
        service_id=service_id, first_month=month, last_month=month, at=now
    )
    assert draft is not None
    assert draft.held == []
    return operations.issue_statement(statement_id=draft.pk, at=now, by_id=None)


def make_claims(site: Site, tenant: Stakeholder) -> None:
    """
    Make a lot of own production in January 2026, an allocation of it and a claim.
    """
    lot = operations.add_lot(
        operator_id=site.operator_id, first_day=JANUARY, end_day=JANUARY.replace(month=2), at=LATER,
        by_id=None, kind="onsite", technology="solar", country="DE", plant="Roof",
        registry_id="1", kwh=Decimal(100),
    )  # fmt: skip
    operations.allocate(
        lot_id=lot.pk, site_id=site.pk, service_id=None, month=JANUARY, kwh=Decimal(1), at=LATER,
        by_id=None,
    )  # fmt: skip
    operations.claim(
        site_id=site.pk, month=JANUARY, lot_id=lot.pk, claimant_id=tenant.pk, role="tenant",
        share=Decimal("0.5"), at=LATER, by_id=None,
    )  # fmt: skip
