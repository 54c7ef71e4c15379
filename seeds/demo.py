"""
The demo: made through operations, so it holds nothing that production could not.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from billing import operations as billing
from billing import queries as bills
from billing.models import Contract, Invoice
from seeds import (
    attributes,
    claims,
    disclosure,
    happened,
    loading,
    prices,
    sources,
    statements,
    supply,
)
from seeds.portfolio import CUSTOMERS, OPERATOR, PASSWORD, PEOPLE, SITES, Feed
from seeds.reference import (
    load_calibration_rules,
    load_emission_factors,
    load_kpi_rules,
    load_meter_profiles,
)
from sites import operations as sites
from sites.access import Kind
from sites.models import AuditEntry, Site, Stakeholder
from telemetry import operations as telemetry
from telemetry.models import MeteringPoint, Reading

Say = loading.Say


class NotTheDemo(Exception):
    """
    The database holds an operator that is not the demo's.
    """


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What the portal holds after the demo was loaded.
    """

    sites: int
    partners: int
    tenants: int
    readings: int
    invoices: int
    held: int


def load(*, now: dt.datetime, say: Say) -> Summary:
    """
    Make the demo, or bring one that is there up to now.

    :raises NotTheDemo: if there is another operator; nothing is touched then
    """
    if Stakeholder.objects.filter(kind=Kind.OPERATOR).exclude(slug=OPERATOR["slug"]).exists():
        raise NotTheDemo
    if not Stakeholder.objects.filter(slug=OPERATOR["slug"]).exists():
        _make(now)
        say("operator, sites, partners and tenants made")
    # The day the series were laid to end on; a later start goes on from there.
    anchor = AuditEntry.objects.filter(action="operator created").earliest("at").at.date()
    loading.load(anchor=anchor, now=now, say=say)
    loading.roll_up(now=now, say=say)
    supply.agree(now=now)
    supply.settle(now=now, say=say)
    _watch(now)
    happened.happen(slug=SITES[0]["slug"], now=now)
    _agree(anchor, now)
    _bill(now, say)
    _archive(now, say)
    newest = (now.date().replace(day=1) - dt.timedelta(days=1)).replace(day=1)
    attributes.buy(newest=newest, now=now)
    claims.enter(newest=newest, now=now)
    disclosure.declare(now=now)
    disclosure.report(newest=newest, now=now)
    say("attributes, claims and reports entered")
    prices.follow(now=now)
    statements.state(now=now)
    say("energy and heat statements drafted and issued")
    return _summary()


def _make(now: dt.datetime) -> None:
    load_emission_factors(at=now)
    load_kpi_rules(at=now)
    load_calibration_rules(at=now)
    load_meter_profiles(at=now)
    operator = sites.create_stakeholder(
        kind=Kind.OPERATOR, operator_id=None, at=now, by_id=None, **OPERATOR
    )
    ids = {operator.slug: operator.pk}
    for customer in CUSTOMERS:
        made = sites.create_stakeholder(operator_id=operator.pk, at=now, by_id=None, **customer)
        ids[made.slug] = made.pk
    for email, name, roles, _ in PEOPLE:
        sites.create_member(
            email=email, name=name, password=PASSWORD, timezone="Europe/Berlin",
            roles={ids[slug]: role for slug, role in roles.items()}, at=now, by_id=None,
        )  # fmt: skip
    for code in sources.mappings():
        telemetry.save_mapping(
            operator_id=operator.pk, at=now, by_id=None, **sources.mapping_of(code)
        )
    for spec in SITES:
        _make_site(spec, ids, now)


def _make_site(spec: dict[str, Any], ids: dict[str, int], now: dt.datetime) -> None:
    fields = {k: v for k, v in spec.items() if k not in {"slug", "feeds", "vat_rate"}}
    site = sites.create_site(
        operator_id=ids[OPERATOR["slug"]], slug=spec["slug"], at=now, by_id=None,
        started_on=_start_of(spec, now.date()), **fields,
    )  # fmt: skip
    for feed in spec["feeds"]:
        _make_point(site, feed, ids, now)


def _watch(now: dt.datetime) -> None:
    """
    Let the usual rules of alarms look at the last fortnight, every six hours; once.
    """
    begin = now - dt.timedelta(days=14)
    unwatched = list(Site.objects.filter(alarm_rules__isnull=True).order_by("pk"))
    for site in unwatched:
        telemetry.add_usual_rules(site_id=site.pk, at=begin, by_id=None)
        telemetry.add_contact(
            site_id=site.pk, name="Mara", email="mara@nordhaven.example", after_min=0, at=begin,
            by_id=None,
        )  # fmt: skip
    if unwatched:
        for look in range(14 * 4 + 1):
            telemetry.find_alarms(at=begin + look * dt.timedelta(hours=6))


