"""
Real exports through their saved mappings (seeds/mappings): every row is accounted for, first and
last instants and exact values, and the defects that data/INDEX.md names for each file.
"""

import datetime as dt
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from sites.models import Site
from telemetry import operations
from telemetry.formats.csv_mapped import read_mapped
from telemetry.formats.csv_spec import spec_of
from telemetry.models import IngestBatch, Reading, RejectedReading
from tests import factories
from tests.factories_telemetry import LATER, make_heat_channel, make_plain_channel

pytestmark = pytest.mark.django_db

MAPPINGS = Path(settings.BASE_DIR) / "seeds" / "mappings"
DATA = Path(settings.BASE_DIR).parent / "shared" / "data"

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the folder with real exports, {DATA}, is absent"
)


def _saved(site: Site, code: str) -> dict[str, Any]:
    given: dict[str, Any] = json.loads((MAPPINGS / f"{code}.json").read_text())
    operations.save_mapping(operator_id=site.operator_id, **given, at=LATER, by_id=None)
    return given


def _import(site: Site, code: str, path: str) -> operations.IngestResult:
    _saved(site, code)
    data = (DATA / path).read_bytes()
    body = gzip.decompress(data) if path.endswith(".gz") else data
    return operations.ingest(
        site_id=site.pk, stream=io.BytesIO(body), format="csv", name=path, received_at=LATER,
        source=IngestBatch.Source.FILE, options={"mapping": code},
    )  # fmt: skip


def _counts(result: operations.IngestResult) -> tuple[int, int, int, int, int]:
    assert (result.duplicate, result.conflicting) == (0, 0)
    return result.rows, result.accepted, result.rejected, result.missing, result.skipped


def _value(key: str, at: str) -> Decimal:
    row = Reading.objects.get(channel__key=key, at=dt.datetime.fromisoformat(at))
    return row.value


def _span(key: str) -> tuple[str, str]:
    rows = Reading.objects.filter(channel__key=key)
    first, last = rows.earliest("at").at, rows.latest("at").at
    return f"{first:%Y-%m-%dT%H:%M}", f"{last:%Y-%m-%dT%H:%M}"


def _substation() -> Site:
    site = make_heat_channel(unit="MWh").site
    for quantity, unit in (("power", "W"), ("supply", "°C"), ("return", "°C")):
        make_plain_channel(site, f"heat.{quantity}", unit)
    return site


@needs_data
def test_a_substation_in_descending_local_time():
    site = _substation()

    result = _import(site, "xai4heat", "b_heat_series/xai4heat/xai4heat_scada_L12.csv.gz")

    # 31,243 lines of four figures, but for the hour that each of three autumns shows only once.
    assert _counts(result) == (4 * 31_240 + 3, 4 * 31_240, 3, 0, 0)
    assert _span("heat.energy") == ("2021-05-25T11:00", "2024-04-04T09:52")
    assert _value("heat.energy", "2024-04-04T09:52Z") == Decimal("9057.296")
    # kW in the file, W in the channel.
    power = Reading.objects.filter(channel__key="heat.power").order_by("-value")[0].value
    assert Decimal(100_000) < power < Decimal(1_000_000)
    refused = RejectedReading.objects.order_by("row")
    assert [row.row for row in refused] == [11_576, 19_653, 27_927]
    assert all("comes twice in Europe/Belgrade" in row.detail for row in refused)
    # Zeros of a lost link stay in RAW: judging them is not the importer's.
    zeros = Reading.objects.filter(channel__key="heat.energy", value=0).count()
    assert zeros in {2_015, 2_016}


@needs_data
def test_a_substation_with_a_late_column_sentinels_and_spikes():
    site = _substation()

    result = _import(site, "xai4heat", "b_heat_series/xai4heat/xai4heat_scada_L17.csv.gz")

    # The power column is empty in the first 10,024 rows, but one of them is an autumn's.
    assert result.rejected == 6
    assert result.accepted + result.missing == 4 * (45_461 - 6)
    assert result.missing > 10_022
    spike = _value("heat.power", "2021-11-22T21:00Z")
    assert spike == Decimal("8000001400")
    assert not Reading.objects.filter(channel__key="heat.supply", value=Decimal("-39.9")).exists()


@needs_data
def test_a_logger_in_latin_1_with_key_columns_and_two_digit_years():
    site = factories.make_site(timezone="Europe/Zurich")
    for address in (1, 2, 3, 4):
        make_heat_channel(site=site, code=f"heat-{address}")

    result = _import(
        site, "gwf-relay-w60", "b_heat_series/hslu/GWF_RelayW60Logger_2010-2014.csv.gz"
    )

    # Sixty months of four meters; of twenty records each only the bill register counts.
    assert _counts(result) == (240, 240, 0, 0, 4_560)
    assert _span("heat-1.energy") == ("2009-12-31T23:00", "2014-11-30T23:00")
    assert _value("heat-1.energy", "2009-12-31T23:00Z") == 729


