"""
Who reads readings does not notice that a month of them is in the archive.
"""

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from sites.access import Kind, Role, Viewer
from sites.domain import Period
from sites.models import User
from telemetry import operations, queries
from telemetry.models import (
    Channel,
    DirtyRange,
    HeatDay,
    HeatDirty,
    HeatEntry,
    Incident,
    Meter,
    Rollup,
    SupplyTerms,
)
from telemetry.operations.metering import _sent_span
from telemetry.operations.settling import around
from telemetry.queries import estimation
from telemetry.queries.charting import chart_line
from telemetry.queries.dials import rows_around
from telemetry.queries.exporting import export_rows
from tests import factories
from tests.factories_archive import (
    END,
    JANUARY,
    SINCE,
    START,
    UNTIL,
    archive_month,
    channels_back,
    make_metered_site,
    roll_up_all,
)
from tests.factories_heat import agree, place_of, settle
from tests.factories_telemetry import (
    LATER,
)

pytestmark = pytest.mark.django_db(transaction=True)

_FIRST, _LAST = dt.date(2026, 1, 9), dt.date(2026, 1, 22)
_PERIOD = Period(START + dt.timedelta(days=8), START + dt.timedelta(days=21))
_NOW = UNTIL + dt.timedelta(hours=1)

Channels = dict[str, Channel]


def _delivery(channels: Channels) -> int:
    found = channels["energy"].point.delivery_point_id
    assert found is not None
    return found


def _viewer(channels: Channels) -> Viewer:
    return Viewer(1, channels["energy"].site.operator_id, Kind.OPERATOR, Role.ADMIN)


def _rebuilt(channels: Channels) -> object:
    wanted = list(channels.values())
    Rollup.objects.filter(channel__in=wanted).delete()
    for channel in wanted:
        DirtyRange.objects.create(channel=channel, span=(SINCE, UNTIL), marked_at=LATER)
    roll_up_all()
    return _rollups(channels)


def _rollups(channels: Channels) -> object:
    rows = Rollup.objects.filter(channel__in=channels.values()).order_by("pk").values()
    return [{k: v for k, v in row.items() if k not in {"computed_at", "version"}} for row in rows]


def _rerolled(channels: Channels) -> object:
    """
    A stretch after the month, which leans on its last readings.
    """
    channel = channels["energy"]
    after = (END, END + dt.timedelta(hours=1))
    Rollup.objects.filter(channel=channel, start_at__gte=END).delete()
    DirtyRange.objects.create(channel=channel, span=(after[0], UNTIL), marked_at=LATER)
    roll_up_all()
    return _rollups(channels)


def _client(channels: Channels) -> Client:
    client = Client()
    user = User.objects.filter(memberships__stakeholder=channels["energy"].site.operator).first()
    client.force_login(user or factories.make_user(stakeholder=channels["energy"].site.operator))
    return client


def _api_pages(channels: Channels) -> object:
    url = f"/api/v1/channels/{channels['power'].pk}/readings"
    return _client(channels).get(url, {"start": "2026-01-12T00:00:00Z"}).json()["results"]


def _api_csv(channels: Channels) -> object:
    answer: Any = _client(channels).get(f"/api/v1/channels/{channels['energy'].pk}/readings.csv")
    return b"".join(answer.streaming_content)


def _readings_page(channels: Channels) -> object:
    answer = _client(channels).get(
        f"/ops/points/{channels['energy'].point_id}/readings/",
        {"channel": str(channels["supply"].pk), "day": "2026-01-12", "format": "csv"},
    )
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def _evidence(channels: Channels) -> object:
    energy = channels["energy"]
    period = Period(START + dt.timedelta(days=1), START + dt.timedelta(days=8))
    metered = queries.metered_energy(channel=energy, period=period)
    return (
        metered.reading_count, metered.readings_sha256, metered.fingerprints, metered.energy_kwh,
        list(queries.changed_readings(
            channel_id=energy.pk, period=period, fingerprints=metered.fingerprints
        )),
    )  # fmt: skip


def _heat_checks(channels: Channels) -> object:
    return queries.heat_checks(
        viewer=_viewer(channels), point_id=channels["energy"].point_id, first=_FIRST, end=_LAST
    )


