"""
What contacts are told when alarms are over.
"""

import datetime as dt

import pytest
from django.core import mail

from portal import tasks
from telemetry import operations, queries
from telemetry.models import Alarm, AlarmLetter, Channel, MeteringPoint
from tests import factories
from tests.factories_telemetry import add_channel, send

pytestmark = pytest.mark.django_db
START = dt.datetime(2026, 4, 10, 10, tzinfo=dt.UTC)


def _at(minute: float) -> dt.datetime:
    return START + dt.timedelta(minutes=minute)


def test_who_was_told_that_alarms_opened_is_told_in_one_letter_that_they_are_over():
    site = factories.make_site()
    user = factories.make_user(stakeholder=site.operator)
    for n in range(9):
        point = MeteringPoint.objects.create(site=site, boundary="it", name=f"r{n}", code=f"r{n}")
        add_channel(point=point, quantity=Channel.Quantity.POWER)
    operations.add_alarm_rule(
        site_id=site.pk, kind="no_data", name="Quiet", severity="act", limit=30, at=START,
        by_id=None,
    )  # fmt: skip
    for name, after in (("first", 0), ("second", 30)):
        operations.add_contact(
            site_id=site.pk, name=name, email=f"{name}@x.example", after_min=after, at=START,
            by_id=None,
        )  # fmt: skip
    operations.find_alarms(at=_at(31))
    assert operations.write_letters(at=_at(31)) == 1
    closed = Alarm.objects.earliest("pk")
    operations.resolve_alarm(alarm_id=closed.pk, text="Swapped", at=_at(32), by_id=user.pk)
    for channel in Channel.objects.exclude(alarm=closed):
        send(channel, [(_at(33), 1)])

    looked = operations.find_alarms(at=_at(34))
    assert (looked.opened, looked.resolved) == (0, 8)
    # It was told in the stretch of five minutes before.
    assert operations.write_letters(at=_at(34)) == 0
    assert operations.write_letters(at=_at(36)) == 1
    assert operations.write_letters(at=_at(90)) == 0
    opened, over = AlarmLetter.objects.order_by("pk")
    assert (opened.contact.name, over.contact.name) == ("first", "first")
    told = queries.alarms_of_letter(letter_id=over.pk, is_over=True)
    assert closed not in told
    assert len(told) == 8
    assert queries.alarms_of_letter(letter_id=over.pk) == []

    mail.outbox.clear()
    tasks.send_alarm_letters()
    first, second = mail.outbox
    assert first.subject == f"9 alarms at {site.name}"
    assert second.subject == f"8 alarms at {site.name} are over"
    assert "Over by themselves:" in second.body
    assert "See them:" in second.body
    assert "Over by themselves" not in first.body
