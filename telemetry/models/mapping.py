"""
How tables of a source are read: saved column mappings, and files that wait for theirs.
"""

from django.db import models
from django.db.models import Q

from sites.access import Scope, ScopedQuerySet
from sites.models import Site, Stakeholder, User
from telemetry.models.readings import IngestBatch


class ColumnMappingQuerySet(ScopedQuerySet["ColumnMapping"]):
    scope = Scope(operator="operator")


class ColumnMapping(models.Model):
    """
    A saved column mapping of an operator. `spec` is what `telemetry.formats.csv_spec` reads.
    """

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="mappings")
    # What gateways and commands name it by.
    code = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    spec = models.JSONField()
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)

    objects = ColumnMappingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "code"], name="mapping_code_once_an_operator"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class UploadQuerySet(ScopedQuerySet["Upload"]):
    scope = Scope(operator="site__operator")


class Upload(models.Model):
    """
    A file that a person sent for a site. Its bytes lie in chunks beside it, since web and worker
    share no disk, until it was imported or grew old.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Columns to be chosen"
        QUEUED = "queued", "Being imported"
        DONE = "done", "Imported"
        FAILED = "failed", "Not imported"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="uploads")
    mapping = models.ForeignKey(ColumnMapping, on_delete=models.PROTECT, null=True, blank=True)
    name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    # Why it was not imported, in words for the person.
    problem = models.TextField(blank=True)
    batch = models.ForeignKey(IngestBatch, on_delete=models.PROTECT, null=True, blank=True)
    created_at = models.DateTimeField()
    queued_at = models.DateTimeField(null=True, blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)

    objects = UploadQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="an_imported_upload_names_its_batch",
                condition=Q(state="done", batch__isnull=False)
                | (~Q(state="done") & Q(batch__isnull=True)),
            ),
        ]
        indexes = [models.Index(fields=["site", "-created_at"], name="uploads_newest_first")]

    def __str__(self) -> str:
        return self.name


class UploadChunk(models.Model):
    """
    A piece of an upload's bytes, numbered from 0.
    """

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["upload", "number"], name="a_chunk_has_its_place"),
        ]

    def __str__(self) -> str:
        return f"{self.upload_id}/{self.number}"
