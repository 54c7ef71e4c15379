"""
A month goes to a file and out of the database, and nobody who reads it notices.
"""

import csv
import datetime as dt
import gzip
import hashlib
import json
import re
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction

from sites.domain import Period
from telemetry import archive as files
from telemetry import operations, queries
from telemetry.models import (
    ArchivedMonth,
    Channel,
    DirtyRange,
    Finding,
    Reading,
    RejectedReading,
)
from tests import factories
from tests.factories_archive import (
    DONE,
    END,
    JANUARY,
    START,
    STEP,
    archive_month,
    channels_back,
    every_half_hour,
    make_metered_site,
    roll_up_all,
    rows_in_database,
    verified_month,
)
from tests.factories_telemetry import (
    LATER,
    add_channel,
    csv_of,
    ingest_csv,
    make_heat_channel,
)

pytestmark = pytest.mark.django_db(transaction=True)

# --- What leaves and what stays ---------------------------------------------------------------


def test_a_month_goes_to_a_file_that_anybody_can_read():
    channels = make_metered_site()
    site = channels["energy"].site
    before = {
        (r.channel.key, r.at): (r.value, r.batch_id)
        for r in Reading.objects.filter(at__gte=START, at__lt=END).select_related("channel")
    }

    archive = archive_month(site, JANUARY)

    assert archive.state == ArchivedMonth.State.DROPPED
    assert archive.rows == len(before)
    root = Path(settings.ARCHIVE_URL.removeprefix("file://"))
    table = pq.read_table(root / archive.path).to_pylist()
    assert {(r["channel"], r["at"]): (r["value"], r["batch"]) for r in table} == before
    assert archive.bytes / archive.rows < 6 < archive.hot_bytes / archive.rows
    # The ends of seven channels, as sent and as they count, zero or not.
    assert 2 * 7 <= rows_in_database(JANUARY) <= 8 * 7
    told = json.loads((root / f"{archive.path}.json").read_text())
    assert told["manifest"]["readings"] == len(before)


def test_other_sites_of_the_month_stay_as_they_are():
    channels = make_metered_site()
    other = make_heat_channel(code="other")
    ingest_csv(
        site=other.site,
        body=csv_of(
            [(other.key, at.isoformat(), str(n)) for n, at in enumerate(every_half_hour())]
        ),
    )
    roll_up_all()

    archive_month(channels["energy"].site, JANUARY)

    assert other.readings.count() == len(every_half_hour())


def test_what_is_left_is_the_ends_of_what_counts():
    channels = make_metered_site()
    power = channels["power"]
    last = power.readings.filter(at__lt=END).latest("at").at
    finding = Finding.objects.create(
        channel=power, rule="spike", span=(last, last + STEP), severity=1, found_at=LATER,
        proposal="set_aside", state="dismissed", decided_at=LATER,
    )  # fmt: skip
    decision = finding.decisions.create(
        channel=power, span=finding.span, source="rule", state="in_force", at=LATER,
        decided_at=LATER,
    )  # fmt: skip
    power.vee_values.create(
        at=last, value=None, flag="suspect", method="test", decision=decision, recorded_at=LATER
    )

    archive_month(power.site, JANUARY)

    left = list(power.readings.filter(at__gte=START, at__lt=END).order_by("at"))
    assert [r.at for r in left][-2:] == [last - STEP, last]


def test_readings_leave_only_after_those_who_looked_have_read():
    site = make_metered_site()["energy"].site
    verified_month(site, JANUARY)
    there = rows_in_database(JANUARY)

    assert operations.release_month(month=JANUARY, at=LATER) == 0
    assert rows_in_database(JANUARY) == there
    assert operations.release_month(month=JANUARY, at=DONE) > 0


PERIOD = Period(START + dt.timedelta(days=8), START + dt.timedelta(days=21))


def read_january(channels: dict[str, Channel]) -> str:
    return queries.canonical_readings(channel_id=channels["energy"].pk, period=PERIOD)


# --- Late readings ----------------------------------------------------------------------------


def test_late_readings_meet_what_they_repeat_and_contradict():
    channels = make_metered_site()
    energy = channels["energy"]
    known = energy.readings.get(at=START + dt.timedelta(days=5))
    archive = archive_month(energy.site, JANUARY)
    new_at = known.at + dt.timedelta(minutes=7)

    result = ingest_csv(
        site=energy.site,
        body=csv_of([
            (energy.key, known.at.isoformat(), str(known.value)),
            (energy.key, (known.at + STEP).isoformat(), "1"),
            (energy.key, new_at.isoformat(), str(known.value + 1)),
        ]),
    )  # fmt: skip

    assert (result.accepted, result.duplicate, result.conflicting) == (1, 1, 1)
    assert RejectedReading.objects.get().reason == "conflict"
    archive.refresh_from_db()
    assert archive.late == 1
    roll_up_all()
    assert energy.readings.filter(at=new_at).exists()


