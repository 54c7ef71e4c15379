"""
Operators' pages about probes, incidents, announced work and availability, and what tenants and
everybody see of it.
"""

import datetime as dt
import zoneinfo

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from portal import tasks
from sites.access import Kind, Role, Viewer
from sites.models import AuditEntry, HostingService, Site
from telemetry import operations, queries
from telemetry.models import Incident, MaintenancePolicy, MaintenanceWindow, Probe
from tests import factories
from tests.factories_availability import make_incident, make_probe, make_work
from tests.factories_hosting import make_heartbeats

pytestmark = pytest.mark.django_db
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
HOUR = dt.timedelta(hours=1)


def _service(client: Client, *, role: Role = Role.ADMIN) -> HostingService:
    service = factories.make_hosting_service(site=factories.make_site())
    client.force_login(factories.make_user(stakeholder=service.site.operator, role=role))
    return service


def _page(client: Client, address: str, **query: str) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200, address
    return answer.content.decode()


def _typed(moment: dt.datetime) -> str:
    return f"{moment.astimezone(BERLIN):%Y-%m-%dT%H:%M}"


def _yesterday(hour: int) -> dt.datetime:
    midnight = timezone.now().astimezone(BERLIN).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - dt.timedelta(days=1)).astimezone(dt.UTC) + hour * HOUR


def test_an_incident_is_recorded_edited_and_withdrawn_and_the_trail_keeps_all(client: Client):
    service = _service(client)
    start = _yesterday(10)
    given = {
        "about": f"service-{service.pk}", "start": _typed(start), "end": _typed(start + HOUR),
        "cause": "power", "title": "Fuse blown", "text": "",
    }  # fmt: skip

    backwards = client.post(
        "/ops/availability/incidents/new/", {**given, "end": _typed(start - HOUR)}
    ).content.decode()
    future = client.post(
        "/ops/availability/incidents/new/", {**given, "start": "2040-01-01T10:00", "end": ""}
    ).content.decode()
    made = client.post("/ops/availability/incidents/new/", given)

    assert "It must end after it begins." in backwards
    assert 'value="Fuse blown"' in backwards
    assert "It lies in the future." in future
    incident = Incident.objects.get()
    assert made.headers["Location"] == f"/ops/availability/incidents/{incident.pk}/"
    assert (incident.started_at, incident.ended_at) == (start, start + HOUR)
    assert list(incident.affected.all()) == [service.tenant]
    address = f"/ops/availability/incidents/{incident.pk}/"
    client.post(f"{address}edit/", {**given, "end": _typed(start + 2 * HOUR), "title": "Fuse"})
    client.post(f"{address}withdraw/")
    page = _page(client, address)
    assert "Fuse blown became Fuse" in " ".join(page.split())
    assert "It counts nowhere" in page
    assert not queries.incidents(viewer=_viewer(service.site)).exists()
    actions = AuditEntry.objects.filter(action__startswith="incident").values_list(
        "action", flat=True
    )
    assert sorted(actions) == ["incident edited", "incident edited", "incident opened"]
    client.post(f"{address}withdraw/")
    incident.refresh_from_db()
    assert incident.withdrawn_at is None


def _viewer(site: Site) -> Viewer:
    return Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)


