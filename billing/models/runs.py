"""
Stretches of time to bill, and the runs that bill them.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Q

from billing.models.contracts import Contract
from sites.access import Scope, ScopedQuerySet
from sites.models import Stakeholder, User


class BillingPeriodQuerySet(ScopedQuerySet["BillingPeriod"]):
    scope = Scope(
        operator="contract__operator", partner="contract__customer", tenant="contract__customer"
    )


class BillingPeriod(models.Model):
    """
    Local days of a contract that are billed together. A CHECK ties them to their UTC instants.
    """

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        PARKED = "parked", "Held"
        DRAFTED = "drafted", "Drafted"
        INVOICED = "invoiced", "Invoiced"

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="periods")
    local_days = DateRangeField()
    timezone = models.CharField(max_length=60)
    instants = DateTimeRangeField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    parked_reason = models.TextField(blank=True)
    # When it was billed or held last; what came in since may be the cause of a hold gone.
    tried_at = models.DateTimeField(null=True, blank=True)

    objects = BillingPeriodQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="local_days_of_a_contract_are_billed_once",
                expressions=[
                    ("contract", RangeOperators.EQUAL),
                    ("local_days", RangeOperators.OVERLAPS),
                ],
            ),
            ExclusionConstraint(
                name="instants_of_a_contract_are_billed_once",
                expressions=[
                    ("contract", RangeOperators.EQUAL),
                    ("instants", RangeOperators.OVERLAPS),
                ],
            ),
            models.CheckConstraint(
                name="a_held_period_says_why",
                condition=(Q(status="parked") & ~Q(parked_reason=""))
                | (~Q(status="parked") & Q(parked_reason="")),
            ),
        ]
        indexes = [
            models.Index(fields=["tried_at"], name="held_periods", condition=Q(status="parked"))
        ]

    def __str__(self) -> str:
        return f"{self.contract} {self.local_days}"


class BillingRunQuerySet(ScopedQuerySet["BillingRun"]):
    scope = Scope(operator="operator")


class BillingRun(models.Model):
    """
    One operator's billing of one calendar month, or the issue of drafts or corrections together.
    Its items are the queue and the progress.
    """

    class Kind(models.TextChoices):
        BILL = "bill", "Billing run"
        ISSUE = "issue", "Issue of drafts"
        CORRECT = "correct", "Corrections"

    class Status(models.TextChoices):
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"
        CANCELLED = "cancelled", "Cancelled"

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="billing_runs")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.BILL)
    # First local day of the month; of corrections, the month they are made in.
    month = models.DateField()
    # Printed on the documents that correct.
    reason = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    # With False the run leaves drafts for a person to issue.
    issue = models.BooleanField(default=True)
    started_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    started_at = models.DateTimeField()
    # Moved by the worker; a run that stands still is taken up again.
    heartbeat_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = BillingRunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "kind", "month"],
                name="one_running_run_per_operator_and_month",
                condition=Q(status="running"),
            ),
            models.CheckConstraint(
                name="exactly_corrections_have_a_reason",
                condition=(Q(kind="correct") & ~Q(reason="")) | (~Q(kind="correct") & Q(reason="")),
            ),
            models.CheckConstraint(
                name="a_run_ends_when_it_is_not_running",
                condition=Q(status="running", finished_at__isnull=True)
                | (~Q(status="running") & Q(finished_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operator} {self.month:%Y-%m}"


class RunItem(models.Model):
    """
    One contract of a run, or one document to issue or correct, and what became of it.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DRAFTED = "drafted", "Drafted"
        ISSUED = "issued", "Issued"
        HELD = "held", "Held"
        SKIPPED = "skipped", "Nothing to bill"

    run = models.ForeignKey(BillingRun, on_delete=models.CASCADE, related_name="items")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="run_items")
    # The draft to issue or the document to correct; none where a month is billed.
    document = models.ForeignKey(
        "billing.Invoice", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # Items of a later turn wait until those of the earlier ones are done.
    turn = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    reason = models.TextField(blank=True)
    # How often it was tried again, and why it was held at first.
    tries = models.PositiveSmallIntegerField(default=0)
    first_reason = models.TextField(blank=True)
    invoice = models.ForeignKey(
        "billing.Invoice", on_delete=models.SET_NULL, null=True, blank=True, related_name="items"
    )
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "contract", "document"],
                name="contract_once_a_run",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="a_held_item_says_why", condition=~Q(state="held") | ~Q(reason="")
            ),
        ]
        indexes = [
            models.Index(
                fields=["run", "turn", "id"], name="waiting_items", condition=Q(state="waiting")
            )
        ]

    def __str__(self) -> str:
        return f"{self.contract}: {self.state}"
