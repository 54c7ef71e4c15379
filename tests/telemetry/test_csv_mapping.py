"""
Tables by a saved column mapping: layouts, notations, clocks, units, and what is refused.
"""

import datetime as dt
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from sites.models import AuditEntry, Site
from telemetry import formats, operations
from telemetry.formats.csv_spec import BadMapping, Spec, spec_of
from telemetry.models import (
    Channel,
    ColumnMapping,
    IngestBatch,
    Installation,
    Reading,
    RejectedReading,
)
from tests import factories
from tests.factories_telemetry import FOREVER, LATER, make_heat_channel, make_plain_channel

pytestmark = pytest.mark.django_db

PLAIN: dict[str, Any] = {
    "time": {"columns": ["time"], "zone": "UTC"},
    "values": [{"column": "energy", "channel": "heat.energy"}],
}


def _save(site: Site, spec: dict[str, Any], code: str = "table") -> ColumnMapping:
    return operations.save_mapping(
        operator_id=site.operator_id, code=code, name="A table", spec=spec, at=LATER, by_id=None
    )


def _import(site: Site, body: str | bytes, **spec: Any) -> operations.IngestResult:
    _save(site, {**PLAIN, **spec})
    data = body.encode() if isinstance(body, str) else body
    return operations.ingest(
        site_id=site.pk, stream=io.BytesIO(data), format="csv", received_at=LATER,
        source=IngestBatch.Source.FILE, options={"mapping": "table"},
    )  # fmt: skip


def _stored() -> list[tuple[str, str, Any]]:
    rows = Reading.objects.order_by("channel__key", "at").values_list("channel__key", "at", "value")
    return [(key, f"{at:%m-%dT%H:%M}", value.normalize()) for key, at, value in rows]


@pytest.fixture
def site() -> Site:
    return make_heat_channel().site


def test_a_wide_table_in_any_order_goes_to_its_channels(site):
    make_plain_channel(site, "heat.supply", "°C")
    values = [*PLAIN["values"], {"column": "flow temp", "channel": "heat.supply", "unit": "degF"}]
    body = "time,energy,flow temp\n2024-01-01 02:00,3,212\n2024-01-01 00:00,1,32\n"

    result = _import(site, body, values=values)

    assert (result.rows, result.accepted) == (4, 4)
    assert _stored() == [
        ("heat.energy", "01-01T00:00", 1), ("heat.energy", "01-01T02:00", 3),
        ("heat.supply", "01-01T00:00", 0), ("heat.supply", "01-01T02:00", 100),
    ]  # fmt: skip


def test_missing_cells_are_counted_and_are_neither_readings_nor_refused(site):
    body = "time,energy\n2024-01-01,?\n2024-01-02,-\n2024-01-03, \n2024-01-04,0.0\n2024-01-05,5\n"
    values = [{"column": "energy", "channel": "heat.energy", "missing": ["0.0"]}]

    result = _import(site, body, missing=["", "?", "-"], values=values)

    assert (result.rows, result.accepted, result.rejected, result.missing) == (1, 1, 0, 4)
    batch = IngestBatch.objects.get()
    assert (batch.missing, batch.options) == (4, {"mapping": "table"})


