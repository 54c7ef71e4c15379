"""
Who may see and do what. The only scoping code: every read that a person or a token can
reach ends in `ScopedQuerySet.visible_to`, every write of a person in `Viewer.can`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, TypeVar

from django.db import models


class Kind(models.TextChoices):
    """
    What a stakeholder is to the portal.
    """

    OPERATOR = "operator", "Operator"
    PARTNER = "partner", "Heat partner"
    TENANT = "tenant", "Hosting tenant"


class Role(models.TextChoices):
    """
    What a member may do for a stakeholder. Staff and billing exist for operators only.
    """

    ADMIN = "admin", "Administrator"
    STAFF = "staff", "Staff"
    BILLING = "billing", "Billing"
    VIEWER = "viewer", "Viewer"


class Action(models.TextChoices):
    """
    Writes that need more than being a member.
    """

    MANAGE_PEOPLE = "manage_people"
    MANAGE_SITES = "manage_sites"
    MANAGE_CUSTOMERS = "manage_customers"
    MANAGE_ORGANISATION = "manage_organisation"
    MANAGE_METERING = "manage_metering"
    BILL = "bill"
    ISSUE_STATEMENTS = "issue_statements"
    MANAGE_HOOKS = "manage_hooks"
    ARCHIVE = "archive"


ROLES_OF = {
    Kind.OPERATOR: frozenset(Role),
    Kind.PARTNER: frozenset({Role.ADMIN, Role.VIEWER}),
    Kind.TENANT: frozenset({Role.ADMIN, Role.VIEWER}),
}

# Managing people is for every kind's administrator; the rest is the operator's own work.
_MAY: dict[Action, frozenset[tuple[Kind, Role]]] = {
    Action.MANAGE_PEOPLE: frozenset((kind, Role.ADMIN) for kind in Kind),
    Action.MANAGE_SITES: frozenset({(Kind.OPERATOR, Role.ADMIN), (Kind.OPERATOR, Role.STAFF)}),
    # Addresses and tax numbers are the concern of who builds and of who bills.
    Action.MANAGE_CUSTOMERS: frozenset(
        (Kind.OPERATOR, role) for role in (Role.ADMIN, Role.STAFF, Role.BILLING)
    ),
    # Its bank account stands on every invoice.
    Action.MANAGE_ORGANISATION: frozenset({(Kind.OPERATOR, Role.ADMIN)}),
    Action.MANAGE_METERING: frozenset({(Kind.OPERATOR, Role.ADMIN), (Kind.OPERATOR, Role.STAFF)}),
    Action.BILL: frozenset({(Kind.OPERATOR, Role.ADMIN), (Kind.OPERATOR, Role.BILLING)}),
    Action.ISSUE_STATEMENTS: frozenset({(Kind.OPERATOR, Role.ADMIN), (Kind.OPERATOR, Role.STAFF)}),
    # What is told to other systems holds invoices and incidents alike.
    Action.MANAGE_HOOKS: frozenset({(Kind.OPERATOR, Role.ADMIN)}),
    Action.ARCHIVE: frozenset({(Kind.OPERATOR, Role.ADMIN), (Kind.OPERATOR, Role.STAFF)}),
}


def roles_that_may(action: Action, kind: Kind) -> list[Role]:
    """
    Return the roles of a kind of stakeholder that allow an action.
    """
    return sorted(role for of, role in _MAY[action] if of == kind)


class Forbidden(Exception):
    """
    The viewer is known but may not do this.
    """


@dataclass(frozen=True, slots=True)
class Viewer:
    """
    One person acting for one stakeholder; all None for a stranger.
    """

    user_id: int | None = None
    stakeholder_id: int | None = None
    kind: Kind | None = None
    role: Role | None = None

    @property
    def is_member(self) -> bool:
        return self.stakeholder_id is not None

    def can(self, action: Action) -> bool:
        """
        Say whether the viewer's role allows the action.
        """
        if self.kind is None or self.role is None:
            return False
        return (self.kind, self.role) in _MAY[action]

    def require(self, action: Action) -> None:
        """
        :raises Forbidden: if the viewer's role does not allow the action
        """
        if not self.can(action):
            raise Forbidden(action)


STRANGER = Viewer()


@dataclass(frozen=True, slots=True)
class Scope:
    """
    The lookup from a row to the stakeholder who may see it, per kind; None: that kind never may.
    """

    operator: str | None = None
    partner: str | None = None
    tenant: str | None = None
    # What customers see of the rows that are theirs, such as issued invoices and never drafts.
    customers_only: models.Q | None = None
    # Rows that are nobody's own and every operator's to read, such as published factors.
    shared: models.Q | None = None
    # A lookup through a reverse relation would repeat rows.
    many: bool = False

    def rule(self, viewer: Viewer) -> models.Q | None:
        paths = {Kind.OPERATOR: self.operator, Kind.PARTNER: self.partner, Kind.TENANT: self.tenant}
        path = paths[viewer.kind] if viewer.kind is not None else None
        # A filter on None means IS NULL and would match rows without an owner.
        if path is None or viewer.stakeholder_id is None:
            return None
        rule = models.Q(**{path: viewer.stakeholder_id})
        if viewer.kind is not Kind.OPERATOR and self.customers_only is not None:
            rule &= self.customers_only
        if viewer.kind is Kind.OPERATOR and self.shared is not None:
            rule |= self.shared
        return rule


M = TypeVar("M", bound=models.Model)


class ScopedQuerySet(models.QuerySet[M]):
    """
    Rows that somebody may see and others may not. A subclass states its scope and nothing else.
    """

    scope = Scope()

    def visible_to(self, viewer: Viewer) -> Self:
        """
        Return the rows the viewer may see; none for a stranger.
        """
        rule = self.scope.rule(viewer)
        if rule is None:
            return self.none()
        if self.scope.many:
            matching: Any = self.model._base_manager.filter(rule).values("pk")
            return self.filter(pk__in=matching)
        return self.filter(rule)
