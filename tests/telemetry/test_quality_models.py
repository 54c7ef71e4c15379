"""
The effective series and the versions behind it.
"""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import Error, IntegrityError, connection, transaction

from telemetry.domain.quality import Flag, Share, Tolerance, worst
from telemetry.models import Channel, Decision, QualityFlag, VeeValue
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel

T0 = dt.datetime(2026, 1, 10, 10, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def _decision(channel: Channel, **fields: object) -> Decision:
    return Decision.objects.create(
        **{
            "channel": channel, "span": (T0, T0 + HOUR), "source": "rule", "state": "in_force",
            "at": LATER, **fields,
        }
    )  # fmt: skip


def _value(channel: Channel, at: dt.datetime, value: float | None, flag: Flag) -> VeeValue:
    return VeeValue.objects.create(
        channel=channel, at=at, value=value, flag=flag, method="test", recorded_at=LATER,
        decision=_decision(channel),
    )  # fmt: skip


def _effective(channel: Channel) -> list[tuple[int, int, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, value, flag FROM telemetry_effective WHERE channel_id = %s ORDER BY at",
            [channel.pk],
        )
        return [((at - T0) // HOUR, int(value), flag) for at, value, flag in cursor.fetchall()]


@pytest.mark.django_db(transaction=True)
def test_values_in_force_lie_over_the_readings():
    channel = make_heat_channel()
    rows = [(channel.key, (T0 + n * HOUR).isoformat(), str(100 + n)) for n in range(3)]
    ingest_csv(site=channel.site, body=csv_of(rows))

    _value(channel, T0, None, Flag.SUSPECT)
    _value(channel, T0 + HOUR, 111, Flag.SCALED)
    _value(channel, T0 + 3 * HOUR, 105, Flag.ESTIMATED)

    assert _effective(channel) == [(1, 111, "scaled"), (2, 102, "actual"), (3, 105, "estimated")]


@pytest.mark.django_db(transaction=True)
def test_a_value_is_superseded_once_and_never_edited():
    value = _value(make_heat_channel(), T0, 5, Flag.ESTIMATED)

    with pytest.raises(Error, match="superseded, never edited"):
        VeeValue.objects.filter(pk=value.pk).update(value=6)
    with pytest.raises(IntegrityError, match="one_vee_value_in_force"), transaction.atomic():
        _value(value.channel, T0, 7, Flag.ESTIMATED)
    VeeValue.objects.filter(pk=value.pk).update(superseded_at=LATER)
    _value(value.channel, T0, 7, Flag.ESTIMATED)

    assert _effective(value.channel) == [(0, 7, "estimated")]


def test_the_worst_flag_wins_and_flags_have_names():
    assert worst([Flag.ACTUAL, Flag.SCALED, Flag.SUSPECT, Flag.ESTIMATED]) == Flag.SUSPECT
    assert worst([]) == Flag.MISSING
    assert [flag.value for flag in Flag] == QualityFlag.values


@pytest.mark.parametrize(
    ("estimated", "expected"),
    [
        (0, Tolerance.ISSUE), (20, Tolerance.ISSUE), (21, Tolerance.REVIEW),
        (100, Tolerance.REVIEW), (101, Tolerance.BLOCK),
    ],
)  # fmt: skip
def test_what_a_share_of_estimates_means(estimated, expected):
    assert Share(Decimal(estimated), Decimal(1000)).tolerance() == expected
