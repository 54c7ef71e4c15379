"""
Who is asked by e-mail to approve an edit that waits for a second person.
"""

import datetime as dt

import pytest
from django.conf import settings
from django.core import mail
from django.db import IntegrityError, transaction

from portal import tasks
from sites.access import Role
from telemetry import operations
from telemetry.models import ApprovalLetter, ApprovalNotice, Channel, Decision
from telemetry.queries import validation
from tests.factories import make_user
from tests.factories_telemetry import make_heat_channel, send

FIRST = dt.datetime(2026, 2, 1, 23, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)

pytestmark = pytest.mark.django_db


def _propose(channel: Channel, hour: int, by_id: int) -> Decision:
    start, end = FIRST + hour * HOUR, FIRST + (hour + 1) * HOUR
    proposal = validation.set_aside(channel=channel, start=start, end=end)
    return operations.propose_edit(
        channel_id=channel.pk, start=start, end=end, wanted=proposal.wanted, method="left out",
        reason=f"Test rig in hour {hour}", by_id=by_id, at=FIRST,
    )  # fmt: skip


def test_those_who_may_approve_are_told_once_and_never_the_author():
    channel = make_heat_channel()
    send(channel, [(FIRST + n * HOUR, 1000.0 + n) for n in range(12)])
    operator = channel.site.operator
    author, second = make_user(stakeholder=operator), make_user(stakeholder=operator)
    for role in (Role.VIEWER, Role.BILLING):
        make_user(stakeholder=operator, role=role)
    make_user(stakeholder=make_heat_channel(code="other").site.operator)
    gone = make_user(stakeholder=operator)
    gone.is_active = False
    gone.save()
    edits = [_propose(channel, hour, author.pk) for hour in (2, 4)]
    edits.append(_propose(channel, 6, second.pk))
    operations.reject_decision(decision_id=edits[1].pk, reason="No", by_id=second.pk, at=FIRST)

    assert operations.write_approval_letters(at=FIRST) == 2
    assert operations.write_approval_letters(at=FIRST + MINUTE) == 0
    late = _propose(channel, 8, author.pk)
    assert operations.write_approval_letters(at=FIRST + MINUTE) == 0
    assert operations.write_approval_letters(at=FIRST + 15 * MINUTE) == 1
    told = ApprovalNotice.objects.values_list("decision", "user")
    assert set(told) == {
        (edits[0].pk, second.pk), (late.pk, second.pk), (edits[2].pk, author.pk),
    }  # fmt: skip
    assert validation.told_of_edit(decision=late) == [str(second)]
    with pytest.raises(IntegrityError, match="not asked to approve"), transaction.atomic():
        ApprovalNotice.objects.create(
            decision=late, user=author, letter=ApprovalLetter.objects.earliest("pk")
        )

    # What was decided before the letter goes is not asked for.
    operations.approve_decision(decision_id=late.pk, by_id=second.pk, at=FIRST)
    mail.outbox.clear()
    tasks.send_approval_letters()
    tasks.send_approval_letters()
    letters = {letter.to[0]: letter for letter in mail.outbox}
    assert len(mail.outbox) == 2
    assert set(letters) == {author.email, second.email}
    letter = letters[second.email]
    assert letter.subject == f"1 edit of readings waits for your approval, {operator.name}"
    assert f"{author} wants other values: Test rig in hour 2" in str(letter.body)
    assert "hour 8" not in str(letter.body)
    assert f"{settings.BASE_URL}/ops/quality/edits/?state=proposed" in str(letter.body)
    assert not ApprovalLetter.objects.filter(sent_at=None).exists()
