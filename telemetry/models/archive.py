"""
Months of readings that were moved to files, and what is known of each without opening it.
"""

from django.db import models
from django.db.models import F, Q

from sites.access import Scope, ScopedQuerySet
from sites.models import Site, User
from telemetry.models.disclosure import IssuerKey
from telemetry.models.metering import Channel


class ArchivedMonthQuerySet(ScopedQuerySet["ArchivedMonth"]):
    scope = Scope(operator="site__operator")


class ArchivedMonth(models.Model):
    """
    The readings of one site over one UTC month in one file, and its signed manifest.

    A trigger keeps what was verified from being changed or deleted, and readings leave the
    database only where a verified row here holds as many of them.
    """

    class State(models.TextChoices):
        # In order; from `VERIFIED` on readers use the file.
        SEALED = "sealed", "To be written"
        WRITTEN = "written", "To be read back"
        VERIFIED = "verified", "Leaving the database"
        DROPPED = "dropped", "In the archive"
        # Back in the database for good; sealing again makes the next revision.
        REOPENED = "reopened", "Back in the database"

    IN_USE = (State.VERIFIED, State.DROPPED)

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="archived_months")
    # The first day, in UTC as the partitions are.
    month = models.DateField()
    revision = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.SEALED)
    sealed_at = models.DateTimeField()
    # None: sealed by age.
    sealed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    # Relative to ARCHIVE_URL.
    path = models.CharField(max_length=300, blank=True)
    rows = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    # What the rows took in the database with their index.
    hot_bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.BinaryField(default=b"")
    # Canonical JSON, signed with Ed25519 by `key`.
    manifest = models.TextField(blank=True)
    signature = models.BinaryField(default=b"")
    key = models.ForeignKey(IssuerKey, on_delete=models.PROTECT, null=True, blank=True)
    written_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    dropped_at = models.DateTimeField(null=True, blank=True)
    reopened_at = models.DateTimeField(null=True, blank=True)
    # When the file was last read from end to end and agreed.
    checked_at = models.DateTimeField(null=True, blank=True)
    # Readings that came in after the month was sealed; they are in the database, not in the file.
    late = models.PositiveIntegerField(default=0)
    # What went wrong at the last step, in words; the step is tried again.
    problem = models.CharField(max_length=500, blank=True)

    objects = ArchivedMonthQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "month", "revision"], name="an_archive_revision_once"
            ),
            models.UniqueConstraint(
                fields=["site", "month"], name="one_archive_of_a_month_in_use",
                condition=~Q(state="reopened"),
            ),
            models.CheckConstraint(
                name="an_archived_month_begins_on_its_first", condition=Q(month__day=1)
            ),
            models.CheckConstraint(
                name="a_verified_archive_has_a_signed_manifest",
                condition=~Q(state__in=["verified", "dropped"])
                | (
                    Q(verified_at__isnull=False, key__isnull=False, rows__gt=0)
                    & ~Q(manifest="") & ~Q(path="")
                ),
            ),
            models.CheckConstraint(
                name="exactly_reopened_archives_say_when",
                condition=Q(state="reopened", reopened_at__isnull=False)
                | (~Q(state="reopened") & Q(reopened_at__isnull=True)),
            ),
        ]  # fmt: skip
        indexes = [models.Index(fields=["month"], name="archives_by_month")]

    def __str__(self) -> str:
        return f"{self.site.slug} {self.month:%Y-%m} revision {self.revision}"

    @property
    def hot_each(self) -> float:
        """
        Bytes a reading took in the database.
        """
        return self.hot_bytes / self.rows if self.rows else 0.0

    @property
    def file_each(self) -> float:
        """
        Bytes a reading takes in the file.
        """
        return self.bytes / self.rows if self.rows else 0.0


class ArchivedChannel(models.Model):
    """
    The part of an archived month that is one channel's.
    """

    archive = models.ForeignKey(ArchivedMonth, on_delete=models.CASCADE, related_name="channels")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="archived")
    # Its row groups in the file, counted from 0.
    first_group = models.PositiveIntegerField()
    groups = models.PositiveIntegerField()
    rows = models.PositiveBigIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    # Over one line a reading, see telemetry.archive.
    sha256 = models.BinaryField()
    # Readers use the file: only the first and last readings are in the database, or soon will be.
    away = models.BooleanField(default=False)
    # Since when the others are to leave; None once they have.
    leaving_since = models.DateTimeField(null=True, blank=True)
    # When they were last asked for while they were back; None: not back, or for good.
    recalled_at = models.DateTimeField(null=True, blank=True)
    late = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["archive", "channel"], name="a_channel_once_a_month"),
            models.CheckConstraint(name="an_archived_channel_has_rows", condition=Q(rows__gt=0)),
            models.CheckConstraint(
                name="an_archived_channel_lasts", condition=Q(last_at__gte=F("first_at"))
            ),
            models.CheckConstraint(
                name="what_is_away_was_not_recalled",
                condition=Q(away=False) | Q(recalled_at__isnull=True),
            ),
            models.CheckConstraint(
                name="only_what_is_away_leaves", condition=Q(away=True) | Q(leaving_since=None)
            ),
        ]
        indexes = [
            models.Index(
                fields=["channel", "last_at"], name="channels_in_the_archive",
                condition=Q(away=True) | Q(recalled_at__isnull=False),
            ),
            models.Index(
                fields=["leaving_since"], name="channels_that_leave",
                condition=Q(leaving_since__isnull=False),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.channel_id} in {self.archive_id}"