def test_late_readings_stay_when_the_rest_leaves_and_go_along_when_sealed_again():
    channels = make_metered_site()
    energy = channels["energy"]
    archive = archive_month(energy.site, JANUARY)
    late_at = START + dt.timedelta(days=5, minutes=7)
    value = energy.readings.filter(at__lt=START).latest("at").value + 2410
    ingest_csv(site=energy.site, body=csv_of([(energy.key, late_at.isoformat(), str(value))]))
    roll_up_all()
    Finding.objects.update(state=Finding.State.DISMISSED, decided_at=LATER)
    expected = queries.canonical_readings(channel_id=energy.pk, period=PERIOD)

    much_later = DONE + dt.timedelta(days=400)
    operations.let_recalled_go(at=much_later, unused_since=much_later)
    operations.release_month(month=JANUARY, at=much_later + operations.GRACE)

    assert energy.readings.filter(at=late_at).exists()
    second = archive_month(energy.site, JANUARY)
    assert (second.revision, second.rows, second.late) == (2, archive.rows + 1, 0)
    assert not energy.readings.filter(at=late_at).exists()
    assert queries.canonical_readings(channel_id=energy.pk, period=PERIOD) == expected


def test_readings_that_come_in_between_are_written_too():
    channels = make_metered_site()
    energy = channels["energy"]
    archive = operations.seal_month(site_id=energy.site_id, month=JANUARY, at=LATER, by_id=None)
    operations.write_month(archive_id=archive.pk, at=LATER)
    at = START + dt.timedelta(days=5, minutes=7)
    ingest_csv(site=energy.site, body=csv_of([(energy.key, at.isoformat(), "3411")]))

    found = operations.verify_month(archive_id=archive.pk, at=LATER)

    assert found is not None
    assert found.state == ArchivedMonth.State.SEALED
    assert "written again" in found.problem
    operations.write_month(archive_id=archive.pk, at=LATER)
    operations.verify_month(archive_id=archive.pk, at=LATER)
    archive.refresh_from_db()
    assert archive.state == ArchivedMonth.State.VERIFIED


def test_a_reading_that_comes_after_verification_never_leaves_unarchived():
    channels = make_metered_site()
    energy = channels["energy"]
    verified_month(energy.site, JANUARY)
    at = START + dt.timedelta(days=5, minutes=7)
    ingest_csv(site=energy.site, body=csv_of([(energy.key, at.isoformat(), "3411")]))

    operations.release_month(month=JANUARY, at=DONE)

    assert energy.readings.filter(at=at).exists()
    assert ArchivedMonth.objects.get().late == 1


def test_a_month_comes_back_for_good():
    channels = make_metered_site()
    before = list(Reading.objects.order_by("pk").values_list())
    archive_month(channels["energy"].site, JANUARY)

    back = operations.restore_month(
        site_id=channels["energy"].site_id, month=JANUARY, at=LATER, by_id=None
    )

    assert back.state == ArchivedMonth.State.REOPENED
    assert list(Reading.objects.order_by("pk").values_list()) == before
    assert operations.release_month(month=JANUARY, at=DONE + dt.timedelta(days=400)) == 0


def test_what_was_brought_back_leaves_again_when_nobody_asks_for_it():
    channels = make_metered_site()
    archive_month(channels["energy"].site, JANUARY)
    left = rows_in_database(JANUARY)
    read_january(channels)
    assert rows_in_database(JANUARY) > left
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)

    assert operations.let_recalled_go(at=tomorrow, unused_since=tomorrow) == 1
    operations.release_month(month=JANUARY, at=tomorrow + operations.GRACE)

    assert rows_in_database(JANUARY) == left


# --- What stands against it -------------------------------------------------------------------


def _why_not(channels: dict[str, Channel], at: dt.datetime = LATER) -> list[queries.Hindrance]:
    with pytest.raises(operations.NotSealable) as told:
        operations.seal_month(site_id=channels["energy"].site_id, month=JANUARY, at=at, by_id=None)
    return told.value.hindrances


