"""
Every address of the portal. A new one also enters the access table in tests/test_access.py.
"""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny

from billing import api as billing_api
from portal.views import (
    accounts,
    health,
    heat,
    heat_bills,
    hosting,
    hosting_energy,
    hosting_invoices,
    invitations,
    ops_billing,
    ops_points,
    ops_sites,
    passwords,
    people,
    public,
)
from sites import api as sites_api
from telemetry import api as telemetry_api

urlpatterns = [
    path("", accounts.home, name="home"),
    path("sign-in/", accounts.SignIn.as_view(), name="sign-in"),
    path("sign-out/", accounts.sign_out, name="sign-out"),
    path("switch/", accounts.switch, name="switch"),
    path("settings/", accounts.personal_settings, name="settings"),
    path("settings/theme/", accounts.set_theme, name="set-theme"),
    path("settings/density/", accounts.set_density, name="set-density"),
    path("settings/password/", passwords.change, name="password-change"),
    path("password-reset/", passwords.Forgotten.as_view(), name="password-reset"),
    path("password-reset/sent/", passwords.ForgottenSent.as_view(), name="password-reset-sent"),
    path("password-reset/done/", passwords.Done.as_view(), name="password-reset-done"),
    path(
        "password-reset/<str:uidb64>/<str:token>/",
        passwords.New.as_view(),
        name="password-reset-new",
    ),
    path("invitations/accept/", invitations.accept, name="invitation-accept"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
    path("people/", people.people, name="people"),
    path("people/of/<int:stakeholder_id>/", people.people, name="people-of"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/end/", people.end, name="person-end"),
    path("people/invitations/<int:pk>/withdraw/", people.withdraw, name="invitation-withdraw"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/v1/readings", telemetry_api.Readings.as_view(), name="readings"),
    path("api/v2/write", telemetry_api.Write.as_view(), name="influx-write"),
    path("write", telemetry_api.WriteV1.as_view(), name="influx-write-v1"),
    path("api/v1/sites/", sites_api.Sites.as_view(), name="sites"),
    path("api/v1/invoices/", billing_api.Invoices.as_view(), name="invoices"),
    path("api/v1/invoices/<str:number>/pdf", billing_api.InvoicePdf.as_view(), name="invoice-pdf"),
    path("api/v1/invoices/<str:number>/xml", billing_api.InvoiceXml.as_view(), name="invoice-xml"),
    path("ops/", ops_sites.fleet, name="ops-fleet"),
    path("ops/sites/<slug:slug>/", ops_sites.site, name="ops-site"),
    path("ops/points/<int:pk>/", ops_points.point, name="ops-point"),
    path("ops/points/<int:pk>/series.json", ops_points.series, name="ops-point-series"),
    path("ops/points/<int:pk>/readings/", ops_points.readings, name="ops-readings"),
    path("ops/invoices/", ops_billing.invoices, name="ops-invoices"),
    path("ops/invoices/<int:pk>/", ops_billing.invoice, name="ops-invoice"),
    path("ops/invoices/<int:pk>/issue/", ops_billing.issue_invoice, name="ops-invoice-issue"),
    path("ops/billing/", ops_billing.runs, name="ops-runs"),
    path("ops/billing/<int:pk>/", ops_billing.run, name="ops-run"),
    path("ops/billing/<int:pk>/cancel/", ops_billing.cancel_run, name="ops-run-cancel"),
    path("ops/billing/<int:pk>/resume/", ops_billing.resume_run, name="ops-run-resume"),
    path("heat/", heat.home, name="heat"),
    path("heat/usage/", heat.usage, name="heat-usage"),
    path("heat/temperature/", heat.temperature, name="heat-temperature"),
    path("heat/bills/", heat_bills.bills, name="heat-bills"),
    path("heat/bills/<int:pk>/", heat_bills.bill, name="heat-bill"),
    path("hosting/", hosting.overview, name="hosting"),
    path("hosting/uptime/", hosting.uptime, name="hosting-uptime"),
    path("hosting/energy/", hosting_energy.energy, name="hosting-energy"),
    path("hosting/invoices/", hosting_invoices.invoices, name="hosting-invoices"),
    path("hosting/invoices/<int:pk>/", hosting_invoices.invoice, name="hosting-invoice"),
    path("p/<slug:operator>/", public.operator, name="public-operator"),
    path("p/<slug:operator>/<slug:site>/", public.site, name="public-site"),
    path(
        "api/schema/",
        SpectacularAPIView.as_view(permission_classes=[AllowAny], authentication_classes=[]),
        name="schema",
    ),
]
