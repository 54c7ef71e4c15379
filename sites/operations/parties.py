"""
Organisations and the people who act for them.
"""

import datetime as dt
from typing import Any

from django.db import transaction

from sites.access import Kind, Role
from sites.models import Membership, Stakeholder, User
from sites.operations.audit import record


@transaction.atomic(durable=True)
def create_stakeholder(
    *, kind: Kind, operator_id: int | None, name: str, slug: str, country: str, timezone: str,
    at: dt.datetime, by_id: int | None, **details: Any,
) -> Stakeholder:  # fmt: skip
    """
    Make an operator (`operator_id` None) or a heat partner or tenant of one. `details` are
    address, VAT number, e-mail, telephone and bank details.
    """
    made = Stakeholder.objects.create(
        kind=kind, operator_id=operator_id, name=name, slug=slug, country=country,
        timezone=timezone, **details,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=operator_id or made.pk, action=f"{kind} created",
        subject=slug, after={"name": name, "country": country, "timezone": timezone, **details},
    )  # fmt: skip
    return made


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