@pytest.mark.parametrize(
    ("body", "spec"),
    [
        ("time;energy\n01.02.24 00:30;1.234,5\n", {"separator": ";", "thousands": "."}),
        ("time\tenergy\n01.02.24 00:30\t1234,5\n", {"separator": "\t"}),
        ('time,energy\n"01.02.24 00:30","1234,50"\n', {}),
    ],
    ids=["semicolon and thousands", "tab", "quoted decimal comma"],
)
def test_decimal_comma_and_two_digit_years(site, body, spec):
    time = {"columns": ["time"], "format": "%d.%m.%y %H:%M", "zone": "+01:00"}

    _import(site, body, decimal=",", time=time, **spec)

    assert _stored() == [("heat.energy", "01-31T23:30", Decimal("1234.5"))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
def test_encodings_and_byte_order_marks(site, encoding):
    body = "time,Wärme\n2024-01-01,5\n".encode(encoding)
    values = [{"column": "Wärme", "channel": "heat.energy"}]

    result = _import(
        site, body, encoding=encoding.removesuffix("-sig"), values=values,
    )  # fmt: skip

    assert result.accepted == 1


def test_a_wrong_encoding_is_said_and_nothing_is_stored(site):
    body = b"time,energy,W\xe4rme\n2024-01-01,5,6\n"

    with pytest.raises(formats.NotReadable, match="not in UTF-8"):
        _import(site, body)

    assert not IngestBatch.objects.exists()


def test_lines_before_the_header_several_header_lines_and_footers_are_skipped(site):
    body = (
        "Export of 3 May\n\nstation,A,A\ntime,energy,other\n,kWh,-\n"
        "2024-01-01,5,6\nTotal 5\n2024-01-02,6,7\n(2 rows)\nmade,by,x\n"
    )

    result = _import(
        site, body, skip_lines=2, header_lines=3, name_line=2, footer_lines=2,
        skip_starting_with=["Total"],
    )  # fmt: skip

    assert (result.rows, result.accepted) == (2, 2)


def test_twelve_hour_clock_in_two_columns(site):
    body = 'day,clock,energy\n"Jan 1, 2024",12:00 AM,1\n"Jan 1, 2024",12:15 PM,2\n'
    time = {"columns": ["day", "clock"], "format": "%b %d, %Y %I:%M %p", "zone": "UTC"}

    _import(site, body, time=time)

    assert [at for _, at, _ in _stored()] == ["01-01T00:00", "01-01T12:15"]


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("2024-07-01T12:00:00+02:00", {}),
        ("2024-07-01T10:00:00Z", {"zone": "Europe/Berlin"}),
        ("2024-07-01 12:00", {"zone": "Europe/Berlin"}),
        ("2024-07-01 12:00", {"zone": "+02:00"}),
        ("1719828000", {"format": "unix"}),
        ("1719828000000", {"format": "unix_ms"}),
        ("07/01/2024 12:00 +0200", {"format": "%m/%d/%Y %H:%M %z"}),
    ],
)
def test_stamps_with_offset_in_utc_or_local(site, stamp, time):
    _import(site, f"time,energy\n{stamp},1\n", time={"columns": ["time"], **time})

    assert Reading.objects.get().at == dt.datetime(2024, 7, 1, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("stamp", "told"),
    [
        ("2024-07-01 12:00", "no offset"),
        ("01.07.2024", "not a time as the mapping says"),
        ("", "not a time"),
        ("0001-01-01T00:00+14:00", "outside"),
    ],
)
def test_a_stamp_that_is_no_instant_is_kept_with_its_reason(site, stamp, told):
    result = _import(site, f"time,energy\n{stamp},1\n", time={"columns": ["time"]})

    assert (result.rows, result.rejected) == (1, 1)
    kept = RejectedReading.objects.get()
    assert (kept.row, kept.field) == (2, "at")
    assert told in kept.detail
    assert stamp in kept.value_text


def _autumn(*stamps: str) -> str:
    return "time,energy\n" + "".join(f"{s},{n}\n" for n, s in enumerate(stamps, start=1))


BERLIN = {"columns": ["time"], "zone": "Europe/Berlin"}
HOURS = ["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"]


@pytest.mark.parametrize("backwards", [False, True])
def test_the_repeated_hour_is_told_by_the_order_of_rows(site, backwards):
    stamps = HOURS[::-1] if backwards else HOURS
    _import(site, _autumn(*stamps), time=BERLIN)

    found = [(at, int(value)) for _, at, value in _stored()]

    values = [4, 3, 2, 1] if backwards else [1, 2, 3, 4]
    assert [at for at, _ in found] == [
        "10-26T23:00", "10-27T00:00", "10-27T01:00", "10-27T02:00",
    ]  # fmt: skip
    assert [value for _, value in found] == values


@pytest.mark.parametrize(
    ("rule", "at"), [("first", "10-27T00:00"), ("second", "10-27T01:00"), ("order", None)]
)
def test_an_hour_that_stands_once_is_refused_unless_the_mapping_says_which(site, rule, at):
    body = _autumn(HOURS[0], HOURS[1], HOURS[3])
    result = _import(site, body, time={**BERLIN, "repeated_hour": rule})

    stored = [when for _, when, _ in _stored()]
    if at is None:
        assert (result.accepted, result.rejected) == (2, 1)
        assert "comes twice in Europe/Berlin" in RejectedReading.objects.get().detail
        assert RejectedReading.objects.get().row == 3
    else:
        assert at in stored
        assert result.rejected == 0


def test_the_hour_of_spring_is_refused(site):
    body = _autumn("2024-03-31 01:30", "2024-03-31 02:30", "2024-03-31 03:30")

    result = _import(site, body, time=BERLIN)

    assert (result.accepted, result.rejected) == (2, 1)
    assert "does not exist in Europe/Berlin" in RejectedReading.objects.get().detail


