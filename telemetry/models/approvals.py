"""
Who is told by e-mail that an edit waits for a second person.
"""

from django.db import models
from django.db.models import Q

from sites.models import Stakeholder, User
from telemetry.models.alarms import Letter
from telemetry.models.quality import Decision


class ApprovalLetter(Letter):
    """
    One e-mail to a member of an operator about the edits that came to wait in a stretch of time.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="approval_letters")
    operator = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, related_name="approval_letters"
    )
    slot = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "operator", "slot"], name="one_approval_letter_per_person_and_slot"
            )
        ]
        indexes = [
            models.Index(
                fields=["made_at"], name="approval_letters_to_send", condition=Q(sent_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.slot}"


class ApprovalNotice(models.Model):
    """
    That a person is told of an edit that waits, which happens once. A trigger refuses to tell
    whoever proposed it.
    """

    decision = models.ForeignKey(
        Decision, on_delete=models.PROTECT, related_name="approval_notices"
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="approval_notices")
    letter = models.ForeignKey(ApprovalLetter, on_delete=models.PROTECT, related_name="notices")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["decision", "user"], name="a_person_is_told_once_of_an_edit"
            )
        ]

    def __str__(self) -> str:
        return f"{self.decision_id} {self.user_id}"
