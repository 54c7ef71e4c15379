"""
The pages of the archive: sealing with reasons, what a month holds, the way back, and what is shown
where a file cannot be had.
"""

import datetime as dt
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from billing import operations as billing
from sites.access import Role
from sites.models import AuditEntry, Site
from telemetry import operations
from telemetry.models import ArchivedMonth, Reading
from telemetry.tasks import archive as tasks
from tests import factories
from tests.factories_archive import DONE, JANUARY, archive_month, make_metered_site
from tests.factories_billing import JANUARY as BILLED
from tests.factories_billing import make_contract, meter_january
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel

pytestmark = pytest.mark.django_db(transaction=True)


def _client(site: Site, role: Role = Role.ADMIN) -> Client:
    client = Client()
    client.force_login(factories.make_user(stakeholder=site.operator, role=role))
    return client


def _file(archive: ArchivedMonth) -> Path:
    return Path(settings.ARCHIVE_URL.removeprefix("file://")) / archive.path


def test_a_month_is_sealed_on_the_page_and_archived_by_the_task():
    site = make_metered_site()["energy"].site
    client = _client(site)
    assert "No reading is in the archive yet" in client.get("/ops/archive/").content.decode()

    sealed = client.post("/ops/archive/seal/", {"site": site.pk, "month": "2026-01"})
    archive = ArchivedMonth.objects.get()
    assert sealed.headers["Location"] == f"/ops/archive/{archive.pk}/"
    page = client.get(sealed.headers["Location"]).content.decode()
    assert "% of the readings written" in page
    tasks.archive_month(archive_id=archive.pk)
    operations.release_month(month=JANUARY, at=DONE)

    text = client.get("/ops/archive/").content.decode()
    assert f"{ArchivedMonth.objects.get().rows:,} readings are in the archive" in text
    assert "In the archive" in text
    page = client.get(f"/ops/archive/{archive.pk}/").content.decode()
    assert "heat.energy" in page
    assert "key-1, Ed25519" in page
    assert "bytes a reading" in page
    csv = client.get("/ops/archive/", {"format": "csv"})
    assert b"2026-01" in b"".join(csv.streaming_content)  # type: ignore[attr-defined]
    assert "Nothing matches" in client.get("/ops/archive/?year=1999").content.decode()
    trail = AuditEntry.objects.filter(subject__contains="2026-01").values_list("action", flat=True)
    assert set(trail) == {"month sealed", "month archived"}


def test_what_stands_against_it_is_said_next_to_the_month():
    site = make_metered_site()["energy"].site
    client = _client(site)

    early = dt.datetime.now(dt.UTC).strftime("%Y-%m")
    text = client.post("/ops/archive/seal/", {"site": site.pk, "month": early}).content.decode()
    assert "has to be over for 14 days" in text
    text = client.post("/ops/archive/seal/", {"site": site.pk, "month": "2025-06"}).content.decode()
    assert "no readings in this month" in text
    assert "such as 2026-03" in client.post(
        "/ops/archive/seal/", {"site": site.pk, "month": "June"}
    ).content.decode()  # fmt: skip


def test_a_disputed_month_is_not_sealed():
    channel = make_heat_channel()
    meter_january(channel)
    contract = make_contract(channel)
    invoice = billing.bill_contract(contract_id=contract.pk, month=BILLED, at=LATER, issue=True)
    assert invoice is not None
    billing.open_dispute(
        line_id=invoice.lines.earliest("position").pk, comment="Too much", span=None, at=LATER,
        by_id=None,
    )  # fmt: skip

    text = (
        _client(channel.site)
        .post("/ops/archive/seal/", {"site": channel.site_id, "month": "2026-01"})
        .content.decode()
    )

    assert "A customer disputes a line about this month." in text
    assert not ArchivedMonth.objects.exists()


def test_an_archived_bill_is_verified_and_its_evidence_the_same(
    capsys: pytest.CaptureFixture[str],
):
    channel = make_heat_channel()
    meter_january(channel)
    contract = make_contract(channel)
    invoice = billing.bill_contract(contract_id=contract.pk, month=BILLED, at=LATER, issue=True)
    assert invoice is not None
    client = _client(channel.site)
    url = f"/lines/{invoice.lines.earliest('position').pk}/?format=csv"
    before = b"".join(client.get(url).streaming_content)  # type: ignore[attr-defined]
    archive = archive_month(channel.site, JANUARY)
    assert Reading.objects.count() < 20

    call_command("verify_invoice", invoice.number)
    assert capsys.readouterr().out == f"{invoice.number}: equal\n"
    answer = client.get(f"/api/v1/invoices/{invoice.number}/evidence")
    assert answer.status_code == 200
    after = b"".join(client.get(url).streaming_content)  # type: ignore[attr-defined]
    assert after == before
    operations.let_recalled_go(at=DONE, unused_since=DONE)
    operations.release_month(month=JANUARY, at=DONE + operations.GRACE)
    _file(archive).unlink()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_invoice", invoice.number)
    assert ended.value.code == 1
    assert archive.path in capsys.readouterr().out


def test_a_file_that_is_gone_is_a_clear_answer_and_never_an_empty_one():
    channels = make_metered_site()
    archive = archive_month(channels["energy"].site, JANUARY)
    _file(archive).unlink()
    client = _client(channels["energy"].site)

    page = client.get(
        f"/ops/points/{channels['energy'].point_id}/readings/",
        {"channel": str(channels["supply"].pk), "day": "2026-01-12"},
    )
    api = client.get(f"/api/v1/channels/{channels['supply'].pk}/readings")

    assert (page.status_code, api.status_code) == (503, 503)
    assert archive.path in page.content.decode()
    assert archive.path in api.json()["detail"]


