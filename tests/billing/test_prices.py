"""
Price clauses, tiers, shared savings, pools and credits: the worked invoices to the cent, and what
always holds.
"""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain import baseline, credits, indexation, tiers
from billing.domain.money import to_cents

D = Decimal
ZERO = D(0)


def _standby() -> indexation.Clause:
    return indexation.Clause(
        base_price=D("14.50"),
        fixed=D("0.20"),
        parts=(
            indexation.Part("wages", D("0.40"), D("118.2")),
            indexation.Part("electricity", D("0.40"), D("96.40")),
        ),
        collar=D("0.05"),
    )


def test_an_indexed_standby_fee_with_its_service_credit():
    # GT-1, October 2025, 745 hours.
    found = indexation.price(_standby(), {"wages": D("121.7"), "electricity": D("88.10")})
    fee = to_cents(30 * found.price)
    promise = credits.StepCredit(target=D(98), step=D("0.5"), per_step=D(2))

    assert found.price == D("14.1724")
    assert round(found.factor, 12) == D("0.977404497616")
    assert fee == D("425.17")
    assert to_cents(D("1412.5") * D("0.0385")) == D("54.38")
    assert promise.of(fee, up=726, counted=745) == (1, D("8.50"))
    assert promise.of(fee, up=726, counted=744) == (0, ZERO)


def test_a_collar_holds_a_price_that_would_rise_further():
    # GT-1c.
    found = indexation.price(_standby(), {"wages": D("124.0"), "electricity": D("118.00")})

    assert found.price == D("15.2250")
    assert found.binding is indexation.Binding.COLLAR
    assert to_cents(30 * found.price) == D("456.75")


def test_the_published_formula_of_stadtwerke_hall():
    # GT-7.
    basic = indexation.Clause(
        D(1),
        D(0),
        (indexation.Part("a", D("0.5"), D(100)), indexation.Part("b", D("0.5"), D("99.6"))),
    )
    energy = indexation.Clause(
        D(1),
        D(0),
        (
            indexation.Part("gas", D("0.4"), D("71.05")),
            indexation.Part("oil", D("0.3"), D("100.1")),
            indexation.Part("a", D("0.15"), D(100)),
            indexation.Part("b", D("0.15"), D("99.6")),
        ),
    )
    values = {"a": D("105.57"), "b": D("111.53"), "gas": D("73.30"), "oil": D("93.71")}

    assert round(indexation.factor(basic, values), 6) == D("1.087740")
    assert round(indexation.factor(energy, values), 6) == D("1.019838")


def test_a_missing_index_is_named_and_shares_must_add_up():
    with pytest.raises(indexation.IndexMissing, match="electricity"):
        indexation.price(_standby(), {"wages": D(120)})
    with pytest.raises(ValueError, match="add up to 1"):
        indexation.Clause(D(1), D("0.5"), (indexation.Part("x", D("0.4"), D(100)),))


def test_a_small_move_leaves_the_price_and_a_floor_is_the_last_word():
    clause = indexation.Clause(
        D("0.05"), D(0), (indexation.Part("x", D(1), D(100)),), deadband=D("0.02"), floor=D("0.04")
    )

    kept = indexation.price(clause, {"x": D(101)}, before=D("0.05"))
    fallen = indexation.price(clause, {"x": D(60)}, before=D("0.05"))

    assert (kept.price, kept.binding) == (D("0.0500"), indexation.Binding.DEADBAND)
    assert (fallen.price, fallen.binding) == (D("0.0400"), indexation.Binding.FLOOR)


def test_the_reference_period_of_a_year_and_of_a_month():
    year = indexation.Reference(start=-15, months=12, yearly=True)
    month = indexation.Reference(start=-3)

    found = year.of(dt.date(2026, 7, 1))

    assert (found[0], found[-1]) == (dt.date(2024, 10, 1), dt.date(2025, 9, 1))
    assert month.of(dt.date(2026, 2, 1)) == [dt.date(2025, 11, 1)]
    with pytest.raises(indexation.IndexMissing, match="gas for October 2024"):
        indexation.mean("gas", {}, found)


TIERS = [
    tiers.Tier(D(5000), D("0.0520")),
    tiers.Tier(D(10_000), D("0.0475")),
    tiers.Tier(None, D("0.0430")),
]


def test_three_tiers_and_a_year_below_its_minimum():
    # GT-2: 12,412.725 kWh at the source less 3.2 %.
    delivered = (D("12412.725") * (1 - D("0.032"))).quantize(D("0.001"))
    parts = tiers.graduated(delivered, TIERS)

    assert [to_cents(kwh * tier.price) for tier, kwh in parts] == [
        D("260.00"), D("237.50"), D("86.67"),
    ]  # fmt: skip
    # GT-2b and GT-2c.
    more = tiers.graduated(D("12055.399"), TIERS)
    assert to_cents(more[2][1] * more[2][0].price) == D("88.38")
    assert to_cents(tiers.shortfall(D("83512.250"), D(90_000)) * D("0.0430")) == D("278.97")
    assert tiers.shortfall(D(95_000), D(90_000)) == 0


def test_a_volume_price_holds_for_the_whole_quantity():
    assert tiers.volume(D(7000), TIERS) == [(TIERS[1], D(7000))]
    assert tiers.volume(D(100), TIERS, taken=D(10_000)) == [(TIERS[2], D(100))]


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [tiers.Tier(D(5), D(1))],
        [tiers.Tier(None, D(1)), tiers.Tier(None, D(2))],
        [tiers.Tier(D(5), D(1)), tiers.Tier(D(5), D(1)), tiers.Tier(None, D(1))],
    ],
)
def test_tiers_that_leave_a_gap_are_refused(wrong: list[tiers.Tier]):
    with pytest.raises(ValueError, match="tier"):
        tiers.graduated(D(1), wrong)


