"""
Energy attributes and claims on pages: entered, cancelled, allocated, refused with a reason.
"""

import datetime as dt
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from sites.access import Role
from telemetry.models import AttributeAllocation, AttributeLot, Claim, Counterfactual
from tests import factories

pytestmark = pytest.mark.django_db

LOT = {
    "kind": "go", "technology": "wind", "country": "de", "plant": "Nordermeldorf",
    "registry": "HKNR", "registry_id": "1-1000", "first_day": "2025-03-01",
    "last_day": "2025-04-30", "kwh": "1000", "kg_per_kwh": "0",
}  # fmt: skip


def _operator(client: Client, role: Role = Role.ADMIN):
    site = factories.make_site()
    client.force_login(factories.make_user(stakeholder=site.operator, role=role))
    return site


def test_a_lot_is_entered_cancelled_and_used(client: Client):
    site = _operator(client)
    service = factories.make_hosting_service(site=site)

    client.post("/ops/statements/attributes/new/", LOT)
    lot = AttributeLot.objects.get()
    page = f"/ops/statements/attributes/{lot.pk}/"
    early = client.post(page, {"place": f"site-{site.pk}", "month": "2025-03", "kwh": "1"})
    nothing = client.post(page, {"cancel": "1", "cancelled_on": "", "proof_reference": ""})
    client.post(page, {"cancel": "1", "cancelled_on": "2025-05-02", "proof_reference": "AIB 7"})
    place = f"service-{service.pk}-{site.pk}"
    client.post(page, {"place": place, "month": "2025-03", "kwh": "600"})
    much = client.post(page, {"place": place, "month": "2025-03", "kwh": "401"})
    late = client.post(page, {"place": place, "month": "2025-06", "kwh": "1"})
    both = client.post(page, {"place": place, "month": "2025-03"})

    assert lot.country == "DE"
    assert lot.produced.upper == dt.date(2025, 5, 1)
    assert b"once they are cancelled" in early.content
    assert b"This field is required" in nothing.content
    assert b"Of this lot 400 kWh are left." in much.content
    assert b"It was not produced in this month." in late.content
    assert b"Give the energy of the month" in both.content
    used = AttributeAllocation.objects.get()
    assert used.service_id == service.pk
    assert used.kwh == 600
    client.post(f"{page}{used.pk}/end/")
    assert b"1,000 of 1,000 kWh are left" in client.get(page).content


def test_hours_come_as_a_file_and_each_fault_names_its_row(client: Client):
    site = _operator(client)
    client.post("/ops/statements/attributes/new/", LOT | {"kind": "onsite", "technology": "solar"})
    page = f"/ops/statements/attributes/{AttributeLot.objects.get().pk}/"

    def send(text: str) -> str:
        file = SimpleUploadedFile("hours.csv", text.encode())
        form = {"place": f"site-{site.pk}", "month": "2025-03", "hours": file}
        return client.post(page, form).content.decode()

    assert "Row 3: write hour and kWh." in send("hour,kwh\n2025-03-01T10:00Z,1\nnoon,1\n")
    assert "Row 2: write a full hour" in send("hour,kwh\n2025-03-01T10:00,1\n")
    assert "Row 3: the hour is there twice" in send(
        "hour,kwh\n2025-03-01T10:00Z,1\n2025-03-01T11:00+01:00,2\n"
    )
    assert "There is no hour" in send("hour,kwh\n")
    send("hour;kwh\n2025-03-01T10:00Z;1.5\n\n2025-03-01T11:00Z;2\n")
    assert list(AttributeAllocation.objects.values_list("kwh", flat=True).order_by("kwh")) == [
        Decimal("1.5"), Decimal(2),
    ]  # fmt: skip


def test_claims_are_entered_up_to_the_whole(client: Client):
    site = _operator(client)
    partner = factories.make_delivery_point(site=site).partner
    form = {
        "site": site.pk, "month": "2025-03", "lot": "", "claimant": partner.pk, "role": "partner",
        "share": "70",
    }  # fmt: skip

    client.post("/ops/statements/claims/new/", form)
    refused = client.post("/ops/statements/claims/new/", form)
    tenant = client.post("/ops/statements/claims/new/", form | {"role": "tenant", "share": "1"})
    listed = client.get("/ops/statements/claims/").content.decode()

    assert b"a share of 0.3" in refused.content
    assert b"claim none" in tenant.content
    assert partner.name in listed
    assert "70.00%" in listed
    narrowed = f"/ops/statements/claims/?year=2025&site={site.pk}&of="
    assert b"70.00%" in client.get(narrowed + "heat").content
    assert b"Nothing matches" in client.get(narrowed + "electricity").content
    client.post(f"/ops/statements/claims/{Claim.objects.get().pk}/end/")
    client.post("/ops/statements/claims/new/", form | {"share": "100"})
    assert Claim.objects.filter(ended_at__isnull=True).get().share == 1


def test_what_would_have_heated_a_building_is_said_from_a_day_on(client: Client):
    site = _operator(client)
    building = factories.make_delivery_point(site=site)
    form = {
        "delivery_point": building.pk, "first_day": "2025-01-01", "fuel": "natural gas",
        "fuel_kg_per_kwh": "0.20196", "basis": "ncv", "efficiency": "0.9",
        "auxiliary_share": "0.017", "uncertainty": "6.5", "source": "(EU) 2018/2066",
    }  # fmt: skip

    wrong = client.post("/ops/statements/heating/", form | {"efficiency": "0"})
    client.post("/ops/statements/heating/", form)

    assert b"greater than or equal to 0.01" in wrong.content
    said = Counterfactual.objects.get()
    assert said.uncertainties == [Decimal("0.06500")]
    assert b"natural gas" in client.get("/ops/statements/heating/").content


def test_a_viewer_reads_and_changes_nothing(client: Client):
    site = _operator(client)
    client.post("/ops/statements/attributes/new/", LOT)
    lot = AttributeLot.objects.get()
    client.force_login(factories.make_user(stakeholder=site.operator, role=Role.VIEWER))

    assert client.get("/ops/statements/attributes/").status_code == 200
    assert client.get("/ops/statements/attributes/new/").status_code == 404
    assert client.post(f"/ops/statements/attributes/{lot.pk}/", {"cancel": "1"}).status_code == 404
    assert client.post("/ops/statements/heating/", {}).status_code == 404


def test_lists_cost_the_same_for_many(client: Client, django_assert_max_num_queries):
    _operator(client)
    for n in range(4):
        client.post("/ops/statements/attributes/new/", LOT | {"registry_id": str(n)})

    with django_assert_max_num_queries(8):
        assert client.get("/ops/statements/attributes/?kind=go").status_code == 200
    assert b"Nothing matches" in client.get("/ops/statements/attributes/?search=nobody").content
    csv = b"".join(client.get("/ops/statements/attributes/?format=csv").streaming_content)  # type: ignore[attr-defined]
    assert csv.count(b"Nordermeldorf") == 4