def test_late_readings_wait_while_the_archive_is_away_and_are_replayed():
    channels = make_metered_site()
    energy = channels["energy"]
    archive = archive_month(energy.site, JANUARY)
    body = _file(archive).read_bytes()
    _file(archive).unlink()
    late_at = dt.datetime(2026, 1, 12, 0, 7, tzinfo=dt.UTC)
    rows = [(energy.key, late_at.isoformat(), "9"), (energy.key, "2026-03-01T00:00:00Z", "9999")]

    result = ingest_csv(site=energy.site, body=csv_of(rows))

    assert (result.accepted, result.rejected) == (1, 1)
    page = _client(energy.site).get(f"/ops/imports/batches/{result.batch_id}/").content.decode()
    assert "could not be read" in page
    assert operations.replay_rejected(
        site_id=energy.site_id, received_at=LATER, by_id=None
    ).rejected == 1  # fmt: skip
    _file(archive).write_bytes(body)
    replayed = operations.replay_rejected(site_id=energy.site_id, received_at=LATER, by_id=None)
    assert replayed.accepted == 1
    assert energy.readings.filter(at=late_at).exists()


def test_a_month_is_brought_back_checked_and_archived_again_from_its_page():
    channels = make_metered_site()
    energy = channels["energy"]
    archive = archive_month(energy.site, JANUARY)
    client = _client(energy.site)
    viewer = _client(energy.site, Role.VIEWER)
    assert viewer.post(f"/ops/archive/{archive.pk}/restore/").status_code == 404
    assert "Bring back" not in viewer.get(f"/ops/archive/{archive.pk}/").content.decode()

    client.post(f"/ops/archive/{archive.pk}/check/")
    tasks.check_month(archive_id=archive.pk, by_id=None)
    assert "Last checked" in client.get(f"/ops/archive/{archive.pk}/").content.decode()
    client.post(f"/ops/archive/{archive.pk}/restore/")
    tasks.restore_month(archive_id=archive.pk, by_id=None)
    tasks.restore_month(archive_id=archive.pk, by_id=None)

    text = client.get(f"/ops/archive/{archive.pk}/").content.decode()
    assert "Back in the database" in text
    assert "Brought back" in text
    again = client.post(f"/ops/archive/{archive.pk}/again/")
    newer = ArchivedMonth.objects.latest("revision")
    assert again.headers["Location"] == f"/ops/archive/{newer.pk}/"
    assert newer.revision == 2


def test_a_damaged_file_found_by_a_check_is_shown():
    channels = make_metered_site()
    archive = archive_month(channels["energy"].site, JANUARY)
    body = bytearray(_file(archive).read_bytes())
    body[100] ^= 1
    _file(archive).write_bytes(body)

    tasks.check_month(archive_id=archive.pk, by_id=None)

    client = _client(channels["energy"].site)
    assert "not as it was written" in client.get(f"/ops/archive/{archive.pk}/").content.decode()
    assert "One month has a problem." in client.get("/ops/archive/").content.decode()


def test_the_schedule_takes_up_what_was_left_and_seals_by_age(settings):
    channels = make_metered_site()
    site = channels["energy"].site
    settings.ARCHIVE_AFTER_MONTHS = 1
    tasks.seal_due_months()
    months = ArchivedMonth.objects.order_by("month").values_list("month", flat=True)
    assert dt.date(2025, 12, 1) in months
    assert JANUARY in months
    tasks.archive_month(archive_id=ArchivedMonth.objects.get(site=site, month=JANUARY).pk)
    operations.release_month(month=JANUARY, at=DONE)

    assert ArchivedMonth.objects.get(month=JANUARY).state == "dropped"
    settings.ARCHIVE_AFTER_MONTHS = 0
    tasks.seal_due_months()
    tasks.go_on_archiving()
    tasks.release_month(month="2026-01-01")


def test_the_command_goes_there_and_back(capsys: pytest.CaptureFixture[str]):
    site = make_metered_site()["energy"].site
    told = {"site": site.slug, "month": "2026-01"}

    call_command("archive_month", "--site", site.slug, "--month", "2026-01")
    assert "bytes each; they leave the database in 15 minutes." in capsys.readouterr().out
    call_command("archive_month", "--site", site.slug, "--month", "2026-01", "--check")
    assert "as they were signed" in capsys.readouterr().out
    with pytest.raises(CommandError, match="archived"):
        call_command("archive_month", "--site", site.slug, "--month", "2026-01")
    call_command("archive_month", "--site", site.slug, "--month", "2026-01", "--restore")
    assert "are in the database" in capsys.readouterr().out
    with pytest.raises(CommandError, match="is not archived"):
        call_command("archive_month", "--site", told["site"], "--month", "2026-01", "--restore")


def test_the_list_costs_the_same_for_many(django_assert_num_queries):
    site = make_heat_channel().site
    client = _client(site)
    for n in range(30):
        ArchivedMonth.objects.create(
            site=site, month=dt.date(2020 + n // 12, n % 12 + 1, 1), revision=1, sealed_at=LATER
        )
    client.get("/ops/archive/")

    with django_assert_num_queries(10):
        client.get("/ops/archive/")
