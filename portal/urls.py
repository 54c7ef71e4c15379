"""
Every address of the portal. A new one also enters the access table in tests/test_access.py.
"""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny

from billing import api as billing_api
from portal.views import health
from telemetry import api as telemetry_api

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/v1/readings", telemetry_api.Readings.as_view(), name="readings"),
    path("api/v1/invoices/", billing_api.Invoices.as_view(), name="invoices"),
    path("api/v1/invoices/<str:number>/pdf", billing_api.InvoicePdf.as_view(), name="invoice-pdf"),
    path(
        "api/schema/",
        SpectacularAPIView.as_view(permission_classes=[AllowAny], authentication_classes=[]),
        name="schema",
    ),
]
