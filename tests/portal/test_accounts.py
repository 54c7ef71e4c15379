"""
Signing in and out, switching, personal settings: what a person meets in the browser.
"""

import uuid

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.defaults import server_error

from sites.access import Kind, Role
from sites.models import AuditEntry, Membership, User
from tests import factories

PASSWORD = "a long password"


def own_client(**kwargs) -> Client:
    """
    A browser at an address of its own, so that limits of other tests do not count here.
    """
    return Client(REMOTE_ADDR=f"client-{uuid.uuid4().hex}", **kwargs)


def _sign_in(client: Client, email: str, password: str = PASSWORD, next_page: str = ""):
    return client.post(
        reverse("sign-in"), {"username": email, "password": password, "next": next_page}
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "prefix"),
    [(Kind.OPERATOR, "/ops/"), (Kind.PARTNER, "/heat/"), (Kind.TENANT, "/hosting/")],
)
def test_signing_in_leads_to_the_pages_of_ones_kind(kind: Kind, prefix: str):
    user = factories.make_user(stakeholder=factories.make_stakeholder(kind=kind))
    client = own_client()

    answer = _sign_in(client, user.email.upper())

    assert answer.status_code == 302
    assert answer["Location"] == "/"
    assert client.get("/")["Location"] == prefix
    user.refresh_from_db()
    assert user.last_login is not None


@pytest.mark.django_db
def test_a_wrong_password_and_an_unknown_address_look_the_same():
    user = factories.make_user()
    nobody = f"{uuid.uuid4().hex}@example.org"

    wrong = _sign_in(own_client(), user.email, "something else")
    unknown = _sign_in(own_client(), nobody)

    assert wrong.status_code == unknown.status_code == 422
    pages = [wrong.content.decode(), unknown.content.decode()]
    assert all("is not right" in page for page in pages)
    assert all("There is a problem" in page for page in pages)


@pytest.mark.django_db
def test_too_many_attempts_at_one_address_must_wait_wherever_they_come_from():
    user = factories.make_user()
    for _ in range(10):
        assert _sign_in(own_client(), user.email, "guess").status_code == 422

    refused = _sign_in(own_client(), user.email)

    assert refused.status_code == 429
    assert "Wait 15 minutes" in refused.content.decode()


@pytest.mark.django_db
def test_too_many_attempts_from_one_computer_must_wait_whatever_the_address():
    user = factories.make_user()
    client = own_client()
    for _ in range(60):
        _sign_in(client, f"{uuid.uuid4().hex}@example.org")

    assert _sign_in(client, user.email).status_code == 429
    assert _sign_in(own_client(), user.email).status_code == 302


@pytest.mark.django_db
def test_signing_in_clears_the_count():
    user = factories.make_user()
    for _ in range(3):
        for _ in range(9):
            _sign_in(own_client(), user.email, "guess")
        assert _sign_in(own_client(), user.email).status_code == 302


