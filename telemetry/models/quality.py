"""
What was found in the readings, what was decided about it, and the values that count instead.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce

from sites.access import Scope, ScopedQuerySet
from sites.models import Site, User
from telemetry.models.metering import Channel, MeteringPoint
from telemetry.models.readings import IngestBatch


class QualityFlag(models.TextChoices):
    """
    The flags of `telemetry.domain.quality.Flag` with their names for people.
    """

    MISSING = "missing", "Missing"
    SUSPECT = "suspect", "Check"
    ESTIMATED = "estimated", "Estimated"
    EDITED = "edited", "Edited"
    SCALED = "scaled", "Metered in total, spread over time"
    VALID = "valid", "Checked"
    ACTUAL = "actual", "Measured"


class Rule(models.TextChoices):
    """
    The checks of the domain reference (VEE), and what field data taught.
    """

    TIME = "time", "Clock is ahead"
    DUP = "dup", "Contradicts a stored reading"
    LOST = "lost", "Zeros after lost communication"
    RESET = "reset", "Register fell"
    DIP = "dip", "Register fell and came back"
    RISE = "rise", "Register rose more than it can"
    STALE = "stale", "Register stood still and caught up"
    SPIKE = "spike", "Peak out of line"
    LIMIT = "limit", "Beyond what is possible"
    SUM = "sum", "Power and register disagree"
    HIGH_LOW = "high_low", "Unusual day"
    IQR = "iqr", "Far above the usual days"
    FLAT = "flat", "Does not change"
    ZERO = "zero", "No heat while servers run"
    GAP = "gap", "Readings missing"
    XCHECK = "xcheck", "Flow and temperatures disagree with the register"
    # No check of readings: what a bill may rest on.
    STORED = "stored", "Disagrees with the meter’s month-end register"
    SHARE = "share", "Estimated share of a bill"


class RuleSettingQuerySet(ScopedQuerySet["RuleSetting"]):
    scope = Scope(operator="site__operator")


class RuleSetting(models.Model):
    """
    Thresholds of one rule from an instant on, for a channel, else for a point, else for a site;
    what is not set here is as in `telemetry.domain.vee.DEFAULTS`.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="rule_settings")
    point = models.ForeignKey(MeteringPoint, on_delete=models.PROTECT, null=True, blank=True)
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, null=True, blank=True)
    rule = models.CharField(max_length=10, choices=Rule.choices)
    enabled = models.BooleanField(default=True)
    thresholds = models.JSONField(default=dict)
    valid = DateTimeRangeField()
    reason = models.CharField(max_length=300, blank=True)
    set_at = models.DateTimeField()
    # None: the system itself.
    set_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)

    objects = RuleSettingQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_setting_per_rule_and_instant",
                expressions=[
                    ("site", RangeOperators.EQUAL),
                    (Coalesce("point_id", Value(0)), RangeOperators.EQUAL),
                    (Coalesce("channel_id", Value(0)), RangeOperators.EQUAL),
                    ("rule", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            ),
            models.CheckConstraint(
                name="a_setting_is_for_a_point_or_a_channel",
                condition=Q(point__isnull=True) | Q(channel__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.valid}"


class FindingQuerySet(ScopedQuerySet["Finding"]):
    scope = Scope(operator="channel__point__site__operator")


class Finding(models.Model):
    """
    An exception: a stretch of a channel that broke a rule, with what was measured against which
    limit, what the rule proposes, and what became of it.
    """

    class Severity(models.IntegerChoices):
        HIGH = 1, "High"
        MEDIUM = 2, "Medium"
        LOW = 3, "Low"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        WAITING = "waiting", "Waiting for approval"
        ACCEPTED = "accepted", "Accepted"
        EDITED = "edited", "Edited"
        DISMISSED = "dismissed", "Dismissed"
        # The data changed and the rule is no longer broken.
        GONE = "gone", "No longer there"

    class Proposal(models.TextChoices):
        NONE = "none", "Look at it"
        SET_ASIDE = "set_aside", "Leave out the readings"
        ESTIMATE = "estimate", "Fill in"
        EXCHANGE = "exchange", "Record a meter exchange"

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="findings")
    rule = models.CharField(max_length=10, choices=Rule.choices)
    # From the first instant concerned to just after the last.
    span = DateTimeRangeField()
    severity = models.PositiveSmallIntegerField(choices=Severity.choices)
    measured = models.DecimalField(max_digits=24, decimal_places=9, null=True, blank=True)
    # Of several limits the one that was broken; None where a rule has none.
    limit = models.DecimalField(max_digits=24, decimal_places=9, null=True, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    proposal = models.CharField(max_length=10, choices=Proposal.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    # The delivery it was found in, for what never became a reading.
    batch = models.ForeignKey(IngestBatch, on_delete=models.PROTECT, null=True, blank=True)
    found_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    # None with `decided_at` set: the rule itself, where its setting says so.
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    # Why it was decided so.
    note = models.CharField(max_length=300, blank=True)

    objects = FindingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_finding_lasts", condition=Q(span__isempty=False)),
        ]
        indexes = [
            models.Index(fields=["channel", "rule"], name="findings_of_a_channel"),
            models.Index(
                fields=["severity", "-found_at"], name="open_findings", condition=Q(state="open")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.channel_id} {self.span}"


class DecisionQuerySet(ScopedQuerySet["Decision"]):
    scope = Scope(operator="channel__point__site__operator")


class Decision(models.Model):
    """
    One version of a stretch of a channel: who proposed which values and why, and who approved
    them. `span` is the time the values are for, `at` when they were recorded.
    """

    class Source(models.TextChoices):
        RULE = "rule", "Rule"
        ACCEPTED = "accepted", "Proposal accepted"
        EDIT = "edit", "Edit"
        UNDO = "undo", "Undone"

    class State(models.TextChoices):
        PROPOSED = "proposed", "Waiting for approval"
        IN_FORCE = "in_force", "In force"
        REJECTED = "rejected", "Rejected"
        SUPERSEDED = "superseded", "Superseded"

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="decisions")
    finding = models.ForeignKey(
        Finding, on_delete=models.PROTECT, null=True, blank=True, related_name="decisions"
    )
    span = DateTimeRangeField()
    source = models.CharField(max_length=10, choices=Source.choices)
    state = models.CharField(max_length=10, choices=State.choices)
    reason = models.CharField(max_length=300, blank=True)
    method = models.CharField(max_length=40, blank=True)
    # What a person wants to count: [[instant, value or null, flag], ...] in native units. In force
    # they are `VeeValue` rows, where no later decision covers them.
    wanted = models.JSONField(default=list)
    at = models.DateTimeField()
    # None: a rule.
    proposed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="proposed_decisions"
    )
    approved_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="approved_decisions"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    # The decision this one takes back.
    undoes = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True)

    objects = DecisionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_decision_lasts", condition=Q(span__isempty=False)),
            models.CheckConstraint(
                name="nobody_approves_their_own_edit",
                condition=Q(proposed_by__isnull=True)
                | Q(approved_by__isnull=True)
                | ~Q(approved_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="an_edit_in_force_was_approved_and_has_a_reason",
                condition=~Q(source__in=["edit", "undo"], state__in=["in_force", "superseded"])
                | (Q(proposed_by__isnull=False, approved_by__isnull=False) & ~Q(reason="")),
            ),
            models.CheckConstraint(
                name="an_accepted_proposal_has_a_person_and_a_finding",
                condition=~Q(source="accepted")
                | Q(approved_by__isnull=False, finding__isnull=False),
            ),
            models.CheckConstraint(
                name="an_undoing_names_what_it_takes_back",
                condition=Q(source="undo", undoes__isnull=False)
                | (~Q(source="undo") & Q(undoes__isnull=True)),
            ),
            models.UniqueConstraint(
                fields=["undoes"],
                name="undone_once_at_a_time",
                condition=Q(state__in=["proposed", "in_force"]),
            ),
        ]
        indexes = [
            models.Index(fields=["at"], name="waiting_decisions", condition=Q(state="proposed")),
            models.Index(fields=["channel", "state"], name="decisions_of_a_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.channel_id} {self.span}"


class VeeValueQuerySet(ScopedQuerySet["VeeValue"]):
    scope = Scope(
        operator="channel__point__site__operator",
        partner="channel__point__delivery_point__partner",
        tenant="channel__point__hosting_service__tenant",
    )


class VeeValue(models.Model):
    """
    What counts at an instant of a channel instead of, or besides, the reading there.

    Valid time is `at`, recorded time runs from `recorded_at` to `superseded_at`; None there: in
    force. `value` is in the channel's native unit; None: the reading at this instant is set
    aside. The view `telemetry_effective` (channel_id, at, value, flag) is the readings with the
    values in force laid over them.
    """

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="vee_values")
    at = models.DateTimeField()
    value = models.DecimalField(max_digits=24, decimal_places=9, null=True, blank=True)
    flag = models.CharField(max_length=10, choices=QualityFlag.choices)
    method = models.CharField(max_length=40)
    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="values")
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    objects = VeeValueQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "at"],
                name="one_vee_value_in_force",
                condition=Q(superseded_at__isnull=True),
            ),
            models.CheckConstraint(
                name="a_vee_value_ends_after_it_began",
                condition=Q(superseded_at__isnull=True) | Q(superseded_at__gte=F("recorded_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel_id} {self.at} {self.flag}"


class DueDays(models.Model):
    """
    Local days of a channel whose whole-day rules have not been looked at since what they rest on
    changed.
    """

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="due_days")
    days = DateRangeField()
    marked_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="due_days_last", condition=Q(days__isempty=False)),
        ]
        indexes = [models.Index(fields=["marked_at"], name="due_days_oldest_first")]

    def __str__(self) -> str:
        return f"{self.channel_id} {self.days}"
