"""
What was paid, what is still owed, and what is in dispute. Documents themselves never change.
"""

from typing import Self

from django.contrib.postgres.fields import DateTimeRangeField
from django.db import models
from django.db.models import Q

from billing.models.invoices import Invoice, InvoiceLine
from sites.access import Scope, ScopedQuerySet
from sites.models import Stakeholder, User


class BankEntryQuerySet(ScopedQuerySet["BankEntry"]):
    scope = Scope(operator="operator")


class BankEntry(models.Model):
    """
    Money that moved: in is positive, out or sent back negative. The bank's own reference is kept
    once an account, so that a statement read twice changes nothing. Never changed.
    """

    class Source(models.TextChoices):
        STATEMENT = "statement", "Bank statement"
        MANUAL = "manual", "Entered by hand"

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="bank_entries")
    source = models.CharField(max_length=10, choices=Source.choices)
    account = models.CharField(max_length=34, blank=True)
    reference = models.CharField(max_length=80)
    booked_on = models.DateField()
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    currency = models.CharField(max_length=3)
    end_to_end_id = models.CharField(max_length=35, blank=True)
    # What the payer wrote.
    remittance = models.TextField(blank=True)
    counterparty = models.CharField(max_length=140, blank=True)
    counterparty_iban = models.CharField(max_length=34, blank=True)
    # Why the bank sent a direct debit back (ISO 20022 code), empty otherwise.
    return_reason = models.CharField(max_length=4, blank=True)
    stored_at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)

    objects = BankEntryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "account", "reference"], name="bank_reference_once_an_account"
            ),
            models.CheckConstraint(name="an_entry_moves_money", condition=~Q(amount=0)),
        ]
        indexes = [models.Index(fields=["operator", "-booked_on"], name="entries_newest_first")]

    def __str__(self) -> str:
        return f"{self.booked_on} {self.amount} {self.currency}"


class AllocationQuerySet(ScopedQuerySet["Allocation"]):
    scope = Scope(
        operator="invoice__operator", partner="invoice__customer", tenant="invoice__customer"
    )