def test_a_month_that_is_not_settled_is_not_sealed():
    channels = make_metered_site()
    energy = channels["energy"]
    assert _why_not(channels, END + dt.timedelta(days=13)) == ["not_over"]

    DirtyRange.objects.create(channel=energy, span=(START, END), marked_at=LATER)
    Finding.objects.create(
        channel=energy, rule="flat", span=(START, END), severity=2, found_at=LATER,
        proposal="none",
    )  # fmt: skip

    assert _why_not(channels) == ["dirty", "finding"]
    empty = factories.make_site()
    with pytest.raises(operations.NotSealable, match="no_readings"):
        operations.seal_month(site_id=empty.pk, month=JANUARY, at=LATER, by_id=None)


def test_a_month_is_sealed_once():
    channels = make_metered_site()
    archive = operations.seal_month(
        site_id=channels["energy"].site_id, month=JANUARY, at=LATER, by_id=None
    )
    assert _why_not(channels) == ["under_way"]

    operations.write_month(archive_id=archive.pk, at=LATER)
    assert operations.write_month(archive_id=archive.pk, at=LATER) is None
    operations.verify_month(archive_id=archive.pk, at=LATER)
    assert operations.verify_month(archive_id=archive.pk, at=LATER) is None
    assert _why_not(channels) == ["archived"]


# --- Files that are not as they were ----------------------------------------------------------


def _file(archive: ArchivedMonth) -> Path:
    return Path(settings.ARCHIVE_URL.removeprefix("file://")) / archive.path


def _flip(path: Path, at: int) -> None:
    body = bytearray(path.read_bytes())
    body[at] ^= 1
    path.write_bytes(body)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.7, 0.999])
def test_a_file_changed_in_one_bit_is_never_read(place):
    channels = make_metered_site()
    archive = archive_month(channels["energy"].site, JANUARY)
    _flip(_file(archive), int(place * archive.bytes))

    with pytest.raises(files.FileDamaged, match="Put a copy from a backup in its place"):
        read_january(channels)
    assert channels_back() == 0


def test_a_missing_file_is_named():
    channels = make_metered_site()
    archive = archive_month(channels["energy"].site, JANUARY)
    _file(archive).unlink()

    with pytest.raises(files.FileMissing, match=re.escape(archive.path)):
        read_january(channels)


def test_a_password_in_the_address_of_the_archive_is_not_told(settings):
    settings.ARCHIVE_URL = "ftp://box:secret@files.example/archive"

    assert files.shown_place() == "ftp://files.example/archive"


def test_a_place_that_is_none_is_named(settings):
    channels = make_metered_site()
    archive = operations.seal_month(
        site_id=channels["energy"].site_id, month=JANUARY, at=LATER, by_id=None
    )
    settings.ARCHIVE_URL = "nowhere://there"

    with pytest.raises(files.PlaceUnreachable, match="ARCHIVE_URL nowhere://there"):
        operations.write_month(archive_id=archive.pk, at=LATER)


def test_a_damaged_file_is_not_verified_and_nothing_leaves():
    channels = make_metered_site()
    archive = operations.seal_month(
        site_id=channels["energy"].site_id, month=JANUARY, at=LATER, by_id=None
    )
    operations.write_month(archive_id=archive.pk, at=LATER)
    archive.refresh_from_db()
    there = rows_in_database(JANUARY)
    _flip(_file(archive), 1000)

    with pytest.raises(files.FileDamaged):
        operations.verify_month(archive_id=archive.pk, at=LATER)

    assert operations.release_month(month=JANUARY, at=DONE) == 0
    assert rows_in_database(JANUARY) == there


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE telemetry_archivedmonth SET manifest = replace(manifest, 'heat.', 'hat.')",
        "UPDATE telemetry_archivedmonth SET rows = rows + 1",
        "UPDATE telemetry_archivedchannel SET sha256 = sha256(sha256)",
    ],
    ids=["manifest", "row of the month", "row of a channel"],
)
def test_an_altered_manifest_is_named(change):
    channels = make_metered_site()
    archive_month(channels["energy"].site, JANUARY)
    with connection.cursor() as cursor:
        with pytest.raises(DatabaseError, match="never changed"):
            cursor.execute(change)
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(change)
        cursor.execute("SET session_replication_role = origin")

    with pytest.raises(files.ManifestAltered):
        read_january(channels)


