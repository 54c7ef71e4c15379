"""
Reference data on pages: looked at before it is taken, the operator's own alone changed.
"""

import datetime as dt
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from seeds import reference as shipped
from sites.access import Role
from sites.models import Stakeholder
from telemetry.formats import reference_csv
from telemetry.models import EmissionFactor, KpiRule
from tests import factories
from tests.factories_telemetry import LATER

pytestmark = pytest.mark.django_db

HEAD = ",".join(reference_csv.FACTOR_COLUMNS)
ROW = (
    "electricity_residual,DE,2025-01-01,2026-01-01,2025,724,g/kWh,co2,direct,,residual mix,"
    "AIB 2026,free to use"
)
NEW = "/ops/statements/reference/new/"


def _as(client: Client, operator: Stakeholder, role: Role = Role.STAFF) -> Client:
    client.force_login(factories.make_user(stakeholder=operator, role=role))
    return client


def _hand_in(client: Client, text: str, kind: str = "factors") -> str:
    file = SimpleUploadedFile("f.csv", text.encode())
    return client.post(NEW, {"kind": kind, "file": file}).content.decode()


def test_a_file_is_looked_at_and_then_taken(client: Client):
    operator = factories.make_stakeholder()
    _as(client, operator)
    text = f"{HEAD}\n{ROW}\n"

    page = _hand_in(client, text)

    assert "1 row would be new" in page
    assert not EmissionFactor.objects.exists()
    done = client.post(NEW, {"kind": "factors", "text": text}, follow=True).content.decode()
    assert "1 row taken." in done
    factor = EmissionFactor.objects.get()
    assert (factor.operator_id, factor.kg_per_kwh) == (operator.pk, Decimal("0.724"))
    assert "Held already" in _hand_in(client, text)
    corrected = text.replace("724", "700")
    assert "Supersedes" in _hand_in(client, corrected)


def test_a_fault_names_its_line_and_nothing_is_taken(client: Client):
    _as(client, factories.make_stakeholder())
    text = f"{HEAD}\n{ROW}\n{ROW.replace('DE', 'AT').replace('724', 'much')}\n"

    page = _hand_in(client, text)
    client.post(NEW, {"kind": "factors", "text": text})

    assert "nothing is taken" in page
    assert "with a point" in page
    assert '<th scope="row" class="main">3</th>' in page
    assert not EmissionFactor.objects.exists()
    assert "This field is required" in client.post(NEW, {"kind": "factors"}).content.decode()


def test_the_download_can_be_handed_in_again(client: Client):
    shipped.load_kpi_rules(at=LATER)
    shipped.load_emission_factors(at=LATER)
    _as(client, factories.make_stakeholder())

    for address, kind, model in (
        ("/ops/statements/reference/", "factors", EmissionFactor),
        ("/ops/statements/reference/rules/", "rules", KpiRule),
    ):
        answer = client.get(address + "?format=csv&standing=all")
        text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
        assert f"{model.objects.count()} rows would be new" in _hand_in(client, text, kind)


def test_viewers_read_and_others_own_rows_stay_hidden(client: Client):
    operator, other = factories.make_stakeholder(), factories.make_stakeholder()
    _as(client, other)
    client.post(NEW, {"kind": "factors", "text": f"{HEAD}\n{ROW}\n"})
    shipped.load_emission_factors(at=LATER)
    _as(client, operator, Role.VIEWER)

    page = client.get("/ops/statements/reference/?search=DE").content.decode()

    assert "0.34206" in page
    assert "0.724" not in page
    assert client.get(NEW).status_code == 404
    found = client.get("/ops/statements/reference/?carrier=natural_gas").content.decode()
    assert "published as 56.1 t/TJ" in found
    assert "Nothing matches" in client.get("/ops/statements/reference/?search=zz").content.decode()


def test_drafts_are_told_from_law(client: Client):
    shipped.load_kpi_rules(at=LATER)
    _as(client, factories.make_stakeholder(), Role.VIEWER)

    unasked = client.get("/ops/statements/reference/rules/").content.decode()
    page = client.get("/ops/statements/reference/rules/?standing=draft").content.decode()
    everything = client.get("/ops/statements/reference/rules/?standing=all").content.decode()

    assert "enefg.ref.min" in unasked
    assert "Draft bill of 9 April 2026" not in unasked
    assert "Draft bill of 9 April 2026" in page
    assert "enefg.ref.min" not in page
    assert "Draft bill of 9 April 2026" in everything
    assert "enefg.ref.min" in everything
    assert KpiRule.objects.filter(valid__contains=dt.date(2026, 11, 1)).exists()