def _uptime_with_an_incident(channels: Channels) -> object:
    beat = channels["heartbeat"]
    operations.record_incident(
        subject=operations.Subject(beat.site_id, "it"), started_at=START + dt.timedelta(days=12),
        ended_at=START + dt.timedelta(days=12, hours=2), by_id=None, at=LATER,
        cause="power", title="Power lost", text="",
    )  # fmt: skip
    return queries.availability(
        viewer=_viewer(channels), site_ids=[beat.site_id], first=_FIRST, end=_LAST, now=_NOW
    )


def _heat_ledger(channels: Channels) -> object:
    register = channels["energy"]
    if not SupplyTerms.objects.exists():
        agree(register, first_day=dt.date(2026, 1, 1), at=LATER)
    with connection.cursor() as cursor:
        # Entries cannot be deleted one by one.
        cursor.execute("TRUNCATE telemetry_heatentry")
    HeatDay.objects.all().delete()
    HeatDirty.objects.create(
        delivery_point=place_of(register), span=(_PERIOD.start, _PERIOD.end), marked_at=LATER
    )
    settle(register, at=LATER)
    told: list[Any] = [
        HeatEntry.objects.filter(start_at__gte=_PERIOD.start, start_at__lt=_PERIOD.end),
        HeatDay.objects.filter(day__gt=_FIRST, day__lt=_LAST),
    ]
    unlike = {"id", "computed_at", "version"}
    return [
        {k: v for k, v in row.items() if k not in unlike}
        for q in told
        for row in q.order_by("pk").values()
    ]


def _chart(channels: Channels, quantity: str) -> object:
    # Short enough for single readings to be drawn.
    day = Period(_PERIOD.start, _PERIOD.start + dt.timedelta(hours=6))
    return chart_line(viewer=_viewer(channels), channel_id=channels[quantity].pk, period=day)


