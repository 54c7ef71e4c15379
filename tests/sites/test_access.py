"""
Who sees which rows, and who may do what.
"""

import pytest
from django.db import IntegrityError, transaction

from sites import queries
from sites.access import STRANGER, Action, Forbidden, Kind, Role, Viewer
from sites.models import AuditEntry, DeliveryPoint, HostingService, Membership, Site, Stakeholder
from tests import factories

pytestmark = pytest.mark.django_db


def _viewer(stakeholder: Stakeholder, role: Role = Role.VIEWER) -> Viewer:
    return Viewer(user_id=1, stakeholder_id=stakeholder.pk, kind=Kind(stakeholder.kind), role=role)


def test_each_audience_sees_its_own_places_and_nobody_elses():
    site = factories.make_site()
    own = factories.make_delivery_point(site=site)
    neighbours = factories.make_delivery_point(site=site)
    service = factories.make_hosting_service(site=site)
    other_site = factories.make_site()

    operator = _viewer(site.operator)
    partner = _viewer(own.partner)
    tenant = _viewer(service.tenant)

    assert set(Site.objects.visible_to(operator)) == {site}
    assert set(DeliveryPoint.objects.visible_to(operator)) == {own, neighbours}
    assert list(Site.objects.visible_to(partner)) == [site]
    assert list(DeliveryPoint.objects.visible_to(partner)) == [own]
    assert list(HostingService.objects.visible_to(partner)) == []
    assert list(HostingService.objects.visible_to(tenant)) == [service]
    assert list(DeliveryPoint.objects.visible_to(tenant)) == []
    assert list(Site.objects.visible_to(_viewer(other_site.operator))) == [other_site]
    for model in (Site, DeliveryPoint, HostingService, Stakeholder, AuditEntry):
        assert not model.objects.visible_to(STRANGER).exists()
        assert not model.objects.visible_to(Viewer(user_id=7)).exists()


def test_a_partner_with_two_points_at_a_site_sees_the_site_once():
    site = factories.make_site()
    point = factories.make_delivery_point(site=site)
    factories.make_delivery_point(site=site, partner=point.partner)

    assert Site.objects.visible_to(_viewer(point.partner)).count() == 1


def test_a_choice_of_stakeholder_counts_only_while_it_is_theirs():
    first = factories.make_stakeholder(name="A")
    second = factories.make_stakeholder(name="B")
    user = factories.make_user(stakeholder=first)
    Membership.objects.create(
        user=user, stakeholder=second, role=Role.BILLING, created_at=factories.NOON
    )
    foreign = factories.make_stakeholder()

    def acts_for(chosen: int | None) -> int | None:
        return queries.viewer_for(user_id=user.pk, stakeholder_id=chosen).stakeholder_id

    assert acts_for(None) == first.pk
    assert acts_for(second.pk) == second.pk
    assert acts_for(foreign.pk) == first.pk
    user.is_active = False
    user.save()
    assert acts_for(second.pk) is None


@pytest.mark.parametrize(
    ("kind", "role", "may"),
    [
        (Kind.OPERATOR, Role.ADMIN, True),
        (Kind.OPERATOR, Role.BILLING, True),
        (Kind.OPERATOR, Role.STAFF, False),
        (Kind.OPERATOR, Role.VIEWER, False),
        (Kind.PARTNER, Role.ADMIN, False),
        (Kind.TENANT, Role.ADMIN, False),
    ],
)
def test_only_an_operators_administrator_and_billing_role_bill(kind: Kind, role: Role, may: bool):
    viewer = Viewer(user_id=1, stakeholder_id=1, kind=kind, role=role)

    assert viewer.can(Action.BILL) is may
    if may:
        viewer.require(Action.BILL)
    else:
        with pytest.raises(Forbidden):
            viewer.require(Action.BILL)
    with pytest.raises(Forbidden):
        STRANGER.require(Action.BILL)


def test_the_database_refuses_what_must_never_be():
    partner = factories.make_stakeholder(kind=Kind.PARTNER)
    site = factories.make_site()
    entry = AuditEntry.objects.create(at=factories.NOON, action="x", subject="y")

    with pytest.raises(IntegrityError, match="role billing"), transaction.atomic():
        factories.make_user(stakeholder=partner, role=Role.BILLING)
    with pytest.raises(IntegrityError, match="of the operator of site"), transaction.atomic():
        factories.make_delivery_point(site=site, partner=partner)
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        entry.delete()
    with pytest.raises(IntegrityError, match="only_customers_belong"), transaction.atomic():
        Stakeholder.objects.create(kind=Kind.TENANT, name="T", slug="t", country="DE")