@needs_data
def test_the_same_meters_pivoted_with_decimal_comma_are_duplicates_of_the_logger():
    site = factories.make_site(timezone="Europe/Zurich")
    for address in (1, 2, 3, 4):
        make_heat_channel(site=site, code=f"heat-{address}")
    _import(site, "gwf-relay-w60", "b_heat_series/hslu/GWF_RelayW60Logger_2010-2014.csv.gz")

    result = _import(
        site, "hslu-flats-monthly", "b_heat_series/hslu/flatHeatAndHotWater_monthly.csv"
    )

    assert (result.rows, result.accepted, result.duplicate) == (480, 240, 240)
    assert _span("heat-3.energy") == ("2009-12-31T23:00", "2019-11-30T23:00")
    assert _value("heat-3.energy", "2019-11-30T23:00Z") == 123_264


@needs_data
def test_a_meter_read_once_a_day_on_an_hourly_grid():
    site = make_heat_channel().site
    make_plain_channel(site, "heat.supply", "°C")

    result = _import(site, "hslu-central-heating", "b_heat_series/hslu/centralHeating.csv.gz")

    blanks = 21_391 + 362
    assert _counts(result) == (2 * 22_317 - blanks, 2 * 22_317 - blanks, 0, blanks, 0)
    assert _value("heat.energy", "2018-03-02T23:00Z") == Decimal("45019.81")
    last = Reading.objects.filter(channel__key="heat.energy").latest("at")
    assert last.value == 86_805


@needs_data
def test_a_smart_meter_in_utc():
    site = make_heat_channel().site
    for quantity, unit in (("volume", "l"), ("e8", "m3C"), ("e9", "m3C")):
        make_plain_channel(site, f"heat.{quantity}", unit)

    result = _import(site, "aalborg", "b_heat_series/aalborg/smart_heat_meter_660_2018.csv.gz")

    assert _counts(result) == (4 * 8_713, 4 * 8_713, 0, 0, 0)
    assert _value("heat.volume", "2018-01-02T23:00Z") == Decimal("113991.325")
    assert _span("heat.energy") == ("2018-01-02T23:00", "2018-12-31T23:00")
    # Upstream interpolated to eleven decimals.
    assert _value("heat.energy", "2018-01-02T23:00Z") == Decimal("5347.614")


@needs_data
@pytest.mark.parametrize(
    ("server", "lines", "refused", "first"),
    [
        ("cbsugpu05", 23_371, 2, "2022-08-01T19:00"),
        ("cbsugpu07", 15_493, 1, "2024-01-20T15:00"),
        ("cbsugpu09", 8_497, 1, "2024-10-31T18:00"),
    ],
)
def test_a_database_client_export_with_mark_footer_and_us_eastern_time(
    server, lines, refused, first
):
    site = factories.make_site(timezone="America/New_York")
    make_plain_channel(site, f"{server}.power", "kW")

    result = _import(site, "biohpc", f"c_dc_telemetry/biohpc/{server}_usage_stats.txt.gz")

    # The collapsed hour of each autumn; the footer's two lines are left out.
    assert (result.rows, result.rejected, result.missing) == (lines, refused, 0)
    assert result.accepted == lines - refused
    assert all("America/New_York" in row.detail for row in RejectedReading.objects.all())
    assert _span(f"{server}.power") == (first, "2025-10-31T13:00")


@needs_data
def test_watts_of_a_server_in_kilowatts():
    site = factories.make_site(timezone="America/New_York")
    make_plain_channel(site, "cbsugpu05.power", "kW")
    _import(site, "biohpc", "c_dc_telemetry/biohpc/cbsugpu05_usage_stats.txt.gz")

    assert _value("cbsugpu05.power", "2025-10-31T13:00Z") == Decimal("0.073308")


@needs_data
def test_nodes_that_answer_only_at_times():
    site = factories.make_site()
    for quantity, unit in (("power", "kW"), ("supply", "°C")):
        make_plain_channel(site, f"lichtmandce03.{quantity}", unit)

    result = _import(
        site, "harvard-ipmi", "c_dc_telemetry/harvard_ipmi/node_power_2025-06-03_extract.csv.gz"
    )

    assert result.rows + result.missing == 2 * 46_080
    # Thirty-one nodes without channels wait for theirs, in their own unit.
    assert result.rejected == result.rows - result.accepted > 10_000
    kept = RejectedReading.objects.filter(channel_text="holy7c02103.power").earliest("row")
    assert (kept.reason, kept.value_text) == ("unknown_channel", "10 W")
    assert _value("lichtmandce03.power", "2025-06-03T23:59:05Z") == Decimal("0.26")


