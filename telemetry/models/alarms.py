"""
What a person is told of: rules, alarms, whom they reach, and when they keep quiet.
"""

from django.contrib.postgres.fields import DateTimeRangeField
from django.db import models
from django.db.models import F, Q

from sites.access import Scope, ScopedQuerySet
from sites.models import Site, User
from telemetry.models.metering import Channel


class AlarmRuleQuerySet(ScopedQuerySet["AlarmRule"]):
    scope = Scope(operator="site__operator")


class AlarmRule(models.Model):
    """
    When to raise an alarm at a site, for one channel or, without, for every object of its kind.

    An alarm is raised when readings were beyond `set_level` for `delay_s` seconds, and over when
    one is back within `clear_level`. Levels are in the unit the channel sends, a rate is per hour;
    a supply rule without levels takes what the delivery point requires. `limit` is minutes for
    what is silent, days for a verification.
    """

    class Kind(models.TextChoices):
        ABOVE = "above", "Above a level"
        BELOW = "below", "Below a level"
        RATE = "rate", "Changes faster than"
        SUPPLY_LOW = "supply_low", "Supply too cool"
        BYPASS = "bypass", "Heat partner offline, heat rejected"
        NO_DATA = "no_data", "No data for"
        GATEWAY_SILENT = "gateway_silent", "Gateway silent for"
        CALIBRATION = "calibration", "Verification ends within"
        METER_FAULT = "meter_fault", "Meter reports a fault"

    class Severity(models.TextChoices):
        ACT = "act", "Act now"
        WATCH = "watch", "Watch"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="alarm_rules")
    channel = models.ForeignKey(
        Channel, on_delete=models.PROTECT, null=True, blank=True, related_name="alarm_rules"
    )
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    severity = models.CharField(max_length=5, choices=Severity.choices, default=Severity.WATCH)
    set_level = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    clear_level = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    delay_s = models.PositiveIntegerField(default=0)
    limit = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    # When its channels were last looked at; a site that sent nothing since is passed over.
    looked_at = models.DateTimeField(null=True, blank=True)

    objects = AlarmRuleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_level_rule_has_levels_with_the_clear_one_inside",
                condition=Q(
                    kind__in=["above", "rate"], set_level__isnull=False,
                    clear_level__isnull=False, clear_level__lte=F("set_level"), limit__isnull=True,
                )
                | Q(
                    kind="below", set_level__isnull=False, clear_level__isnull=False,
                    clear_level__gte=F("set_level"), limit__isnull=True,
                )
                | Q(kind="supply_low", set_level__isnull=True, limit__isnull=True)
                | Q(
                    kind="supply_low", clear_level__gte=F("set_level"), limit__isnull=True
                )
                | Q(
                    kind__in=["bypass", "meter_fault"], set_level__isnull=True,
                    clear_level__isnull=True, limit__isnull=True,
                )
                | Q(
                    kind__in=["no_data", "gateway_silent", "calibration"], limit__gt=0,
                    set_level__isnull=True, clear_level__isnull=True,
                ),
            ),
            models.CheckConstraint(
                name="a_rule_about_a_figure_names_its_channel",
                condition=Q(kind__in=["above", "below", "rate"], channel__isnull=False)
                | Q(kind__in=["supply_low", "bypass", "no_data"])
                | Q(
                    kind__in=["gateway_silent", "calibration", "meter_fault"],
                    channel__isnull=True,
                ),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name


class AlarmWatch(models.Model):
    """
    How far a rule has looked at one channel, so that the next look begins there. `raised`: the
    figure went beyond and has not come back, whatever people did about the alarm.
    """

    rule = models.ForeignKey(AlarmRule, on_delete=models.CASCADE, related_name="watches")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+")
    looked_until = models.DateTimeField()
    last_value = models.DecimalField(max_digits=24, decimal_places=9, null=True, blank=True)
    beyond_since = models.DateTimeField(null=True, blank=True)
    raised = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "channel"], name="one_watch_per_rule_and_channel"
            )
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.channel_id}"


class AlarmQuerySet(ScopedQuerySet["Alarm"]):
    scope = Scope(operator="site__operator")


