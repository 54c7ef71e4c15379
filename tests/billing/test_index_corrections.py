"""
A final index value corrects the bills that were made from a provisional one.
"""

from __future__ import annotations

import datetime as dt
import json
import zipfile
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import operations, queries
from billing.documents import bundle_differences, evidence_bundle
from billing.models import Contract, CorrectionLimit, Invoice, Terms
from sites.access import Kind, Role, Viewer
from telemetry.models import Channel
from tests.billing.test_run_properties import example
from tests.factories_billing import JANUARY, make_contract, meter_month
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = pytest.mark.django_db
D = Decimal
TODAY = LATER.date()
FEBRUARY, MARCH = dt.date(2026, 2, 1), dt.date(2026, 3, 1)
CASES = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parents[1] / "golden-domain.json").read_text(), parse_float=str
    )
}
GOLDEN = CASES["price.index"]["inputs"]
SERIES = ("gas", "wages", "power")


def _clause(**limits: str) -> dict[str, Any]:
    parts = zip(SERIES, GOLDEN["b"], GOLDEN["I0"], strict=True)
    return {
        "price": "price_per_kwh", "base_price": GOLDEN["P0"], "fixed": GOLDEN["a"], "start": 0,
        "parts": [{"series": s, "weight": b, "base": str(base)} for s, b, base in parts], **limits,
    }  # fmt: skip


def _contract(channel: Channel, reference: str = "C-1", **details: Any) -> Contract:
    contract = make_contract(channel, reference=reference)
    contract.correction_months = 60
    contract.save()
    contract.terms.all().delete()
    Terms.objects.create(
        contract=contract, valid=(dt.date(2025, 1, 1), None), version=1, model="usage",
        price_per_kwh=D(GOLDEN["P0"]), metering_point=channel.point, vat_rate=19, details=details,
    )  # fmt: skip
    return contract


class _Office:
    """
    The publisher of three series, whose values arrive for a month together.
    """

    def __init__(self, operator_id: int) -> None:
        self.indices = {
            code: operations.add_index(
                operator_id=operator_id, code=code, name=code, source="the office", basis="",
                at=LATER, by_id=None,
            ).pk
            for code in SERIES
        }  # fmt: skip

    def publishes(self, month: dt.date, *values: Any, provisional: bool = False) -> None:
        for code, value in zip(SERIES, values, strict=True):
            operations.enter_index_value(
                index_id=self.indices[code], month=month, value=D(str(value)),
                provisional=provisional, published_on=None, at=LATER, by_id=None,
            )  # fmt: skip


def _bill(contract: Contract, month: dt.date = JANUARY) -> Invoice:
    made = operations.bill_contract(contract_id=contract.pk, month=month, at=LATER, issue=True)
    assert made is not None, queries.parked_reason(contract_id=contract.pk, month=month)
    return made


def _viewer(contract: Contract) -> Viewer:
    return Viewer(
        user_id=None, stakeholder_id=contract.operator_id, kind=Kind.OPERATOR, role=Role.ADMIN
    )


def _listed(contract: Contract, today: dt.date = TODAY) -> list[queries.ToCorrect]:
    return queries.to_correct(viewer=_viewer(contract), today=today)


def _correct_listed(contract: Contract) -> list[Invoice]:
    """
    Correct what the list shows in a run, as the page does.
    """
    run = operations.start_corrections(
        operator_id=contract.operator_id, invoice_ids=[c.invoice_id for c in _listed(contract)],
        reason="Final index values", at=LATER, by_id=None,
    )  # fmt: skip
    while operations.bill_next(run_id=run.pk, at=LATER):
        pass
    made = run.items.order_by("pk").values_list("invoice", flat=True)
    return [Invoice.objects.get(pk=pk) for pk in made if pk]


