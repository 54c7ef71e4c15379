"""
Documents: copies of what was billed, never recomputed, corrected only by other documents.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q

from billing.models.contracts import Contract, Terms
from billing.models.runs import BillingPeriod
from sites.access import Scope, ScopedQuerySet
from sites.models import HostingService, Stakeholder
from telemetry.models import AttributeLot


class NumberSeries(models.Model):
    """
    The counter behind gapless numbers: one row per seller, kind of document and year.
    """

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="series")
    document_type = models.CharField(max_length=12, default="invoice")
    year = models.PositiveSmallIntegerField()
    prefix = models.CharField(max_length=20)
    last_number = models.PositiveBigIntegerField(default=0)
    # Hash of the newest document, so that each names the one before it.
    last_hash = models.BinaryField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "document_type", "year"], name="one_series_a_seller_and_year"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}{self.year}"


class InvoiceQuerySet(ScopedQuerySet["Invoice"]):
    scope = Scope(
        operator="operator",
        partner="customer",
        tenant="customer",
        customers_only=Q(status="issued"),
    )


class Invoice(models.Model):
    """
    An invoice. Names and addresses are copied at issue; an issued row is frozen by a trigger,
    and so are its lines. Amounts are in `currency`.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        ISSUED = "issued", "Issued"
        VOID = "void", "Discarded draft"

    class Type(models.TextChoices):
        INVOICE = "invoice", "Invoice"
        CREDIT_NOTE = "credit_note", "Credit note"
        # Made by the operator in the host's name: the host is the seller.
        SELF_BILLED = "self_billed", "Self-billed invoice"

    document_type = models.CharField(max_length=12, choices=Type.choices, default=Type.INVOICE)
    # The document that this one corrects, and why.
    corrects = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="corrections"
    )
    reason = models.CharField(max_length=200, blank=True)
    operator = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, related_name="invoices_sold"
    )
    customer = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, related_name="invoices_bought"
    )
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="invoices")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="invoices")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    created_at = models.DateTimeField()
    currency = models.CharField(max_length=3)
    seller = models.JSONField(default=dict)
    buyer = models.JSONField(default=dict)
    net = models.DecimalField(max_digits=14, decimal_places=2)
    vat = models.DecimalField(max_digits=14, decimal_places=2)
    gross = models.DecimalField(max_digits=14, decimal_places=2)
    # What the lines were rated from, one item a stretch, as `billing.domain.rating.stretch` reads
    # it, and the digest of that.
    inputs = models.JSONField(default=list)
    inputs_sha256 = models.BinaryField(default=bytes)
    series = models.ForeignKey(NumberSeries, on_delete=models.PROTECT, null=True, blank=True)
    sequence = models.PositiveBigIntegerField(null=True, blank=True)
    number = models.CharField(max_length=40, blank=True)
    issued_on = models.DateField(null=True, blank=True)
    issued_at = models.DateTimeField(null=True, blank=True)
    due_on = models.DateField(null=True, blank=True)
    previous_hash = models.BinaryField(null=True, blank=True)
    document_hash = models.BinaryField(null=True, blank=True)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["contract", "period"],
                name="one_live_invoice_per_contract_and_period",
                condition=~Q(status="void") & Q(corrects__isnull=True),
            ),
            models.CheckConstraint(
                name="a_credit_note_corrects_a_document",
                condition=~Q(document_type="credit_note")
                | (Q(corrects__isnull=False) & ~Q(reason="")),
            ),
            models.UniqueConstraint(fields=["series", "sequence"], name="a_number_is_used_once"),
            models.UniqueConstraint(
                fields=["operator", "number"],
                name="a_number_names_one_document",
                condition=~Q(number=""),
            ),
            models.CheckConstraint(
                name="gross_is_net_plus_vat", condition=Q(gross=F("net") + F("vat"))
            ),
            models.CheckConstraint(
                name="exactly_issued_invoices_have_a_number",
                condition=(
                    Q(
                        status="issued",
                        series__isnull=False,
                        sequence__isnull=False,
                        issued_on__isnull=False,
                        issued_at__isnull=False,
                        due_on__isnull=False,
                        document_hash__isnull=False,
                    )
                    & ~Q(number="")
                )
                | (~Q(status="issued") & Q(number="", series__isnull=True, sequence__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(fields=["operator", "-issued_on", "-id"], name="sold_newest_first"),
            models.Index(fields=["customer", "-issued_on", "-id"], name="bought_newest_first"),
        ]

    def __str__(self) -> str:
        return self.number or f"draft {self.pk}"

    @property
    def by_direct_debit(self) -> bool:
        """
        Whether it is collected by SEPA direct debit: its customer had a mandate in force when it
        was made, and the operator can collect in its currency.
        """
        return bool(
            self.document_type == self.Type.INVOICE
            and self.gross > 0
            and self.currency == "EUR"
            and self.seller.get("creditor_id")
            and self.buyer.get("mandate_reference")
        )


class InvoiceLine(models.Model):
    """
    One charge. `net` is quantity times unit price, rounded half up once; a CHECK proves it.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveSmallIntegerField()
    # What is charged: "standing" or "energy". With the contract it names a stream of charges.
    charge = models.CharField(max_length=20)
    terms = models.ForeignKey(Terms, on_delete=models.PROTECT)
    service = DateTimeRangeField()
    description = models.CharField(max_length=200)
    quantity = models.DecimalField(max_digits=18, decimal_places=3)
    unit = models.CharField(max_length=12)
    unit_price = models.DecimalField(max_digits=16, decimal_places=6)
    net = models.DecimalField(max_digits=14, decimal_places=2)
    vat_category = models.CharField(max_length=2)
    vat_rate = models.DecimalField(max_digits=5, decimal_places=2)
    # The line of an issued document that this one takes back.
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversed_by"
    )
    # The line of an issued document that this one replaces with the right quantity.
    replaces = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaced_by"
    )
    # The formula in words and numbers, as it was applied.
    explanation = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="position_once"),
            models.CheckConstraint(name="price_is_not_negative", condition=Q(unit_price__gte=0)),
        ]

    def __str__(self) -> str:
        return self.description


class InvoiceVat(models.Model):
    """
    VAT of one category and rate, computed once on the sum of its lines (EN 16931 BR-CO-17).
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="vat_lines")
    category = models.CharField(max_length=2)
    rate = models.DecimalField(max_digits=5, decimal_places=2)
    base = models.DecimalField(max_digits=14, decimal_places=2)
    tax = models.DecimalField(max_digits=14, decimal_places=2)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "category", "rate"], name="vat_once_a_category_and_rate"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rate} %"


