"""
Bytes to rows: what each format makes of well-formed, odd and damaged text.
"""

import csv
import datetime as dt
import gzip
import io
import json
import zlib
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telemetry import formats
from telemetry.formats import lines
from tests import factories


def rows_of(
    name: str, text: str | bytes, **options: str
) -> list[tuple[int, str | None, dt.datetime | None, str | None]]:
    """
    Return the number, channel, instant and value of each row that is not refused.
    """
    return [
        (number, channel, columns.instant(at) if at else None, value)
        for columns in columns_of(name, text, **options)
        for number, channel, at, value in zip(
            columns.numbers, columns.channels, columns.ats, columns.values, strict=True
        )
    ]


def refused_of(name: str, text: str | bytes, **options: str) -> list[tuple[int, str]]:
    return [
        (number, refused.text)
        for columns in columns_of(name, text, **options)
        for number, refused in columns.refused
    ]


def columns_of(name: str, text: str | bytes, **options: str) -> list[formats.Columns]:
    body = text.encode() if isinstance(text, str) else text
    delivery = formats.Delivery(site_id=1, received_at=factories.NOON, options=options)
    return list(formats.FORMATS[name].parse(io.BytesIO(body), delivery))


AT = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
NS = "1735689600000000000"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"pool energy=1000.05 {NS}", [("pool.energy", AT, "1000.05")]),
        (f"heat,point=pool energy=1i,supply=2u {NS}",
         [("pool.energy", AT, "1"), ("pool.supply", AT, "2")]),
        (f"heat,host=a,channel=pool.energy,point=x value=-3.5 {NS}", [("pool.energy", AT, "-3.5")]),
        (f"pool.energy value=3 {NS}\r", [("pool.energy", AT, "3")]),
        ("pool energy=3", [("pool.energy", factories.NOON, "3")]),
        ("pool energy=3  ", [("pool.energy", factories.NOON, "3")]),
        (f"  pool   energy=3   {NS}  ", [("pool.energy", AT, "3")]),
        (f"pool up=t,down=FALSE,heartbeat=true {NS}",
         [("pool.up", AT, "1"), ("pool.down", AT, "0"), ("pool.heartbeat", AT, "1")]),
        (rf"my\ pool\,1,a\=b=c\ d,point=the\ \=pool the\ field=3 {NS}",
         [("the =pool.the field", AT, "3")]),
        (rf"my\ pool\,1 energy=3 {NS}", [("my pool,1.energy", AT, "3")]),
        (f'pool text="a b, c=\\"d\\"",energy=3 {NS}',
         [("pool.text", AT, '"a b, c=\\"d\\""'), ("pool.energy", AT, "3")]),
        (f'pool text="two\nlines x=1 2",energy=3 {NS}',
         [("pool.text", AT, '"two\nlines x=1 2"'), ("pool.energy", AT, "3")]),
        (f"pool a=NaN,b=1e3,c=+Inf {NS}",
         [("pool.a", AT, "NaN"), ("pool.b", AT, "1e3"), ("pool.c", AT, "+Inf")]),
        (f"pool a=0.30000000000000004,b=1.5e-7,c=21.299999999999997 {NS}",
         [("pool.a", AT, "0.300000000"), ("pool.b", AT, "1.5e-7"), ("pool.c", AT, "21.300000000")]),
        ("pool energy=3 soon", None),
        ("pool energy=3 -1", None),
        ("# a comment=1 2", []),
        ("", []),
        ("   ", []),
        ("pool", None),
        ("pool energy=", None),
        ("pool =3", None),
        ("pool energy=3,", None),
        (",point=x energy=3", None),
        ("pool,point= energy=3", None),
        ("pool,point energy=3", None),
        ("pool energy=3 1 2", None),
        ('pool text="open', None),
        ("pool a=b=c", None),
    ],
)  # fmt: skip
def test_a_line_names_channel_instant_and_value(
    line: str, expected: list[tuple[str, dt.datetime, str]] | None
):
    found = [(channel, at, value) for _, channel, at, value in rows_of("line", line)]

    if expected is None:
        # Unreadable as a line, or without an instant: either way it is accounted for.
        assert refused_of("line", line) or [at for _, at, _ in found] == [None]
    else:
        assert found == expected
        assert refused_of("line", line) == []


