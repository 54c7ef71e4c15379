"""
Every route against every audience, in one table; a route that is missing here fails.
"""

from decimal import Decimal

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import get_resolver

from billing import operations
from billing.models import (
    BankEntry,
    Baseline,
    BillingRun,
    DebitFile,
    Dispute,
    Invoice,
    Mandate,
    PriceIndex,
    Terms,
)
from sites.models import (
    HostingService,
    Invitation,
    Membership,
    Stakeholder,
    Webhook,
    WebhookMessage,
)
from telemetry import operations as metering
from telemetry.models import (
    Alarm,
    AlarmRule,
    AlarmSilence,
    ArchivedMonth,
    AttributeAllocation,
    AttributeLot,
    Channel,
    Claim,
    ColumnMapping,
    Decision,
    EscalationContact,
    Finding,
    Gateway,
    Incident,
    IngestBatch,
    MaintenanceWindow,
    Meter,
    MeteringPoint,
    MeterProfile,
    OutsideCheck,
    Probe,
    RuleSetting,
    Statement,
    StatementShare,
    Upload,
)
from tests import factories
from tests.factories_alarms import make_alarm
from tests.factories_availability import make_incident, make_probe, make_webhook, make_work
from tests.factories_billing import (
    JANUARY,
    make_contract,
    make_debit_file,
    make_prices,
    meter_january,
)
from tests.factories_quality import make_edit
from tests.factories_statements import make_claims, make_statement_site
from tests.factories_telemetry import LATER, make_heat_channel, make_meter_profile, make_upload
from tests.routes import ACCESS, AUDIENCES

INVITED = "the-token-of-an-invitation"


def test_no_route_is_missing_from_the_table():
    assert {str(pattern.pattern) for pattern in get_resolver().url_patterns} == set(ACCESS)


def _address(route: str, invoice: Invoice) -> str:
    """
    Fill a route in with the rows of the world.
    """
    run = BillingRun.objects.get()
    filled = route.replace("<str:number>", invoice.number)
    filled = filled.replace("ops/billing/<int:pk>", f"ops/billing/{run.pk}")
    filled = filled.replace("invoices/<int:pk>", f"invoices/{invoice.pk}")
    filled = filled.replace("gateways/<int:pk>", f"gateways/{Gateway.objects.get().pk}")
    filled = filled.replace("accounts/<int:pk>", f"accounts/{invoice.customer_id}")
    filled = filled.replace("payments/<int:pk>", f"payments/{BankEntry.objects.get().pk}")
    filled = filled.replace("disputes/<int:pk>", f"disputes/{Dispute.objects.get().pk}")
    filled = filled.replace("debits/<int:pk>", f"debits/{_first(DebitFile)}")
    filled = filled.replace("mandates/<int:pk>", f"mandates/{_first(Mandate)}")
    filled = filled.replace("<int:level>", "1")
    filled = filled.replace("contracts/<int:pk>", f"contracts/{invoice.contract_id}")
    filled = filled.replace("baselines/<int:pk>", f"baselines/{_first(Baseline)}")
    filled = filled.replace("indices/<int:pk>", f"indices/{_first(PriceIndex)}")
    filled = filled.replace("<int:terms>", str(_first(Terms)))
    rows: list[tuple[str, type[Model]]] = [
        ("quality/edits", Decision),
        ("quality/rules", RuleSetting),
        ("ops/quality", Finding),
        ("alarms/rules", AlarmRule),
        ("alarms/contacts", EscalationContact),
        ("alarms/silences", AlarmSilence),
        ("availability/incidents", Incident),
        ("availability/work", MaintenanceWindow),
        ("availability/probes", Probe),
        ("availability/services", HostingService),
        ("ops/services", HostingService),
        ("ops/archive", ArchivedMonth),
        ("meters/profiles", MeterProfile),
        ("alarms/webhooks", Webhook),
        ("webhooks/messages", WebhookMessage),
    ]
    for name, model in rows:
        filled = filled.replace(f"{name}/<int:pk>", f"{name}/{_first(model)}")
    filled = filled.replace("alarms/<int:pk>", f"alarms/{_first(Alarm)}")
    filled = filled.replace("terms/<slug:slug>", f"terms/{invoice.contract.site.slug}")
    line = invoice.lines.earliest("position")
    filled = filled.replace("lines/<int:pk>", f"lines/{line.pk}")
    invited = Invitation.objects.get()
    member = Membership.objects.filter(stakeholder=invited.stakeholder).earliest("pk")
    filled = filled.replace("people/<int:pk>", f"people/{member.pk}")
    filled = filled.replace("people/invitations/<int:pk>", f"people/invitations/{invited.pk}")
    filled = filled.replace("<int:stakeholder_id>", str(invited.stakeholder_id))
    statement = Statement.objects.get()
    check = OutsideCheck.objects.get()
    filled = filled.replace("statements/checks/<int:pk>", f"statements/checks/{check.pk}")
    filled = filled.replace("statements/<int:pk>", f"statements/{statement.pk}")
    filled = filled.replace("checks/<int:pk>/report", f"checks/{check.pk}/report")
    filled = filled.replace("<uuid:public_id>", str(statement.public_id))
    filled = filled.replace("p/s/<str:token>", f"p/s/{StatementShare.objects.get().token}")
    filled = filled.replace("invitations/<str:token>", f"invitations/{INVITED}")
    filled = filled.replace("<str:uidb64>/<str:token>", "Mg/nothing")
    site = invoice.contract.site
    filled = filled.replace("<slug:operator>", site.operator.slug)
    filled = filled.replace("<slug:site>", site.slug)
    for name in ("costs", "ratios", "emissions"):
        filled = filled.replace(f"{name}/<slug:slug>", f"{name}/{site.slug}")
    filled = filled.replace("sites/<slug:slug>", f"sites/{invoice.contract.site.slug}")
    filled = filled.replace("channels/<int:pk>", f"channels/{_first(Channel)}")
    filled = filled.replace("points/<int:pk>", f"points/{_first(MeteringPoint)}")
    filled = filled.replace(
        "deliveries/<int:pk>", f"deliveries/{invoice.contract.delivery_point_id}"
    )
    filled = filled.replace("customers/<int:pk>", f"customers/{invoice.contract.customer_id}")
    filled = filled.replace("meters/<int:pk>", f"meters/{_first(Meter)}")
    for name, model in (("files", Upload), ("batches", IngestBatch), ("mappings", ColumnMapping)):
        filled = filled.replace(f"imports/{name}/<int:pk>", f"imports/{name}/{_first(model)}")
    filled = filled.replace("reports/<slug:slug>/<int:year>", f"reports/{site.slug}/2025")
    filled = filled.replace(
        "services/<int:pk>/<int:year>", f"services/{_first(HostingService)}/2025"
    )
    filled = filled.replace("years/<int:year>", "years/2025")
    filled = filled.replace("methods/<str:version>", "methods/1.1")
    filled = filled.replace("attributes/<int:pk>", f"attributes/{_first(AttributeLot)}")
    filled = filled.replace("<int:allocation>", str(_first(AttributeAllocation)))
    filled = filled.replace("claims/<int:pk>", f"claims/{_first(Claim)}")
    filled = filled.replace("bills/<int:pk>", f"bills/{invoice.pk}")
    assert "<" not in filled, f"say in _address what stands for {route}"
    return f"/{filled}"


