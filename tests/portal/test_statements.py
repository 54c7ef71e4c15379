"""
Statements on pages: approved by the operator, read by the tenant, checked by anybody.
"""

import io
import json

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from portal.tasks import send_statement, send_waiting_statements
from sites.access import Kind, Role
from sites.models import Site, Stakeholder
from telemetry import operations, queries
from telemetry.documents.statement_pdf import statement_pdf
from telemetry.models import MeteringPoint, Statement
from tests import factories
from tests.factories_hosting import last_month, make_feed, make_metered_site
from tests.factories_statements import issue_last_month, make_statement_site
from tests.factories_telemetry import load, make_channel

pytestmark = pytest.mark.django_db


def _world() -> tuple[Site, Statement]:
    operator = factories.make_stakeholder()
    tenant = factories.make_stakeholder(kind=Kind.TENANT, operator=operator, name="Tallow Software")
    return make_statement_site(operator=operator, tenant=tenant)


def _as(client: Client, stakeholder: Stakeholder, role: Role = Role.ADMIN) -> Client:
    client.force_login(factories.make_user(stakeholder=stakeholder, role=role))
    return client


def _draft(site: Site, tenant: Stakeholder) -> Statement:
    feed = make_feed(site, 2, tenant=tenant)
    month = Statement.objects.earliest("pk").first_month
    made = operations.draft_statement(
        service_id=feed.pk, first_month=month, last_month=month, at=timezone.now()
    )
    assert made is not None
    return made


def test_the_operator_approves_and_the_tenant_is_told_once(client: Client):
    site, first = _world()
    draft = _draft(site, first.tenant)
    tenant = factories.make_user(stakeholder=first.tenant, role=Role.VIEWER)
    _as(client, site.operator, Role.STAFF)

    page = client.get("/ops/statements/")
    answer = client.post("/ops/statements/issue/", {"statement": [draft.pk]}, follow=True)

    assert b"One statement waits for approval" in page.content
    assert b"1 statement issued." in answer.content
    draft.refresh_from_db()
    assert draft.state == Statement.State.ISSUED
    mail.outbox.clear()
    for statement in (first, draft):
        send_statement(statement_id=statement.pk)
        send_statement(statement_id=statement.pk)
    assert {tuple(letter.to) for letter in mail.outbox} == {(tenant.email,)}
    assert len(mail.outbox) == 2
    assert draft.number in mail.outbox[1].subject
    assert f"/hosting/statements/{draft.pk}/" in mail.outbox[1].body
    assert queries.statements_to_mail(limit=9) == []
    send_waiting_statements()


def test_billing_staff_and_viewers_cannot_issue(client: Client):
    site, first = _world()
    draft = _draft(site, first.tenant)

    for role in (Role.BILLING, Role.VIEWER):
        answer = _as(client, site.operator, role).post(
            "/ops/statements/issue/", {"statement": [draft.pk]}
        )
        assert answer.status_code == 404

    draft.refresh_from_db()
    assert draft.state == Statement.State.DRAFT


def test_a_held_statement_says_why(client: Client):
    operator = factories.make_stakeholder()
    site = make_metered_site(operator=operator)
    half = last_month(site)
    facility = make_channel(site=site, boundary=MeteringPoint.Boundary.FACILITY)
    load(facility, half, 10, gaps=[(half.start, half.start + (half.end - half.start) * 0.15)])
    feed = make_feed(site, 8)
    month = (half.start + (half.end - half.start) / 2).date().replace(day=1)
    held = operations.draft_statement(
        service_id=feed.pk, first_month=month, last_month=month, at=timezone.now()
    )
    assert held is not None

    page = _as(client, operator).get(f"/ops/statements/{held.pk}/").content.decode()

    assert "Nothing is issued:" in page
    assert "85.0% of hours measured, 90% needed" in page


def test_revoking_needs_a_reason_and_everybody_reads_it(client: Client):
    site, statement = _world()
    _as(client, site.operator)
    address = f"/ops/statements/{statement.pk}/revoke/"

    refused = client.post(address, {"reason": ""})
    client.post(address, {"reason": "The meter was swapped."})
    client.logout()
    page = client.get(f"/verify/{statement.public_id}/").content.decode()

    assert b"This field is required" in refused.content
    assert "was revoked" in page
    assert "The meter was swapped." in page


