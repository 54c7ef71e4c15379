import datetime as dt
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.domain import accuracy, calibration, heat, losses, units
from telemetry.domain.calibration import CalibrationState
from telemetry.domain.heat import FlowSensor, Verdict

CELSIUS = st.floats(min_value=1, max_value=110, allow_nan=False)


def test_no_difference_is_no_heat_and_no_division():
    assert heat.coefficient(50, 50, FlowSensor.OUTLET) == 0
    assert heat.energy(1.0, 50, 50, FlowSensor.OUTLET) == 0


def test_water_that_was_warmed_does_not_count_as_heat():
    kwh = heat.energy([1, 1], [60, 30], [40, 40], FlowSensor.OUTLET)

    assert kwh[0] > 20
    assert kwh[1] == 0


def test_glycol_is_refused_and_water_is_not():
    with pytest.raises(heat.NotWater):
        heat.coefficient(60, 40, FlowSensor.OUTLET, fluid="glycol")


@given(warm=CELSIUS, cold=CELSIUS)
def test_an_array_gives_the_same_as_single_figures_and_stays_near_water(warm: float, cold: float):
    whole = heat.energy([2.0, 3.0], [warm, warm], [cold, cold], FlowSensor.INLET)
    single = heat.energy(2.0, warm, cold, FlowSensor.INLET)

    assert np.isclose(whole[0], single, rtol=1e-12)
    assert np.isclose(whole[1], single * 1.5, rtol=1e-12)
    if abs(warm - cold) > 0.01:
        assert 1.09 < heat.coefficient(warm, cold, FlowSensor.INLET) < 1.18


def test_the_wrong_pipe_costs_almost_a_per_cent():
    inlet = heat.coefficient(60, 40, FlowSensor.INLET)
    outlet = heat.coefficient(60, 40, FlowSensor.OUTLET)

    assert outlet / inlet == pytest.approx(1.00916, abs=1e-4)


@pytest.mark.parametrize(
    ("register", "covered", "verdict"),
    [
        (100.0, 1.0, Verdict.OK),
        (103.5, 1.0, Verdict.WARN),
        (106.0, 1.0, Verdict.FAIL),
        (106.0, 0.89, Verdict.TOO_FEW),
        (94.0, 0.9, Verdict.FAIL),
    ],
)
def test_a_register_is_judged_by_volume_and_temperatures(
    register: float, covered: float, verdict: Verdict
):
    found = heat.cross_check(register, 100.0, covered=covered, resolution_kwh=1)

    assert found.verdict == verdict


def test_two_steps_of_the_register_are_no_failure():
    # A megawatt-hour meter in a mild hour.
    found = heat.cross_check(11.0, 10.0, covered=1, resolution_kwh=10)

    assert found.verdict == Verdict.WARN


def test_heat_cannot_exceed_what_went_in():
    assert heat.balances(102, 100, 0)
    assert not heat.balances(103, 100, 0)
    assert heat.balances(125, 100, 23)


def test_volume_weighted_temperature_from_the_meters_own_registers():
    assert heat.mean_temperature(Decimal(23750), Decimal(250)) == 95
    assert heat.mean_temperature(Decimal(0), Decimal(0)) is None


def test_far_below_its_range_a_meter_has_no_limit():
    slow = accuracy.permissible_error(accuracy_class=2, dt_min=3, dt=20, qp=1.5, q=0.01, qi=0.015)
    crawling = accuracy.permissible_error(accuracy_class=2, dt_min=3, dt=5, qp=1.5, q=0.005)

    assert slow.total is None
    assert slow.in_service is None
    assert crawling.flow == 5


@pytest.mark.parametrize(
    ("verified", "years", "end_of_year", "due"),
    [
        ("2026-05-12", 6, True, "2032-12-31"),
        ("2026-05-12", 4, False, "2030-05-12"),
        ("2024-02-29", 5, False, "2029-02-28"),
    ],
)
def test_a_verification_ends_as_the_country_says(
    verified: str, years: int, end_of_year: bool, due: str
):
    found = calibration.due_date(
        dt.date.fromisoformat(verified), years=years, end_of_year=end_of_year
    )

    assert found == dt.date.fromisoformat(due)


def test_a_verification_holds_on_its_last_day():
    due = dt.date(2032, 12, 31)

    assert calibration.state_on(due, due) == CalibrationState.SOON
    assert calibration.state_on(due, dt.date(2033, 1, 1)) == CalibrationState.EXPIRED
    assert calibration.state_on(due, dt.date(2030, 1, 1)) == CalibrationState.VALID
    assert calibration.state_on(None, due) == CalibrationState.UNKNOWN


def test_a_loss_never_turns_heat_into_a_debt():
    method = losses.LossMethod
    some = Decimal(5)

    assert losses.delivered(
        some, method.CONST_KW, loss_kw=Decimal(1), warm_hours=Decimal(9)
    ) == Decimal(0)
    with pytest.raises(ValueError, match="power"):
        losses.delivered(some, method.CONST_KW)
    with pytest.raises(ValueError, match="share"):
        losses.delivered(some, method.PERCENT)


def test_a_buried_pipe_of_the_reference():
    kw = losses.pipe_loss_kw(u=0.15, supply_c=60, return_c=40, ground_c=10, length_m=25)

    assert kw == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("amount", "unit", "kwh"),
    [("3.6", "MJ", "1"), ("3600000", "J", "1"), ("1", "Gcal", "1163"), ("3600", "kJ", "1")],
)
def test_units_of_frames_are_exact(amount: str, unit: str, kwh: str):
    assert units.to_kwh(Decimal(amount), unit) == Decimal(kwh)


def test_litres_and_pulses_of_water():
    assert units.to_base(Decimal(250), "l", base=units.VOLUME) == Decimal("0.25")
    assert units.to_base(Decimal(40), "pulse", Decimal("0.01"), base=units.VOLUME) == Decimal("0.4")
    with pytest.raises(units.UnknownUnit):
        units.to_base(Decimal(1), "kWh", base=units.VOLUME)
