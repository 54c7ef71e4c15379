"""
The drawings, against golden files and by their rules. WRITE_GOLDEN=1 writes the files anew: look at
the difference before committing it.
"""

import datetime as dt
import os
import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
import typst

from portal.charts import (
    Bar,
    Chart,
    Dot,
    Extreme,
    Flow,
    HourCell,
    Limit,
    Line,
    Mark,
    Node,
    Part,
    Point,
    QualityCell,
    Stack,
    Step,
    UptimeDay,
    hour_map,
    line_chart,
    month_bars,
    nice_ticks,
    quality_strip,
    sankey,
    scatter,
    stacked_bars,
    uptime_strip,
    waterfall,
)

GOLDEN = Path(__file__).with_name("charts")
LONDON = ZoneInfo("Europe/London")
MIDNIGHT = dt.datetime(2025, 10, 24, 23, tzinfo=dt.UTC)


def _number(value) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _day(date: dt.date) -> str:
    return f"{date.day} {date:%b}"


def _month(date: dt.date) -> str:
    return f"{date:%b}"


def _months(**options) -> Chart:
    bars = [
        Bar("Aug", Decimal(8911), before=9600, title="August 2025"),
        Bar("Sep", None, before=13800, title="September 2025"),
        Bar("Oct", Decimal(17772), estimated=Decimal(700), before=18200, title="October 2025"),
    ]
    return month_bars(bars, unit="kWh", number=_number, **options)


def _uptime(**options) -> Chart:
    days = [
        UptimeDay(1440, started=False),
        UptimeDay(1440, title="25 October"),
        UptimeDay(1500, lost=1),
        UptimeDay(1440, lost=720, reduced=360),
        UptimeDay(1440, unknown=1440),
        UptimeDay(615, unknown=100, today=True),
    ]
    return uptime_strip(days, **options)


def _quality(**options) -> Chart:
    words = ("before", "actual", "scaled", "estimated", "suspect", "missing")
    return quality_strip([QualityCell(word) for word in words], **options)


def _temperatures(**options) -> Chart:
    supply = [61, 62, None, 60, None, 58, 59, 61]
    points = [
        Point(MIDNIGHT + dt.timedelta(hours=6 * i), value, estimated=i == 6)
        for i, value in enumerate(supply)
    ]
    cold = [Point(point.at, 41) for point in points]
    return line_chart(
        [Line("Supply", "heat", points), Line("Return", "elec", cold)],
        zone=LONDON,
        unit="°C",
        number=_number,
        day=_day,
        month=_month,
        limits=[Limit(55, "Agreed 55 °C")],
        **options,
    )


def _stacks(**options) -> Chart:
    return stacked_bars(
        [
            Stack("1", (10, 5), "1 October"),
            Stack("2", (12, None), "2 October"),
            Stack("3", (None, None), "3 October"),
        ],
        parts=[Part("Delivered", "heat"), Part("Not needed", "lost")],
        unit="kWh",
        number=_number,
        **options,
    )


def _hours(**options) -> Chart:
    shares = [(0, 0, 0), (0, 1, 0.5), (1, 0, 1), (1, 1, None)]
    return hour_map([HourCell(*place) for place in shares], **options)


NODES = [
    Node("solar", "Own solar", "solar", 0),
    Node("grid", "Grid", "elec", 0),
    Node("it", "Servers", "it", 1),
    Node("other", "Cooling and other", "lost", 1),
    Node("captured", "Captured to water", "heat", 2),
    Node("missed", "Not captured", "lost", 2),
    Node("delivered", "Delivered to pool", "heat", 3),
    Node("pipe", "Pipe loss", "lost", 3),
    Node("rejected", "Not needed, rejected", "lost", 3),
]


def _flows(rejected: float | None) -> list[Flow]:
    return [
        Flow("solar", "it", 22_000),
        Flow("grid", "it", 201_380),
        Flow("grid", "other", 26_806),
        Flow("it", "captured", 202_427),
        Flow("it", "missed", 20_953),
        Flow("captured", "delivered", 179_556),
        Flow("captured", "pipe", 2_628),
        Flow("captured", "rejected", rejected),
    ]


def _energy(rejected: float | None = 20_243, **options) -> Chart:
    return sankey(
        NODES,
        _flows(rejected),
        unit="kWh",
        number=_number,
        remainder="Not accounted for",
        **options,
    )


