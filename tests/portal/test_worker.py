"""
Work that crosses processes: a real Celery worker on the real broker, also killed.
"""

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from billing import operations as billing
from billing import tasks as billing_tasks
from billing.models import BillingRun, Invoice, RunItem
from portal import tasks as portal_tasks
from sites import operations, queries
from sites.access import Role
from sites.models import Invitation
from telemetry import operations as metering
from telemetry import queries as metering_queries
from telemetry import tasks
from telemetry.models import (
    Alarm,
    AlarmLetter,
    ArchivedMonth,
    DirtyRange,
    MonthFigures,
    Rollup,
    Statement,
)
from telemetry.tasks import alarms as alarm_tasks
from telemetry.tasks import archive as archive_tasks
from telemetry.tasks import statements as statement_tasks
from tests import factories, factories_hosting
from tests.celery_worker import queue_of_its_own
from tests.factories_archive import JANUARY as ARCHIVED
from tests.factories_archive import make_metered_site
from tests.factories_billing import JANUARY, make_contract
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel


def _wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert holds()


@pytest.mark.django_db(transaction=True)
def test_a_worker_rolls_up_what_was_ingested():
    channel = make_heat_channel()
    start = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    rows = [
        (channel.key, (start + n * dt.timedelta(hours=1)).isoformat(), str(n)) for n in range(5)
    ]
    ingest_csv(site=channel.site, body=csv_of(rows))
    with queue_of_its_own() as (queue, start_worker):
        start_worker()
        tasks.roll_up_channel.apply_async(kwargs={"channel_id": channel.pk}, queue=queue)
        _wait_for(lambda: not DirtyRange.objects.exists())

    hours = Rollup.objects.filter(channel=channel, grain="hour").order_by("start_at")
    assert [row.energy_kwh for row in hours] == [1, 1, 1, 1]
    assert Rollup.objects.filter(channel=channel, grain="month").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_worker_is_killed_goes_on_without_a_hole_or_a_twin():
    channel = make_heat_channel()
    for number in range(150):
        make_contract(channel, reference=f"C-{number}", usage=False)
    run = billing.start_run(
        operator_id=channel.site.operator_id, month=JANUARY, issue=True, at=LATER, by_id=None
    )
    issued = RunItem.objects.filter(run=run, state="issued")
    with queue_of_its_own() as (queue, start_worker):
        first = start_worker()
        billing_tasks.bill_run.apply_async(kwargs={"run_id": run.pk}, queue=queue)
        _wait_for(lambda: issued.count() >= 5)
        first.kill()
        first.wait()
        done_before = issued.count()
        start_worker()
        # What the schedule sends when a run gives no sign of life.
        billing_tasks.bill_run.apply_async(kwargs={"run_id": run.pk}, queue=queue)
        finished = BillingRun.objects.filter(pk=run.pk, status="finished")
        _wait_for(finished.exists)

    assert done_before < 150
    assert issued.count() == 150
    numbers = Invoice.objects.order_by("sequence").values_list("sequence", "contract_id")
    assert [number for number, _ in numbers] == list(range(1, 151))
    assert len({contract for _, contract in numbers}) == 150