class BilledInterval(models.Model):
    """
    The ledger against double billing: no stretch of time is claimed twice for one charge.
    """

    line = models.OneToOneField(InvoiceLine, on_delete=models.CASCADE, primary_key=True)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT)
    charge = models.CharField(max_length=20)
    service = DateTimeRangeField()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="no_time_is_billed_twice_for_one_charge",
                expressions=[
                    ("contract", RangeOperators.EQUAL),
                    ("charge", RangeOperators.EQUAL),
                    ("service", RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contract} {self.charge} {self.service}"


class LineEvidence(models.Model):
    """
    What a line was computed from, enough to recompute it from the readings.

    Registers are in the meter's native unit.
    """

    line = models.ForeignKey(InvoiceLine, on_delete=models.CASCADE, related_name="evidence")
    channel_key = models.CharField(max_length=90)
    channel_id = models.BigIntegerField()
    meter_serial = models.CharField(max_length=60)
    instants = DateTimeRangeField()
    opening = models.DecimalField(max_digits=24, decimal_places=9)
    closing = models.DecimalField(max_digits=24, decimal_places=9)
    energy_kwh = models.DecimalField(max_digits=24, decimal_places=9)
    estimated_kwh = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    reading_count = models.PositiveIntegerField()
    readings_sha256 = models.BinaryField()
    # Four bytes a reading in order of time: which reading differs, where the digest does.
    fingerprints = models.BinaryField(default=bytes)
    rollup_version = models.PositiveIntegerField()
    terms_version = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["line", "channel_id", "instants"], name="evidence_once_a_stretch"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel_key} {self.instants}"


class InvoiceDocumentQuerySet(ScopedQuerySet["InvoiceDocument"]):
    scope = Scope(
        operator="invoice__operator", partner="invoice__customer", tenant="invoice__customer"
    )


class InvoiceDocument(models.Model):
    """
    The PDF of an issued invoice, made once and kept in the database, so that no process
    depends on another's disk.
    """

    invoice = models.OneToOneField(
        Invoice, on_delete=models.PROTECT, primary_key=True, related_name="document"
    )
    pdf = models.BinaryField()
    sha256 = models.BinaryField()
    made_at = models.DateTimeField()

    objects = InvoiceDocumentQuerySet.as_manager()

    def __str__(self) -> str:
        return f"PDF of {self.invoice}"


class AttributeUse(models.Model):
    """
    kWh of a lot that a line bills to a hosting service for a month. A trigger keeps all standing
    lines within what is allocated of the lot to the service and month, and an allocation that was
    billed cannot be taken back below that.
    """

    line = models.ForeignKey(InvoiceLine, on_delete=models.CASCADE, related_name="attributes")
    lot = models.ForeignKey(AttributeLot, on_delete=models.PROTECT, related_name="billed")
    service = models.ForeignKey(HostingService, on_delete=models.PROTECT, related_name="+")
    month = models.DateField()
    kwh = models.DecimalField(max_digits=18, decimal_places=3)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["line", "lot"], name="a_lot_once_a_line"),
            models.CheckConstraint(
                name="attributes_billed_are_of_a_month", condition=Q(kwh__gt=0, month__day=1)
            ),
        ]
        indexes = [
            models.Index(fields=["lot", "service", "month"], name="billed_of_a_lot"),
        ]

    def __str__(self) -> str:
        return f"{self.kwh} kWh of lot {self.lot_id}"
