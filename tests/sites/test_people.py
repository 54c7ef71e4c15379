"""
Invitations, roles and the end of access.
"""

import datetime as dt
import threading

import pytest
from django.db import IntegrityError, connection, transaction

from sites import operations, queries
from sites.access import Forbidden, Kind, Role, Viewer
from sites.models import AuditEntry, Invitation, Membership, Stakeholder, User
from tests import factories

AT = factories.NOON
LATER = AT + dt.timedelta(days=1)


def _viewer(user: User) -> Viewer:
    return queries.viewer_for(user_id=user.pk, stakeholder_id=None)


def _admin_of(stakeholder: Stakeholder) -> Viewer:
    return _viewer(factories.make_user(stakeholder=stakeholder))


def _invite(
    viewer: Viewer, stakeholder: Stakeholder, *, email: str = "new@example.org",
    role: Role = Role.VIEWER, at: dt.datetime = AT,
) -> tuple[Invitation, str]:  # fmt: skip
    return operations.invite(
        viewer=viewer, stakeholder_id=stakeholder.pk, email=email, role=role, at=at
    )


def _actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


@pytest.mark.django_db
def test_an_invited_address_becomes_a_person_and_a_member():
    partner = factories.make_stakeholder(kind=Kind.PARTNER)
    invitation, token = _invite(_admin_of(partner), partner)

    found = operations.invitation_of_token(token=token, at=LATER)
    membership = operations.accept_as_new_person(
        invitation_id=found.pk, name="Ines", password="a long password", at=LATER
    )

    assert found == invitation
    assert (membership.stakeholder, membership.role) == (partner, Role.VIEWER)
    assert membership.user.check_password("a long password")
    assert membership.user.timezone == partner.timezone
    assert _actions() == ["invited", "invitation accepted"]
    entry = AuditEntry.objects.latest("pk")
    assert (entry.by, entry.operator, entry.at) == (membership.user, partner.operator, LATER)
    assert entry.after == {"organisation": partner.slug, "role": "viewer"}
    with pytest.raises(operations.InvitationUsed):
        operations.invitation_of_token(token=token, at=LATER)


@pytest.mark.django_db
def test_the_token_is_in_no_row():
    operator = factories.make_stakeholder()
    invitation, token = _invite(_admin_of(operator), operator)

    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(i)::text FROM sites_invitation i")
        rows = [row for (row,) in cursor.fetchall()]
        cursor.execute("SELECT row_to_json(a)::text FROM sites_auditentry a")
        rows += [row for (row,) in cursor.fetchall()]

    assert rows
    assert not any(token in row for row in rows)
    assert bytes(invitation.token_hash).hex() not in token
    again = operations.invitation_to_send(invitation_id=invitation.pk, at=AT)
    assert again == (invitation, token)


@pytest.mark.django_db
def test_an_invitation_lasts_seven_days_and_not_a_moment_longer():
    operator = factories.make_stakeholder()
    _, token = _invite(_admin_of(operator), operator)
    week = dt.timedelta(days=7)

    operations.invitation_of_token(token=token, at=AT + week - dt.timedelta(microseconds=1))
    with pytest.raises(operations.InvitationExpired):
        operations.invitation_of_token(token=token, at=AT + week)


@pytest.mark.django_db
def test_inviting_again_replaces_the_open_invitation_in_any_case_of_the_address():
    operator = factories.make_stakeholder()
    admin = _admin_of(operator)
    _, first = _invite(admin, operator, email="Mara@Example.org")
    second, token = _invite(admin, operator, email="mara@example.org", at=LATER)

    assert list(Invitation.objects.all()) == [second]
    assert operations.invitation_of_token(token=token, at=LATER) == second
    with pytest.raises(operations.InvitationUnknown):
        operations.invitation_of_token(token=first, at=LATER)


