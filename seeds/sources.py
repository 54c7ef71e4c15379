"""
The real series behind the demo as (instant, value) series, shifted to end today.

Each file is read as its owner published it; what is done to it is stated in data/SOURCES.md.
Instants come out in UTC. Heat is shifted by whole years' worth of days, so that winter stays
winter; servers know no season, their series are shifted so that the last whole day is today.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

DATA = Path(__file__).parent / "data"


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


def _utc(local: pd.Series[str], zone: str) -> pd.DatetimeIndex:
    # A wall clock without offset cannot tell the repeated hour of autumn; its rows are left out,
    # as is the hour that spring does not have.
    times = pd.DatetimeIndex(pd.to_datetime(local))
    return times.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").tz_convert("UTC")


def _series(index: pd.DatetimeIndex, values: pd.Series[float]) -> Series:
    made = pd.Series(values.to_numpy(), index=index)
    made = made[made.index.notna()].dropna()
    return Series(made[~made.index.duplicated()].sort_index())


def substation(name: str) -> dict[str, Series]:
    """
    Return a district-heating substation: `energy` in MWh, a counter that reads 0 when its link
    is lost, and `supply` and `return` in °C of the building's side. Temperatures of rows whose
    counter reads 0 are no measurements, nor is the sensor's -39.9.
    """
    table = pd.read_csv(DATA / f"xai4heat_scada_{name}.csv.gz")
    index = _utc(table["datetime"], "Europe/Belgrade")
    alive = table["e"] > 0
    found = {"energy": _series(index, table["e"])}
    for quantity, column in (("supply", "t_sup_sec"), ("return", "t_ret_sec")):
        found[quantity] = _series(index, table[column].where(alive & (table[column] > -39)))
    return found


def central_heating() -> dict[str, Series]:
    """
    Return a building's heating meter: `energy` in kWh, read once a day, and `supply` in °C.
    """
    table = pd.read_csv(DATA / "centralHeating.csv.gz", sep=";")
    index = _utc(table["time"], "Europe/Zurich")
    return {
        "energy": _series(index, table["energyHeatingMeter"]),
        "supply": _series(index, table["supplyTempHeating"]),
    }


def danish_meter() -> dict[str, Series]:
    """
    Return a small heat meter of one year: `energy` in kWh, `volume` in m³, and volume times supply
    and return temperature, `e8` and `e9`, in m³·°C.
    """
    table = pd.read_csv(DATA / "smart_heat_meter_660_2018.csv.gz")
    index = pd.DatetimeIndex(pd.to_datetime(table["time_rounded"], utc=True))
    columns = {
        "energy": "energy_heat_kwh",
        "volume": "volume_flow_m3",
        "e8": "inlet_flow_energy_m3xC",
        "e9": "back_flow_energy_m3xC",
    }
    return {
        quantity: _series(index, table[column].round(3)) for quantity, column in columns.items()
    }


def gpu_server(name: str) -> dict[str, Series]:
    """
    Return a GPU server: `power`, the mean of each hour in W.
    """
    table = pd.read_csv(
        DATA / f"{name}_usage_stats.txt.gz", sep="\t", encoding="utf-8-sig",
        usecols=["timestamp", "powerave"],
    ).dropna()  # fmt: skip
    # The export ends with lines of the database client.
    index = _utc(table["timestamp"], "America/New_York")
    return {"power": _series(index, table["powerave"].astype(float))}


def flat(column: str) -> dict[str, Series]:
    """
    Return one electricity sub-meter: `energy` in kWh, every quarter of an hour.
    """
    table = pd.read_csv(DATA / "flatElectricity_2018-12_2019-09.csv.gz", sep=";")
    return {"energy": _series(_utc(table["time"], "Europe/Zurich"), table[column])}


def heat_pump(*, since: str = "2019-03-04") -> dict[str, Series]:
    """
    Return the electricity meter of a heat pump from a day on: `energy` in kWh, every quarter
    of an hour.
    """
    table = pd.read_csv(DATA / "heatPumpElectricity.csv.gz", sep=";")
    index = _utc(table["time"], "Europe/Zurich")
    series = _series(index, table["heatPumpElectricity"].round(3))
    return {"energy": Series(series.values[since:])}


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
