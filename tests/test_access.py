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
from tests.factories_telemetry import LATER, make_heat_channel, make_upload

AUDIENCES = ["operator", "other operator", "partner", "neighbour", "tenant", "stranger"]

INVITED = "the-token-of-an-invitation"

# The invoice in the routes is the partner's.
ACCESS = {
    # route:                           operator, other, partner, neighbour, tenant, stranger
    "": (302, 302, 302, 302, 302, 302),
    # Who is signed in is led on.
    "sign-in/": (302, 302, 302, 302, 302, 200),
    "sign-out/": (405, 405, 405, 405, 405, 405),
    "switch/": (405, 405, 405, 405, 405, 302),
    "settings/": (200, 200, 200, 200, 200, 302),
    "settings/naming/": (405, 405, 405, 405, 405, 302),
    "settings/theme/": (405, 405, 405, 405, 405, 405),
    "settings/density/": (405, 405, 405, 405, 405, 405),
    "settings/keys/": (405, 405, 405, 405, 405, 405),
    "settings/password/": (200, 200, 200, 200, 200, 302),
    "password-reset/": (200, 200, 200, 200, 200, 200),
    "password-reset/sent/": (200, 200, 200, 200, 200, 200),
    "password-reset/done/": (200, 200, 200, 200, 200, 200),
    # A made-up link gets a page that says so.
    "password-reset/<str:uidb64>/<str:token>/": (200, 200, 200, 200, 200, 200),
    # Only who has opened an invitation's link can accept it; the link leads there.
    "invitations/accept/": (404, 404, 404, 404, 404, 404),
    "invitations/<str:token>/": (302, 302, 302, 302, 302, 302),
    "people/": (200, 200, 200, 200, 200, 302),
    # The people are the partner's; its operator may help them.
    "people/of/<int:stakeholder_id>/": (200, 404, 200, 404, 404, 302),
    "people/<int:pk>/": (200, 404, 200, 404, 404, 302),
    "people/<int:pk>/end/": (200, 404, 200, 404, 404, 302),
    "people/invitations/<int:pk>/withdraw/": (405, 405, 405, 405, 405, 302),
    "healthz": (200, 200, 200, 200, 200, 200),
    "readyz": (200, 200, 200, 200, 200, 200),
    # Only gateways' tokens count here; a signed-in person is nobody.
    "api/v1/readings": (401, 401, 401, 401, 401, 401),
    "channels/<int:pk>/": (200, 404, 200, 404, 404, 302),
    "channels/<int:pk>/export": (404, 404, 404, 404, 404, 302),
    "channels/<int:pk>/series.json": (404, 404, 404, 404, 404, 302),
    "api/v1/channels/": (200, 200, 200, 200, 200, 403),
    "api/v1/channels/<int:pk>/quarters": (400, 404, 400, 404, 404, 403),
    "api/v1/channels/<int:pk>/readings": (200, 404, 200, 404, 404, 403),
    "api/v1/channels/<int:pk>/readings.csv": (200, 404, 200, 404, 404, 403),
    "api/v1/rollups/": (200, 200, 200, 200, 200, 403),
    "api/v2/write": (401, 401, 401, 401, 401, 401),
    "ping": (204, 204, 204, 204, 204, 204),
    "write": (401, 401, 401, 401, 401, 401),
    "api/v1/sites/": (200, 200, 200, 200, 200, 403),
    "api/v1/invoices/": (200, 200, 200, 200, 200, 403),
    "api/v1/invoices/<str:number>/pdf": (200, 404, 200, 404, 404, 403),
    "api/v1/invoices/<str:number>/xml": (200, 404, 200, 404, 404, 403),
    "api/v1/invoices/<str:number>/evidence": (200, 404, 200, 404, 404, 403),
    "api/schema/": (200, 200, 200, 200, 200, 200),
    "heat/": (404, 404, 200, 200, 404, 302),
    "heat/usage/": (404, 404, 200, 200, 404, 302),
    "heat/temperature/": (404, 404, 200, 200, 404, 302),
    "heat/agreement/": (404, 404, 200, 200, 404, 302),
    "heat/bills/": (404, 404, 200, 200, 404, 302),
    "heat/usage/claims/": (404, 404, 200, 200, 404, 302),
    "heat/bills/<int:pk>/": (404, 404, 200, 404, 404, 302),
    "ops/": (200, 200, 404, 404, 404, 302),
    "ops/sites/<slug:slug>/": (200, 404, 404, 404, 404, 302),
    "ops/sites/<slug:slug>/public/": (200, 404, 404, 404, 404, 302),
    "ops/points/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/points/<int:pk>/readings/": (200, 404, 404, 404, 404, 302),
    "ops/sites/<slug:slug>/points/new/": (200, 404, 404, 404, 404, 302),
    "ops/points/<int:pk>/channels/new/": (200, 404, 404, 404, 404, 302),
    "ops/points/<int:pk>/meter/": (200, 404, 404, 404, 404, 302),
    # Only a point at the source has losses to agree on.
    "ops/points/<int:pk>/losses/": (404, 404, 404, 404, 404, 302),
    "ops/points/<int:pk>/checks/": (200, 404, 404, 404, 404, 302),
    "ops/deliveries/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/deliveries/<int:pk>/terms/": (200, 404, 404, 404, 404, 302),
    "ops/meters/": (200, 200, 404, 404, 404, 302),
    "ops/meters/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/meters/<int:pk>/registers/new/": (200, 404, 404, 404, 404, 302),
    "ops/meters/<int:pk>/key/": (200, 404, 404, 404, 404, 302),
    "ops/meters/<int:pk>/key/remove/": (405, 405, 404, 404, 404, 302),
    "ops/gateways/": (200, 200, 404, 404, 404, 302),
    "ops/gateways/new/": (200, 200, 404, 404, 404, 302),
    "ops/gateways/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/gateways/<int:pk>/renew/": (405, 405, 404, 404, 404, 302),
    "ops/gateways/<int:pk>/revoke/": (405, 405, 404, 404, 404, 302),
    "ops/gateways/<int:pk>/name/": (405, 405, 404, 404, 404, 302),
    # The alarm, its rule, contact and silence are the site's.
    "ops/alarms/": (200, 200, 404, 404, 404, 302),
    "ops/alarms/take/": (405, 405, 404, 404, 404, 302),
    "ops/alarms/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/alarms/rules/": (200, 200, 404, 404, 404, 302),
    "ops/alarms/rules/new/": (200, 200, 404, 404, 404, 302),
    "ops/alarms/rules/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/alarms/rules/<int:pk>/end/": (405, 405, 404, 404, 404, 302),
    "ops/alarms/rules/usual/": (405, 405, 404, 404, 404, 302),
    "ops/alarms/contacts/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/alarms/contacts/": (200, 200, 404, 404, 404, 302),
    "ops/alarms/contacts/<int:pk>/end/": (405, 405, 404, 404, 404, 302),
    "ops/alarms/silences/": (200, 200, 404, 404, 404, 302),
    "ops/alarms/silences/<int:pk>/end/": (405, 405, 404, 404, 404, 302),
    # Probe, incident, work and webhook are of the site and its operator.
    "ops/availability/": (200, 200, 404, 404, 404, 302),
    "ops/availability/services/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/availability/incidents/": (200, 200, 404, 404, 404, 302),
    "ops/availability/incidents/new/": (200, 200, 404, 404, 404, 302),
    "ops/availability/incidents/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/availability/incidents/<int:pk>/edit/": (200, 404, 404, 404, 404, 302),
    "ops/availability/incidents/<int:pk>/withdraw/": (405, 405, 404, 404, 404, 302),
    "ops/availability/work/": (200, 200, 404, 404, 404, 302),
    "ops/availability/work/new/": (200, 200, 404, 404, 404, 302),
    "ops/availability/work/<int:pk>/end/": (405, 405, 404, 404, 404, 302),
    "ops/availability/work/terms/<slug:slug>/": (200, 404, 404, 404, 404, 302),
    "ops/availability/probes/": (200, 200, 404, 404, 404, 302),
    "ops/availability/probes/new/": (200, 200, 404, 404, 404, 302),
    "ops/availability/probes/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/availability/probes/<int:pk>/edit/": (200, 404, 404, 404, 404, 302),
    "ops/availability/probes/<int:pk>/pause/": (405, 405, 404, 404, 404, 302),
    "ops/availability/probes/<int:pk>/resume/": (405, 405, 404, 404, 404, 302),
    "ops/availability/probes/<int:pk>/try/": (405, 405, 404, 404, 404, 302),
    "ops/availability/probes/<int:pk>/end/": (405, 405, 404, 404, 404, 302),
    "ops/alarms/webhooks/": (200, 200, 404, 404, 404, 302),
    "ops/alarms/webhooks/new/": (200, 200, 404, 404, 404, 302),
    "ops/alarms/webhooks/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/alarms/webhooks/<int:pk>/try/": (405, 405, 404, 404, 404, 302),
    "ops/alarms/webhooks/<int:pk>/renew/": (405, 405, 404, 404, 404, 302),
    "ops/alarms/webhooks/<int:pk>/end/": (405, 405, 404, 404, 404, 302),
    "ops/alarms/webhooks/messages/<int:pk>/again/": (405, 405, 404, 404, 404, 302),
    # The finding, the edit and the thresholds are the site's.
    "ops/quality/": (200, 200, 404, 404, 404, 302),
    "ops/quality/decide/": (405, 405, 404, 404, 404, 302),
    "ops/quality/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/quality/edits/": (200, 200, 404, 404, 404, 302),
    "ops/quality/edits/new/": (200, 200, 404, 404, 404, 302),
    "ops/quality/edits/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/quality/rules/": (200, 200, 404, 404, 404, 302),
    "ops/quality/rules/new/": (200, 200, 404, 404, 404, 302),
    "ops/quality/rules/<int:pk>/end/": (405, 405, 404, 404, 404, 302),
    "ops/quality/shares/": (200, 200, 404, 404, 404, 302),
    "ops/invoices/": (200, 200, 404, 404, 404, 302),
    "ops/invoices/<int:pk>/": (200, 404, 404, 404, 404, 302),
    # These only take POST; the rows show who gets past the guard.
    "ops/invoices/<int:pk>/issue/": (405, 405, 404, 404, 404, 302),
    "ops/billing/": (200, 200, 404, 404, 404, 302),
    "ops/billing/checks/": (200, 200, 404, 404, 404, 302),
    "ops/billing/preview/": (200, 200, 404, 404, 404, 302),
    "ops/billing/drafts/": (200, 200, 404, 404, 404, 302),
    "ops/billing/drafts/issue/": (405, 405, 404, 404, 404, 302),
    "ops/billing/missing/": (200, 200, 404, 404, 404, 302),
    "ops/money/corrections/issue/": (405, 405, 404, 404, 404, 302),
    "ops/billing/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/billing/<int:pk>/cancel/": (405, 405, 404, 404, 404, 302),
    "ops/billing/<int:pk>/again/": (405, 405, 404, 404, 404, 302),
    "ops/billing/<int:pk>/resume/": (405, 405, 404, 404, 404, 302),
    "ops/archive/": (200, 200, 404, 404, 404, 302),
    "ops/archive/seal/": (200, 200, 404, 404, 404, 302),
    "ops/archive/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/archive/<int:pk>/restore/": (405, 405, 404, 404, 404, 302),
    "ops/archive/<int:pk>/check/": (405, 405, 404, 404, 404, 302),
    "ops/archive/<int:pk>/again/": (405, 405, 404, 404, 404, 302),
    "ops/imports/": (200, 200, 404, 404, 404, 302),
    "ops/imports/new/": (200, 200, 404, 404, 404, 302),
    "ops/imports/files/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/imports/batches/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/imports/batches/<int:pk>/replay/": (405, 405, 404, 404, 404, 302),
    "ops/imports/mappings/": (200, 200, 404, 404, 404, 302),
    "ops/imports/mappings/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "hosting/": (404, 404, 404, 404, 200, 302),
    "hosting/uptime/": (404, 404, 404, 404, 200, 302),
    "hosting/energy/": (404, 404, 404, 404, 200, 302),
    "ops/invoices/<int:pk>/correct/": (405, 405, 404, 404, 404, 302),
    "ops/invoices/<int:pk>/credit/": (405, 405, 404, 404, 404, 302),
    "ops/money/": (200, 200, 404, 404, 404, 302),
    "ops/money/payments/": (200, 200, 404, 404, 404, 302),
    "ops/money/payments/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/money/corrections/limits/": (200, 200, 404, 404, 404, 302),
    "ops/money/corrections/": (200, 200, 404, 404, 404, 302),
    "ops/money/disputes/": (200, 200, 404, 404, 404, 302),
    "ops/money/disputes/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/money/revenue/": (200, 200, 404, 404, 404, 302),
    "ops/money/costs/<slug:slug>/": (200, 404, 404, 404, 404, 302),
    "ops/money/books/": (200, 200, 404, 404, 404, 302),
    "ops/money/debits/": (200, 200, 404, 404, 404, 302),
    "ops/money/debits/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/money/mandates/": (200, 200, 404, 404, 404, 302),
    "ops/money/mandates/new/": (200, 200, 404, 404, 404, 302),
    "ops/money/mandates/<int:pk>/end/": (200, 404, 404, 404, 404, 302),
    "ops/money/reminders/": (200, 200, 404, 404, 404, 302),
    "ops/money/reminders/<int:level>/": (200, 200, 404, 404, 404, 302),
    "ops/money/reminders/drop/": (405, 405, 404, 404, 404, 302),
    "ops/contracts/": (200, 200, 404, 404, 404, 302),
    "ops/contracts/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/new/": (200, 200, 404, 404, 404, 302),
    "ops/contracts/<int:pk>/edit/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/<int:pk>/end/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/<int:pk>/terms/new/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/<int:pk>/terms/<int:terms>/withdraw/": (405, 405, 404, 404, 404, 302),
    "ops/contracts/<int:pk>/simulate/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/<int:pk>/compare/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/<int:pk>/figures/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/<int:pk>/baselines/new/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/baselines/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/indices/": (200, 200, 404, 404, 404, 302),
    "ops/contracts/indices/new/": (200, 200, 404, 404, 404, 302),
    "ops/contracts/indices/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/indices/<int:pk>/value/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/indices/<int:pk>/import/": (200, 404, 404, 404, 404, 302),
    "ops/contracts/indices/<int:pk>/rebase/": (200, 404, 404, 404, 404, 302),
    "account/agreements/": (404, 404, 302, 302, 200, 302),
    "ops/contracts/<int:pk>/start/": (405, 405, 404, 404, 404, 302),
    "ops/contracts/<int:pk>/convert/": (405, 405, 404, 404, 404, 302),
    "account/": (404, 404, 200, 200, 200, 302),
    "lines/<int:pk>/": (200, 404, 200, 404, 404, 302),
    "account/lines/<int:pk>/dispute/": (404, 404, 200, 404, 404, 302),
    "account/disputes/<int:pk>/": (404, 404, 200, 404, 404, 302),
    "hosting/invoices/": (404, 404, 404, 404, 200, 302),
    "hosting/invoices/<int:pk>/": (404, 404, 404, 404, 404, 302),
    "ops/statements/attributes/": (200, 200, 404, 404, 404, 302),
    "ops/statements/attributes/new/": (200, 200, 404, 404, 404, 302),
    "ops/statements/attributes/file/": (200, 200, 404, 404, 404, 302),
    "ops/statements/attributes/file/template.csv": (200, 200, 404, 404, 404, 302),
    "ops/statements/attributes/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/statements/attributes/<int:pk>/<int:allocation>/end/": (405, 405, 404, 404, 404, 302),
    "ops/statements/claims/": (200, 200, 404, 404, 404, 302),
    "ops/statements/claims/new/": (200, 200, 404, 404, 404, 302),
    "ops/statements/claims/<int:pk>/end/": (405, 405, 404, 404, 404, 302),
    "ops/statements/heating/": (200, 200, 404, 404, 404, 302),
    "ops/statements/emissions/": (200, 200, 404, 404, 404, 302),
    "ops/statements/emissions/<slug:slug>/": (200, 404, 404, 404, 404, 302),
    # Each operator has its own years.
    "ops/statements/years/<int:year>/": (200, 200, 404, 404, 404, 302),
    "methods/<str:version>/": (200, 200, 200, 200, 200, 200),
    "ops/statements/reference/": (200, 200, 404, 404, 404, 302),
    "ops/statements/reference/rules/": (200, 200, 404, 404, 404, 302),
    "ops/statements/reference/new/": (200, 200, 404, 404, 404, 302),
    "ops/statements/ratios/": (200, 200, 404, 404, 404, 302),
    "ops/statements/ratios/<slug:slug>/": (200, 404, 404, 404, 404, 302),
    "ops/statements/reports/": (200, 200, 404, 404, 404, 302),
    "ops/statements/reports/<slug:slug>/<int:year>/": (200, 404, 404, 404, 404, 302),
    "ops/statements/reports/<slug:slug>/<int:year>/heat/": (200, 404, 404, 404, 404, 302),
    # The statement and the outside check are the tenant's.
    "ops/statements/": (200, 200, 404, 404, 404, 302),
    "ops/statements/new/": (200, 200, 404, 404, 404, 302),
    "ops/statements/issue/": (405, 405, 404, 404, 404, 302),
    "ops/statements/keys/": (200, 200, 404, 404, 404, 302),
    "ops/statements/checks/": (200, 200, 404, 404, 404, 302),
    "ops/statements/checks/<int:pk>/withdraw/": (405, 405, 404, 404, 404, 302),
    "ops/statements/<int:pk>/": (200, 404, 404, 404, 404, 302),
    "ops/statements/<int:pk>/revoke/": (405, 405, 404, 404, 404, 302),
    "hosting/statements/claims/": (404, 404, 404, 404, 200, 302),
    "hosting/statements/": (404, 404, 404, 404, 200, 302),
    "hosting/statements/<int:pk>/": (404, 404, 404, 404, 200, 302),
    "hosting/statements/<int:pk>/share/": (404, 404, 404, 404, 405, 302),
    "hosting/statements/<int:pk>/unshare/": (404, 404, 404, 404, 405, 302),
    # The service is the tenant's.
    "services/<int:pk>/<int:year>/electricity.pdf": (200, 404, 404, 404, 200, 302),
    "checks/<int:pk>/report.pdf": (200, 404, 404, 404, 200, 302),
    # Whoever has a statement may ask whether it holds; its figures need the tenant's link.
    "verify/": (200, 200, 200, 200, 200, 200),
    "verify/<uuid:public_id>/": (200, 200, 200, 200, 200, 200),
    "p/s/<str:token>/": (200, 200, 200, 200, 200, 200),
    "p/s/<str:token>/badge.svg": (200, 200, 200, 200, 200, 200),
    "carbon.txt": (200, 200, 200, 200, 200, 200),
    ".well-known/carbon.txt": (200, 200, 200, 200, 200, 200),
    "p/<slug:operator>/figures.json": (200, 200, 200, 200, 200, 200),
    "p/<slug:operator>/<slug:site>/figures.json": (200, 200, 200, 200, 200, 200),
    "p/<slug:operator>/did.json": (200, 200, 200, 200, 200, 200),
    "p/<slug:operator>/status-list": (200, 200, 200, 200, 200, 200),
    "p/<slug:operator>/": (200, 200, 200, 200, 200, 200),
    "p/<slug:operator>/<slug:site>/": (200, 200, 200, 200, 200, 200),
}


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
        ("ops/archive", ArchivedMonth),
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
    filled = filled.replace("costs/<slug:slug>", f"costs/{site.slug}")
    filled = filled.replace("sites/<slug:slug>", f"sites/{invoice.contract.site.slug}")
    filled = filled.replace("channels/<int:pk>", f"channels/{_first(Channel)}")
    filled = filled.replace("points/<int:pk>", f"points/{_first(MeteringPoint)}")
    filled = filled.replace(
        "deliveries/<int:pk>", f"deliveries/{invoice.contract.delivery_point_id}"
    )
    filled = filled.replace("meters/<int:pk>", f"meters/{_first(Meter)}")
    for name, model in (("files", Upload), ("batches", IngestBatch), ("mappings", ColumnMapping)):
        filled = filled.replace(f"imports/{name}/<int:pk>", f"imports/{name}/{_first(model)}")
    filled = filled.replace("reports/<slug:slug>/<int:year>", f"reports/{site.slug}/2025")
    filled = filled.replace(
        "services/<int:pk>/<int:year>", f"services/{_first(HostingService)}/2025"
    )
    filled = filled.replace("ratios/<slug:slug>", f"ratios/{site.slug}")
    filled = filled.replace("emissions/<slug:slug>", f"emissions/{site.slug}")
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
