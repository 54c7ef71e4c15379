"""
The people page, invitations and forgotten passwords, from the form to the e-mail and back.
"""

import datetime as dt
import logging
import re
import uuid
from collections.abc import Iterator

import pytest
from celery import current_app
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal import tasks
from sites.access import Kind, Role
from sites.models import AuditEntry, Invitation, Membership, Stakeholder, User
from tests import factories
from tests.portal.test_accounts import PASSWORD, own_client

NEW = {"name": "Ines Okafor", "password": "seven green bottles", "again": "seven green bottles"}


@pytest.fixture(autouse=True)
def _tasks_run_at_once() -> Iterator[None]:
    current_app.conf.task_always_eager = True
    yield
    current_app.conf.task_always_eager = False


def _signed_in(stakeholder: Stakeholder, role: Role = Role.ADMIN) -> Client:
    client = own_client()
    client.force_login(factories.make_user(stakeholder=stakeholder, role=role))
    return client


def _invite(client: Client, email: str, role: Role = Role.VIEWER, page: str = "/people/"):
    return client.post(page, {"email": email, "role": role})


def _link() -> str:
    (letter,) = mail.outbox
    found = re.search(r"http://127\.0\.0\.1:8000(/\S+)", str(letter.body))
    assert found is not None
    return found.group(1)


def _fresh_address() -> str:
    return f"{uuid.uuid4().hex}@example.org"


@pytest.mark.django_db
def test_from_the_invitation_to_the_first_page():
    partner = factories.make_stakeholder(kind=Kind.PARTNER, name="Baths & Pools")
    admin, newcomer = _signed_in(partner), own_client()
    email = _fresh_address()

    assert _invite(admin, email).status_code == 302
    letter = mail.outbox[0]
    opened = newcomer.get(_link())
    form = newcomer.get(opened["Location"])
    accepted = newcomer.post(opened["Location"], NEW)

    assert letter.to == [email]
    assert letter.subject == "Invitation to take part for Baths & Pools"
    assert "Viewer" in letter.body
    assert opened["Location"] == "/invitations/accept/"
    assert email in form.content.decode()
    assert accepted["Location"] == "/"
    assert newcomer.get("/")["Location"] == "/heat/"
    user = User.objects.get(email=email)
    assert user.name == "Ines Okafor"
    assert user.memberships.get().role == Role.VIEWER
    assert newcomer.get(_link()).status_code == 410
    assert "accepted already" in newcomer.get(_link()).content.decode()


@pytest.mark.django_db
def test_a_weak_or_mistyped_password_is_refused_and_the_invitation_stays_open():
    client = _signed_in(factories.make_stakeholder())
    _invite(client, _fresh_address())
    newcomer = own_client()
    page = newcomer.get(_link())["Location"]

    answers = [
        newcomer.post(page, {**NEW, "again": "something else"}),
        newcomer.post(page, {**NEW, "password": "short", "again": "short"}),
        newcomer.post(page, {**NEW, "password": "1234567890", "again": "1234567890"}),
        newcomer.post(page, {**NEW, "name": ""}),
    ]

    assert [answer.status_code for answer in answers] == [422] * 4
    assert newcomer.post(page, NEW).status_code == 302


@pytest.mark.django_db
def test_a_known_address_signs_in_first_and_joins_with_a_button():
    operator = factories.make_stakeholder(name="A operator")
    known = factories.make_user(stakeholder=operator)
    tenant = factories.make_stakeholder(kind=Kind.TENANT, operator=operator, name="B tenant")
    _invite(_signed_in(tenant), known.email)
    browser = own_client()

    page = browser.get(_link())["Location"]
    asked = browser.get(page)
    signed_in = browser.post(
        "/sign-in/", {"username": known.email, "password": PASSWORD, "next": page}
    )
    joined = browser.post(page)

    assert asked["Location"] == f"/sign-in/?next={page}"
    assert signed_in["Location"] == page
    assert joined["Location"] == "/"
    assert browser.get("/")["Location"] == "/hosting/"
    assert known.memberships.count() == 2


@pytest.mark.django_db
def test_somebody_else_who_is_signed_in_cannot_take_the_invitation():
    operator = factories.make_stakeholder()
    _invite(_signed_in(operator), _fresh_address())
    other = own_client()
    other.force_login(factories.make_user())

    page = other.get(_link())["Location"]
    answers = [other.get(page), other.post(page), other.post(page, NEW)]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert "is for another address" in answers[0].content.decode()
    assert operator.memberships.count() == 1


