"""
Rows are judged all at once or one by one; both have to say the same.
"""

import datetime as dt

from hypothesis import example, given
from hypothesis import strategies as st

from telemetry import formats
from telemetry.domain.readings import all_plain, plain_value
from telemetry.operations.staging import Judge
from tests import factories

CHANNELS: dict[str | None, str] = {"a.energy": "11", "b.energy": "12"}

good_rows = st.tuples(
    st.sampled_from(["a.energy", "b.energy"]),
    st.datetimes(
        dt.datetime(1971, 1, 1),  # noqa: DTZ001 - given a zone below
        dt.datetime(2025, 12, 31),  # noqa: DTZ001
        timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=45))]),
    ).map(dt.datetime.isoformat),
    st.from_regex(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", fullmatch=True),
)
odd_rows = st.tuples(
    st.none() | st.text() | st.sampled_from(["a.energy", "", "c.energy"]),
    st.none()
    | st.text()
    | st.sampled_from(
        ["", "2026-01-01", "2026-01-01T00:00", "0001-01-01T00:00+14:00", "1969-12-31T23:59Z",
         "2026-03-01T12:05:00Z", "2026-03-01T12:05:01Z", " 2026-01-01T00:00Z\n", "20260101T0000Z"]
    ),
    st.none()
    | st.text()
    | st.sampled_from(
        ["", "1\n2", "1\n", "NaN", "inf", "1e3", "1e-9", "1E-999999999", "1e999999999", ".5", "5.",
         "+5", "1_0", "٣", "1.0000000001", "1234567890123456", "0x10", "-", " 5 "]
    ),
)  # fmt: skip


def _columns(rows: list[tuple[str | None, str | None, str | None]]) -> formats.Columns:
    return formats.Columns(
        range(1, len(rows) + 1), [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]
    )


def _judge() -> Judge:
    return Judge(CHANNELS, factories.NOON + dt.timedelta(minutes=5))


@given(st.lists(good_rows))
def test_well_formed_rows_are_the_same_at_once_and_one_by_one(rows: list[tuple[str, str, str]]):
    at_once, one_by_one = _judge(), _judge()

    together = at_once.all_at_once(_columns(list(rows)))

    assert together is not None
    assert together == one_by_one.one_by_one(_columns(list(rows)))
    assert together.staged == len(rows) == together.copied.count("\n")
    assert at_once.months == one_by_one.months


@given(st.lists(good_rows | odd_rows))
@example([("a.energy", "2026-01-01T00:00Z", "1\n2"), ("a.energy", "2026-01-01T00:00Z", "1")])
@example([("a.energy", "2026-01-01T00:00Z", "1e999999999")])
@example([("a.energy", "2026-01-01T00:00Z", "1"), ("a.energy", "2026-01-01T00:00Z", None)])
def test_every_row_is_judged_as_if_it_were_alone(
    rows: list[tuple[str | None, str | None, str | None]],
):
    judge = _judge()

    judged = judge.judge(_columns(rows))

    assert judged.staged + len(judged.refused) == len(rows)
    refused = {row.number: row for row in judged.refused}
    copied = dict(line.split("\t", 1) for line in judged.copied.splitlines())
    assert len(copied) == judged.staged
    for number, row in enumerate(rows, start=1):
        alone = _judge().judge(_columns([row]))
        if number in refused:
            assert alone.refused == [refused[number]._replace(number=1)]
        else:
            assert alone.copied == f"1\t{copied[str(number)]}\n"
    well_formed = _judge().all_at_once(_columns(rows))
    # At once only where the texts need no change; then the answer is the same.
    assert well_formed is None or well_formed == _judge().one_by_one(_columns(rows))


@given(st.lists(st.none() | st.text() | st.from_regex(r"-?[0-9]{1,16}\.?[0-9]*\n?")))
def test_all_are_plain_exactly_when_each_is(texts: list[str | None]):
    assert all_plain(texts) == all(
        text is not None and text != "" and plain_value(text) == text for text in texts
    )