def test_who_has_the_code_learns_whether_it_holds_and_nothing_of_the_tenant(client: Client):
    site, statement = _world()

    page = client.get(f"/verify/{statement.public_id}/")

    assert b"holds" in page.content
    assert site.operator.name.encode() in page.content
    assert b"Tallow" not in page.content
    assert statement.content["figures"]["pue"]["value"].encode() not in page.content
    assert not page.cookies


def _checked(client: Client, name: str, data: bytes) -> str:
    return client.post("/verify/", {"file": SimpleUploadedFile(name, data)}).content.decode()


def test_anybody_checks_a_file_in_each_of_its_forms(client: Client):
    _, statement = _world()
    document = json.dumps(statement.document, indent=1)

    for name, data in (
        ("s.json", document.encode()),
        ("s.jwt", statement.jwt.encode()),
        ("s.pdf", statement_pdf(statement=statement)),
    ):
        page = _checked(client, name, data)
        assert "The statement is unchanged and holds." in page
        assert "Tallow Software" in page

    pasted = client.post("/verify/", {"text": f"\n {statement.jwt} "}).content.decode()
    assert "unchanged and holds" in pasted


def test_a_changed_file_is_told_with_what_differs(client: Client):
    _, statement = _world()
    changed = json.dumps(statement.document).replace('"1.250"', '"1.050"')
    # A character in the middle of the signature: the last one may hold unused bits.
    token = statement.jwt[:-20] + ("A" if statement.jwt[-20] != "A" else "B") + statement.jwt[-19:]

    page = _checked(client, "s.json", changed.encode())
    by_jwt = _checked(client, "s.jwt", token.encode())

    assert "This is not what was issued." in page
    assert "credentialSubject.figures.pue.value" in page
    # What was really stated is the tenant's to tell.
    assert "1.25" not in page
    assert "This is not what was issued." in by_jwt


def test_what_is_no_statement_is_said_so(client: Client):
    _, statement = _world()
    foreign = json.dumps(statement.document).replace(str(statement.public_id)[:8], "00000000")

    assert "was not issued here" in _checked(client, "s.json", foreign.encode())
    assert "No statement can be read" in _checked(client, "s.png", b"\x89PNG\xff")
    assert "No statement can be read" in _checked(client, "s.json", b"{" * 5000)
    assert "Choose a file" in client.post("/verify/").content.decode()
    large = io.BytesIO(b"x" * (2 * 1024 * 1024 + 1))
    page = client.post("/verify/", {"file": SimpleUploadedFile("s.json", large.read())})
    assert "larger than 2 MB" in page.content.decode()


def test_the_tenant_shares_and_takes_back(client: Client):
    _, statement = _world()
    _as(client, statement.tenant)
    page = f"/hosting/statements/{statement.pk}/"

    client.post(page + "share/")
    link = statement.shares.get()
    client.logout()
    shared = client.get(f"/p/s/{link.token}/")
    badge = client.get(f"/p/s/{link.token}/badge.svg")
    csv = b"".join(client.get(f"/p/s/{link.token}/?format=csv").streaming_content)  # type: ignore[attr-defined]

    assert b"Tallow Software" in shared.content
    assert badge.headers["Content-Type"].startswith("image/svg+xml")
    assert b"serverElectricity" in csv
    _as(client, statement.tenant).post(page + "unshare/")
    assert client.get(f"/p/s/{link.token}/").status_code == 404


def test_a_viewer_of_the_tenant_reads_but_does_not_share(client: Client):
    _, statement = _world()
    _as(client, statement.tenant, Role.VIEWER)

    page = client.get(f"/hosting/statements/{statement.pk}/")
    client.post(f"/hosting/statements/{statement.pk}/share/")

    assert b"Make a public link" not in page.content
    assert not statement.shares.exists()


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ("pdf", "application/pdf"),
        ("json", "application/vc"),
        ("jwt", "application/vc+jwt"),
        ("csv", "text/csv; charset=utf-8"),
    ],
)
def test_the_files_of_a_statement(client: Client, asked: str, kind: str):
    _, statement = _world()

    answer = _as(client, statement.tenant).get(
        f"/hosting/statements/{statement.pk}/?format={asked}"
    )

    assert answer.headers["Content-Type"] == kind
    assert f"{statement.number}.{asked}" in answer.headers["Content-Disposition"]