READERS: dict[str, Callable[[Channels], object]] = {
    "rollups from scratch": _rebuilt,
    "a stretch after the month": _rerolled,
    "readings of the API": _api_pages,
    "readings of the API as CSV": _api_csv,
    "readings of a point": _readings_page,
    "evidence": _evidence,
    "the lines of a digest": lambda c: queries.canonical_readings(
        channel_id=c["energy"].pk, period=_PERIOD
    ),
    "estimated share": lambda c: queries.estimated_share(channel_id=c["energy"].pk, period=_PERIOD),
    "the ledger of heat": _heat_ledger,
    "checks of the heat meter": _heat_checks,
    "uptime counted anew": _uptime_with_an_incident,
    "rows a rule looks at": lambda c: rows_around(c["energy"].pk, _PERIOD.start, _PERIOD.end),
    "readings an estimate is made from": lambda c: estimation.read(
        c["power"].pk, _PERIOD.start, _PERIOD.end
    ),
    "what counts around an estimate": lambda c: estimation.effective(
        c["energy"].pk, _PERIOD.start, _PERIOD.end
    ),
    "a chart of a register": lambda c: _chart(c, "energy"),
    "a chart of a temperature": lambda c: _chart(c, "supply"),
    "an export of readings": lambda c: list(
        export_rows(channel=c["energy"], grain="readings", period=_PERIOD)[1]
    ),
    "what a change makes dirty": lambda c: around(c["energy"].pk, _PERIOD.start, _PERIOD.end),
}
# What looks for the nearest, first or newest reading needs nothing back.
BESIDE: dict[str, Callable[[Channels], object]] = {
    "state of the site": lambda c: queries.site_states(viewer=_viewer(c), now=_NOW),
    "last values": lambda c: queries.last_values(
        viewer=_viewer(c), point_ids=[c["energy"].point_id], now=END + dt.timedelta(hours=5)
    ),
    "hand-offs": lambda c: queries.hand_offs(
        viewer=_viewer(c), delivery_point_ids=[_delivery(c)], now=END
    ),
    "working point": lambda c: queries.working_point(
        viewer=_viewer(c), point_id=c["energy"].point_id, meter=Meter.objects.get()
    ),
    "span of a channel": lambda c: _sent_span(c["energy"]),
    "days of a channel": lambda c: queries.energy_series(
        viewer=_viewer(c), channel_id=c["energy"].pk, grain="hour", period=_PERIOD
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_does_not_notice(name):
    channels = make_metered_site()
    before = READERS[name](channels)
    if name == "uptime counted anew":
        Incident.objects.all().delete()
    archive_month(channels["energy"].site, JANUARY)
    assert channels_back() == 0

    after = READERS[name](channels)

    assert after == before
    assert channels_back() > 0


@pytest.mark.parametrize("name", BESIDE)
def test_a_reader_of_ends_needs_nothing_back(name):
    channels = make_metered_site()
    before = BESIDE[name](channels)
    archive_month(channels["energy"].site, JANUARY)

    assert BESIDE[name](channels) == before
    assert channels_back() == 0


# Where readings are read by name, and by which test above it is seen that an archived month makes
# no difference. Whoever reads a stretch of readings somewhere else calls `archive.bring_back`
# first, and adds the place and a test here.
_READ_IN = {
    "telemetry/archive/rows.py": "writes the file",
    "telemetry/archive/recall.py": "brings readings back",
    "telemetry/operations/archive.py": "takes readings out",
    "telemetry/operations/calm.py": "rollups from scratch",
    "telemetry/operations/heat_sql.py": "the ledger of heat",
    "telemetry/operations/ingest.py": "test_archive",
    "telemetry/operations/quality_days.py": "the day's readings, brought back there",
    "telemetry/operations/quality_ingest.py": "test_archive",
    "telemetry/operations/rollup_registers.py": "rollups from scratch",
    "telemetry/operations/rollup_sql.py": "rollups from scratch",
    "telemetry/operations/rollup_values.py": "rollups from scratch",
    "telemetry/operations/settling.py": "what a change makes dirty",
    "telemetry/operations/quality_reach.py": "rollups from scratch",
    "telemetry/operations/quality.py": "rollups from scratch",
    "telemetry/operations/metering.py": "span of a channel",
    "telemetry/operations/availability.py": "the last 14 days, which are never sealed",
    "telemetry/operations/alarm_sql.py": "the newest readings, which are never sealed",
    "telemetry/queries/archive.py": "whether there are any",
    "telemetry/queries/charting.py": "a chart of a register",
    "telemetry/queries/exporting.py": "an export of readings",
    "telemetry/queries/dials.py": "rows a rule looks at",
    "telemetry/queries/estimation.py": "readings an estimate is made from",
    "telemetry/queries/evidence.py": "evidence",
    "telemetry/queries/heat_checks.py": "checks of the heat meter",
    "telemetry/queries/handoffs.py": "hand-offs",
    "telemetry/queries/heat_inputs.py": "the ledger of heat",
    "telemetry/queries/meters.py": "working point",
    "telemetry/queries/quality.py": "estimated share",
    "telemetry/queries/readings.py": "readings of the API",
    "telemetry/queries/series.py": "last values",
    "telemetry/queries/uptime.py": "uptime counted anew",
    "telemetry/models/readings.py": "the model itself",
    "telemetry/models/quality.py": "the model itself",
    "telemetry/operations/month_ends.py": "the readings around an edge, which never leave",
    "telemetry/operations/replay.py": "what replayed rows repeat, after ingest",
    "telemetry/queries/findings.py": "the stored reading a refused one contradicts",
    "telemetry/queries/month_ends.py": "month-ends, after the same look-up",
    "seeds/demo.py": "counts what was loaded",
    "seeds/loading.py": "the newest of a channel",
}
_NAMES = re.compile(r"telemetry_reading\b|telemetry_effective\b|\bReading\.objects|\.readings\.")


def test_every_place_that_reads_readings_is_tried_here():
    root = Path(settings.BASE_DIR)
    found = {
        str(path.relative_to(root))
        for room in ("sites", "telemetry", "billing", "portal", "seeds")
        for path in (root / room).rglob("*.py")
        if "migrations" not in path.parts and _NAMES.search(path.read_text())
    }

    assert found == set(_READ_IN)
