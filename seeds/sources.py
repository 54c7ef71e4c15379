"""
The real series behind the demo as (instant, value) series, shifted to end today.

Each file is read as its owner published it, through the column mapping of its source in
seeds/mappings; what is done to it is stated in data/SOURCES.md. Instants come out in UTC. Heat is
shifted by whole years' worth of days, so that winter stays winter; servers know no season, their
series are shifted so that the last whole day is today.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import pandas as pd

from telemetry.formats.csv_mapped import read_mapped
from telemetry.formats.csv_spec import spec_of

DATA = Path(__file__).parent / "data"
MAPPINGS = Path(__file__).parent / "mappings"


@dataclass(frozen=True, slots=True)
class Series:
    """
    One quantity over time: values indexed by UTC instants in order, none of them blank.
    """

    values: pd.Series[float]

    def between(self, start: dt.datetime, end: dt.datetime) -> Series:
        """
        Return the part from `start` up to and without `end`.
        """
        index = self.values.index
        return Series(self.values[(index >= start) & (index < end)])

    def shifted(self, days: int) -> Series:
        """
        Return the same values so many days later.
        """
        values = self.values.copy()
        values.index = values.index + pd.Timedelta(days=days)
        return Series(values)


@cache
def _read(file: str, mapping: str) -> dict[str, pd.Series[float]]:
    """
    Return what a file holds by a column mapping of seeds/mappings: for each channel its figures
    in the file's own unit, by instants in order. What the mapping refuses is left out.
    """
    spec = spec_of(mapping_of(mapping)["spec"])
    units = _FileUnits({value.channel: value.unit for value in spec.values})
    found: dict[str, dict[str, str]] = {}
    with gzip.open(DATA / file) as stream:
        for columns in read_mapped(cast(BinaryIO, stream), spec, units):
            rows = zip(columns.channels, columns.ats, columns.values, strict=True)
            for channel, at, value in rows:
                found.setdefault(str(channel), {}).setdefault(str(at), str(value))
    return {channel: _series(readings) for channel, readings in found.items()}


def _series(readings: dict[str, str]) -> pd.Series[float]:
    index = pd.to_datetime(list(readings), utc=True, format="ISO8601")
    return pd.Series([float(text) for text in readings.values()], index=index).sort_index()


class _FileUnits(dict[str, str]):
    """
    Units by channel such that nothing is converted: those of the file.
    """

    def get(self, key: str, default: Any = None) -> Any:
        known = super().get(key)
        return [known or next(iter(self.values()))]


def mappings() -> list[str]:
    """
    Return the codes of the mappings by which the demo's files are read.
    """
    return ["xai4heat", "hslu-central-heating", "aalborg", "biohpc", "hslu-flats-electricity",
            "hslu-heat-pump"]  # fmt: skip


def mapping_of(code: str) -> dict[str, Any]:
    """
    Return one of the demo's column mappings: its code, name and spec.
    """
    given: dict[str, Any] = json.loads((MAPPINGS / f"{code}.json").read_text())
    return given


def substation(name: str) -> dict[str, Series]:
    """
    Return a district-heating substation: `energy` in MWh, a counter that reads 0 when its link
    is lost, and `supply` and `return` in °C of the building's side. Temperatures of rows whose
    counter reads 0 are no measurements, nor is the sensor's -39.9.
    """
    found = _read(f"xai4heat_scada_{name}.csv.gz", "xai4heat")
    energy = found["heat.energy"]
    alive = energy.index[energy > 0]
    return {
        "energy": Series(energy),
        **{
            quantity: Series(values[values.index.isin(alive)])
            for quantity in ("supply", "return")
            for values in [found[f"heat.{quantity}"]]
        },
    }


def central_heating() -> dict[str, Series]:
    """
    Return a building's heating meter: `energy` in kWh, read once a day, and `supply` in °C.
    """
    found = _read("centralHeating.csv.gz", "hslu-central-heating")
    return {"energy": Series(found["heat.energy"]), "supply": Series(found["heat.supply"])}


def danish_meter() -> dict[str, Series]:
    """
    Return a small heat meter of one year: `energy` in kWh, `volume` in m³, and volume times supply
    and return temperature, `e8` and `e9`, in m³·°C.
    """
    found = _read("smart_heat_meter_660_2018.csv.gz", "aalborg")
    return {key.removeprefix("heat."): Series(values) for key, values in found.items()}


def gpu_server(name: str) -> dict[str, Series]:
    """
    Return a GPU server: `power`, the mean of each hour in W.
    """
    return {"power": Series(_read(f"{name}_usage_stats.txt.gz", "biohpc")[f"{name}.power"])}


def flat(letter: str) -> dict[str, Series]:
    """
    Return one electricity sub-meter: `energy` in kWh, every quarter of an hour.
    """
    found = _read("flatElectricity_2018-12_2019-09.csv.gz", "hslu-flats-electricity")
    return {"energy": Series(found[f"flat-{letter}.energy"])}


def heat_pump(*, since: str = "2019-03-04") -> dict[str, Series]:
    """
    Return the electricity meter of a heat pump from a day on: `energy` in kWh, every quarter
    of an hour.
    """
    found = _read("heatPumpElectricity.csv.gz", "hslu-heat-pump")
    return {"energy": Series(found["heat-pump.energy"][since:])}


Reader = Callable[[], dict[str, Series]]


def days_to_same_date(last: dt.date, today: dt.date) -> int:
    """
    Return the shift that lays the newest earlier year in which the series still reaches
    today's date onto the present one.
    """
    year = last.year
    while True:
        # 29 February becomes the 28th in a year that has none.
        day = min(today.day, 28) if today.month == 2 else today.day
        same = dt.date(year, today.month, day)
        if same < last:
            return (today - same).days
        year -= 1


def days_to_today(last: dt.date, today: dt.date) -> int:
    """
    Return the shift that makes the last whole day of a series today.
    """
    return (today - last).days + 1