@pytest.mark.parametrize(
    ("precision", "stamp"),
    [("ns", NS), ("us", "1735689600000000"), ("u", "1735689600000000"), ("ms", "1735689600000"),
     ("s", "1735689600"), ("h", "482136"), ("", NS)],
)  # fmt: skip
def test_the_precision_says_what_a_time_stamp_counts(precision: str, stamp: str):
    found = rows_of("line", f"pool energy=3 {stamp}", precision=precision)

    assert found == [(1, "pool.energy", AT, "3")]


def test_a_precision_that_does_not_exist_refuses_the_whole():
    with pytest.raises(formats.NotReadable, match="none of ns"):
        columns_of("line", "pool energy=3", precision="weeks")


def test_lines_are_numbered_as_an_editor_shows_them():
    text = f'# c\n\na v=1 {NS}\nnonsense\nb t="x\ny",v=2,w=3 {NS}\nc value=4 {NS}'

    assert [(number, channel) for number, channel, _, _ in rows_of("line", text)] == [
        (3, "a.v"), (5, "b.t"), (5, "b.v"), (5, "b.w"), (7, "c"),
    ]  # fmt: skip
    assert refused_of("line", text) == [(4, "nonsense")]


def test_quotes_that_never_end_do_not_swallow_the_rest():
    text = 'a t="open\n' + "".join(f"b v={n} {NS}\n" for n in range(500))

    assert len(refused_of("line", text)) == 1
    assert len(rows_of("line", text)) == 401


_PARTS = ["a", "a,point=b", "a,channel=c.d", "", "v=1", "value=2i", "v=t", "v=1,w=2",
          "v=x", "v=", "v=0.12345678901", "=1", "v=1=2", "v=1,b", " ", "1",
          "17356896000", "-5", "x"]  # fmt: skip


@given(st.lists(st.lists(st.sampled_from(_PARTS), min_size=2, max_size=4).map(" ".join)))
@example(["a v=1 1", "b value=2 2"])
@example(["a v=1 1", "b value=2"])
@example(["a v=1", "1 b value=2 2"])
def test_lines_are_cut_quickly_only_where_that_says_the_same(some: list[str]):
    text = "\n".join(some)

    # A comment makes the reader look at each line.
    slowly = f"#\n{text}"

    assert rows_of("line", text) == [(n - 1, *row) for n, *row in rows_of("line", slowly)]
    assert refused_of("line", text) == [(n - 1, why) for n, why in refused_of("line", slowly)]


def test_json_lines_are_rows_each_for_itself():
    good = '{"channel": "a", "at": "2025-01-01T00:00Z", "value": 1.50}'
    text = f'\ufeff{good}\r\n\n[1]\n{{"channel": "a"\n{good} {good}\n{good[:-1]}, "x": [{{}}]}}'

    assert rows_of("ndjson", text) == [(1, "a", AT, "1.50"), (6, "a", AT, "1.50")]
    assert [number for number, _ in refused_of("ndjson", text)] == [3, 4, 5]


def test_a_json_array_may_be_cut_anywhere_on_its_way():
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(3)

    text = ' [ {"channel": "ä", "at": "2025-01-01T00:00Z", "value": "1"} ,\n{"value": [1, {}]}] '
    delivery = formats.Delivery(site_id=1, received_at=factories.NOON)
    columns = list(formats.FORMATS["json"].parse(Trickle(text.encode()), delivery))

    assert [value for batch in columns for value in batch.values] == ["1", '["1", {}]']
    assert [number for batch in columns for number in batch.numbers] == [1, 2]


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", "[", "[{}", "[{},]", "[{}}", "[,{}]", "[{}] x", "[{} {}]", '[{"a": }]',
     '[{"a": "', "null", "[[]]", '[{"a":' + "[" * 100_000, b"\xff[{}]", b"[{\xff}]"],
)  # fmt: skip
def test_what_is_no_json_array_of_objects_is_refused_whole(text: str | bytes):
    with pytest.raises(formats.NotReadable):
        columns_of("json", text)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["channel", "at", "value", "else"]),
            st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
        )
    )
)
def test_json_array_and_json_lines_say_the_same(items: list[dict[str, object]]):
    array = rows_of("json", json.dumps(items))
    line_by_line = rows_of("ndjson", "\n".join(map(json.dumps, items)))

    assert array == line_by_line
    assert len(array) == len(items)