def _difference(**options) -> Chart:
    steps = [Step("Energy delivered", Decimal("412.50")), Step("Monthly fee", Decimal("-96"))]
    return waterfall(
        start=Step("Billed", Decimal(2400)), steps=steps, end="Simulated", number=_number, **options
    )


def _fits(**options) -> Chart:
    dots = [Dot(x, y, title=f"{x} °C") for x, y in ((12, 9.0), (15.5, 4.2), (18, 6.5))]
    return scatter(
        dots, x_unit="°C", y_unit="%", x_number=_number, y_number=_number,
        line=[(dot.x, dot.y) for dot in dots], mark=Mark(15.5, "15.5 °C"), **options,
    )  # fmt: skip


DRAWINGS = {
    "month_bars": _months,
    "uptime_strip": _uptime,
    "quality_strip": _quality,
    "line_chart": _temperatures,
    "stacked_bars": _stacks,
    "sankey": _energy,
    "hour_map": _hours,
    "waterfall": _difference,
    "scatter": _fits,
}


@pytest.mark.parametrize("document", [False, True], ids=["page", "document"])
@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_is_the_golden_one(name, document):
    chart = DRAWINGS[name](label="The sentence", document=document)
    drawn = str(chart.svg).replace("><", ">\n<") + "\n"
    file = GOLDEN / f"{name}{'-document' if document else ''}.svg.txt"
    if os.environ.get("WRITE_GOLDEN"):
        file.write_text(drawn)

    assert drawn == file.read_text()


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_keeps_the_rules_of_pages(name):
    chart = DRAWINGS[name](label='Heat <"used">')
    hidden = DRAWINGS[name]()

    for drawing in (chart.wide, chart.narrow):
        root = ElementTree.fromstring(drawing)  # noqa: S314 our own markup
        assert root.get("role") == "img"
        assert root.get("aria-label") == 'Heat <"used">'
        # No id could be double on a page with two drawings; no style could break the policy.
        assert not re.search(r"\b(id|style|fill|stroke|font-size)=", drawing)
    assert chart.narrow.startswith("<svg")
    assert 'viewBox="0 0 320 ' in chart.narrow
    assert 'aria-hidden="true"' in hidden.wide
    assert "role=" not in hidden.svg


def test_documents_print_every_drawing(tmp_path):
    for name, draw in DRAWINGS.items():
        (tmp_path / f"{name}.svg").write_text(draw(document=True).svg)
    text = "\n".join(f'#image("{name}.svg", width: 12cm)' for name in DRAWINGS)
    (tmp_path / "charts.typ").write_text(text)

    pdf = typst.compile(str(tmp_path / "charts.typ"))

    assert pdf.startswith(b"%PDF")


def test_month_without_value_is_hatched_and_has_no_bar():
    chart = _months()

    assert "September 2025: no data" in chart.wide
    assert chart.missing == 1
    assert chart.total == Decimal(26683)
    assert chart.highest == Extreme("October 2025", Decimal(17772))
    assert chart.lowest == Extreme("August 2025", Decimal(8911))
    assert chart.wide.count("hatch-bg") == 1
    assert ">17,772</text>" in chart.wide


def test_a_minute_lost_is_seen_but_does_not_paint_the_day():
    one_minute = uptime_strip([UptimeDay(1440, lost=1)]).wide
    half_a_day = uptime_strip([UptimeDay(1440, lost=720)]).wide
    nothing = uptime_strip([UptimeDay(1440)]).wide

    assert 'class="down" x="100.8" y="36"' in one_minute
    assert 'height="4"' in one_minute
    assert 'y="20"' in half_a_day
    assert "down" not in nothing


def test_day_before_the_start_is_neither_up_nor_without_data():
    strip = uptime_strip([UptimeDay(1440, started=False)])

    assert 'class="before"' in strip.wide
    assert 'class="up"' not in strip.wide
    assert "hatch" not in strip.wide
    assert strip.missing == 0


def test_day_nobody_observed_is_not_green():
    strip = uptime_strip([UptimeDay(1440, unknown=1440)])

    assert 'class="up"' not in strip.wide
    assert "hatch-line" in strip.wide
    assert strip.missing == 1