@pytest.mark.django_db(transaction=True)
def test_a_worker_e_mails_an_invitation_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMAIL_FILE_PATH", str(tmp_path))
    operator = factories.make_stakeholder(name='Ångström & "Sons"')
    admin = factories.make_user(stakeholder=operator)
    viewer = queries.viewer_for(user_id=admin.pk, stakeholder_id=operator.pk)
    invitation, token = operations.invite(
        viewer=viewer, stakeholder_id=operator.pk, email="x@example.org", role=Role.VIEWER,
        at=timezone.now(),
    )  # fmt: skip
    with queue_of_its_own() as (queue, start_worker):
        start_worker()
        for _ in range(2):
            portal_tasks.send_invitation.apply_async(
                kwargs={"invitation_id": invitation.pk}, queue=queue
            )
        portal_tasks.send_password_reset.apply_async(kwargs={"user_id": admin.pk}, queue=queue)
        _wait_for(lambda: any(f"To: {admin.email}" in text for text in _letters(tmp_path)))

    invited = [text for text in _letters(tmp_path) if f"/invitations/{token}/" in text]
    assert len(invited) == 1
    assert 'take part for\nÅngström & "Sons" as: Viewer.' in invited[0]
    assert Invitation.objects.get().sent_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_worker_finds_alarms_and_e_mails_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EMAIL_FILE_PATH", str(tmp_path))
    channel = make_heat_channel()
    start = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    metering.add_alarm_rule(
        site_id=channel.site_id, name="Quiet meter", kind="no_data", limit=60, at=start, by_id=None
    )
    metering.add_contact(
        site_id=channel.site_id, name="Night", email="night@x.example", after_min=0, at=start,
        by_id=None,
    )  # fmt: skip
    with queue_of_its_own() as (queue, start_worker):
        start_worker()
        for _ in range(2):
            alarm_tasks.find_alarms.apply_async(queue=queue)
            portal_tasks.send_alarm_letters.apply_async(queue=queue)
        _wait_for(lambda: AlarmLetter.objects.filter(sent_at__isnull=False).exists())

    assert Alarm.objects.get().state == "open"
    [letter] = [text for text in _letters(tmp_path) if "night@x.example" in text]
    assert f"1 alarm at {channel.site.name}" in letter
    assert "Quiet meter, heat: energy" in letter
    assert f"/ops/alarms/?site={channel.site_id}" in letter


@pytest.mark.django_db(transaction=True)
def test_a_month_goes_from_ratios_to_a_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMAIL_FILE_PATH", str(tmp_path))
    site = factories_hosting.make_metered_site(facility=10)
    feed = factories_hosting.make_feed(site, 8)
    reader = factories.make_user(stakeholder=feed.tenant)
    last = factories_hosting.last_month(site)
    month = (last.start + (last.end - last.start) / 2).date().replace(day=1)
    with queue_of_its_own() as (queue, start_worker):
        start_worker()
        statement_tasks.month_chain(site_id=site.pk, month=month, queue=queue).apply_async()
        draft = Statement.objects.filter(service=feed, state=Statement.State.DRAFT)
        _wait_for(draft.exists)
        kept = {row.kind: row for row in MonthFigures.objects.filter(site=site, month=month)}
        issued = metering.issue_statement(
            statement_id=draft.get().pk, at=timezone.now(), by_id=None
        )
        portal_tasks.send_statement.apply_async(kwargs={"statement_id": issued.pk}, queue=queue)
        _wait_for(lambda: any(f"To: {reader.email}" in text for text in _letters(tmp_path)))

    assert kept["ratios"].content["pue"]["value"] == "1.250000"
    assert kept["emissions"].content["reason"] == "no_factor"
    [letter] = [text for text in _letters(tmp_path) if reader.email in text]
    assert issued.number in letter
    assert metering_queries.sites_without_statement(month=month) == []


def _letters(folder: Path) -> list[str]:
    # A line of dashes follows each letter in a file.
    return [text for path in folder.iterdir() for text in path.read_text().split("-" * 79)]


@pytest.mark.django_db
def test_partitions_are_made_ahead_and_making_them_again_is_harmless():
    tasks.create_partitions_ahead()
    tasks.create_partitions_ahead()

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'telemetry_reading'::regclass"
        )
        assert cursor.fetchone()[0] >= 3


@pytest.mark.django_db(transaction=True)
def test_a_month_whose_worker_is_killed_gets_to_the_archive_once():
    site = make_metered_site()["energy"].site
    sealed = metering.seal_month(site_id=site.pk, month=ARCHIVED, at=LATER, by_id=None)
    with queue_of_its_own() as (queue, start_worker):
        first = start_worker()
        archive_tasks.archive_month.apply_async(kwargs={"archive_id": sealed.pk}, queue=queue)
        first.kill()
        first.wait()
        start_worker()
        archive_tasks.archive_month.apply_async(kwargs={"archive_id": sealed.pk}, queue=queue)
        _wait_for(ArchivedMonth.objects.filter(state="verified").exists)

    sealed.refresh_from_db()
    assert sealed.problem == ""
    assert sealed.channels.count() == 7
