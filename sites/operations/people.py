"""
Who acts for an organisation: invitations by e-mail, roles, the end of access.
"""

import base64
import datetime as dt
import hashlib

from django.db import transaction
from django.utils.crypto import salted_hmac

from sites import queries
from sites.access import ROLES_OF, Action, Forbidden, Kind, Role, Viewer
from sites.models import Invitation, Membership, Stakeholder, User
from sites.operations.audit import record

INVITATION_LASTS = dt.timedelta(days=7)


class UnknownRole(Exception):
    """
    Organisations of this kind do not have the role.
    """


class AlreadyMember(Exception):
    """
    The address belongs to somebody who acts for the organisation already.
    """


class LastAdministrator(Exception):
    """
    Without this person nobody could manage the organisation's people.
    """


class InvitationRefused(Exception):
    """
    The invitation makes nobody a member. The kinds below say why.
    """


class InvitationUnknown(InvitationRefused):
    """
    There is no such invitation: withdrawn, replaced by a newer one, or never made.
    """


class InvitationExpired(InvitationRefused):
    """
    It was not accepted in time.
    """


class InvitationUsed(InvitationRefused):
    """
    It has been accepted already.
    """


class SignInFirst(InvitationRefused):
    """
    The address has an account; its owner accepts by signing in.
    """


class InvitedSomebodyElse(InvitationRefused):
    """
    The invitation is for another address than that of the person.
    """