def test_the_manifest_beside_the_file_is_checked_with_it():
    channels = make_metered_site()
    archive = archive_month(channels["energy"].site, JANUARY)
    operations.check_month(archive_id=archive.pk, at=DONE, by_id=None)
    archive.refresh_from_db()
    assert archive.checked_at == DONE
    beside = _file(archive).with_name(f"{_file(archive).name}.json")
    beside.write_text(beside.read_text().replace("heat.energy", "heat.enemy"))

    with pytest.raises(files.ManifestAltered, match="beside"):
        operations.check_month(archive_id=archive.pk, at=DONE, by_id=None)


def test_manifests_are_chained():
    channels = make_metered_site()
    site = channels["energy"].site
    first = archive_month(site, JANUARY)
    december = archive_month(site, dt.date(2025, 12, 1))

    assert json.loads(first.manifest)["previous"] == ""
    previous = json.loads(december.manifest)["previous"]
    assert previous == hashlib.sha256(first.manifest.encode()).hexdigest()


# --- What the database itself refuses ---------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE telemetry_reading_202601",
        "TRUNCATE telemetry_reading",
        "TRUNCATE telemetry_reading_202601",
        "DELETE FROM telemetry_reading",
        "DELETE FROM telemetry_archivedmonth",
        "UPDATE telemetry_archivedmonth SET path = 'elsewhere'",
    ],
)
def test_readings_and_archives_cannot_be_done_away_with(statement):
    channels = make_metered_site()
    verified_month(channels["energy"].site, JANUARY)

    with connection.cursor() as cursor:
        # As everybody but the test suite.
        cursor.execute("SET warmgrid.may_empty = ''")
        try:
            with pytest.raises(DatabaseError):
                cursor.execute(statement)
        finally:
            cursor.execute("RESET warmgrid.may_empty")


def test_a_partition_is_not_replaced_by_one_with_less_than_the_archive_makes_good():
    channels = make_metered_site()
    archive = operations.seal_month(
        site_id=channels["energy"].site_id, month=JANUARY, at=LATER, by_id=None
    )
    operations.write_month(archive_id=archive.pk, at=LATER)

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE telemetry_reading_202601_next (LIKE telemetry_reading INCLUDING ALL)"
        )
        with pytest.raises(DatabaseError, match="in no verified archive"), transaction.atomic():
            cursor.execute("SELECT telemetry_replace_partition('2026-01-01')")
        transaction.set_rollback(True)


# --- Real meters ------------------------------------------------------------------------------

_REAL = Path(settings.BASE_DIR).parent / "shared/data/b_heat_series/xai4heat"


@pytest.mark.skipif(not _REAL.is_dir(), reason=f"no real heat-meter data in {_REAL}")
def test_a_reading_of_real_meters_takes_less_than_six_bytes():
    energy = make_heat_channel(unit="MWh")
    columns = {"e": energy.key}
    for quantity, column in (("power", "pe"), ("supply", "t_sup_sec"), ("return", "t_ret_sec")):
        columns[column] = add_channel(point=energy.point, quantity=Channel.Quantity(quantity)).key
    rows = []
    with gzip.open(_REAL / "xai4heat_scada_L12.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if row["datetime"].startswith("2023-01"):
                at = f"{row['datetime']}+01:00"
                rows += [(key, at, row[column]) for column, key in columns.items() if row[column]]
    ingest_csv(site=energy.site, body=csv_of(rows))
    roll_up_all()
    Finding.objects.update(state=Finding.State.DISMISSED, decided_at=LATER)

    archive = archive_month(energy.site, dt.date(2023, 1, 1))

    assert archive.bytes / archive.rows <= 6
    assert archive.hot_bytes / archive.rows > 60


def test_readings_do_not_leave_while_somebody_writes_into_their_month():
    channels = make_metered_site()
    energy = channels["energy"]
    verified_month(energy.site, JANUARY)
    there = rows_in_database(JANUARY)
    address = settings.DATABASE_URL.rsplit("/", 1)[0] + f"/{connection.settings_dict['NAME']}"
    late_at = START + dt.timedelta(days=3, minutes=7)
    with psycopg.connect(address) as writer:
        writer.execute("SELECT telemetry_ensure_partition(%s)", [JANUARY])
        writer.execute(
            "INSERT INTO telemetry_reading SELECT channel_id, %s, value, batch_id"
            " FROM telemetry_reading WHERE channel_id = %s LIMIT 1",
            [late_at, energy.pk],
        )
        with pytest.raises(OperationalError):
            operations.release_month(month=JANUARY, at=DONE)

    assert rows_in_database(JANUARY) == there + 1
    operations.release_month(month=JANUARY, at=DONE)
    assert energy.readings.filter(at=late_at).exists()
