"""
Reference data: files are read or their faults named, an operator's rows are its own, and nothing
is ever edited.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from seeds import reference as shipped
from sites.access import Kind, Role, Viewer
from sites.models import Site
from telemetry import operations, queries
from telemetry.domain import reference
from telemetry.domain.reference import FactorRow, Fate
from telemetry.formats import reference_csv
from telemetry.models import EmissionFactor, KpiRule
from tests import factories
from tests.factories_telemetry import LATER

FACTOR = dict(
    zip(
        reference_csv.FACTOR_COLUMNS,
        ("electricity", "DE", "2025-01-01", "2026-01-01", "2024", "363", "g/kWh", "co2", "direct",
         "", "location-based", "UBA CC 13/2025", "dl-de/by-2-0"),
        strict=True,
    )
)  # fmt: skip
RULE = dict(
    zip(
        reference_csv.RULE_COLUMNS,
        ("own.pue.max", "DE", "2025-01-01", "", "", "", "", "1.25", "", "law", "Our own aim",
         "Board 3 May", "internal"),
        strict=True,
    )
)  # fmt: skip


def _file(*rows: dict[str, str], sep: str = ",") -> bytes:
    lines = [sep.join(rows[0]), *(sep.join(row.values()) for row in rows)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("sep", [",", ";"])
def test_a_sound_file_is_read_with_its_units(sep: str):
    read = reference_csv.read_factors(b"\xef\xbb\xbf" + _file(FACTOR, sep=sep))

    assert read.faults == []
    (row,) = read.rows
    assert row.kg_per_kwh == Decimal("0.363")
    assert row.published == "363 g/kWh"
    assert row.valid_to == dt.date(2026, 1, 1)
    german = reference_csv.read_factors(_file(FACTOR | {"value": "363,5"}, sep=";"))
    assert german.rows[0].kg_per_kwh == Decimal("0.3635")


@pytest.mark.parametrize(
    ("change", "column", "words"),
    [
        ({"value": "12,5"}, "", "Quote texts with commas"),
        ({"value": "much"}, "value", "with a point"),
        ({"value": "-1"}, "value", "not below zero"),
        ({"value": "NaN"}, "value", "with a point"),
        ({"unit": "lb/kWh"}, "unit", "kg/kWh, g/kWh"),
        ({"region": "Germany"}, "region", "two letters"),
        ({"valid_to": "2024-01-01"}, "valid_to", "later than the start"),
        ({"valid_from": "1.1.2025"}, "valid_from", "2026-01-31"),
        ({"source": ""}, "source", "empty"),
        ({"licence": ""}, "licence", "empty"),
        ({"gas": "CH4"}, "gas", "co2, co2e"),
        ({"extent": "all"}, "extent", "direct, life_cycle"),
        ({"carrier": "natural_gas"}, "heating_value", "ncv or gcv"),
        ({"data_year": "24"}, "data_year", "such as 2024"),
    ],
)
def test_each_fault_names_line_column_and_remedy(change: dict[str, str], column: str, words: str):
    other = {**FACTOR, "region": "AT"}

    read = reference_csv.read_factors(_file(other, FACTOR | change))

    (fault,) = read.faults
    assert (fault.line, fault.column) == (3, column)
    assert words in fault.words


def test_what_is_no_such_file_is_said_so():
    missing = reference_csv.read_factors(b"carrier,region\nelectricity,DE\n")
    twice = reference_csv.read_factors(_file(FACTOR, FACTOR))

    assert "Columns are missing: valid_from" in missing.faults[0].words
    assert "line 2" in twice.faults[0].words
    assert reference_csv.read_factors(b"\xff\xfe\x00").faults[0].line == 0
    assert reference_csv.read_factors(_file(FACTOR).partition(b"\n")[0]).rows == []
    assert "1 MB" in reference_csv.read_factors(b"x" * 1_000_001).faults[0].words
    rule = reference_csv.read_rules(_file(RULE | {"standing": "wish"}))
    assert rule.faults[0].column == "standing"
    assert reference_csv.read_rules(_file(RULE)).faults == []


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes):
    read = reference_csv.read_factors(b"carrier;region\n" + data)

    assert read.rows == []
    assert read.faults


_days = st.integers(0, 60).map(lambda n: dt.date(2025, 1, 1) + dt.timedelta(days=n))


def _row(start: dt.date, end: dt.date | None, kg: str = "1") -> FactorRow:
    return FactorRow(
        carrier="electricity", region="DE", valid_from=start, valid_to=end, data_year=2024,
        kg_per_kwh=Decimal(kg), basis="x", source="x", licence="x",
    )  # fmt: skip


@given(_days, _days, _days, _days)
def test_what_goes_on_of_an_old_row_meets_the_new_one_nowhere_and_leaves_no_hole(
    a: dt.date, b: dt.date, c: dt.date, d: dt.date
):
    old = _row(min(a, b), max(a, b) + dt.timedelta(days=1))
    new = _row(min(c, d), max(c, d) + dt.timedelta(days=1), "2")
    rest = reference.remains([old], [new])

    def days(row: FactorRow) -> set[dt.date]:
        assert row.valid_to is not None
        return {
            row.valid_from + dt.timedelta(days=n)
            for n in range((row.valid_to - row.valid_from).days)
        }

    kept: set[dt.date] = set().union(*(days(row) for row in rest)) if rest else set()
    assert kept == days(old) - days(new)


def _viewer(site: Site) -> Viewer:
    return Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)


@pytest.mark.django_db
def test_an_operators_factor_is_its_own_and_stands_before_the_installations():
    mine, other = factories.make_site(), factories.make_site()
    day = dt.date(2025, 6, 1)
    operations.load_emission_factors(rows=[_row(dt.date(2024, 1, 1), None, "0.3")], at=LATER)
    own = [_row(dt.date(2025, 1, 1), dt.date(2026, 1, 1), "0.5")]

    steps = queries.factor_plan(viewer=_viewer(mine), rows=own)
    operations.load_emission_factors(rows=own, at=LATER, operator_id=mine.operator_id)

    assert [step.fate for step in steps] == [Fate.NEW]
    factors = queries.Factors([mine, other])
    assert factors.on(site=mine, day=day).kg_per_kwh == Decimal("0.5")
    assert factors.on(site=other, day=day).kg_per_kwh == Decimal("0.3")
    assert factors.on(site=mine, day=dt.date(2024, 6, 1)).kg_per_kwh == Decimal("0.3")
    assert queries.emission_factors(viewer=_viewer(mine)).count() == 2
    assert queries.emission_factors(viewer=_viewer(other)).count() == 1
    tenant = Viewer(1, mine.operator_id, Kind.TENANT, Role.ADMIN)
    assert not queries.emission_factors(viewer=tenant).exists()


@pytest.mark.django_db
def test_a_superseded_row_goes_on_for_its_other_days():
    site = factories.make_site()
    first = [_row(dt.date(2024, 1, 1), dt.date(2027, 1, 1), "0.3")]
    second = [_row(dt.date(2025, 1, 1), dt.date(2026, 1, 1), "0.5")]
    given: dict[str, Any] = {"at": LATER, "operator_id": site.operator_id}

    assert operations.load_emission_factors(rows=first, **given) == 1
    assert operations.load_emission_factors(rows=second, **given) == 1
    assert operations.load_emission_factors(rows=second, **given) == 0

    factors = queries.Factors([site])
    found = [factors.on(site=site, day=dt.date(y, 6, 1)).kg_per_kwh for y in (2024, 2025, 2026)]
    assert found == [Decimal("0.3"), Decimal("0.5"), Decimal("0.3")]
    assert EmissionFactor.objects.filter(superseded_at__isnull=False).count() == 1
    assert queries.emission_factors(viewer=_viewer(site), superseded="yes").count() == 4


@pytest.mark.django_db
def test_rules_are_chosen_by_country_start_and_day_and_drafts_only_when_asked():
    assert shipped.load_kpi_rules(at=LATER) == KpiRule.objects.count() > 10
    assert shipped.load_kpi_rules(at=LATER) == 0
    old, new, abroad = (factories.make_site(country=c) for c in ("DE", "DE", "GB"))
    old.started_on, new.started_on = dt.date(2024, 3, 1), dt.date(2027, 8, 31)
    rules = queries.Rules([old, new, abroad])
    day = dt.date(2026, 11, 1)

    assert [(t.rule.value, t.binds_from) for t in rules.of(old, "enefg.pue.max", on=day)] == [
        (Decimal("1.5"), dt.date(2027, 7, 1)), (Decimal("1.3"), dt.date(2030, 7, 1)),
    ]  # fmt: skip
    (erf,) = rules.of(new, "enefg.erf.min", on=day)
    assert (erf.rule.value, erf.binds_from) == (Decimal("0.15"), dt.date(2029, 8, 31))
    assert rules.of(abroad, "enefg.pue.max", on=day) == []
    assert rules.value(old, "enefg.pue.max", on=day) is None
    assert rules.value(old, "enefg.ref.min", on=day) == Decimal("0.5")
    assert rules.value(old, "enefg.ref.min", on=dt.date(2027, 1, 1)) == 1
    assert rules.value(abroad, "eed.report.it_kw", on=day) is None
    assert rules.value(abroad, "benchmark.pue", on=day) == Decimal("1.58")
    with_drafts = queries.Rules([old], drafts=True).of(old, "enefg.pue.max", on=day)
    assert [t.rule.value for t in with_drafts if t.is_draft] == [Decimal("1.6"), Decimal("1.4")]


@pytest.mark.django_db
def test_a_rule_is_superseded_and_never_edited():
    site = factories.make_site()
    row = reference_csv.read_rules(_file(RULE)).rows
    newer = reference_csv.read_rules(_file(RULE | {"value": "1.2"})).rows
    given: dict[str, Any] = {"at": LATER, "operator_id": site.operator_id}
    operations.load_kpi_rules(rows=row, **given)

    assert [s.fate for s in queries.rule_plan(viewer=_viewer(site), rows=newer)] == [
        Fate.SUPERSEDES
    ]
    operations.load_kpi_rules(rows=newer, **given)

    assert queries.Rules([site]).value(site, "own.pue.max", on=LATER.date()) == Decimal("1.2")
    for change in (
        lambda: KpiRule.objects.update(value=1),
        lambda: KpiRule.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
