"""
Telling those who may approve an edit that one waits.
"""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction

from sites.access import Action, Kind, roles_that_may
from telemetry.models import ApprovalLetter
from telemetry.operations import letters

# A person gets one letter in this time at the most, whatever number of edits.
LETTER_EVERY = dt.timedelta(minutes=15)

_WRITE = """
WITH due AS (
  SELECT d.id AS decision_id, m.user_id, s.operator_id
  FROM telemetry_decision d JOIN telemetry_channel c ON c.id = d.channel_id
  JOIN sites_site s ON s.id = c.site_id
  JOIN sites_membership m ON m.stakeholder_id = s.operator_id AND m.role = ANY(%(roles)s)
  JOIN sites_user u ON u.id = m.user_id AND u.is_active
  WHERE d.state = 'proposed' AND m.user_id IS DISTINCT FROM d.proposed_by_id
    AND NOT EXISTS (SELECT FROM telemetry_approvalnotice n
      WHERE n.decision_id = d.id AND n.user_id = m.user_id)
), letters AS (
  INSERT INTO telemetry_approvalletter (user_id, operator_id, slot, made_at, problem)
  SELECT DISTINCT user_id, operator_id, %(slot)s::timestamptz, %(now)s::timestamptz, '' FROM due
  ON CONFLICT DO NOTHING
  RETURNING id, user_id, operator_id
), told AS (
  INSERT INTO telemetry_approvalnotice (decision_id, user_id, letter_id)
  SELECT due.decision_id, due.user_id, letters.id
  FROM due JOIN letters USING (user_id, operator_id)
)
SELECT count(*) FROM letters
"""


@transaction.atomic(durable=True)
def write_approval_letters(*, at: dt.datetime) -> int:
    """
    Make a letter for each person who may approve an edit that waits, did not propose it, and was
    not told of it; return how many.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            {"now": at, "slot": letters.slot_of(at, LETTER_EVERY),
             "roles": roles_that_may(Action.MANAGE_METERING, Kind.OPERATOR)},
        )  # fmt: skip
        made: int = cursor.fetchone()[0]
    return made


@transaction.atomic(durable=True)
def approval_letter_to_send(*, at: dt.datetime) -> ApprovalLetter | None:
    """
    Take the letter that has waited longest; None where none waits.
    """
    return letters.take(ApprovalLetter.objects.select_related("user", "operator"), at=at)


@transaction.atomic(durable=True)
def note_approval_letter(*, letter_id: int, at: dt.datetime, problem: str = "") -> None:
    """
    Note that a letter was sent, or why not; it is then tried again.
    """
    letters.note(ApprovalLetter.objects.all(), letter_id=letter_id, at=at, problem=problem)
