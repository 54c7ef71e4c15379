"""
What a heat bill says of the year before, of the heat's source and of its emissions.
"""

import datetime as dt
import io
from decimal import Decimal as D

import pypdf
import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from billing import operations
from billing.documents.heat import heat_bars, heat_information
from billing.documents.pdf import invoice_pdf
from billing.models import Contract, Invoice
from sites.domain import local_month
from telemetry.domain.heat_mix import HeatMix
from telemetry.models import EmissionFactor, MeteringPoint
from tests.factories_billing import JANUARY, make_contract, meter_month
from tests.factories_telemetry import LATER, load, make_channel, make_heat_channel

pytestmark = pytest.mark.django_db


def _bill(contract: Contract, month: dt.date) -> Invoice:
    made = operations.bill_contract(contract_id=contract.pk, month=month, at=LATER, issue=True)
    assert made is not None
    return made


def _told(invoice: Invoice, locale: str = "en_GB") -> dict[str, str]:
    return {str(k): str(v) for k, v in heat_information(invoice=invoice, locale=locale)}


@given(st.integers(1, 10**9), st.integers(0, 10**9))
def test_the_shares_of_heat_are_shares(delivered: int, used: int):
    mix = HeatMix(D(delivered), D(used))

    assert 0 <= mix.electricity <= 1
    assert mix.kg_per_kwh(D("0.363")) >= 0


def test_the_heat_factor_is_that_of_the_reference():
    # Domain reference 6.4: 3,020.01 kWh of pumps, 0.363 kg/kWh, 179,556.2604 kWh of heat.
    mix = HeatMix(D("179556.2604"), D("3020.01"))

    assert round(mix.kg_per_kwh(D("0.363")), 6) == D("0.006105")


def test_a_bill_says_what_its_heat_is_made_of_and_what_it_emits():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    bill = _bill(make_contract(channel), JANUARY)

    assert "No heat pump or pump is metered apart" in _told(bill)["Source of the heat"]
    pump = make_channel(site=channel.site, boundary=MeteringPoint.Boundary.UPLIFT)
    assert "is not known for the month" in _told(bill)["Source of the heat"]

    load(pump, local_month(2026, 1, channel.site.timezone), 0.25)
    without = _told(bill)["Source of the heat"]
    # 0.25 kW of pumps for 2.5 kWh of heat an hour.
    assert "90.0% waste heat and 10.0% electricity" in without
    assert "no factor is held for the grid" in without
    EmissionFactor.objects.create(
        region="DE", carrier="electricity", kg_per_kwh=D("0.363"), valid=(JANUARY, None),
        data_year=2024, source="UBA", licence="open", basis="CO2e",
    )  # fmt: skip
    assert (
        "0.0363 kg CO2e a kWh of heat, 68 kg for this bill (grid factor: UBA, 2024)."
        in _told(bill)["Source of the heat"]
    )
    with override("de"):
        assert "90,0\xa0% Abwärme und 10,0\xa0% Strom" in _told(bill, "de_DE")["Herkunft der Wärme"]


def test_a_bill_is_drawn_beside_the_year_before():
    channel = make_heat_channel()
    contract = make_contract(channel)
    meter_month(channel, dt.date(2025, 1, 1), per_hour="5", register="1000")
    before = _bill(contract, dt.date(2025, 1, 1))
    assert heat_bars(invoice=before, locale="en_GB") == []
    meter_month(channel, JANUARY, register="9000")
    bill = _bill(contract, JANUARY)

    bars = heat_bars(invoice=bill, locale="en_GB")

    assert [(bar["name"], bar["figure"], bar["length"]) for bar in bars] == [
        ("January 2025", "3,720\xa0kWh", 1.0), ("January 2026", "1,860\xa0kWh", 0.5),
    ]  # fmt: skip
    text = pypdf.PdfReader(io.BytesIO(invoice_pdf(invoice=bill))).pages[0].extract_text()
    assert "January 2025" in text
    assert "3,720" in text
