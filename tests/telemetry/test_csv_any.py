"""
Whatever somebody sends as a table: it is read or refused with a reason, never a crash.
"""

import io
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.formats import NotReadable
from telemetry.formats.csv_detect import guess
from telemetry.formats.csv_mapped import read_mapped
from telemetry.formats.csv_preview import preview
from telemetry.formats.csv_spec import BadMapping, Spec, spec_of

STAMPS = ["2024-10-27 02:00", "2024-03-31 02:30", "2024-01-01T00:00Z", "9999-12-31 23:59:59",
          "0001-01-01",
          "27.10.24 02:00", "Jan 1, 2024 12:00 AM", "1700000000", "x", ""]  # fmt: skip
FIGURES = ["1", "1,5", "1.234,5", "-", "?", "", "NaN", "1e9", "9" * 30, "\0", '"', "12.5"]
CELLS = st.sampled_from([*STAMPS, *FIGURES]) | st.text(max_size=6)
TABLES = st.builds(
    lambda head, rows, comma, end: end.join([head, *(comma.join(row) for row in rows)]),
    st.sampled_from(["time,a,b", "time;a;b", "a\tb", "", "time,time,a"]),
    st.lists(st.lists(CELLS, max_size=4), max_size=12),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
SPECS: list[dict[str, Any]] = [
    {"time": {"columns": ["time"], "zone": "Europe/Berlin"},
     "values": [{"column": "a", "channel": "x.a", "unit": "MWh"},
                {"column": "b", "channel": "{a}.b", "decimals": 2}]},
    {"header_lines": 0, "separator": ";", "decimal": ",", "thousands": ".", "footer_lines": 2,
     "skip_lines": 1, "missing": ["", "?"], "skip_starting_with": ["x"],
     "time": {"columns": ["#1", "#2"], "format": "%d.%m.%y %H:%M", "zone": "-03:30"},
     "values": [{"column": "#3", "channel": "{#1}/{#2}", "unit_column": "#2"}],
     "channels": {"1/1": "x.a"}, "unlisted": "skip"},
    {"separator": "\t", "time": {"columns": ["a"], "format": "unix"},
     "values": [{"column": "b", "channel": "x.b"}]},
]  # fmt: skip


@settings(max_examples=200)
@given(text=TABLES, spec=st.sampled_from(SPECS))
def test_any_table_is_read_or_refused(text: str, spec: dict[str, Any]):
    data = text.encode("utf-8", "replace")
    parts = []
    try:
        for columns in read_mapped(io.BytesIO(data), spec_of(spec), {"x.a": ["kWh"]}):
            parts.append(columns)
    except NotReadable:
        return

    for columns in parts:
        lengths = {len(columns.numbers), len(columns.channels), len(columns.ats)}
        assert lengths == {len(columns.values)}
        assert all(at is not None and at.endswith("+00:00") for at in columns.ats)
        assert all(refused.detail for _, refused in columns.refused)


@settings(max_examples=200)
@given(data=TABLES.map(lambda text: text.encode("utf-8", "replace")) | st.binary(max_size=200))
def test_any_file_is_guessed_and_previewed(data: bytes):
    spec = guess(data, zone="Europe/Berlin").spec

    preview(data, spec, units={}, known=())

    assert isinstance(spec, Spec)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["iso", ","]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = [
    "separator", "time", "values", "channels", "missing", "skip_rows", "header_lines", "columns",
    "zone", "format", "column", "channel", "unit", "decimals",
]  # fmt: skip


MORE = st.dictionaries(st.sampled_from(KEYS), JSON)


@settings(max_examples=200)
@given(said=st.dictionaries(st.sampled_from(KEYS), JSON | MORE))
def test_any_json_is_a_mapping_or_is_refused(said: dict[str, Any]):
    try:
        spec = spec_of(said)
    except BadMapping:
        return

    assert spec_of(spec.as_json()) == spec
