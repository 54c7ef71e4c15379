"""
Ratios, matching hours, avoided emissions and claims as arithmetic.
"""

import dataclasses
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.domain import attributes, avoided, kpi, matching_hours
from telemetry.domain.avoided import BasesDiffer, Basis, Boiler
from telemetry.domain.matching_hours import Hour

energies = st.decimals(min_value=0, max_value=10**6, places=3)
positive = st.decimals(min_value=1, max_value=10**6, places=3)
parts = st.decimals(min_value=0, max_value=1, places=4)
hours = st.lists(st.builds(Hour, energies, energies, parts), max_size=30)

GAS = Boiler(
    Decimal("0.20196"), Basis.NCV, Decimal("0.90"), Basis.NCV,
    [Decimal("0.03625"), Decimal("0.02"), Decimal("0.05")],
)  # fmt: skip


def _joint(above: Decimal, below: Decimal) -> list[kpi.Joint]:
    return [kpi.Joint(above, below, measured_s=3600, expected_s=3600)]


@given(hours)
def test_an_hours_surplus_covers_no_other_hour(given_hours: list[Hour]):
    found = matching_hours.match(given_hours)

    if found.hourly is None or found.annual is None or found.carbon_free is None:
        assert found.load_kwh == 0
        return
    # Decimals have 28 digits; a share may be off in the last one.
    little = Decimal("1e-20")
    assert 0 <= found.hourly <= found.annual + little
    assert found.hourly <= found.carbon_free + little
    assert found.carbon_free <= 1 + little
    assert found.annual <= 1
    assert found.matched_kwh <= min(found.load_kwh, found.clean_kwh)


def test_what_the_grid_had_is_asked_only_where_something_is_unmatched():
    covered, short = Hour(Decimal(10), Decimal(12)), Hour(Decimal(10), Decimal(4))

    assert matching_hours.match([covered]).carbon_free == 1
    assert matching_hours.match([covered, short]).carbon_free is None
    assert matching_hours.match([covered, short]).hourly == Decimal("0.7")
    assert matching_hours.match([covered, short]).annual == Decimal("0.8")


@given(energies, energies, positive)
def test_more_attributes_than_energy_cover_no_more(bought: Decimal, own: Decimal, used: Decimal):
    found = kpi.ref(_joint(bought + own, used)).value

    assert found is not None
    assert 0 <= found <= 1
    covered = attributes.renewable(bought, own, facility_kwh=used)
    assert covered == min(bought + own, used)
    assert found == covered / used


@given(positive, positive, parts)
def test_ere_is_pue_without_the_reused_part(it: Decimal, more: Decimal, reused: Decimal):
    facility = it + more
    heat = facility * reused

    ere = kpi.ere(_joint(facility - heat, it)).value
    pue = kpi.pue(_joint(facility, it)).value
    erf = kpi.erf(_joint(heat, facility)).value

    assert ere is not None
    assert pue is not None
    assert erf is not None
    assert abs(ere - (1 - erf) * pue) < Decimal("1e-15") * pue


def test_more_reused_heat_than_energy_is_no_figure():
    found = kpi.ere(_joint(Decimal(-1), Decimal(10)))

    assert found.value is None
    assert found.reason is kpi.Reason.IMPLAUSIBLE


def test_figures_without_it_energy_are_none():
    assert kpi.wue(Decimal(4), Decimal(0)) is None
    assert kpi.cue(Decimal(4), Decimal(0)) is None
    assert kpi.it_utilisation([]) is None
    assert kpi.it_efficiency([], []) is None


def test_avoided_emissions_of_the_pool():
    found = avoided.avoided(
        Decimal("179556.2604"), GAS, auxiliary_kwh=Decimal("3020.01"),
        electricity_kg_per_kwh=Decimal("0.363"),
    )  # fmt: skip

    assert round(found.gross_kg, 4) == Decimal("40292.4248")
    assert round(found.net_kg, 4) == Decimal("39196.1612")
    assert round(found.uncertainty, 8) == Decimal("0.06491581")
    assert round(found.claim_kg, 4) == Decimal("36651.7106")


@given(energies, energies, parts, st.lists(parts, max_size=4))
def test_a_claim_is_never_more_than_what_was_avoided(
    heat: Decimal, auxiliary: Decimal, grid: Decimal, uncertain: list[Decimal]
):
    boiler = dataclasses.replace(GAS, uncertainties=uncertain)

    found = avoided.avoided(heat, boiler, auxiliary_kwh=auxiliary, electricity_kg_per_kwh=grid)

    assert found.claim_kg <= found.net_kg <= found.gross_kg
    if found.net_kg <= 0:
        assert found.claim_kg == found.net_kg
    else:
        assert found.claim_kg >= 0


def test_figures_of_different_heating_values_are_not_mixed():
    mixed = dataclasses.replace(GAS, efficiency_basis=Basis.GCV)

    with pytest.raises(BasesDiffer, match="ncv and gcv"):
        avoided.avoided(
            Decimal(1), mixed, auxiliary_kwh=Decimal(0), electricity_kg_per_kwh=Decimal(0)
        )
    with pytest.raises(ValueError, match="above zero"):
        avoided.avoided(
            Decimal(1), dataclasses.replace(GAS, efficiency=Decimal(0)),
            auxiliary_kwh=Decimal(0), electricity_kg_per_kwh=Decimal(0),
        )  # fmt: skip
    with pytest.raises(ValueError, match="more heat"):
        avoided.uplift(Decimal(10), Decimal(1))


@given(energies, st.decimals(min_value="1.1", max_value=7, places=2))
def test_a_heat_pump_gives_its_source_and_its_electricity(source: Decimal, cop: Decimal):
    found = avoided.uplift(source, cop)

    assert abs(found.delivered_kwh - source - found.electricity_kwh) < Decimal("1e-9")


@given(st.lists(parts, max_size=8), parts)
def test_claims_taken_one_after_the_other_never_exceed_the_whole(
    wanted: list[Decimal], last: Decimal
):
    held: list[Decimal] = []
    for share in wanted:
        if attributes.may_claim(share, held):
            held.append(share)

    assert sum(held) <= 1
    assert attributes.remaining(held) == 1 - sum(held)
    assert attributes.may_claim(last, held) == (0 < last <= 1 - sum(held))
