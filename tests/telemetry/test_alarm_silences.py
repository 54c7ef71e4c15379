"""
When nobody is told of alarms, and the rules a site usually has.
"""

import datetime as dt

import pytest

from telemetry import operations
from telemetry.models import AlarmRule, MeteringPoint
from tests import factories
from tests.factories_telemetry import make_channel, send

pytestmark = pytest.mark.django_db
START = dt.datetime(2026, 4, 10, 10, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


@pytest.mark.parametrize(
    ("part", "on_own", "letters"),
    [("it", True, 0), ("it", False, 1), ("heat", False, 1), ("all", False, 0)],
)
def test_work_keeps_quiet_only_what_it_touches(part: str, on_own: bool, letters: int):
    site = factories.make_site()
    own, neighbours = (factories.make_hosting_service(site=site) for _ in range(2))
    channel = make_channel(
        site=site, boundary=MeteringPoint.Boundary.TENANT_FEED, service=own, interval_s=None
    )
    operations.add_alarm_rule(
        site_id=site.pk, name="Hot", kind="above", severity="act", channel_id=channel.pk,
        set_level=80, clear_level=70, at=START, by_id=None,
    )  # fmt: skip
    operations.add_contact(
        site_id=site.pk, name="day", email="d@x.example", after_min=0, at=START, by_id=None
    )
    service = {"it": own.pk if on_own else neighbours.pk}.get(part)
    operations.announce_maintenance(
        subject=operations.Subject(site.pk, part, service), start=START,
        end=START + 60 * MINUTE, reason="x", text="", at=START, by_id=None,
    )  # fmt: skip
    send(channel, [(START + 1 * MINUTE, 90)])
    operations.find_alarms(at=START + 2 * MINUTE)

    assert operations.write_letters(at=START + 3 * MINUTE) == letters


def test_the_usual_rules_are_added_once_and_leave_what_is_there():
    site = factories.make_site()
    operations.add_alarm_rule(
        site_id=site.pk, name="Quiet", kind="no_data", limit=30, at=START, by_id=None
    )

    assert operations.add_usual_rules(site_id=site.pk, at=START, by_id=None) == 5
    assert operations.add_usual_rules(site_id=site.pk, at=START, by_id=None) == 0

    kinds = list(AlarmRule.objects.order_by("kind").values_list("kind", flat=True))
    assert kinds == [
        "bypass", "calibration", "gateway_silent", "meter_fault", "no_data", "supply_low",
    ]  # fmt: skip
    assert AlarmRule.objects.get(kind="no_data").limit == 30