@pytest.mark.django_db
def test_a_withdrawn_invitation_leads_nowhere():
    operator = factories.make_stakeholder()
    admin = _admin_of(operator)
    invitation, token = _invite(admin, operator)

    operations.withdraw_invitation(viewer=admin, invitation_id=invitation.pk, at=LATER)

    with pytest.raises(operations.InvitationUnknown):
        operations.invitation_of_token(token=token, at=LATER)
    with pytest.raises(operations.InvitationUnknown):
        operations.withdraw_invitation(viewer=admin, invitation_id=invitation.pk, at=LATER)
    assert _actions() == ["invited", "invitation withdrawn"]


@pytest.mark.django_db
def test_a_known_person_joins_under_the_invited_address_only():
    operator = factories.make_stakeholder()
    owner, other = factories.make_user(), factories.make_user()
    invitation, _ = _invite(_admin_of(operator), operator, email=owner.email.upper())

    with pytest.raises(operations.SignInFirst):
        operations.accept_as_new_person(
            invitation_id=invitation.pk, name="Somebody", password="a long password", at=LATER
        )
    with pytest.raises(operations.InvitedSomebodyElse):
        operations.accept_as_known_person(invitation_id=invitation.pk, user_id=other.pk, at=LATER)
    operations.accept_as_known_person(invitation_id=invitation.pk, user_id=owner.pk, at=LATER)

    assert _viewer(owner).stakeholder_id == operator.pk
    assert not _viewer(other).is_member


@pytest.mark.django_db
def test_who_may_invite_where():
    operator = factories.make_stakeholder()
    customer = factories.make_stakeholder(kind=Kind.PARTNER, operator=operator)
    neighbour = factories.make_stakeholder(kind=Kind.TENANT, operator=operator)
    elsewhere = factories.make_stakeholder()
    places = [operator, customer, neighbour, elsewhere]
    people = {
        "operator's admin": _admin_of(operator),
        "operator's staff": _viewer(factories.make_user(stakeholder=operator, role=Role.STAFF)),
        "customer's admin": _admin_of(customer),
        "customer's viewer": _viewer(factories.make_user(stakeholder=customer, role=Role.VIEWER)),
        "nobody's": _viewer(factories.make_user()),
    }

    def may(viewer: Viewer, place: Stakeholder) -> bool:
        try:
            _invite(viewer, place)
        except Forbidden:
            return False
        return True

    assert {who: [may(viewer, place) for place in places] for who, viewer in people.items()} == {
        "operator's admin": [True, True, True, False],
        "operator's staff": [False] * 4,
        "customer's admin": [False, True, False, False],
        "customer's viewer": [False] * 4,
        "nobody's": [False] * 4,
    }


@pytest.mark.django_db
def test_members_are_not_invited_and_customers_have_no_staff():
    partner = factories.make_stakeholder(kind=Kind.PARTNER)
    admin = _admin_of(partner)
    member = factories.make_user(stakeholder=partner)

    with pytest.raises(operations.AlreadyMember):
        _invite(admin, partner, email=member.email.upper())
    with pytest.raises(operations.UnknownRole):
        _invite(admin, partner, role=Role.STAFF)
    with pytest.raises(operations.UnknownRole):
        operations.change_role(
            viewer=admin, membership_id=member.memberships.get().pk, role=Role.BILLING, at=AT
        )


@pytest.mark.django_db
def test_a_role_changes_and_access_ends_with_the_next_request():
    operator = factories.make_stakeholder()
    admin = _admin_of(operator)
    person = factories.make_user(stakeholder=operator, role=Role.VIEWER)
    membership = person.memberships.get()

    operations.change_role(viewer=admin, membership_id=membership.pk, role=Role.STAFF, at=AT)
    assert _viewer(person).role == Role.STAFF
    operations.end_membership(viewer=admin, membership_id=membership.pk, at=LATER)

    assert not _viewer(person).is_member
    assert User.objects.filter(pk=person.pk).exists()
    told = [(e.action, e.before.get("role"), e.after.get("role")) for e in AuditEntry.objects.all()]
    assert sorted(told) == [("access ended", "staff", None), ("role changed", "viewer", "staff")]


