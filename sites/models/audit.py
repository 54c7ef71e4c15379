"""
Who did what, when, with the state before and after.
"""

from django.db import models

from sites.access import Scope, ScopedQuerySet
from sites.models.parties import Stakeholder, User


class AuditQuerySet(ScopedQuerySet["AuditEntry"]):
    scope = Scope(operator="operator")


class AuditEntry(models.Model):
    """
    One write. Rows are only ever added: a trigger refuses UPDATE and DELETE.
    """

    at = models.DateTimeField()
    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, null=True, blank=True)
    # None: the system itself, such as a scheduled task.
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=120)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    objects = AuditQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["operator", "-at"], name="audit_newest_first")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