def _first(model: type[Model]) -> int:
    return int(model._base_manager.earliest("pk").pk)


def _world() -> tuple[dict[str, Stakeholder], Invoice]:
    channel = make_heat_channel()
    meter_january(channel)
    site = channel.site
    site.is_public = True
    site.save()
    contract = make_contract(channel)
    invoice = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    assert invoice is not None
    metering.create_gateway(site_id=site.pk, name="box", at=LATER, by_id=None)
    operations.make_document(invoice_id=invoice.pk, at=LATER)
    operations.enter_payment(
        operator_id=site.operator_id, booked_on=JANUARY, amount=Decimal(10), currency="EUR",
        reference="1", remittance=invoice.number, at=LATER, by_id=None,
    )  # fmt: skip
    make_debit_file(invoice)
    operations.open_dispute(
        line_id=invoice.lines.earliest("position").pk, comment="Too much", span=None, at=LATER,
        by_id=None,
    )  # fmt: skip
    make_prices(contract)
    operations.start_run(
        operator_id=site.operator_id, month=JANUARY, issue=True, at=LATER, by_id=None
    )
    make_upload(site)
    make_meter_profile(site)
    make_alarm(channel)
    make_edit(channel)
    make_probe(site, at=LATER)
    make_incident(site, at=LATER)
    make_work(site, start=LATER)
    make_webhook(site, at=LATER)
    before = JANUARY.replace(year=2025)
    ArchivedMonth.objects.create(site=site, month=before, revision=1, sealed_at=LATER)
    factories.make_user(stakeholder=contract.customer)
    factories.make_invitation(stakeholder=contract.customer, token=INVITED)
    tenant = factories.make_hosting_service(site=site).tenant
    elsewhere, statement = make_statement_site(operator=site.operator, tenant=tenant)
    metering.share_statement(statement_id=statement.pk, at=LATER, by_id=None)
    metering.add_outside_check(
        site_id=elsewhere.pk, file_name="report.pdf", file=b"%PDF", at=LATER, by_id=None,
        checker="Auditor", scope="PUE", first_month=JANUARY, last_month=JANUARY,
        checked_on=JANUARY,
    )  # fmt: skip
    make_claims(site, tenant)
    return {
        "operator": site.operator,
        "other operator": factories.make_stakeholder(),
        "partner": contract.customer,
        "neighbour": factories.make_delivery_point(site=site).partner,
        "tenant": tenant,
    }, invoice


def _sign_in(client: Client, world: dict[str, Stakeholder], audience: str) -> None:
    if audience in world:
        client.force_login(factories.make_user(stakeholder=world[audience]))


@pytest.mark.django_db
@pytest.mark.parametrize("audience", AUDIENCES)
def test_each_audience_gets_what_the_table_says(client: Client, audience: str):
    world, invoice = _world()
    _sign_in(client, world, audience)

    found = {route: client.get(_address(route, invoice)).status_code for route in ACCESS}

    column = AUDIENCES.index(audience)
    assert found == {route: codes[column] for route, codes in ACCESS.items()}
