"""
Organisations and the people who act for them.
"""

import datetime as dt
from typing import Any

from django.db import transaction

from sites.access import Kind, Role, Viewer
from sites.models import Invitation, Membership, Stakeholder, User
from sites.operations.audit import changed, record
from sites.operations.people import invite, mark_invitation_sent
from sites.operations.slugs import with_free_slug


@transaction.atomic(durable=True)
def create_stakeholder(
    *, kind: Kind, operator_id: int | None, name: str, country: str, timezone: str,
    at: dt.datetime, by_id: int | None, slug: str = "", **details: Any,
) -> Stakeholder:  # fmt: skip
    """
    Make an operator (`operator_id` None) or a heat partner or tenant of one; without a `slug`
    one is made from the name. `details` are address, VAT number, e-mail, telephone and bank
    details.
    """
    fields = {"name": name, "country": country, "timezone": timezone, **details}
    made = with_free_slug(
        slug or name,
        lambda free: Stakeholder.objects.create(
            kind=kind, operator_id=operator_id, slug=free, **fields
        ),
    )
    record(
        at=at, by_id=by_id, operator_id=operator_id or made.pk, action=f"{kind} created",
        subject=made.slug, after=fields,
    )  # fmt: skip
    return made


@transaction.atomic(durable=True)
def edit_stakeholder(
    *, stakeholder_id: int, at: dt.datetime, by_id: int | None, **fields: Any
) -> None:
    """
    Change the details of an organisation. Documents that were issued keep those of their day.
    """
    organisation = Stakeholder.objects.select_for_update(no_key=True).get(pk=stakeholder_id)
    changed(
        organisation, fields, at=at, by_id=by_id,
        operator_id=organisation.operator_id or organisation.pk,
        action=f"{organisation.kind} changed", subject=organisation.slug,
    )  # fmt: skip


def found_operator(
    *, name: str, country: str, timezone: str, email: str, at: dt.datetime
) -> tuple[Stakeholder, Invitation, str]:
    """
    Make an operator and the invitation of its first administrator, who gets the link from whoever
    sets the portal up; return both and the invitation's token.
    """
    made = create_stakeholder(
        kind=Kind.OPERATOR, operator_id=None, name=name, country=country, timezone=timezone,
        email=email, at=at, by_id=None,
    )  # fmt: skip
    first = Viewer(stakeholder_id=made.pk, kind=Kind.OPERATOR, role=Role.ADMIN)
    invitation, token = invite(
        viewer=first, stakeholder_id=made.pk, email=email, role=Role.ADMIN, at=at
    )
    mark_invitation_sent(invitation_id=invitation.pk, at=at)
    return made, invitation, token


@transaction.atomic(durable=True)
def create_member(
    *, email: str, name: str, password: str, timezone: str, roles: dict[int, Role],
    at: dt.datetime, by_id: int | None,
) -> User:  # fmt: skip
    """
    Make a person who can sign in and their roles by stakeholder. For setting a portal up; later
    people come by invitation.
    """
    user = User.objects.create_user(email, password, name=name, timezone=timezone)
    for stakeholder in Stakeholder.objects.filter(pk__in=roles):
        role = roles[stakeholder.pk]
        Membership.objects.create(user=user, stakeholder=stakeholder, role=role, created_at=at)
        record(
            at=at, by_id=by_id, operator_id=stakeholder.operator_id or stakeholder.pk,
            action="member added", subject=f"{stakeholder.slug}/{email}", after={"role": role},
        )  # fmt: skip
    return user
