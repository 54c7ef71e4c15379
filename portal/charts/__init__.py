"""
Charts as SVG, made on the server: they work without script, in print and in documents.

Pure functions of plain values. Missing is drawn as missing, never as zero and never as fine.
"""

from portal.charts._axis import nice_ticks
from portal.charts._pen import Chart, Extreme, Svg
from portal.charts.bars import Bar, Part, Stack, month_bars, stacked_bars
from portal.charts.flows import Flow, Node, sankey
from portal.charts.hours import HourCell, hour_map
from portal.charts.lines import Limit, Line, Point, line_chart
from portal.charts.scatter import Dot, Mark, scatter
from portal.charts.strips import QualityCell, UptimeDay, quality_strip, uptime_strip
from portal.charts.waterfall import Step, waterfall

__all__ = [
    "Bar",
    "Chart",
    "Dot",
    "Extreme",
    "Flow",
    "HourCell",
    "Limit",
    "Line",
    "Mark",
    "Node",
    "Part",
    "Point",
    "QualityCell",
    "Stack",
    "Step",
    "Svg",
    "UptimeDay",
    "hour_map",
    "line_chart",
    "month_bars",
    "nice_ticks",
    "quality_strip",
    "sankey",
    "scatter",
    "stacked_bars",
    "uptime_strip",
    "waterfall",
]