def test_each_series_of_a_long_table_has_an_order_of_its_own(site):
    keys = ["a.power", "b.power"]
    for key in keys:
        make_plain_channel(site, key, "W")
    rows = [f"{key.split('.')[0]},{stamp},{n}" for n, stamp in enumerate(HOURS) for key in keys]
    body = "\n".join(["meter,time,power", *rows])

    result = _import(
        site, body, time=BERLIN, values=[{"column": "power", "channel": "{meter}.power"}]
    )

    assert (result.accepted, result.rejected) == (8, 0)
    assert [at for key, at, _ in _stored() if key == "b.power"] == [
        "10-26T23:00", "10-27T00:00", "10-27T01:00", "10-27T02:00",
    ]  # fmt: skip


def test_key_columns_are_looked_up_and_units_come_from_a_column(site):
    rows = ["1,1,2024-01-01,7,MWh", "1,2,2024-01-01,3,m^3", "2,1,2024-01-01,1,kWh"]
    body = "\n".join(["adr,rec,time,value,unit", *rows])
    spec: dict[str, Any] = {
        "values": [{"column": "value", "channel": "{adr}/{rec}", "unit_column": "unit"}],
        "channels": {"1/1": "heat.energy"},
    }

    result = _import(site, body, **spec, unlisted="skip")
    again = _import(site, body, **spec, unlisted="refuse")

    assert (result.rows, result.accepted, result.skipped) == (1, 1, 2)
    assert _stored() == [("heat.energy", "01-01T00:00", 7000)]
    assert (again.duplicate, again.rejected) == (1, 2)


def test_a_unit_that_the_channel_cannot_have_refuses_the_file(site):
    values = [{"column": "energy", "channel": "heat.energy", "unit": "kW"}]

    with pytest.raises(formats.NotReadable, match="kW cannot be converted to kWh"):
        _import(site, "time,energy\n2024-01-01,5\n", values=values)


def test_meters_of_different_units_refuse_a_conversion(site):
    channel = Channel.objects.get()
    other = make_heat_channel(site=site, code="other", unit="MWh")
    installation = Installation.objects.get(point=channel.point)
    installation.valid = (FOREVER[0], dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    installation.save()
    second = Installation.objects.get(point=other.point)
    second.point, second.valid = channel.point, (dt.datetime(2024, 1, 1, tzinfo=dt.UTC), None)
    second.save()
    values = [{"column": "energy", "channel": "heat.energy", "unit": "kWh"}]

    with pytest.raises(formats.NotReadable, match=r"heat\.energy has MWh and kWh"):
        _import(site, "time,energy\n2024-01-01,5\n", values=values)


def test_a_figure_of_an_unknown_channel_is_converted_once_when_it_is_replayed(site):
    values = [{"column": "energy", "channel": "late.energy", "unit": "MWh"}]
    result = _import(site, "time,energy\n2024-01-01,5.5\n", values=values)
    assert result.rejected == 1
    assert RejectedReading.objects.get().value_text == "5.5 MWh"

    make_heat_channel(site=site, code="late", unit="kWh")
    replay = operations.replay_rejected(site_id=site.pk, received_at=LATER, by_id=None)

    assert replay.accepted == 1
    assert _stored() == [("late.energy", "01-01T00:00", 5500)]


def test_rows_of_a_lost_link_are_left_out(site):
    body = "time,energy,state\n2024-01-01,0,lost\n2024-01-02,5,ok\n"

    result = _import(site, body, skip_rows=[{"column": "state", "values": ["lost"]}])

    assert (result.rows, result.accepted, result.skipped) == (1, 1, 1)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2024-01-02", "1 cells where 2 are needed"),
        ("2024-01-02,1,5", "3 cells, the header 2"),
        ("2024-01-02,x", "not a number"),
    ],
)
def test_a_line_that_is_too_short_or_too_long_is_refused_with_its_number(site, line, told):
    result = _import(site, f"time,energy\n2024-01-01,5\n\n{line}\n")

    assert (result.accepted, result.rejected) == (1, 1)
    kept = RejectedReading.objects.get()
    assert kept.row == 4
    assert told in (kept.detail or kept.get_reason_display())