@pytest.mark.django_db
def test_the_client_behind_a_trusted_proxy_is_told_from_its_own_header(settings):
    user = factories.make_user()
    settings.TRUSTED_PROXIES = 1
    claimed, true = uuid.uuid4().hex, uuid.uuid4().hex
    for _ in range(61):
        answer = own_client().post(
            reverse("sign-in"),
            {"username": f"{uuid.uuid4().hex}@example.org", "password": "guess"},
            headers={"X-Forwarded-For": f"{uuid.uuid4().hex}, {true}"},
        )
    assert answer.status_code == 429

    spared = own_client().post(
        reverse("sign-in"),
        {"username": user.email, "password": PASSWORD},
        headers={"X-Forwarded-For": f"{true}, {claimed}"},
    )

    assert spared.status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [
        ("/people/", "/people/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_after_signing_in_one_stays_on_this_portal(wanted: str, led_to: str):
    user = factories.make_user(stakeholder=factories.make_stakeholder())

    assert _sign_in(own_client(), user.email, next_page=wanted)["Location"] == led_to


@pytest.mark.django_db
def test_a_session_that_ended_leads_an_htmx_request_to_sign_in_as_a_whole_page():
    client = own_client()

    page = client.get("/people/?search=a")
    fragment = client.get("/people/?search=a", headers={"HX-Request": "true"})

    assert page["Location"] == "/sign-in/?next=/people/%3Fsearch%3Da"
    assert fragment["HX-Redirect"] == "/sign-in/?next=/people/%3Fsearch%3Da"
    assert fragment.status_code == 200
    assert not fragment.content


@pytest.mark.django_db
def test_signing_out_takes_a_post_and_empties_the_browser():
    user = factories.make_user(stakeholder=factories.make_stakeholder())
    client = own_client()
    client.force_login(user)

    assert client.get("/sign-out/").status_code == 405
    answer = client.post("/sign-out/")

    assert answer["Location"] == "/sign-in/"
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert client.get("/settings/").status_code == 302


@pytest.mark.django_db
def test_writes_without_a_token_of_the_page_are_refused_in_plain_words():
    client = own_client(enforce_csrf_checks=True)
    client.force_login(factories.make_user())

    answer = client.post("/sign-out/")

    assert answer.status_code == 403
    assert "Please send it again" in answer.content.decode()
    assert client.get("/settings/").status_code == 200


@pytest.mark.django_db
def test_a_person_without_an_organisation_is_told_so_and_can_leave():
    client = own_client()
    client.force_login(factories.make_user())

    page = client.get("/")

    assert page.status_code == 200
    assert "do not act for an organisation" in page.content.decode()
    assert 'action="/sign-out/"' in page.content.decode()
    assert client.get("/people/").status_code == 404
    assert client.get("/ops/billing/").status_code == 404


@pytest.mark.django_db
def test_switching_works_between_ones_own_organisations_only():
    user = factories.make_user(stakeholder=factories.make_stakeholder(name="A operator"))
    own = factories.make_stakeholder(kind=Kind.TENANT, name="B tenant")
    foreign = factories.make_stakeholder()
    Membership.objects.create(
        user=user, stakeholder=own, role=Role.VIEWER, created_at=factories.NOON
    )
    client = own_client()
    client.force_login(user)

    assert client.get("/")["Location"] == "/ops/"
    for wrong in [foreign.pk, "x", "", "99999999999999999999"]:
        assert client.post("/switch/", {"stakeholder": wrong}).status_code == 404
    assert client.get("/")["Location"] == "/ops/"
    assert client.post("/switch/", {"stakeholder": own.pk})["Location"] == "/"
    assert client.get("/")["Location"] == "/hosting/"
    Membership.objects.filter(user=user, stakeholder=own).delete()
    assert client.get("/")["Location"] == "/ops/"


@pytest.mark.django_db
def test_settings_are_saved_and_checked():
    user = factories.make_user()
    client = own_client()
    client.force_login(user)

    wrong = client.post("/settings/", {"name": "", "timezone": "Mars/North"})
    right = client.post("/settings/", {"name": "Ines", "timezone": "Europe/Berlin"})

    assert wrong.status_code == 422
    assert 'href="#id_name"' in wrong.content.decode()
    assert right.status_code == 302
    user.refresh_from_db()
    assert (user.name, user.timezone) == ("Ines", "Europe/Berlin")
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.action) == (user, "preferences changed")
    assert entry.after == {"name": "Ines", "timezone": "Europe/Berlin"}


@pytest.mark.django_db
def test_theme_and_density_are_cookies_and_lead_back_to_the_page():
    client = own_client()

    def choose(value: str, referer: str = ""):
        headers = {"Referer": referer} if referer else {}
        return client.post("/settings/theme/", {"theme": value}, headers=headers)

    chosen = choose("dark", "http://testserver/sign-in/?next=/people/")
    assert chosen["Location"] == "/sign-in/?next=/people/"
    assert chosen.cookies["theme"].value == "dark"
    assert 'data-theme="dark"' in client.get("/sign-in/").content.decode()
    assert "theme" not in choose("pink").cookies
    for foreign in ["", "https://evil.example/x", "http://testserver//evil.example/", "evil"]:
        assert choose("light", foreign)["Location"] == "/"
    client.post("/settings/density/", {"density": "compact"})
    assert 'data-density="compact"' in client.get("/sign-in/").content.decode()


@pytest.mark.django_db
def test_changing_the_password_ends_other_sessions_and_keeps_this_one():
    user = factories.make_user()
    here, elsewhere = own_client(), own_client()
    for client in (here, elsewhere):
        client.force_login(user)
    new = {"new_password1": "seven green bottles", "new_password2": "seven green bottles"}

    wrong = here.post("/settings/password/", {"old_password": "guess", **new})
    weak = here.post(
        "/settings/password/",
        {"old_password": PASSWORD, "new_password1": "password12", "new_password2": "password12"},
    )
    right = here.post("/settings/password/", {"old_password": PASSWORD, **new})

    assert (wrong.status_code, weak.status_code, right.status_code) == (422, 422, 302)
    assert here.get("/settings/").status_code == 200
    assert elsewhere.get("/settings/").status_code == 302
    assert User.objects.get(pk=user.pk).check_password("seven green bottles")
    assert AuditEntry.objects.get().action == "password changed"


@pytest.mark.django_db
def test_pages_that_are_not_there_say_what_to_do():
    client = own_client()
    stranger = client.get("/nothing/").content.decode()
    client.force_login(factories.make_user(stakeholder=factories.make_stakeholder()))
    member = client.get("/nothing/")

    assert "Sign in" in stranger
    assert member.status_code == 404
    assert 'action="/sign-out/"' in member.content.decode()


def test_the_page_of_a_fault_needs_no_database_and_no_context():
    # No database mark: a query here would fail the test.
    answer = server_error(RequestFactory().get("/"))

    assert answer.status_code == 500
    assert "ring the number on your last bill" in answer.content.decode()
    assert "{%" not in answer.content.decode()


def test_sessions_and_cookies_are_closed_to_scripts():
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.SESSION_COOKIE_SAMESITE == "Lax"
