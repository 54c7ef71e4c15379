"""
What was received: batches, readings, and what was refused with its reason.
"""

from django.db import models
from django.db.models import F, Q

from sites.access import Scope, ScopedQuerySet
from sites.models import Site, User
from telemetry.models.metering import Channel, Gateway


class IngestBatchQuerySet(ScopedQuerySet["IngestBatch"]):
    scope = Scope(operator="site__operator")


class IngestBatch(models.Model):
    """
    One delivery of readings, all or nothing, with its counts and the digest of its bytes.
    """

    class Source(models.TextChoices):
        HTTP = "http", "HTTP"
        FILE = "file", "File"
        MQTT = "mqtt", "MQTT"
        REPLAY = "replay", "Replay"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="batches")
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, null=True, blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    source = models.CharField(max_length=10, choices=Source.choices)
    format = models.CharField(max_length=30)
    name = models.CharField(max_length=200, blank=True)
    received_at = models.DateTimeField()
    sha256 = models.BinaryField()
    row_count = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    duplicate = models.PositiveIntegerField(default=0)
    conflicting = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    # Cells that stand for no reading and lines that a column mapping leaves out are no rows.
    missing = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    # What the format was told beside the bytes, such as the code of a column mapping.
    options = models.JSONField(default=dict, blank=True)

    objects = IngestBatchQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="every_row_of_a_batch_is_accounted_for",
                condition=Q(
                    row_count=F("accepted") + F("duplicate") + F("conflicting") + F("rejected")
                ),
            ),
        ]
        indexes = [models.Index(fields=["site", "-received_at"], name="batches_newest_first")]

    def __str__(self) -> str:
        return f"{self.source} {self.received_at:%Y-%m-%d %H:%M}"


class ReadingQuerySet(ScopedQuerySet["Reading"]):
    scope = Scope(
        operator="channel__point__site__operator",
        partner="channel__point__delivery_point__partner",
        tenant="channel__point__hosting_service__tenant",
    )


class Reading(models.Model):
    """
    A value as the meter sent it, in the channel's native unit. Never changed: a trigger refuses
    UPDATE and DELETE. Partitioned by UTC month; the table is made in a migration.
    """

    pk = models.CompositePrimaryKey("channel_id", "at")
    # No foreign key in the database: its check would cost more than the insert. A trigger
    # keeps channels that have readings from being deleted.
    channel = models.ForeignKey(
        Channel, on_delete=models.DO_NOTHING, db_constraint=False, related_name="readings"
    )
    at = models.DateTimeField()
    value = models.DecimalField(max_digits=24, decimal_places=9)
    batch = models.ForeignKey(IngestBatch, on_delete=models.DO_NOTHING, db_constraint=False)

    objects = ReadingQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "telemetry_reading"

    def __str__(self) -> str:
        return f"{self.channel_id} {self.at} {self.value}"


class RejectedReadingQuerySet(ScopedQuerySet["RejectedReading"]):
    scope = Scope(operator="batch__site__operator")


class RejectedReading(models.Model):
    """
    A row that was not stored, as it came, with its reason; it can be replayed when the cause
    is mended.
    """

    class Reason(models.TextChoices):
        UNKNOWN_CHANNEL = "unknown_channel", "Unknown channel"
        BAD_INSTANT = "bad_instant", "Time stamp not understood or without zone"
        FUTURE = "future", "Time stamp in the future"
        BAD_VALUE = "bad_value", "Value is not a number"
        MISSING_FIELD = "missing_field", "Field missing"
        CONFLICT = "conflict", "Another value is stored for this instant"
        UNREADABLE = "unreadable", "Row not understood"
        ARCHIVE = "archive", "Its month is in the archive, which could not be read"

    batch = models.ForeignKey(IngestBatch, on_delete=models.CASCADE, related_name="refused")
    # Counted from 1; a CSV header is not a row.
    row = models.PositiveIntegerField()
    field = models.CharField(max_length=20)
    reason = models.CharField(max_length=20, choices=Reason.choices)
    channel_text = models.TextField(blank=True)
    at_text = models.TextField(blank=True)
    value_text = models.TextField(blank=True)
    # What the parser said, where the reason alone would not help the sender.
    detail = models.TextField(blank=True)
    # The batch that took it in at last.
    resolved_by = models.ForeignKey(
        IngestBatch, on_delete=models.PROTECT, null=True, blank=True, related_name="resolved"
    )

    objects = RejectedReadingQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["batch", "row"], name="open_rejects", condition=Q(resolved_by__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"row {self.row}: {self.reason}"