@pytest.mark.parametrize(
    ("header", "told"),
    [("time,heat", "no column 'energy'"), ("time,energy,energy", "stands in the header 2 times")],
)
def test_a_header_that_does_not_fit_refuses_the_file(site, header, told):
    with pytest.raises(formats.NotReadable, match=told):
        _import(site, f"{header}\n2024-01-01,5\n")


def test_columns_without_a_header_go_by_their_place(site):
    result = _import(
        site, "2024-01-01;5\n", separator=";", header_lines=0,
        time={"columns": ["#1"], "zone": "UTC"},
        values=[{"column": "#2", "channel": "heat.energy"}],
    )  # fmt: skip

    assert result.accepted == 1


def test_an_endless_line_and_an_open_quote_are_refused(site):
    with pytest.raises(formats.NotReadable, match="longer than a million"):
        _import(site, b"time,energy\n" + b"x" * 1_100_000)
    with pytest.raises(formats.NotReadable, match="near line 2"):
        _import(site, 'time,energy\n"' + "2024-01-01,5\n" * 20_000)


def test_a_mapping_that_cannot_be_is_refused_with_every_problem(site):
    bad = {
        "separator": "::", "header_lines": True, "colour": "red", "decimal": ",",
        "thousands": ",", "time": {"columns": [], "format": "%H:%M", "zone": "Atlantis"},
        "values": [{"column": "x", "unit": "furlong", "missing": "?"}],
    }  # fmt: skip

    with pytest.raises(BadMapping) as caught:
        _save(site, bad)

    assert {key for key, _ in caught.value.problems} == {
        "separator", "header_lines", "mapping.colour", "thousands", "time.columns",
        "time.format", "time.zone", "values 1.channel", "values 1.unit", "values 1.missing",
    }  # fmt: skip
    assert not ColumnMapping.objects.exists()


@pytest.mark.parametrize("given", [None, [], "x", {"time": 1}, {"values": {}}, {"channels": []}])
def test_what_is_no_mapping_at_all_is_refused(given):
    with pytest.raises(BadMapping):
        spec_of(given)


def test_saving_leaves_a_trail_and_the_same_again_does_not(site):
    first = _save(site, PLAIN)
    _save(site, PLAIN)
    _save(site, {**PLAIN, "separator": ";"})

    assert ColumnMapping.objects.get() == first
    entries = AuditEntry.objects.filter(action="column mapping saved").order_by("pk")
    assert [entry.after["separator"] for entry in entries] == [",", ";"]
    assert spec_of(ColumnMapping.objects.get().spec) == spec_of({**PLAIN, "separator": ";"})
    assert isinstance(spec_of(PLAIN), Spec)


def test_a_mapping_belongs_to_its_operator(site):
    neighbour = factories.make_site()
    _save(neighbour, PLAIN)

    with pytest.raises(formats.NotReadable, match="no column mapping 'table'"):
        operations.ingest(
            site_id=site.pk, stream=io.BytesIO(b""), format="csv", received_at=LATER,
            source=IngestBatch.Source.FILE, options={"mapping": "table"},
        )  # fmt: skip


def test_a_gateway_names_the_mapping_in_the_address(site, client: Client):
    _save(site, PLAIN)
    _, token = operations.create_gateway(site_id=site.pk, name="logger", at=LATER, by_id=None)

    def send(address: str) -> Any:
        return client.post(
            address, data=b"time,energy\n2024-01-01,5\n2024-01-02,\n", content_type="text/csv",
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip

    answer, wrong = (send(f"/api/v1/readings?mapping={code}") for code in ("table", "other"))

    assert (answer.status_code, answer.json()["accepted"], answer.json()["missing"]) == (200, 1, 1)
    assert wrong.status_code == 400
    assert "no column mapping 'other'" in wrong.json()["detail"]


def test_files_and_mappings_load_by_command(site, tmp_path: Path, capsys):
    saved = tmp_path / "mapping.json"
    saved.write_text(json.dumps({"code": "table", "name": "A table", "spec": PLAIN}))
    table = tmp_path / "table.txt.gz"
    table.write_bytes(gzip.compress(b"time,energy\n2024-01-01,5\n"))

    call_command("load_mapping", str(saved), operator=site.operator.slug)
    call_command("ingest", str(table), site=site.slug, mapping="table")

    assert "accepted: 1" in capsys.readouterr().out
    saved.write_text('{"code": "table"}')
    with pytest.raises(CommandError, match="no JSON object"):
        call_command("load_mapping", str(saved), operator=site.operator.slug)