def test_line_leaves_gaps_open_and_draws_the_point_between_two_gaps():
    chart = _temperatures()

    supply = re.findall(r'<path class="l-heat( guess)?" d="([^"]+)"', chart.wide)
    assert [(bool(guess), d.count("L")) for guess, d in supply] == [(False, 1), (True, 2)]
    assert chart.wide.count("<circle") == 1
    assert chart.missing == 2


def test_points_too_far_apart_are_not_joined():
    points = [Point(MIDNIGHT + dt.timedelta(hours=hour), 5) for hour in (0, 1, 9, 10)]
    chart = line_chart(
        [Line("Heat", "heat", points)],
        zone=LONDON,
        unit="kW",
        number=_number,
        day=_day,
        month=_month,
        max_gap=dt.timedelta(hours=2),
    )

    assert chart.wide.count('class="l-heat"') == 2


def test_ticks_stand_at_local_midnight_over_the_change_of_the_clocks():
    # 25 to 28 October 2025 in London: the 26th has 25 hours.
    points = [Point(MIDNIGHT + dt.timedelta(hours=hour), hour) for hour in range(74)]
    chart = line_chart(
        [Line("Heat", "heat", points)],
        zone=LONDON,
        unit="kW",
        number=_number,
        day=_day,
        month=_month,
    )

    ticks = [float(x) for x in re.findall(r'class="base" d="M([\d.]+) 234L', chart.wide)][1:]
    lengths = [after - before for before, after in pairwise(ticks)]
    assert "26 Oct" in chart.wide
    assert lengths[1] / lengths[0] == pytest.approx(25 / 24, abs=0.01)


def test_column_with_an_unknown_part_has_no_sum():
    chart = _stacks()

    assert chart.total == 15
    assert chart.missing == 2
    assert chart.wide.count("hatch-bg") == 2


def test_flows_that_balance_have_no_remainder():
    assert "Not accounted for" not in _energy().svg
    assert len(_energy().flows) == len(_flows(0))


def test_what_does_not_come_out_is_drawn_and_listed():
    chart = _energy(rejected=10_243)

    assert chart.wide.count("Not accounted for") == 2  # label, and hint of the band
    assert "Not accounted for" in chart.narrow
    assert chart.flows[-1] == ("Captured to water", "Not accounted for", 10_000)


def test_more_out_than_in_comes_from_nowhere_known():
    chart = _energy(rejected=20_343)

    assert chart.flows[-1] == ("Not accounted for", "Captured to water", 100)


def test_flow_that_was_not_measured_is_no_zero_and_hides_no_remainder():
    chart = _energy(rejected=None)

    assert "Not accounted for" not in chart.svg
    assert chart.missing == 1
    assert chart.flows[-1][2] is None
    assert ">–</text>" in chart.narrow


def test_flow_to_a_node_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="tank"):
        sankey(NODES, [Flow("it", "tank", 1)], unit="kWh", number=_number, remainder="Rest")


def test_links_of_a_drawing_are_left_to_the_table_for_the_keyboard():
    chart = month_bars(
        [Bar("Oct", 1, href="/heat/usage/?month=2025-10&x=1")],
        unit="kWh",
        number=_number,
        label="Heat",
    )

    assert '<a href="/heat/usage/?month=2025-10&amp;x=1" tabindex="-1">' in chart.wide
    assert 'aria-hidden="true"' in chart.wide


@pytest.mark.parametrize(
    ("lowest", "highest", "ticks"),
    [
        (0, 22.1, [0, 5, 10, 15, 20, 25]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-3, 7, [-4, -2, 0, 2, 4, 6, 8]),
        (0, 1_000_000, [0, 200_000, 400_000, 600_000, 800_000, 1_000_000]),
        (57.1, 57.3, [57.1, 57.15, 57.2, 57.25, 57.3]),
    ],
)
def test_axis_has_round_numbers(lowest, highest, ticks):
    assert nice_ticks(lowest, highest) == ticks


def test_a_waterfall_ends_where_its_steps_lead():
    chart = _difference()

    assert chart.total == Decimal("2716.50")
    assert chart.highest == Extreme("Energy delivered", Decimal("412.50"))
    assert "Simulated: 2,716" in chart.wide
    assert "Monthly fee: -96" in chart.wide
    assert chart.wide.count("f-it") == 2
    down = waterfall(start=Step("a", 5), steps=[Step("b", -9)], end="c", number=_number)
    assert down.total == -4
    assert "c: -4" in down.wide