def test_incidents_are_searched_filtered_sorted_paged_and_downloaded_at_one_cost(
    client: Client, django_assert_max_num_queries
):
    service = _service(client)
    for n in range(60):
        make_incident(
            service.site, at=_yesterday(1) - n * HOUR, minutes=10 + n, title=f"Fault {n:02}",
            service_id=service.pk if n % 2 else None,
        )  # fmt: skip
    make_incident(service.site, at=_yesterday(12), minutes=None, title="Lasts")

    with django_assert_max_num_queries(8):
        page = _page(client, "/ops/availability/incidents/")
    longest = client.get("/ops/availability/incidents/", {"sort": "-lasted_s", "state": "over"})
    open_now = _page(client, "/ops/availability/incidents/", state="open")
    none = _page(client, "/ops/availability/incidents/", search="zzz")
    rows = (
        client.get("/ops/availability/incidents/", {"format": "csv", "search": "Fault"})
        .getvalue().decode().splitlines()
    )  # fmt: skip

    assert "1–50 of 61" in page
    assert next(iter(longest.context["listing"].page)).title == "Fault 59"
    assert "Lasts" in open_now
    assert "Fault" not in open_now
    assert "No incidents match." in none
    assert len(rows) == 61
    assert rows[0].startswith("title,site,about,cause,started_at,ended_at,lasted_s,state")
    # Whoever may not manage sites reads, and is not offered to write.
    client.force_login(factories.make_user(stakeholder=service.site.operator, role=Role.VIEWER))
    assert "Record an incident" not in _page(client, "/ops/availability/incidents/")
    assert client.get("/ops/availability/incidents/new/").status_code == 404


def test_work_is_announced_with_the_check_of_notice_and_allowance(client: Client):
    service = _service(client)
    start = (timezone.now() + dt.timedelta(days=5)).replace(
        day=15, hour=3, minute=0, second=0, microsecond=0
    )  # fmt: skip
    start += dt.timedelta(days=31)
    given = {
        "about": f"it-{service.site_id}", "start": _typed(start),
        "end": _typed(start + 3 * HOUR), "reason": "New switch", "text": "",
    }  # fmt: skip

    seen = client.post(
        "/ops/availability/work/new/", given, headers={"HX-Request": "true"}
    ).content.decode()
    assert not MaintenanceWindow.objects.exists()
    client.post("/ops/availability/work/new/", given)
    # 180 of 240 minutes are taken; three hours more do not fit.
    again = {
        **given, "start": _typed(start + 30 * HOUR), "end": _typed(start + 33 * HOUR),
    }  # fmt: skip
    refused = client.post("/ops/availability/work/new/", again).content.decode()
    late = {
        **given, "start": _typed(timezone.now() + 5 * HOUR),
        "end": _typed(timezone.now() + 6 * HOUR),
    }  # fmt: skip
    too_late = client.post("/ops/availability/work/new/", late).content.decode()
    client.post("/ops/availability/work/new/", {**again, "unplanned": "on"})

    assert "All 180 minutes count as planned time." in seen
    assert "0 of 240 minutes are taken by other work; this takes 180." in seen
    assert "60 of 180 minutes count as planned time." in refused
    assert "180 of 240 minutes are taken by other work; this takes 60." in refused
    assert "Not all of it would count as planned time." in refused
    assert "so none of it is planned" in too_late
    windows = list(MaintenanceWindow.objects.order_by("pk"))
    assert len(windows) == 2
    planned = queries.planned_seconds(viewer=_viewer(service.site), windows=windows)
    assert [planned[w.pk] for w in windows] == [10_800, 3_600]
    listed = _page(client, "/ops/availability/work/")
    assert "180 min" in listed
    assert "60 min" in listed


def test_work_is_ended_early_or_called_off_and_terms_are_set(client: Client):
    service = _service(client)
    now = timezone.now()
    running = make_work(service.site, start=now - HOUR, minutes=180)
    coming = make_work(service.site, start=now + 100 * HOUR)

    for window in (running, coming):
        client.post(f"/ops/availability/work/{window.pk}/end/")
    twice = client.post(f"/ops/availability/work/{coming.pk}/end/", follow=True)
    client.post(
        f"/ops/availability/work/terms/{service.site.slug}/",
        {"notice_h": 24, "allowance_min": 60, "yearly_min": 600, "hours": "Tue-Thu 22:00-24:00"},
    )
    refused = client.post(
        f"/ops/availability/work/terms/{service.site.slug}/",
        {"notice_h": 24, "allowance_min": 60, "hours": "at night"},
    ).content.decode()
    listed = client.get("/ops/availability/work/").content.decode()

    running.refresh_from_db()
    coming.refresh_from_db()
    assert running.cancelled_at is None
    assert now <= running.span.upper <= timezone.now()
    assert coming.cancelled_at is not None
    assert "It was over already." in twice.content.decode()
    policy = MaintenancePolicy.objects.get()
    assert (policy.notice_h, policy.yearly_min) == (24, 600)
    assert policy.hours == [[day, 1320, 1440] for day in (1, 2, 3)]
    assert "is not of the form" in refused
    assert "Tue-Thu 22:00-24:00" in listed


