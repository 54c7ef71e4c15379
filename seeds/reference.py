"""
Reference data that every installation needs, from files with a source and licence per row.

A file holds rows of one licence: share-alike data are not mixed with others.
"""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from telemetry import operations
from telemetry.domain.meter_profiles import Bytes, Coding, Profile, Take
from telemetry.domain.reference import FactorRow, KpiRuleRow
from telemetry.formats import reference_csv
from telemetry.formats.checked_csv import Read

Row = TypeVar("Row", FactorRow, KpiRuleRow)

FOLDER = Path(__file__).resolve().parent / "data" / "reference"


def load_emission_factors(*, at: dt.datetime) -> int:
    """
    Load the factors of all files; return how many were new.
    """
    rows = [
        row
        for path in sorted(FOLDER.glob("emission_factors*.csv"))
        for row in _sound(path, reference_csv.read_factors(path.read_bytes()))
    ]
    return operations.load_emission_factors(rows=rows, at=at)


def load_kpi_rules(*, at: dt.datetime) -> int:
    """
    Load the rules about ratios; return how many were new.
    """
    path = FOLDER / "kpi_rules.csv"
    rows = _sound(path, reference_csv.read_rules(path.read_bytes()))
    return operations.load_kpi_rules(rows=rows, at=at)


def _sound(path: Path, read: Read[Row]) -> list[Row]:
    if read.faults:
        raise ValueError(f"{path.name}: {read.faults[0]}")
    return read.rows


def load_calibration_rules(*, at: dt.datetime) -> int:
    """
    Load the verification terms of countries; return how many were new.
    """
    with (FOLDER / "calibration_rules.csv").open(newline="") as lines:
        rows = [_rule(row) for row in csv.DictReader(lines)]
    return operations.load_calibration_rules(rows=rows, at=at)


def _rule(row: dict[str, str]) -> operations.RuleRow:
    return operations.RuleRow(
        country=row["country"],
        meter_kind=row["meter_kind"],
        valid_from=dt.date.fromisoformat(row["valid_from"]),
        valid_to=dt.date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
        years=int(row["years"]) if row["years"] else None,
        end_of_year=row["end_of_year"] == "yes",
        when_expired=row["when_expired"],
        source=row["source"],
    )


def load_meter_profiles(*, at: dt.datetime) -> int:
    """
    Load the profiles of meter makes; return how many were new or changed.
    """
    return operations.load_meter_profiles(meter_profiles(), at=at)


def meter_profiles() -> list[tuple[str, Profile]]:
    """
    Return the profiles that come with the portal, by name.
    """
    with (FOLDER / "meter_profiles.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [(name, _profile(list(own))) for name, own in groupby(rows, itemgetter("profile"))]


def _profile(rows: list[dict[str, str]]) -> Profile:
    head = rows[0]
    return Profile(
        manufacturer=head["manufacturer"], first_version=int(head["first_version"]),
        last_version=int(head["last_version"]),
        medium=int(head["medium"]) if head["medium"] else None,
        since=None, until=None, own=False, takes=tuple(_take(row) for row in rows),
    )  # fmt: skip


def _take(row: dict[str, str]) -> Take:
    place = None
    if row["coding"]:
        place = Bytes(int(row["first_byte"]), int(row["bytes"]), Coding(row["coding"]))
    return Take(
        quantity=row["quantity"], measured=row["measured"], function=row["function"],
        storage=int(row["storage"]), tariff=int(row["tariff"]), device=int(row["sub_unit"]),
        nth=int(row["nth"]), unit=row["unit"], factor=Decimal(row["factor"]), place=place,
    )  # fmt: skip