@pytest.mark.django_db
def test_people_of_others_are_out_of_reach():
    stranger = _admin_of(factories.make_stakeholder())
    membership = factories.make_user(stakeholder=factories.make_stakeholder()).memberships.get()

    with pytest.raises(Forbidden):
        operations.end_membership(viewer=stranger, membership_id=membership.pk, at=AT)
    with pytest.raises(Forbidden):
        operations.change_role(
            viewer=stranger, membership_id=membership.pk, role=Role.VIEWER, at=AT
        )


@pytest.mark.django_db
def test_the_last_administrator_stays():
    operator = factories.make_stakeholder()
    admin = _admin_of(operator)
    factories.make_user(stakeholder=operator, role=Role.STAFF)
    last = operator.memberships.get(role=Role.ADMIN)

    with pytest.raises(operations.LastAdministrator):
        operations.change_role(viewer=admin, membership_id=last.pk, role=Role.VIEWER, at=AT)
    with pytest.raises(operations.LastAdministrator):
        operations.end_membership(viewer=admin, membership_id=last.pk, at=AT)
    with pytest.raises(IntegrityError, match="last administrator"), transaction.atomic():
        last.delete()
    with pytest.raises(IntegrityError, match="last administrator"), transaction.atomic():
        Membership.objects.filter(pk=last.pk).update(role=Role.VIEWER)
    factories.make_user(stakeholder=operator)
    operations.end_membership(viewer=admin, membership_id=last.pk, at=AT)


@pytest.mark.django_db(transaction=True)
def test_two_administrators_cannot_remove_each_other_at_the_same_moment():
    operator = factories.make_stakeholder()
    pair = [factories.make_user(stakeholder=operator) for _ in range(2)]
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def remove(by: User, whom: User) -> None:
        viewer, membership_id = _viewer(by), whom.memberships.get().pk
        start.wait()
        try:
            operations.end_membership(viewer=viewer, membership_id=membership_id, at=AT)
            outcomes.append("ended")
        except operations.LastAdministrator:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=order) for order in (pair, pair[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["ended", "refused"]
    assert operator.memberships.filter(role=Role.ADMIN).count() == 1


@pytest.mark.django_db
def test_one_open_invitation_per_address_is_a_rule_of_the_database():
    operator = factories.make_stakeholder()
    invitation, _ = _invite(_admin_of(operator), operator)

    with pytest.raises(IntegrityError, match="one_open_invitation"), transaction.atomic():
        Invitation.objects.create(
            stakeholder=operator, email=invitation.email.upper(), role=Role.ADMIN,
            token_hash=b"another", created_at=AT, expires_at=LATER,
        )  # fmt: skip


@pytest.mark.django_db
def test_an_invitation_waits_to_be_sent_once():
    operator = factories.make_stakeholder()
    admin = _admin_of(operator)
    waiting, _ = _invite(admin, operator, email="a@example.org")
    sent, _ = _invite(admin, operator, email="b@example.org")
    operations.mark_invitation_sent(invitation_id=sent.pk, at=AT)

    def left(made_before: dt.datetime, at: dt.datetime) -> list[int]:
        return queries.invitations_to_send(made_before=made_before, at=at, limit=9)

    assert left(LATER, LATER) == [waiting.pk]
    assert left(AT, LATER) == []
    assert left(LATER, AT + dt.timedelta(days=7)) == []
    assert operations.invitation_to_send(invitation_id=sent.pk, at=AT) is None


@pytest.mark.django_db
def test_preferences_and_passwords_leave_a_trail_without_secrets():
    user = factories.make_user()

    operations.set_preferences(user_id=user.pk, name="Ines", timezone="Europe/Berlin", at=AT)
    operations.set_password(user_id=user.pk, password="another long password", at=LATER)
    with pytest.raises(operations.UnknownTimezone):
        operations.set_preferences(user_id=user.pk, name="Ines", timezone="Mars/North", at=AT)

    user.refresh_from_db()
    assert (user.name, user.timezone) == ("Ines", "Europe/Berlin")
    assert user.check_password("another long password")
    assert _actions() == ["preferences changed", "password changed"]
    assert AuditEntry.objects.latest("pk").after == {}
