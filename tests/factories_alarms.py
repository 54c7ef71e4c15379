"""
An alarm with its rule, a contact and a silence, for tests.
"""

import datetime as dt

from telemetry import operations
from telemetry.models import Alarm, Channel
from tests.factories_telemetry import LATER


def make_alarm(channel: Channel) -> Alarm:
    """
    Let a channel be silent for too long at `LATER`.
    """
    site = channel.site
    rule = operations.add_alarm_rule(
        site_id=site.pk, name="Silent", kind="no_data", severity="act", limit=30,
        channel_id=channel.pk, at=LATER, by_id=None,
    )  # fmt: skip
    operations.add_contact(
        site_id=site.pk, name="Night", email="night@x.example", after_min=0, at=LATER, by_id=None
    )
    operations.silence_site(
        site_id=site.pk, start=LATER, end=LATER + dt.timedelta(days=3650), reason="Test",
        at=LATER, by_id=None,
    )  # fmt: skip
    operations.find_alarms(at=LATER + dt.timedelta(hours=2))
    return Alarm.objects.get(rule=rule)