class Allocation(models.Model):
    """
    Part of a payment, or of a credit note, that settles a document. What is taken back is a
    negative row. Triggers keep the sums within what was paid, credited and owed.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="allocations")
    entry = models.ForeignKey(
        BankEntry, on_delete=models.PROTECT, null=True, blank=True, related_name="allocations"
    )
    credit_note = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="settles"
    )
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    # How the two were found to belong together.
    how = models.CharField(max_length=20)

    objects = AllocationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="an_allocation_is_of_money", condition=~Q(amount=0)),
            models.CheckConstraint(
                name="an_allocation_is_of_a_payment_or_a_credit_note",
                condition=Q(entry__isnull=False, credit_note__isnull=True)
                | Q(entry__isnull=True, credit_note__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} on {self.invoice}"


class MandateQuerySet(ScopedQuerySet["Mandate"]):
    scope = Scope(operator="operator", partner="customer", tenant="customer")

    def in_force(self) -> Self:
        """
        Return the mandates that were not taken back; a customer has one at most.
        """
        return self.filter(revoked_on__isnull=True)


class Mandate(models.Model):
    """
    A customer's consent to SEPA direct debits.
    """

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="mandates")
    reference = models.CharField(max_length=35)
    signed_on = models.DateField()
    account_name = models.CharField(max_length=70)
    iban = models.CharField(max_length=34)
    bic = models.CharField(max_length=11, blank=True)
    revoked_on = models.DateField(null=True, blank=True)

    objects = MandateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "reference"], name="mandate_reference_once_an_operator"
            ),
            models.UniqueConstraint(
                fields=["customer"], name="one_mandate_in_force_a_customer",
                condition=Q(revoked_on__isnull=True),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.reference


class DebitFileQuerySet(ScopedQuerySet["DebitFile"]):
    scope = Scope(operator="operator")


class DebitFile(models.Model):
    """
    A file of direct debits for the bank (pain.008).
    """

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="debit_files")
    message_id = models.CharField(max_length=35, unique=True)
    collect_on = models.DateField()
    made_at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    xml = models.BinaryField()

    objects = DebitFileQuerySet.as_manager()

    def __str__(self) -> str:
        return self.message_id


class Debit(models.Model):
    """
    One invoice collected with a file. A document is collected once at a time, by constraint; the
    number of the document is the end-to-end id, with the attempt behind it.
    """

    file = models.ForeignKey(DebitFile, on_delete=models.PROTECT, related_name="debits")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="debits")
    mandate = models.ForeignKey(Mandate, on_delete=models.PROTECT, related_name="debits")
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    end_to_end_id = models.CharField(max_length=35, unique=True)
    # The bank sent it back; the document may be collected again.
    returned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["invoice"], name="a_document_is_collected_once_at_a_time",
                condition=Q(returned_at__isnull=True),
            ),
            models.CheckConstraint(name="a_debit_collects", condition=Q(amount__gt=0)),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.end_to_end_id


class DunningLevel(models.Model):
    """
    A step of an operator's reminders: so many days after the due day, with a fee and its words
    by language.
    """

    operator = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, related_name="dunning_levels"
    )
    level = models.PositiveSmallIntegerField()
    days_after_due = models.PositiveSmallIntegerField()
    fee = models.DecimalField(max_digits=9, decimal_places=2, default=0)
    # Language code to text; "{number}", "{amount}" and "{due}" are filled in.
    texts = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operator", "level"], name="dunning_level_once"),
            models.CheckConstraint(
                name="dunning_has_at_most_four_levels", condition=Q(level__gte=1, level__lte=4)
            ),
        ]

    def __str__(self) -> str:
        return f"level {self.level}"


class ReminderQuerySet(ScopedQuerySet["Reminder"]):
    scope = Scope(
        operator="invoice__operator", partner="invoice__customer", tenant="invoice__customer"
    )


class Reminder(models.Model):
    """
    A reminder that was sent: once a level and document, of what was open and undisputed.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="reminders")
    level = models.PositiveSmallIntegerField()
    made_at = models.DateTimeField()
    open_amount = models.DecimalField(max_digits=14, decimal_places=2)
    fee = models.DecimalField(max_digits=9, decimal_places=2)
    text = models.TextField()
    sent_at = models.DateTimeField(null=True, blank=True)

    objects = ReminderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "level"], name="a_level_is_reached_once"),
            models.CheckConstraint(
                name="only_what_is_open_is_reminded_of", condition=Q(open_amount__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invoice} level {self.level}"


class DisputeQuerySet(ScopedQuerySet["Dispute"]):
    scope = Scope(
        operator="line__invoice__operator",
        partner="line__invoice__customer",
        tenant="line__invoice__customer",
    )


class Dispute(models.Model):
    """
    A customer does not agree with a line, or with some time of it. Only `amount` is held: it is
    not reminded of and not collected while the dispute lives.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ANSWERED = "answered", "Answered"
        METER_TEST = "meter_test", "Meter is being checked"
        CORRECTED = "corrected", "Corrected"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    LIVE = (State.OPEN, State.ANSWERED, State.METER_TEST)

    line = models.ForeignKey(InvoiceLine, on_delete=models.PROTECT, related_name="disputes")
    # The time in dispute, None: all of the line's.
    span = DateTimeRangeField(null=True, blank=True)
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    state = models.CharField(max_length=12, choices=State.choices, default=State.OPEN)
    opened_at = models.DateTimeField()
    opened_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    # By when the operator answers.
    answer_by = models.DateField()
    decided_at = models.DateTimeField(null=True, blank=True)
    # The document that came of it.
    correction = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = DisputeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["line"], name="one_live_dispute_a_line",
                condition=Q(state__in=["open", "answered", "meter_test"]),
            ),
            models.CheckConstraint(name="a_dispute_is_about_money", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="exactly_decided_disputes_have_their_day",
                condition=Q(
                    state__in=["open", "answered", "meter_test"], decided_at__isnull=True
                )
                | (
                    ~Q(state__in=["open", "answered", "meter_test"])
                    & Q(decided_at__isnull=False)
                ),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.line.invoice}: {self.state}"


class DisputeNote(models.Model):
    """
    What was said and done in a dispute, in order; never changed.
    """

    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="notes")
    at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    # The step taken with it: a state, or "comment".
    step = models.CharField(max_length=12)
    text = models.TextField()

    def __str__(self) -> str:
        return f"{self.dispute_id} {self.step}"