def test_announced_work_is_mailed_to_whom_it_touches_once():
    service = factories.make_hosting_service(site=factories.make_site())
    neighbour = factories.make_hosting_service(site=service.site)
    own = factories.make_user(stakeholder=service.tenant)
    factories.make_user(stakeholder=neighbour.tenant)
    window = make_work(
        service.site, start=timezone.now() + 100 * HOUR, service_id=service.pk
    )  # fmt: skip

    for _ in range(2):
        tasks.send_work_notice(window_id=window.pk)
        tasks.send_waiting_work_notices()

    [letter] = mail.outbox
    assert letter.to == [own.email]
    assert "New switch" in letter.body
    assert service.name in letter.body
    assert "Europe/Berlin" in letter.body


def test_a_tenant_reads_its_own_incidents_and_work_and_a_day_opens_them(client: Client):
    service = factories.make_hosting_service(site=factories.make_site())
    neighbour = factories.make_hosting_service(site=service.site)
    make_heartbeats(service.site, service=service, days=4, down_h=0, silent_h=0)
    start = _yesterday(2)
    make_incident(service.site, at=start, service_id=service.pk, title="Your rack was dark")
    make_incident(service.site, at=start, service_id=neighbour.pk, title="Theirs")
    gone = make_incident(service.site, at=start, service_id=service.pk, title="Was none")
    operations.edit_incident(incident_id=gone.pk, at=start, by_id=None, withdrawn=True)
    make_work(service.site, start=timezone.now() + 100 * HOUR)
    client.force_login(factories.make_user(stakeholder=service.tenant))
    day = start.astimezone(BERLIN).date()

    page = _page(client, "/hosting/uptime/")
    opened = _page(client, "/hosting/uptime/", day=day.isoformat())

    assert "Your rack was dark" in page
    assert "Theirs" not in page
    assert "Was none" not in page
    assert "New switch" in page
    assert f"day={day}#day" in page
    assert f"{day.day}" in opened.split('id="day-head"')[1][:80]
    assert "30 lost" in opened
    # Links to the operator's pages would lead a tenant nowhere.
    assert "/ops/" not in page


def test_everybody_sees_when_and_why_but_never_what_people_wrote(client: Client):
    site = factories.make_site()
    site.is_public = True
    site.save()
    make_heartbeats(site, days=3, down_h=0, silent_h=0)
    start = _yesterday(3)
    make_incident(site, at=start, title="Rack of Acme burnt")
    day = start.astimezone(BERLIN).date()

    page = _page(client, f"/p/{site.operator.slug}/{site.slug}/", day=day.isoformat())

    assert "30 lost" in page
    assert "the whole site" in page
    assert "(Network)" in page
    assert "Acme" not in page
    assert "A port died" not in page