def test_a_line_without_end_does_not_fill_the_memory():
    for name in ("csv", "ndjson", "line"):
        with pytest.raises(formats.NotReadable, match="longer than"):
            columns_of(name, b"x" * (2 * lines.LONGEST + 2))


def test_csv_keeps_its_order_of_columns_and_its_short_rows():
    text = 'value,x,at,channel\r\n1,,2025-01-01T00:00Z,"a\n,b"\r\n\r\n2\r\n'

    assert rows_of("csv", text) == [(1, "a\n,b", AT, "1"), (2, None, None, "2")]


@given(
    st.text(st.sampled_from('a,"\r\n ')),
    st.sampled_from(["channel,at,value", 'x,value,"channel",at,y']),
    st.sampled_from(["\n", "\r\n"]),
)
@example("1,2,3\n\n4,5,6", "channel,at,value", "\n")
@example("1,2,3,4\n5,6\n", "channel,at,value", "\n")
@example("1,2,3\n4,5,6\n", "channel,at,value", "\n")
def test_csv_is_cut_quickly_only_where_that_says_the_same(text: str, header: str, end: str):
    body = f"{header}{end}{text}"
    reader = filter(None, csv.reader(io.StringIO(body, newline="")))
    names = next(reader)
    places = [names.index(name) for name in formats.FIELDS]
    expected = [tuple(row[n] if n < len(row) else None for n in places) for row in reader]

    found = [
        row
        for columns in columns_of("csv", body)
        for row in zip(columns.channels, columns.ats, columns.values, strict=True)
    ]

    assert found == expected
    numbers = [number for columns in columns_of("csv", body) for number in columns.numbers]
    assert numbers == list(range(1, len(expected) + 1))


BODY = b"channel,at,value\n" * 20_000


def _zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


def _bare_deflate(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


COMPRESSED = {
    "gzip": ("gzip", gzip.compress(BODY)),
    "several gzip members": ("x-gzip", gzip.compress(BODY[:99]) + gzip.compress(BODY[99:])),
    "deflate": ("deflate", zlib.compress(BODY)),
    "deflate without header": ("Deflate", _bare_deflate(BODY)),
    "zstd": ("zstd", _zstd(BODY)),
    "nothing": ("identity", BODY),
}


def _read(data: bytes, encoding: str, max_bytes: int | None = None) -> bytes:
    stream = formats.inflated(io.BytesIO(data), encoding=encoding, max_bytes=max_bytes)
    return b"".join(iter(lambda: stream.read(1000), b""))


@pytest.mark.parametrize(("encoding", "data"), COMPRESSED.values(), ids=COMPRESSED)
def test_compressed_bodies_come_out_as_they_went_in(encoding: str, data: bytes):
    assert _read(data, encoding) == BODY
    with pytest.raises(formats.TooLarge):
        _read(data, encoding, max_bytes=len(BODY) - 1)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_damaged_and_cut_off_bodies_are_refused(encoding: str):
    data = COMPRESSED[encoding][1]

    for broken in (data[:-1], data[:20], b"nonsense" * 99, data + b"x"):
        with pytest.raises(formats.NotReadable):
            _read(broken, encoding)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_refused_before_it_bursts(encoding: str):
    zeros = bytes(64 << 20)
    squeeze: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress, "deflate": zlib.compress, "zstd": _zstd,
    }  # fmt: skip
    bomb = squeeze[encoding](zeros)
    stream = formats.inflated(io.BytesIO(bomb), encoding=encoding, max_bytes=100_000)
    taken: list[int] = []

    with pytest.raises(formats.TooLarge):
        taken.extend(len(data) for data in iter(lambda: stream.read(4096), b""))

    assert sum(taken) <= 100_000


def test_an_unknown_compression_is_told_which_are_known():
    with pytest.raises(formats.UnknownEncoding, match="gzip, deflate, zstd"):
        formats.inflated(io.BytesIO(), encoding="br")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.csv", "csv"), ("A.CSV.GZ", "csv"), ("b.json", "json"), ("c.ndjson.zst", "ndjson"),
     ("d.lp", "line"), ("e.gz", None), ("f", None), ("csv", None)],
)  # fmt: skip
def test_a_file_name_says_its_format(name: str, expected: str | None):
    found = formats.of_file(name)

    assert (found and found.name) == expected
