"""
Issued invoices for the people and machines that may see them.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing import documents, queries
from sites.api import Pages, viewer_of


class InvoiceOutput(serializers.Serializer[Any]):
    """
    An invoice; amounts in its currency, as strings.
    """

    number = serializers.CharField()
    status = serializers.CharField()
    contract = serializers.CharField(source="contract.reference")
    site = serializers.CharField(source="contract.site.name")
    customer = serializers.CharField(source="customer.name")
    issued_on = serializers.DateField()
    due_on = serializers.DateField()
    currency = serializers.CharField()
    net = serializers.DecimalField(max_digits=14, decimal_places=2)
    vat = serializers.DecimalField(max_digits=14, decimal_places=2)
    gross = serializers.DecimalField(max_digits=14, decimal_places=2)


class Invoices(generics.GenericAPIView[Any]):
    """
    The invoices of the stakeholder one acts for, newest first.
    """

    serializer_class = InvoiceOutput
    pagination_class = Pages

    @extend_schema(responses=InvoiceOutput(many=True))
    def get(self, request: Request) -> Response:
        """
        Operators see drafts too; customers what was issued to them.
        """
        page = self.paginate_queryset(queries.invoices(viewer=viewer_of(request)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class InvoicePdf(APIView):
    """
    The document of one invoice.
    """

    @extend_schema(responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    def get(self, request: Request, number: str) -> HttpResponse:
        """
        404 for an invoice that is not there, not the viewer's, or whose PDF is still being made.
        """
        kept = get_object_or_404(
            queries.documents(viewer=viewer_of(request)), invoice__number=number
        )
        response = HttpResponse(bytes(kept.pdf), content_type="application/pdf")
        response["Content-Disposition"] = f'inline; filename="{number}.pdf"'
        return response


class InvoiceXml(APIView):
    """
    The electronic form of one issued document (EN 16931).
    """

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "syntax", enum=[syntax.value for syntax in documents.Syntax],
                description="cii is what the PDF carries; ubl if not given.",
            )
        ],
        responses={(200, "application/xml"): OpenApiTypes.BINARY},
    )  # fmt: skip
    def get(self, request: Request, number: str) -> HttpResponse:
        """
        404 for a document that is not there, not issued or not the viewer's; 400 for one that lacks
        what the syntax asks for.
        """
        wanted = request.query_params.get("syntax", documents.Syntax.UBL.value)
        if wanted not in {syntax.value for syntax in documents.Syntax}:
            known = ", ".join(documents.Syntax)
            raise ValidationError({"syntax": [f"Unknown syntax. Ask for one of {known}."]})
        invoice = get_object_or_404(
            queries.invoice_details(viewer=viewer_of(request)), number=number, status="issued"
        )
        try:
            xml = documents.electronic_invoice(invoice=invoice, syntax=documents.Syntax(wanted))
        except documents.NotSendable as problem:
            raise ValidationError({"syntax": [str(problem)]}) from None
        response = HttpResponse(xml, content_type="application/xml")
        response["Content-Disposition"] = f'attachment; filename="{number}-{wanted}.xml"'
        return response


class InvoiceEvidence(APIView):
    """
    The evidence of one issued document, to be checked without the portal.
    """

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, number: str) -> HttpResponse:
        """
        404 for a document that is not there, not issued or not the viewer's.
        """
        invoice = get_object_or_404(
            queries.invoice_details(viewer=viewer_of(request)), number=number, status="issued"
        )
        response = HttpResponse(
            documents.evidence_bundle(invoice=invoice), content_type="application/zip"
        )
        response["Content-Disposition"] = f'attachment; filename="{number}-evidence.zip"'
        return response