def test_services_stand_with_three_figures_the_worst_first(
    client: Client, django_assert_max_num_queries
):
    service = _service(client)
    make_heartbeats(service.site, service=service, days=10, down_h=1, silent_h=5)
    silent = factories.make_hosting_service(site=service.site)

    with django_assert_max_num_queries(18):
        answer = client.get("/ops/availability/")
    detail = client.get(f"/ops/availability/services/{service.pk}/")
    rows = client.get("/ops/availability/", {"format": "csv"}).getvalue().decode().splitlines()

    listed = list(answer.context["listing"].page)
    assert [row.service for row in listed] == [service, silent]
    uptime = listed[0].uptime
    assert uptime.down_s == 3600
    assert uptime.pessimistic < uptime.share < uptime.optimistic
    assert "It has no heartbeat" in answer.content.decode()
    page = detail.content.decode()
    assert "as if all unknown time was down, since more than 1% is not known" in page
    assert "minutes up to the last full hour" in page
    assert len(rows) == 3
    assert rows[0].startswith("service,site,tenant,known,pessimistic,optimistic,for_credits")


def test_probes_are_added_edited_paused_and_shown_with_their_history(client: Client):
    service = _service(client)
    given = {
        "about": f"service-{service.pk}", "name": "Door", "kind": "tcp",
        "target": "192.0.2.1:443", "interval_s": 60, "timeout_s": 5,
    }  # fmt: skip

    wrong = client.post(
        "/ops/availability/probes/new/",
        {**given, "target": "https://x.example/", "timeout_s": 60},
    ).content.decode()
    no_url = client.post("/ops/availability/probes/new/", {**given, "kind": "http"})
    client.post("/ops/availability/probes/new/", given)
    twice = client.post("/ops/availability/probes/new/", given).content.decode()

    assert "Enter a host and a port, like 192.0.2.1:443." in wrong
    assert "It must be less than the time from one question to the next." in wrong
    assert "Enter an address like https://example.org/health." in no_url.content.decode()
    assert "This site has a probe of that name." in twice
    probe = Probe.objects.get()
    assert (probe.hosting_service, probe.timeout_s) == (service, 5)
    address = f"/ops/availability/probes/{probe.pk}/"
    client.post(f"{address}edit/", {**given, "about": f"it-{service.site_id}", "interval_s": 30})
    client.post(f"{address}pause/")
    assert operations.take_due_probes(at=timezone.now() + HOUR) == []
    assert "Paused" in _page(client, "/ops/availability/probes/", state="paused")
    client.post(f"{address}resume/")
    probe.refresh_from_db()
    assert (probe.hosting_service, probe.interval_s, probe.paused_at) == (None, 30, None)
    assert operations.take_due_probes(at=timezone.now() + HOUR) == [probe.pk]
    now = timezone.now()
    for n in range(4):
        operations.note_probe(
            probe_id=probe.pk, at=now - n * dt.timedelta(seconds=30), ok=n != 2,
            took_ms=None if n == 2 else 40 + n, answer="",
        )  # fmt: skip
    page = _page(client, address)
    assert "75.00%: 1 of 4 times it asked in vain." in " ".join(page.split())
    client.post(f"{address}end/")
    assert client.get(address).status_code == 404


def test_many_probes_cost_what_one_costs(client: Client, django_assert_num_queries):
    service = _service(client)
    make_probe(service.site, at=timezone.now())
    client.get("/ops/availability/probes/")
    with django_assert_num_queries(8):
        client.get("/ops/availability/probes/")
    for _ in range(8):
        make_probe(
            factories.make_site(operator=service.site.operator), at=timezone.now(), ok=False
        )  # fmt: skip
    with django_assert_num_queries(8):
        page = _page(client, "/ops/availability/probes/")

    assert page.count("No answer") >= 8


def test_fleet_and_navigation_say_what_waits(client: Client):
    service = _service(client)
    make_incident(service.site, at=timezone.now() - HOUR, minutes=None, title="Dark since")
    make_work(service.site, start=timezone.now() + 100 * HOUR)

    fleet = _page(client, "/ops/")
    site = _page(client, f"/ops/sites/{service.site.slug}/")

    for page in (fleet, site):
        assert "Dark since" in page
        assert '<span class="badge">1' in page
    assert "Next announced work: New switch" in fleet
    assert "New switch" in site