@pytest.mark.django_db
def test_an_expired_link_says_so_even_when_it_expires_while_the_form_is_open():
    _invite(_signed_in(factories.make_stakeholder()), _fresh_address())
    newcomer = own_client()
    page = newcomer.get(_link())["Location"]
    yesterday = timezone.now() - dt.timedelta(days=1)
    Invitation.objects.update(created_at=yesterday - dt.timedelta(days=7), expires_at=yesterday)

    for answer in (newcomer.get(_link()), newcomer.post(page, NEW)):
        assert answer.status_code == 410
        assert "has expired" in answer.content.decode()
    assert own_client().get("/invitations/made-up/").status_code == 404
    assert own_client().post("/invitations/accept/", NEW).status_code == 404


@pytest.mark.django_db
def test_the_token_stands_in_no_log_and_no_row(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    client = _signed_in(factories.make_stakeholder())
    _invite(client, _fresh_address())
    token = _link().split("/")[2]
    newcomer = own_client()
    newcomer.get(_link())
    newcomer.post("/invitations/accept/", {**NEW, "again": ""})
    client.post(f"/people/invitations/{Invitation.objects.get().pk}/withdraw/")
    newcomer.get(_link())
    # The development server writes the address too.
    logging.getLogger("django.server").info('"GET %s HTTP/1.1" 302 0', _link())

    formatter = _formatter()
    lines = [formatter.format(record) for record in caplog.records]
    assert any("/invitations/[hidden]/" in line for line in lines)
    assert not any(token in line for line in lines)
    assert not any(token in row for row in _every_row())


def _formatter() -> logging.Formatter:
    (formatter,) = {
        id(handler.formatter): handler.formatter
        for handler in logging.getLogger().handlers
        if handler.formatter and "structlog" in type(handler.formatter).__module__
    }.values()
    return formatter


def _every_row() -> list[str]:
    rows: list[str] = []
    tables = ["sites_invitation", "sites_auditentry", "sites_user", "django_session"]
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT row_to_json(t)::text FROM {table} t")  # noqa: S608
            rows += [row for (row,) in cursor.fetchall()]
    assert rows
    return rows


@pytest.mark.django_db
def test_an_invitation_is_sent_once_and_a_lost_one_is_found_again():
    client = _signed_in(factories.make_stakeholder())
    current_app.conf.task_always_eager = False
    _invite(client, _fresh_address())
    invitation = Invitation.objects.get()
    current_app.conf.task_always_eager = True

    tasks.send_waiting_invitations()
    assert mail.outbox == []
    Invitation.objects.update(created_at=timezone.now() - dt.timedelta(minutes=5))
    tasks.send_waiting_invitations()
    # Its token was made for another moment; nothing that would not work is ever sent.
    assert mail.outbox == []
    Invitation.objects.update(created_at=invitation.created_at)
    for _ in range(2):
        tasks.send_invitation(invitation_id=invitation.pk, from_a_later_release=True)
    assert len(mail.outbox) == 1
    assert own_client().get(_link()).status_code == 302


@pytest.mark.django_db
def test_an_administrator_of_the_operator_helps_a_customer_to_its_first_person():
    operator = factories.make_stakeholder()
    customer = factories.make_stakeholder(kind=Kind.PARTNER, operator=operator)
    admin, staff = _signed_in(operator), _signed_in(operator, Role.STAFF)
    page = f"/people/of/{customer.pk}/"

    empty = admin.get(page).content.decode()
    done = _invite(admin, _fresh_address(), Role.ADMIN, page)

    assert "Nobody takes part yet" in empty
    assert 'value="staff"' not in empty
    assert done["Location"] == page
    assert Invitation.objects.get().stakeholder == customer
    assert _invite(admin, _fresh_address(), Role.STAFF, page).status_code == 422
    assert staff.get(page).status_code == 404


@pytest.mark.django_db
def test_who_only_reads_sees_the_people_and_no_buttons():
    operator = factories.make_stakeholder()
    factories.make_user(stakeholder=operator)
    reader = _signed_in(operator, Role.VIEWER)
    factories.make_invitation(stakeholder=operator, token="t" * 40)
    membership = operator.memberships.earliest("pk")

    page = reader.get("/people/")

    assert page.status_code == 200
    assert "Invite somebody" not in page.content.decode()
    assert _invite(reader, _fresh_address()).status_code == 404
    for address in [f"/people/{membership.pk}/", f"/people/{membership.pk}/end/"]:
        assert reader.get(address).status_code == reader.post(address).status_code == 404


@pytest.mark.django_db
def test_the_list_is_searched_and_told_as_fragment_and_csv_and_costs_the_same_for_many(
    django_assert_max_num_queries,
):
    operator = factories.make_stakeholder()
    admin = _signed_in(operator)
    for number in range(30):
        factories.make_user(stakeholder=operator, role=Role.STAFF)
        User.objects.filter(pk=User.objects.latest("pk").pk).update(name=f"Person {number:02}")

    with django_assert_max_num_queries(10):
        page = admin.get("/people/").content.decode()
    found = admin.get("/people/?search=person+07", headers={"HX-Request": "true"}).content.decode()
    nobody = admin.get("/people/?search=zzz").content.decode()
    rows = b"".join(admin.get("/people/?format=csv&sort=-name")).decode().splitlines()

    assert "Person 29" in page
    assert "Person 07" in found
    assert "Person 08" not in found
    assert "<html" not in found
    assert "Nobody matches" in nobody
    assert rows[0] == "name,email,role,last_sign_in,since"
    assert len(rows) == 32


@pytest.mark.django_db
def test_inviting_twice_replaces_and_members_are_not_invited():
    operator = factories.make_stakeholder()
    admin = _signed_in(operator)
    email = _fresh_address()
    _invite(admin, email)
    first = _link()
    mail.outbox.clear()
    _invite(admin, email.upper())

    assert Invitation.objects.count() == 1
    assert own_client().get(first).status_code == 404
    assert own_client().get(_link()).status_code == 302
    member = operator.memberships.get().user
    refused = _invite(admin, member.email)
    assert refused.status_code == 422
    assert "takes part already" in refused.content.decode()


@pytest.mark.django_db
def test_roles_and_the_end_of_access_with_the_last_administrator_kept():
    operator = factories.make_stakeholder()
    admin = _signed_in(operator)
    own = operator.memberships.get()
    person = factories.make_user(stakeholder=operator, role=Role.STAFF)
    other = person.memberships.get()

    kept = [
        admin.post(f"/people/{own.pk}/", {"role": "viewer"}),
        admin.post(f"/people/{own.pk}/end/"),
    ]
    assert [answer.status_code for answer in kept] == [422, 422]
    assert all("only administrator" in answer.content.decode() for answer in kept)
    assert admin.get(f"/people/{other.pk}/end/").status_code == 200
    assert Membership.objects.filter(pk=other.pk).exists()

    assert admin.post(f"/people/{other.pk}/", {"role": "admin"})["Location"] == "/people/"
    assert admin.post(f"/people/{own.pk}/end/")["Location"] == "/"
    assert "do not act" in admin.get("/").content.decode()
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["role changed", "access ended"]


@pytest.mark.django_db
def test_people_of_others_are_not_there():
    admin = _signed_in(factories.make_stakeholder())
    elsewhere = factories.make_stakeholder()
    membership = factories.make_user(stakeholder=elsewhere).memberships.get()
    invitation = factories.make_invitation(stakeholder=elsewhere, token="t" * 40)

    answers = [
        admin.get(f"/people/of/{elsewhere.pk}/"),
        _invite(admin, _fresh_address(), page=f"/people/of/{elsewhere.pk}/"),
        admin.post(f"/people/{membership.pk}/", {"role": "viewer"}),
        admin.post(f"/people/{membership.pk}/end/"),
        admin.post(f"/people/invitations/{invitation.pk}/withdraw/"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert Invitation.objects.filter(pk=invitation.pk).exists()


@pytest.mark.django_db
def test_from_the_forgotten_password_to_the_new_one():
    user = factories.make_user()
    browser = own_client()
    new = {"new_password1": "seven green bottles", "new_password2": "seven green bottles"}

    asked = browser.post("/password-reset/", {"email": user.email.upper()})
    form = browser.get(_link())
    weak = browser.post(form["Location"], {"new_password1": "short", "new_password2": "short"})
    done = browser.post(form["Location"], new)

    assert asked["Location"] == "/password-reset/sent/"
    assert weak.status_code == 422
    assert done["Location"] == "/password-reset/done/"
    user.refresh_from_db()
    assert user.check_password("seven green bottles")
    assert AuditEntry.objects.get().action == "password changed"
    again = own_client().get(_link())
    assert again.status_code == 200
    assert "does not work any more" in again.content.decode()


@pytest.mark.django_db
def test_an_unknown_address_gets_the_same_answer_and_no_letter():
    answer = own_client().post("/password-reset/", {"email": _fresh_address()})

    assert answer["Location"] == "/password-reset/sent/"
    assert mail.outbox == []


@pytest.mark.django_db
def test_asking_for_links_has_a_limit():
    user = factories.make_user()
    codes = [
        own_client().post("/password-reset/", {"email": user.email}).status_code for _ in range(6)
    ]

    assert codes == [302] * 5 + [429]
    assert len(mail.outbox) == 5