kwh = st.decimals(0, 10**6, places=3)


@given(steps=st.lists(kwh, min_size=1, max_size=6))
def test_tiers_over_a_year_are_the_tiers_of_the_sum(steps: list[Decimal]):
    taken = D(0)
    billed = D(0)
    for step in steps:
        billed += sum((k * t.price for t, k in tiers.graduated(step, TIERS, taken=taken)), D(0))
        taken += step

    assert billed == sum((k * t.price for t, k in tiers.graduated(taken, TIERS)), D(0))


NIGHT = tiers.Band("night", D("0.04"), first_hour=0, end_hour=6)
DAY = tiers.Band("day", D("0.06"))


@given(hours=st.lists(kwh, min_size=25, max_size=25).filter(any))
def test_bands_add_up_to_the_meter_on_a_day_of_25_hours(hours: list[Decimal]):
    zone = ZoneInfo("Europe/Berlin")
    start = dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC)
    local = [(start + dt.timedelta(hours=n)).astimezone(zone) for n in range(25)]

    shared = tiers.by_band(zip(local, hours, strict=True), [NIGHT, DAY], total=sum(hours, D(0)))

    assert sum(part for _, part in shared) == sum(hours)
    # The clock shows the hour from 2 to 3 twice, and both count as night.
    assert abs(shared[0][1] - sum(hours[:7])) <= D("0.001")


BOILER = baseline.Boiler(
    efficiency=D("0.86"),
    fuel_price=D("0.0689"),
    carbon_kg_per_kwh=D("0.182"),
    carbon_price=D(60),
    maintenance_per_year=D(1140),
)


def _february(carried: Decimal = ZERO) -> baseline.MonthOfSavings:
    return baseline.month_of_savings(
        base_kwh=D(85), slope_kwh=D("18.4"), days=28, degree_days=D("412.6"), boiler=BOILER,
        actual=baseline.Actual(D(1830), D(420), D("0.2410")), carried=carried,
    )  # fmt: skip


def test_a_month_of_shared_savings():
    # GT-3.
    month = _february()

    assert month.baseline_kwh == D("9971.840")
    assert month.baseline_fuel_kwh == D("11595.163")
    assert (month.baseline_cost, month.actual_cost) == (D("1020.53"), D("247.29"))
    assert to_cents(month.charged_on * D("0.45")) == D("347.96")
    assert month.carried == 0


def test_a_loss_is_carried_over_and_never_charged():
    # GT-3b.
    assert to_cents(_february(D(-120)).charged_on * D("0.45")) == D("293.96")

    deep = _february(D(-1000))
    assert (deep.charged_on, deep.carried) == (ZERO, D("-226.76"))


def test_a_baseline_that_fits_badly_is_not_accepted():
    wild = baseline.fit([30] * 6, [100, 200, 300, 100, 200, 300], [900, 100, 2000, 100, 2500, 50])
    steady = baseline.fit([30] * 4, [100, 200, 300, 400], [400, 500, 600, 701])

    assert not wild.accepted
    assert steady.accepted
    with pytest.raises(ValueError, match="different weather"):
        baseline.fit([30] * 3, [100] * 3, [1, 2, 3])


def test_heat_revenue_goes_back_to_the_cent():
    # GT-4.
    amount = credits.pool(D("584.17"), share=D(30))
    shares = credits.shared_pool(
        amount, {1: D("7905.300"), 2: D("4210.775"), 3: D("2118.050")}
    )  # fmt: skip

    assert amount == D("175.25")
    assert shares == {1: D("97.33"), 2: D("51.84"), 3: D("26.08")}
    assert credits.shared_pool(D("100.00"), dict.fromkeys([1, 2, 3], D(1))) == {
        1: D("33.34"), 2: D("33.33"), 3: D("33.33"),
    }  # fmt: skip
    assert credits.shared_pool(D("100.00"), {1: D(0), 2: D(0)}) == {1: 0, 2: 0}


def test_only_what_attributes_cover_is_billed():
    # GT-5 and GT-5b.
    used = D("9328.254")

    assert to_cents(credits.covered(used, D(9512)) * D("0.0035")) == D("32.65")
    assert to_cents(credits.covered(used, D(8512)) * D("0.0035")) == D("29.79")
    assert credits.covered(used, D(-1)) == 0


def test_credit_notes_together_credit_the_tax_that_was_charged():
    # GT-6, with the figures of a known fault elsewhere: per item they would credit 335.00.
    nets = [D("68.33"), D("57.50"), D("85.00"), D("68.33")]

    assert credits.partial_tax(nets, rate=D(20)) == [
        D("13.67"), D("11.50"), D("17.00"), D("13.66"),
    ]  # fmt: skip


@given(
    nets=st.lists(st.decimals(0, 10**5, places=2), min_size=1, max_size=8),
    rate=st.sampled_from([D(0), D(7), D(19), D(20), D("5.5")]),
)
def test_partial_credits_never_leave_a_cent(nets: list[Decimal], rate: Decimal):
    taxes = credits.partial_tax(nets, rate=rate)

    assert sum(taxes) == to_cents(sum(nets, D(0)) * rate / 100)