def test_machines_find_key_and_status_list(client: Client):
    site, statement = _world()
    slug = site.operator.slug

    did = client.get(f"/p/{slug}/did.json").json()
    listed = json.loads(client.get(f"/p/{slug}/status-list").content)
    as_jwt = client.get(f"/p/{slug}/status-list", headers={"Accept": "application/vc+jwt"})

    assert did["id"] == queries.Issuer.of(site.operator).did
    assert statement.document is not None
    assert statement.document["proof"]["verificationMethod"] in did["assertionMethod"]
    assert listed["id"] == statement.document["credentialStatus"]["statusListCredential"]
    assert as_jwt.content.count(b".") == 2
    assert client.get("/p/nobody/did.json").status_code == 404


def test_a_lost_key_ends_what_it_signed(client: Client):
    site, statement = _world()
    _as(client, site.operator)

    page = client.post("/ops/statements/keys/", {"compromised": statement.key_id}, follow=True)

    assert b"Compromised" in page.content
    client.logout()
    assert "This is not what was issued." in _checked(client, "s.jwt", statement.jwt.encode())


def test_an_outside_check_is_shown_beside_the_statement(client: Client):
    site, statement = _world()
    _as(client, site.operator)
    month = f"{statement.first_month:%Y-%m}"
    form = {
        "site": site.pk, "checker": "Prüf & Co", "scope": "PUE of the year",
        "checked_on": "2026-02-01", "first_month": month, "last_month": "2024-12",
    }  # fmt: skip

    wrong = client.post(
        "/ops/statements/checks/", form | {"file": SimpleUploadedFile("r.pdf", b"x")}
    )
    client.post(
        "/ops/statements/checks/",
        form | {"last_month": month, "file": SimpleUploadedFile("r.pdf", b"%PDF-1.7")},
    )
    page = _as(client, statement.tenant).get(f"/hosting/statements/{statement.pk}/")

    assert b"The last month is before the first." in wrong.content
    assert b"The file is not a PDF." in wrong.content
    assert "Prüf &amp; Co" in page.content.decode()
    assert b"No third party has checked this." not in page.content
    assert (
        "Prüf &amp; Co"
        in _as(client, site.operator).get(f"/ops/statements/{statement.pk}/").content.decode()
    )
    link = operations.share_statement(statement_id=statement.pk, at=timezone.now(), by_id=None)
    client.logout()
    shared = client.get(f"/p/s/{link.token}/").content.decode()
    # Everybody is told who checked it; the report itself is the tenants'.
    assert "Prüf &amp; Co" in shared
    assert "No third party" not in shared
    assert "Report of" not in shared


def test_lists_cost_the_same_for_many(client: Client, django_assert_max_num_queries):
    site, statement = _world()
    for _ in range(3):
        _draft(site, statement.tenant)
    _as(client, site.operator)

    with django_assert_max_num_queries(9):
        assert client.get("/ops/statements/").status_code == 200
    with django_assert_max_num_queries(9):
        assert client.get("/ops/statements/?state=draft&search=tallow").status_code == 200
    assert b"Nothing matches" in client.get("/ops/statements/?search=nobody").content


def test_a_draft_over_months_of_ones_choice(client: Client):
    site, statement = _world()
    _as(client, site.operator)
    month = f"{statement.first_month:%Y-%m}"
    form = {"service": statement.service_id, "first_month": month, "last_month": month}

    again = client.post("/ops/statements/new/", form)
    running = client.post("/ops/statements/new/", form | {"last_month": "2099-01"})
    wrong = client.post("/ops/statements/new/", form | {"first_month": "January"})

    assert b"in force already" in again.content
    assert b"not over yet" in running.content
    assert b"such as 2026-03" in wrong.content
    issue_last_month(site=site, service_id=make_feed(site, 1).pk)
