"""
Energy attributes from a file: looked at first, each fault with row, column and remedy, owned once.
"""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from sites.access import Role
from telemetry import operations
from telemetry.formats import lots_csv
from telemetry.models import AttributeLot
from tests import factories
from tests.factories_telemetry import LATER

pytestmark = pytest.mark.django_db

PAGE = "/ops/statements/attributes/file/"
HEAD = ",".join(lots_csv.COLUMNS)
ROW = "1-500,go,wind,DE,Nordermeldorf,HKNR,2026-01-01,2026-06-30,125000,0,2026-07-02,HKNR 481"
PPA = "C-7,ppa,solar,DE,Solarpark,,2026-01-01,2026-12-31,80000.5,0.041,,"


def _operator(client: Client):
    operator = factories.make_stakeholder()
    client.force_login(factories.make_user(stakeholder=operator, role=Role.STAFF))
    return operator


def _look(client: Client, text: str) -> str:
    file = SimpleUploadedFile("lots.csv", text.encode())
    return client.post(PAGE, {"file": file}).content.decode()


def test_a_file_is_looked_at_and_then_entered_once(client: Client, django_assert_max_num_queries):
    operator = _operator(client)
    text = f"{HEAD}\n{ROW}\n{PPA}\n"

    with django_assert_max_num_queries(8):
        page = _look(client, text)

    assert "2 lots would be new" in page
    assert not AttributeLot.objects.exists()
    done = client.post(PAGE, {"text": text}, follow=True).content.decode()
    assert "2 lots entered." in done
    go, ppa = AttributeLot.objects.order_by("pk")
    assert (go.operator_id, go.proof_reference) == (operator.pk, "HKNR 481")
    assert f"{go.produced.upper:%Y-%m-%d} {ppa.kwh}" == "2026-07-01 80000.500"
    assert "Held already" in _look(client, text)
    again = client.post(PAGE, {"text": text}, follow=True).content.decode()
    assert "All these lots are held already." in again
    # What the list hands out can be handed in.
    csv = b"".join(client.get("/ops/statements/attributes/?format=csv").streaming_content)  # type: ignore[attr-defined]
    assert lots_csv.read_lots(csv).faults == []
    assert "0 lots would be new" in _look(client, csv.decode())
    template = client.get(f"{PAGE}template.csv").content
    assert len(lots_csv.read_lots(template).rows) == 1


@pytest.mark.parametrize(
    ("old", "new", "column", "remedy"),
    [
        ("go,", "gold,", "kind", "go, rego, ppa, tariff, onsite"),
        ("HKNR,", ",", "registry", "Certificates are held in one"),
        ("DE", "Germany", "country", "two letters"),
        ("2026-06-30", "30.6.2026", "last_day", "2026-01-31"),
        ("2026-06-30", "2025-06-30", "last_day", "not before the first"),
        ("125000", "125 MWh", "kwh", "125000"),
        ("125000", "0", "kwh", "above zero"),
        ("125000", "1.0001", "kwh", "three decimals"),
        (",0,", ",-1,", "kg_per_kwh", "not below zero"),
        ("HKNR 481", "", "proof", "both"),
        ("Nordermeldorf", "", "plant", "empty"),
    ],
)
def test_a_fault_names_row_column_and_remedy(
    client: Client, old: str, new: str, column: str, remedy: str
):
    read = lots_csv.read_lots(f"{HEAD}\n{PPA}\n{ROW.replace(old, new)}\n".encode())

    (fault,) = read.faults
    assert (fault.line, fault.column) == (3, column)
    assert remedy in fault.words


def test_numbers_are_held_once_over_all_owners(client: Client):
    other = factories.make_stakeholder()
    rows = lots_csv.read_lots(f"{HEAD}\n{ROW}\n".encode()).rows
    operations.add_lots(operator_id=other.pk, rows=rows, at=LATER, by_id=None)
    _operator(client)
    text = f"{HEAD}\n{PPA}\n{ROW}\n"

    page = _look(client, text)
    posted = client.post(PAGE, {"text": text}, follow=True).content.decode()
    twice = _look(client, f"{HEAD}\n{PPA}\n{PPA}\n")

    assert "These numbers are held already" in page
    assert '<th scope="row" class="main">3</th>' in page
    # A browser that answers all the same is refused by the constraint, and the contract with it.
    assert "nothing was taken" in posted
    assert AttributeLot.objects.count() == 1
    assert "The same thing as line 2. Keep one of them." in twice