def _token(invitation: Invitation) -> str:
    # Made from the row and the secret key, so that the task which sends the e-mail needs no
    # token in its message; who reads the database alone cannot make it.
    made = invitation.created_at.astimezone(dt.UTC).isoformat()
    text = f"{invitation.stakeholder_id}:{invitation.email}:{invitation.role}:{made}"
    digest = salted_hmac("sites.invitation", text, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _hash(token: str) -> bytes:
    # A token of 256 bits that nobody can guess needs no slow hash.
    return hashlib.sha256(token.encode()).digest()


def _record(
    organisation: Stakeholder, *, at: dt.datetime, by_id: int | None, action: str, email: str,
    before: str = "", after: str = "",
) -> None:  # fmt: skip
    who = {"organisation": organisation.slug}
    record(
        at=at,
        by_id=by_id,
        operator_id=organisation.operator_id or organisation.pk,
        action=action,
        subject=email[:120],
        before={**who, "role": before} if before else {},
        after={**who, "role": after} if after else {},
    )


def _managed(viewer: Viewer, stakeholder_id: int) -> Stakeholder:
    """
    Return the organisation, locked: changes of its people take turns.

    :raises Forbidden: if its people are not the viewer's to manage
    """
    viewer.require(Action.MANAGE_PEOPLE)
    if not queries.organisations(viewer=viewer).filter(pk=stakeholder_id).exists():
        raise Forbidden(Action.MANAGE_PEOPLE)
    # Without its key, or a membership that is made at the same moment would wait for us.
    return Stakeholder.objects.select_for_update(no_key=True).get(pk=stakeholder_id)


def _require_role(organisation: Stakeholder, role: Role) -> None:
    if role not in ROLES_OF[Kind(organisation.kind)]:
        raise UnknownRole(role)


@transaction.atomic(durable=True)
def invite(
    *, viewer: Viewer, stakeholder_id: int, email: str, role: Role, at: dt.datetime
) -> tuple[Invitation, str]:
    """
    Invite an address into an organisation and return the invitation with its token, of which
    only a hash is kept. It lasts seven days and replaces an open one of the same address.

    :raises Forbidden: if the organisation's people are not the viewer's to manage
    :raises UnknownRole: if organisations of its kind do not have the role
    :raises AlreadyMember: if the address belongs to a member
    """
    organisation = _managed(viewer, stakeholder_id)
    _require_role(organisation, role)
    email = User.objects.normalize_email(email)
    if organisation.memberships.filter(user__email__iexact=email).exists():
        raise AlreadyMember(email)
    Invitation.objects.filter(
        stakeholder=organisation, email__iexact=email, accepted_at__isnull=True
    ).delete()
    invitation = Invitation(
        stakeholder=organisation, email=email, role=role, invited_by_id=viewer.user_id,
        created_at=at, expires_at=at + INVITATION_LASTS,
    )  # fmt: skip
    token = _token(invitation)
    invitation.token_hash = _hash(token)
    invitation.save()
    _record(organisation, at=at, by_id=viewer.user_id, action="invited", email=email, after=role)
    return invitation, token


@transaction.atomic(durable=True)
def withdraw_invitation(*, viewer: Viewer, invitation_id: int, at: dt.datetime) -> None:
    """
    Make an open invitation worthless.

    :raises Forbidden: if the organisation's people are not the viewer's to manage
    :raises InvitationUnknown: if it is not open any more, or not the viewer's to see
    :raises InvitationUsed: if it was accepted just now
    """
    known = queries.invitations(viewer=viewer).filter(pk=invitation_id).first()
    if known is None:
        raise InvitationUnknown(invitation_id)
    organisation = _managed(viewer, known.stakeholder_id)
    invitation = _locked(invitation_id)
    if invitation.accepted_at is not None:
        raise InvitationUsed(invitation_id)
    _record(
        organisation, at=at, by_id=viewer.user_id, action="invitation withdrawn",
        email=invitation.email, before=invitation.role,
    )  # fmt: skip
    invitation.delete()


def _locked(invitation_id: int) -> Invitation:
    invitation = (
        Invitation.objects.select_related("stakeholder")
        .select_for_update(of=("self",))
        .filter(pk=invitation_id)
        .first()
    )
    if invitation is None:
        raise InvitationUnknown(invitation_id)
    return invitation


def _require_open(invitation: Invitation | None, at: dt.datetime) -> Invitation:
    if invitation is None:
        raise InvitationUnknown
    if invitation.accepted_at is not None:
        raise InvitationUsed
    if invitation.expires_at <= at:
        raise InvitationExpired
    return invitation


def invitation_of_token(*, token: str, at: dt.datetime) -> Invitation:
    """
    Return the open invitation a link leads to.

    :raises InvitationRefused: if it is unknown, used or expired
    """
    known = Invitation.objects.select_related("stakeholder__operator", "invited_by")
    return _require_open(known.filter(token_hash=_hash(token)).first(), at)


def open_invitation(*, invitation_id: int, at: dt.datetime) -> Invitation:
    """
    Return an invitation that can still be accepted. The caller has seen its token.

    :raises InvitationRefused: if it is unknown, used or expired
    """
    known = Invitation.objects.select_related("stakeholder__operator", "invited_by")
    return _require_open(known.filter(pk=invitation_id).first(), at)


@transaction.atomic(durable=True)
def accept_as_new_person(
    *, invitation_id: int, name: str, password: str, at: dt.datetime
) -> Membership:
    """
    Make an account for the invited address, and its owner a member. The caller has seen the
    token and asked whether the password is strong enough.

    :raises InvitationRefused: if it is not open, or the address has an account
    """
    invitation = _require_open(_locked(invitation_id), at)
    if queries.has_account(email=invitation.email):
        raise SignInFirst(invitation_id)
    zone = invitation.stakeholder.timezone
    user = User.objects.create_user(invitation.email, password, name=name, timezone=zone)
    return _accept(invitation, user, at)


@transaction.atomic(durable=True)
def accept_as_known_person(*, invitation_id: int, user_id: int, at: dt.datetime) -> Membership:
    """
    Make the owner of the invited address a member, who has signed in.

    :raises InvitationRefused: if it is not open, or for another address
    """
    invitation = _require_open(_locked(invitation_id), at)
    user = User.objects.get(pk=user_id)
    if user.email.lower() != invitation.email.lower():
        raise InvitedSomebodyElse(invitation_id)
    return _accept(invitation, user, at)


def _accept(invitation: Invitation, user: User, at: dt.datetime) -> Membership:
    invitation.accepted_at = at
    invitation.save(update_fields=["accepted_at"])
    membership, made = Membership.objects.get_or_create(
        user=user,
        stakeholder=invitation.stakeholder,
        defaults={"role": invitation.role, "created_at": at},
    )
    if made:
        _record(
            invitation.stakeholder, at=at, by_id=user.pk, action="invitation accepted",
            email=user.email, after=invitation.role,
        )  # fmt: skip
    return membership


def invitation_to_send(*, invitation_id: int, at: dt.datetime) -> tuple[Invitation, str] | None:
    """
    Return an invitation and its token for the e-mail; None when none is to be sent any more:
    sent before, accepted, withdrawn, expired, or signed with a key that has changed since.
    """
    try:
        invitation = open_invitation(invitation_id=invitation_id, at=at)
    except InvitationRefused:
        return None
    token = _token(invitation)
    if invitation.sent_at is not None or bytes(invitation.token_hash) != _hash(token):
        return None
    return invitation, token


@transaction.atomic(durable=True)
def mark_invitation_sent(*, invitation_id: int, at: dt.datetime) -> None:
    """
    Note that the mail server has taken the invitation's e-mail.
    """
    Invitation.objects.filter(pk=invitation_id, sent_at__isnull=True).update(sent_at=at)


def _managed_membership(viewer: Viewer, membership_id: int) -> tuple[Stakeholder, Membership]:
    known = queries.members(viewer=viewer).filter(pk=membership_id).first()
    if known is None:
        raise Forbidden(Action.MANAGE_PEOPLE)
    organisation = _managed(viewer, known.stakeholder_id)
    # Read again behind the lock: somebody else may have changed it meanwhile.
    membership = organisation.memberships.select_related("user").filter(pk=membership_id).first()
    if membership is None:
        raise Forbidden(Action.MANAGE_PEOPLE)
    return organisation, membership


def _require_another_admin(organisation: Stakeholder, membership: Membership) -> None:
    # A trigger stands behind this; here the refusal gets a name.
    others = organisation.memberships.filter(role=Role.ADMIN).exclude(pk=membership.pk)
    if membership.role == Role.ADMIN and not others.exists():
        raise LastAdministrator(membership.pk)


@transaction.atomic(durable=True)
def change_role(*, viewer: Viewer, membership_id: int, role: Role, at: dt.datetime) -> Membership:
    """
    Give a member another role.

    :raises Forbidden: if the membership is not the viewer's to manage, or has ended
    :raises UnknownRole: if organisations of its kind do not have the role
    :raises LastAdministrator: if nobody else could manage people afterwards
    """
    organisation, membership = _managed_membership(viewer, membership_id)
    _require_role(organisation, role)
    before = membership.role
    if before == role:
        return membership
    _require_another_admin(organisation, membership)
    membership.role = role
    membership.save(update_fields=["role"])
    _record(
        organisation, at=at, by_id=viewer.user_id, action="role changed",
        email=membership.user.email, before=before, after=role,
    )  # fmt: skip
    return membership


@transaction.atomic(durable=True)
def end_membership(*, viewer: Viewer, membership_id: int, at: dt.datetime) -> None:
    """
    End a member's access from the next request on. The account stays, for other organisations.

    :raises Forbidden: if the membership is not the viewer's to manage, or has ended
    :raises LastAdministrator: if nobody else could manage people afterwards
    """
    organisation, membership = _managed_membership(viewer, membership_id)
    _require_another_admin(organisation, membership)
    _record(
        organisation, at=at, by_id=viewer.user_id, action="access ended",
        email=membership.user.email, before=membership.role,
    )  # fmt: skip
    membership.delete()
