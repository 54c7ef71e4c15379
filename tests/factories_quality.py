"""
Findings, edits and thresholds for tests.
"""

import datetime as dt
from decimal import Decimal

from telemetry import operations
from telemetry.domain.quality import Flag
from telemetry.models import Channel, Decision, Finding
from tests import factories
from tests.factories_telemetry import LATER

# In the January that `meter_january` reads.
AT = dt.datetime(2026, 1, 10, 10, 30, tzinfo=dt.UTC)


def make_finding(
    channel: Channel, *, rule: str = "high_low", severity: int = 2, at: dt.datetime = AT,
    proposal: str = "none",
) -> Finding:  # fmt: skip
    return Finding.objects.create(
        channel=channel, rule=rule, span=(at, at + dt.timedelta(hours=6)), severity=severity,
        measured=Decimal("2.5"), limit=Decimal(2), detail="12.0 kWh instead of 5.0.",
        proposal=proposal, found_at=LATER,
    )  # fmt: skip


def make_edit(channel: Channel) -> Decision:
    """
    Make a finding, an edit of its channel that waits for a second person, and thresholds for it.
    """
    make_finding(channel)
    operations.set_rule(
        site_id=channel.site_id, rule="flat", since=AT, thresholds={"hours": 12}, at=LATER,
        reason="Slow meter", channel_id=channel.pk, by_id=None,
    )  # fmt: skip
    person = factories.make_user(stakeholder=channel.site.operator)
    return operations.propose_edit(
        channel_id=channel.pk, start=AT, end=AT + dt.timedelta(hours=1), method="typed in",
        wanted=[(AT, Decimal(5), Flag.EDITED)], reason="Read by hand", by_id=person.pk, at=LATER,
    )  # fmt: skip