@needs_data
def test_four_sub_meters_with_an_outage():
    site = factories.make_site(timezone="Europe/Zurich")
    for flat in "abcd":
        make_heat_channel(site=site, code=f"flat-{flat}")

    result = _import(
        site, "hslu-flats-electricity",
        "c_dc_telemetry/hslu_submeters/flatElectricity_2018-12_2019-09.csv.gz",
    )  # fmt: skip

    # 7.4 days without four meters; each came back at a time of its own.
    assert _counts(result) == (113_878, 113_878, 0, 4 * 29_185 - 113_878, 0)
    assert _value("flat-a.energy", "2018-11-30T22:45Z") == Decimal("5619.889")
    back = {
        flat: Reading.objects.filter(
            channel__key=f"flat-{flat}.energy", at__gte="2019-06-10T00:00Z"
        ).earliest("at").at.strftime("%d %H:%M")
        for flat in "abcd"
    }  # fmt: skip
    assert sorted(back.values()) == ["13 05:15", "13 07:00", "13 07:30", "13 12:30"]


@needs_data
def test_a_heat_pump_with_binary_fractions_and_absent_rows():
    site = make_heat_channel(code="heat-pump").site

    result = _import(
        site, "hslu-heat-pump", "c_dc_telemetry/hslu_submeters/heatPumpElectricity.csv.gz"
    )

    assert _counts(result) == (41_704, 41_704, 0, 0, 0)
    # 30364.453999999998 in the file.
    assert _value("heat-pump.energy", "2019-03-04T10:15Z") == Decimal("30364.454")


@needs_data
@pytest.mark.parametrize(
    ("code", "path", "rows", "missing", "first", "value"),
    [
        (
            "agrometeo", "f_weather/agrometeo/wetter_agrometeo_seengen_2018_2019.csv.gz",
            114_048, 115, "2017-12-31T23:00Z", "7.5",
        ),
        (
            "hslu-outside", "f_weather/hslu/centralOutsideTemp.csv.gz",
            21_865, 19, "2018-03-21T10:00Z", "5.2",
        ),
    ],
)  # fmt: skip
def test_weather_with_question_marks_and_blanks(code, path, rows, missing, first, value):
    site = factories.make_site(timezone="Europe/Zurich")
    make_plain_channel(site, "outside.temperature", "°C")

    result = _import(site, code, path)

    assert _counts(result) == (rows - missing, rows - missing, 0, missing, 0)
    assert _value("outside.temperature", first) == Decimal(value)


@needs_data
def test_prices_by_a_twelve_hour_clock_through_both_clock_changes():
    site = factories.make_site()
    for key in ("dk1.price", "fr.price"):
        make_plain_channel(site, key, "€/MWh")

    result = _import(site, "smard-day-ahead", "g_prices/smard/Day-ahead_prices_2015.csv.gz")

    # 8,760 hours of two zones; France has none in the first four days.
    assert _counts(result) == (2 * 8_760 - 96, 2 * 8_760 - 96, 0, 96, 0)
    assert _value("dk1.price", "2014-12-31T23:00Z") == Decimal("25.02")
    hours = Reading.objects.filter(channel__key="dk1.price")
    autumn = hours.filter(at__gte="2015-10-24T22:00Z", at__lt="2015-10-25T23:00Z")
    spring = hours.filter(at__gte="2015-03-28T23:00Z", at__lt="2015-03-29T22:00Z")
    assert (autumn.count(), spring.count()) == (25, 23)


def test_the_header_of_a_research_facility_is_taken_as_it_is():
    header = "ts,pue,it_power_kw,cooling_kw,hvac_kw,pump_kw,plug_and_light_kw,energyReuse"
    spec = spec_of(json.loads((MAPPINGS / "nrel-esif.json").read_text())["spec"])
    body = f"{header}\n2024-01-01 00:00:00,1.05,900.5,20,15,8,3,400\n".encode()

    columns = list(read_mapped(io.BytesIO(body), spec, {}))

    readings = [pair for some in columns for pair in zip(some.channels, some.values, strict=True)]
    assert ("it.power", "900.5 kW") in readings
    assert len(readings) == 5


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.json")), ids=lambda path: path.stem)
def test_every_shipped_mapping_is_one(path: Path):
    given = json.loads(path.read_text())

    assert given["code"] == path.stem
    assert spec_of(spec_of(given["spec"]).as_json()) == spec_of(given["spec"])