def test_a_final_value_corrects_the_bill_made_from_a_provisional_one():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = _contract(channel, index=[_clause()])
    office = _Office(contract.operator_id)
    office.publishes(JANUARY, 130, 108, 112, provisional=True)
    invoice = _bill(contract)
    assert _listed(contract) == []

    office.publishes(JANUARY, *GOLDEN["I"])

    [found] = _listed(contract)
    assert (found.number, found.more, found.too_late) == (invoice.number, True, False)
    assert [str(value) for value in found.values] == [
        "gas January 2026: 130 (provisional), now 150"
    ]
    [price] = found.prices
    assert price.now == D(CASES["price.index"]["expected"]["P"]).quantize(D("0.0001"))
    assert price.old_formula.startswith("0.055 × (0.2 + 0.4 × 130 / 120 + 0.2 × 108 / 100")
    assert price.now_formula.startswith("0.055 × (0.2 + 0.4 × 150 / 120 + 0.2 × 108 / 100")
    [correction] = _correct_listed(contract)
    assert correction.document_type == Invoice.Type.INVOICE
    line = correction.lines.get(reverses__isnull=True)
    assert line.unit_price == D("0.0627")
    assert line.explanation["index"] == "gas January 2026: 130 (provisional), now 150"
    assert line.explanation["before"]["note"] == price.old_formula
    right = _bill(_contract(channel, "C-2", index=[_clause()]))
    assert (invoice.net + correction.net, invoice.gross + correction.gross) == (
        right.net, right.gross,
    )  # fmt: skip
    assert found.change_by_price == correction.net
    assert _listed(contract) == []
    # The evidence names each value with its revision, and the means follow from them.
    packed = evidence_bundle(invoice=correction)
    kept = json.loads(zipfile.ZipFile(BytesIO(packed)).read("document.json"))["inputs"][0]
    assert kept["index_values"]["gas"] == {
        "2026-01-01": {"value": "150", "revision": 1, "provisional": False}
    }
    assert list(bundle_differences(packed)) == []
    assert list(queries.differences(invoice=correction)) == []
    assert list(queries.differences(invoice=invoice)) == []


def test_a_bundle_whose_index_values_do_not_give_its_means_says_so():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = _contract(channel, index=[_clause()])
    _Office(contract.operator_id).publishes(JANUARY, *GOLDEN["I"])
    packed, changed = evidence_bundle(invoice=_bill(contract)), BytesIO()
    with zipfile.ZipFile(BytesIO(packed)) as given_, zipfile.ZipFile(changed, "w") as written:
        for name in given_.namelist():
            text = given_.read(name).decode()
            if name == "document.json":
                text = text.replace('"value": "150"', '"value": "151"')
            written.writestr(name, text)

    assert "the index gas is 150, its kept values give 151" in list(
        bundle_differences(changed.getvalue())
    )


def test_a_revised_final_value_corrects_only_where_that_is_agreed():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    usual = _contract(channel, index=[_clause()])
    office = _Office(usual.operator_id)
    office.publishes(JANUARY, 130, 108, 112)
    agreed = _contract(channel, "C-2", index=[_clause()], index_revised=True)
    bills = {_bill(usual).number: usual, _bill(agreed).number: agreed}

    office.publishes(JANUARY, *GOLDEN["I"])

    assert [bills[found.number] for found in _listed(usual)] == [agreed]
    with pytest.raises(operations.NothingToCorrect):
        operations.correct_invoice(
            invoice_id=Invoice.objects.get(contract=usual).pk, reason="x", at=LATER, by_id=None
        )
    # A provisional value never corrects.
    office.publishes(JANUARY, 170, 108, 112, provisional=True)
    assert _listed(usual) == []