class Alarm(models.Model):
    """
    A rule that holds for an object: open, taken by somebody, over. `subject` names the object,
    "channel:5" say, `place` is what people call it. `since` is when it began by the readings,
    `opened_at` when the portal noticed.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACKNOWLEDGED = "acknowledged", "Taken"
        RESOLVED = "resolved", "Over"

    rule = models.ForeignKey(AlarmRule, on_delete=models.PROTECT, related_name="alarms")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="alarms")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, null=True, blank=True)
    subject = models.CharField(max_length=40)
    place = models.CharField(max_length=200)
    state = models.CharField(max_length=12, choices=State.choices, default=State.OPEN)
    severity = models.CharField(max_length=5, choices=AlarmRule.Severity.choices)
    since = models.DateTimeField()
    opened_at = models.DateTimeField()
    value = models.DecimalField(max_digits=24, decimal_places=9, null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)
    # None: the figure went back by itself.
    resolved_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # When other systems were told; None while nobody may be, as during announced work.
    announced_at = models.DateTimeField(null=True, blank=True)

    objects = AlarmQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject"], name="one_open_alarm_per_rule_and_object",
                condition=~Q(state="resolved"),
            ),
            # What a person has closed does not come back for the same cause.
            models.UniqueConstraint(
                fields=["rule", "subject", "since"], name="an_occurrence_is_one_alarm"
            ),
            models.CheckConstraint(
                name="an_alarm_is_over_when_it_says_so",
                condition=Q(state="resolved", resolved_at__isnull=False)
                | (~Q(state="resolved") & Q(resolved_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="a_taken_alarm_says_when",
                condition=Q(state="open", acknowledged_at__isnull=True)
                | Q(state="acknowledged", acknowledged_at__isnull=False)
                | Q(state="resolved"),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["site", "-opened_at"], name="alarms_newest_first"),
            models.Index(
                fields=["opened_at"], name="alarms_nobody_took", condition=Q(state="open")
            ),
            models.Index(
                fields=["resolved_at"], name="alarms_over_by_themselves",
                condition=Q(resolved_at__isnull=False, resolved_by__isnull=True),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.rule} {self.place}"


class AlarmEntryQuerySet(ScopedQuerySet["AlarmEntry"]):
    scope = Scope(operator="alarm__site__operator")


class AlarmEntry(models.Model):
    """
    One step in the history of an alarm; written once.
    """

    class Step(models.TextChoices):
        OPENED = "opened", "Opened"
        TAKEN = "taken", "Taken"
        NOTE = "note", "Note"
        TOLD = "told", "E-mailed"
        RESOLVED = "resolved", "Over"

    alarm = models.ForeignKey(Alarm, on_delete=models.CASCADE, related_name="entries")
    at = models.DateTimeField()
    # None: the portal itself.
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    step = models.CharField(max_length=8, choices=Step.choices)
    text = models.CharField(max_length=1000, blank=True)

    objects = AlarmEntryQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.alarm_id} {self.step}"


class EscalationContactQuerySet(ScopedQuerySet["EscalationContact"]):
    scope = Scope(operator="site__operator")


class EscalationContact(models.Model):
    """
    Who is told of alarms at a site that nobody has taken after so many minutes.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="escalation")
    name = models.CharField(max_length=80)
    email = models.EmailField()
    after_min = models.PositiveIntegerField(default=0)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = EscalationContactQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "email"], name="a_contact_once_a_site",
                condition=Q(ended_at__isnull=True),
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name


class Letter(models.Model):
    """
    An e-mail that waits to be sent. A worker takes it for a while; one that dies with it loses
    nothing.
    """

    made_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True)

    class Meta:
        abstract = True


class AlarmLetterQuerySet(ScopedQuerySet["AlarmLetter"]):
    scope = Scope(operator="contact__site__operator")


class AlarmLetter(Letter):
    """
    One e-mail to a contact about all alarms of a site that were due in one stretch of time, and
    those that are over.
    """

    contact = models.ForeignKey(EscalationContact, on_delete=models.PROTECT, related_name="letters")
    slot = models.DateTimeField()

    objects = AlarmLetterQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "slot"], name="one_letter_per_contact_and_stretch"
            )
        ]
        indexes = [
            models.Index(fields=["made_at"], name="letters_to_send", condition=Q(sent_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.slot}"


class AlarmNotice(models.Model):
    """
    That a contact is told of an alarm, which happens once, and once more when it `is_over`.
    """

    alarm = models.ForeignKey(Alarm, on_delete=models.CASCADE, related_name="notices")
    contact = models.ForeignKey(EscalationContact, on_delete=models.PROTECT, related_name="notices")
    letter = models.ForeignKey(AlarmLetter, on_delete=models.PROTECT, related_name="notices")
    is_over = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alarm", "contact", "is_over"], name="a_contact_is_told_once_of_an_alarm"
            )
        ]

    def __str__(self) -> str:
        return f"{self.alarm_id} {self.contact_id}"


class AlarmSilenceQuerySet(ScopedQuerySet["AlarmSilence"]):
    scope = Scope(operator="site__operator")


class AlarmSilence(models.Model):
    """
    A stretch in which nobody is told of alarms at a site; announced work is one by itself.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="silences")
    span = DateTimeRangeField()
    reason = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)

    objects = AlarmSilenceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_silence_has_two_ends",
                condition=Q(span__isempty=False, span__lower_inf=False, span__upper_inf=False),
            )
        ]

    def __str__(self) -> str:
        return self.reason