def _archive(now: dt.datetime, say: Say) -> None:
    """
    Bring the oldest settled month of each site to the archive; once.
    """
    before = now - telemetry.GRACE
    for site in Site.objects.filter(archived_months__isnull=True).order_by("pk"):
        month = (site.started_on.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
        archive = None
        while archive is None and month < now.date():
            try:
                archive = telemetry.seal_month(site_id=site.pk, month=month, at=before, by_id=None)
            except telemetry.NotSealable:
                month = (month + dt.timedelta(days=32)).replace(day=1)
        if archive is not None:
            telemetry.write_month(archive_id=archive.pk, at=before)
            telemetry.verify_month(archive_id=archive.pk, at=before)
            telemetry.release_month(month=month, at=now)
            say(f"{site.name}, {month:%Y-%m}: readings archived")


def _start_of(spec: dict[str, Any], anchor: dt.date) -> dt.date:
    """
    The site starts with the first whole day that all its servers have readings for.
    """
    firsts: list[dt.date] = [
        series.values.index[0].date()
        for feed in spec["feeds"] if feed.boundary == "tenant_feed"
        for series in loading.series_of(feed, anchor).values()
    ]  # fmt: skip
    return max([loading.window_start(anchor).date(), *(f + dt.timedelta(days=1) for f in firsts)])


_CHANNELS: dict[str, dict[str, Any]] = {
    "energy": {"kind": "register"},
    "power": {"kind": "interval", "unit": "W", "interval_s": 3600},
    "supply": {"kind": "gauge", "unit": "°C"},
    "return": {"kind": "gauge", "unit": "°C"},
    **{quantity: {"kind": "register"} for quantity in ("volume", "e8", "e9")},
}


def _make_point(site: Site, feed: Feed, ids: dict[str, int], now: dt.datetime) -> None:
    fields: dict[str, Any] = {"boundary": feed.boundary, "name": feed.name}
    if feed.boundary == "heat_handoff":
        fields["delivery_point"] = sites.add_delivery_point(
            site_id=site.pk, partner_id=ids[feed.customer], at=now, by_id=None, **feed.place
        )
    elif feed.boundary == "tenant_feed":
        fields["hosting_service"] = sites.add_hosting_service(
            site_id=site.pk, tenant_id=ids[feed.customer], at=now, by_id=None, **feed.place
        )
    point = telemetry.add_metering_point(
        site_id=site.pk, code=feed.code, at=now, by_id=None, **fields
    )
    for quantity in feed.read():
        telemetry.add_channel(
            point_id=point.pk, quantity=quantity, at=now, by_id=None, **_CHANNELS[quantity]
        )
    if feed.heartbeat_s is not None:
        telemetry.add_channel(
            point_id=point.pk, quantity="heartbeat", kind="heartbeat",
            interval_s=feed.heartbeat_s, at=now, by_id=None,
        )  # fmt: skip
    if feed.meter:
        since = loading.window_start(now.date()) - dt.timedelta(days=1)
        placed = telemetry.install_meter(
            point_id=point.pk, since=since, at=now, by_id=None, **feed.meter
        )
        loading.describe_registers(feed, placed.meter_id, now)


def _agree(anchor: dt.date, now: dt.datetime) -> None:
    if Contract.objects.exists():
        return
    month = loading.window_start(anchor).date()
    first = (month + dt.timedelta(days=32)).replace(day=1)
    number = 0
    for spec in SITES:
        site = Site.objects.get(slug=spec["slug"])
        for feed in spec["feeds"]:
            if not feed.terms:
                continue
            number += 1
            _agree_on(feed, site, max(first, site.started_on), number, spec["vat_rate"], now)


def _agree_on(
    feed: Feed, site: Site, first_day: dt.date, number: int, vat_rate: int, now: dt.datetime
) -> None:
    point = MeteringPoint.objects.get(site=site, code=feed.code)
    customer = Stakeholder.objects.get(slug=feed.customer)
    contract = billing.make_contract(
        operator_id=site.operator_id, reference=f"NE-{number:04d}", first_day=first_day, at=now,
        by_id=None, customer=customer, site=site, currency=site.currency,
        delivery_point=point.delivery_point, hosting_service=point.hosting_service,
    )  # fmt: skip
    billing.add_terms(
        contract_id=contract.pk, first_day=first_day, at=now, by_id=None, vat_rate=vat_rate,
        metering_point=point if feed.terms["model"] == "usage" else None, **feed.terms,
    )  # fmt: skip


def _bill(now: dt.datetime, say: Say) -> None:
    """
    Bill each closed month as its operator would have: on the second of the next.
    """
    operator = Stakeholder.objects.get(slug=OPERATOR["slug"])
    first: dt.date = min(c.valid.lower for c in Contract.objects.all()).replace(day=1)
    month = first
    while (following := (month + dt.timedelta(days=32)).replace(day=1)) <= now.date():
        at = min(now, dt.datetime.combine(following, dt.time(7), dt.UTC) + dt.timedelta(days=1))
        if bills.contracts_to_bill(operator_id=operator.pk, month=month).exists():
            run = billing.start_run(
                operator_id=operator.pk, month=month, issue=True, at=at, by_id=None
            )
            while billing.bill_next(run_id=run.pk, at=at):
                pass
        month = following
    _pay(operator, now)
    for invoice_id in bills.invoices_without_document(limit=1000):
        billing.make_document(invoice_id=invoice_id, at=now)
    say("closed months billed, documents made")


def _pay(operator: Stakeholder, now: dt.datetime) -> None:
    """
    Book that what fell due in earlier months was paid on its day, by the number it carries.
    """
    this_month = now.date().replace(day=1)
    for invoice in bills.unpaid_before(operator_id=operator.pk, day=this_month):
        billing.enter_payment(
            operator_id=operator.pk, booked_on=invoice.due_on or this_month, amount=invoice.gross,
            currency=invoice.currency, reference=f"demo {invoice.number}",
            remittance=invoice.number, at=now, by_id=None,
        )  # fmt: skip


def _summary() -> Summary:
    kinds = (
        Stakeholder.objects.filter(kind=Kind.PARTNER),
        Stakeholder.objects.filter(kind=Kind.TENANT),
    )
    return Summary(
        sites=Site.objects.count(),
        partners=kinds[0].count(),
        tenants=kinds[1].count(),
        readings=Reading.objects.count(),
        invoices=Invoice.objects.filter(status=Invoice.Status.ISSUED).count(),
        held=Contract.objects.filter(periods__status="parked").distinct().count(),
    )