def test_a_price_that_counts_from_the_one_before_is_corrected_month_by_month():
    # price.cap: from 0.056 no more than 10 % up, so 0.0616 for a raw 0.0627.
    channel = make_heat_channel()
    register = D(1000)
    for month in (JANUARY, FEBRUARY, MARCH):
        meter_month(channel, month, register=str(register))
        register += D("2.5") * 24 * (queries.next_month(month) - month).days
    details: dict[str, Any] = {"index": [_clause(step_up="0.1", step_down="0.1")]}
    contract = _contract(channel, **details)
    office = _Office(contract.operator_id)
    # 0.055 × 0.2 + 0.055 × 0.4 × gas / 120 + 0.055 × 0.44: 150 is 0.0627, 113.5 about 0.056.
    office.publishes(JANUARY, 120, 108, 112, provisional=True)
    office.publishes(FEBRUARY, *GOLDEN["I"])
    office.publishes(MARCH, 200, 108, 112)
    first = [_bill(contract, month) for month in (JANUARY, FEBRUARY, MARCH)]
    assert [i.lines.get().unit_price for i in first] == [D("0.0572"), D("0.0627"), D("0.0690")]

    office.publishes(JANUARY, "113.4545", 108, 112)

    # January falls to 0.0560, so February may rise to 0.0616 only, and March to 0.0678.
    listed = _listed(contract)
    assert [(f.month, f.prices[0].now) for f in listed] == [
        (JANUARY, D("0.0560")), (FEBRUARY, D("0.0616")), (MARCH, D("0.0678")),
    ]  # fmt: skip
    assert [bool(f.values) for f in listed] == [True, False, False]
    # One alone is corrected; the others stay on the list.
    operations.correct_invoice(invoice_id=first[0].pk, reason="Final", at=LATER, by_id=None)
    assert [f.month for f in _listed(contract)] == [FEBRUARY, MARCH]
    corrections = _correct_listed(contract)
    assert [c.lines.get(reverses__isnull=True).unit_price for c in corrections] == [
        D("0.0616"), D("0.0678"),
    ]  # fmt: skip
    assert _listed(contract) == []
    again = _contract(channel, "C-2", **details)
    right = [_bill(again, month) for month in (JANUARY, FEBRUARY, MARCH)]
    total = sum(i.gross for i in Invoice.objects.filter(contract=contract))
    assert total == sum(i.gross for i in right)


def test_corrected_equals_billed_right_the_first_time():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    meter_month(channel, FEBRUARY, register="2860")
    value = st.decimals(50, 250, places=1)

    @settings(max_examples=12)
    @given(
        early=st.lists(value, min_size=6, max_size=6),
        final=st.lists(value, min_size=6, max_size=6),
        still=st.booleans(),
        limits=st.fixed_dictionaries({}, optional={
            name: st.sampled_from(["0.02", "0.05", "0.2"])
            for name in ("deadband", "collar", "step_up", "step_down")
        }),
    )  # fmt: skip
    def corrected(early: list[D], final: list[D], still: bool, limits: dict[str, str]) -> None:
        details: dict[str, Any] = {"index": [_clause(**limits)]}
        with example():
            contract = _contract(channel, **details)
            office = _Office(contract.operator_id)
            months = {JANUARY: slice(0, 3), FEBRUARY: slice(3, 6)}
            for month, part in months.items():
                office.publishes(month, *early[part], provisional=True)
                _bill(contract, month)
            office.publishes(JANUARY, *final[:3])
            # February's values may stay provisional.
            office.publishes(FEBRUARY, *(early if still else final)[3:], provisional=still)
            _correct_listed(contract)
            again = _contract(channel, "C-2", **details)
            for month in months:
                right = _bill(again, month)
                documents = Invoice.objects.filter(
                    contract=contract, period__local_days__contains=month
                )
                for name in ("net", "vat", "gross"):
                    assert sum(getattr(d, name) for d in documents) == getattr(right, name)
            assert _listed(contract) == []

    corrected()


def test_corrections_are_looked_for_as_far_back_as_contract_and_country_say():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = _contract(channel, index=[_clause()])
    contract.correction_months = 12
    contract.save()
    office = _Office(contract.operator_id)
    office.publishes(JANUARY, 130, 108, 112, provisional=True)
    _bill(contract)
    office.publishes(JANUARY, *GOLDEN["I"])

    def seen(today: dt.date) -> list[bool]:
        return [found.too_late for found in _listed(contract, today)]

    # The period ended with January 2026; three years where nobody says otherwise.
    assert seen(dt.date(2027, 2, 28)) == [False]
    assert seen(dt.date(2027, 3, 1)) == [True]
    assert (seen(dt.date(2029, 2, 28)), seen(dt.date(2029, 3, 1))) == ([True], [])
    operations.set_correction_limits(
        operator_id=contract.operator_id, limits={contract.site.country: (48, "a law")}, at=LATER,
        by_id=None,
    )  # fmt: skip
    assert (seen(dt.date(2030, 2, 28)), seen(dt.date(2030, 3, 1))) == ([True], [])
    contract.look_back_months = 24
    contract.save()
    assert (seen(dt.date(2028, 2, 28)), seen(dt.date(2028, 3, 1))) == ([True], [])
    operations.set_correction_limits(
        operator_id=contract.operator_id, limits={contract.site.country: None}, at=LATER,
        by_id=None,
    )  # fmt: skip
    assert not CorrectionLimit.objects.exists()
