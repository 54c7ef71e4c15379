"""
What the reports of data centres ask for: Delegated Regulation (EU) 2024/1364, Annexes I to III,
by its symbols, and the German Energy Efficiency Act (EnEfG), sections 15 and 17.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation


class Origin(enum.StrEnum):
    """
    Where an answer comes from.
    """

    SITE = "site"
    METERED = "metered"
    COMPUTED = "computed"
    DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class Field:
    """
    One question: the regulation's symbol (subscripts after a hyphen), annex, words, unit. Where
    the act uses one symbol for two things ours differ: TIN is the intake temperature here.
    """

    symbol: str
    annex: str
    words: str
    unit: str
    origin: Origin
    number: bool = True
    required: bool = True


def _declared(symbol: str, annex: str, words: str, unit: str = "", *, number: bool = True) -> Field:
    return Field(symbol, annex, words, unit, Origin.DECLARED, number)


FIELDS = (
    Field("NAME", "I", "Name of the data centre", "", Origin.SITE, number=False),
    Field("OPERATOR", "I", "Operator, with contact", "", Origin.SITE, number=False),
    _declared("OWNER", "I", "Owner, with contact", number=False),
    Field("TOWN", "I", "Municipality", "", Origin.SITE, number=False),
    _declared("LAU", "I", "Code of the local administrative unit (LAU)", number=False),
    _declared("TYPE", "I", "Type: enterprise, colocation or co-hosting", number=False),
    Field("START", "I", "Day of entry into operation", "", Origin.SITE, number=False),
    _declared("RED-EL", "I", "Redundancy of the electrical supply", number=False),
    _declared("RED-COOL", "I", "Redundancy of the cooling", number=False),
    Field("PD-IT", "II", "Installed IT power demand", "kW", Origin.SITE),
    _declared("S-DC", "II", "Floor area of the data centre", "m²"),
    _declared("S-CR", "II", "Floor area of the computer rooms", "m²"),
    Field("E-DC", "II", "Energy of the data centre", "kWh", Origin.METERED),
    _declared("E-DC-BG", "II", "Energy from backup generators, a part of E-DC", "kWh"),
    Field("E-IT", "II", "Energy of the IT equipment", "kWh", Origin.METERED),
    _declared("GRID", "II", "Functions for the electricity grid", number=False),
    _declared("C-BTG", "II", "Mean battery capacity offered to the grid", "kW"),
    Field("W-IN", "II", "Water input", "m³", Origin.METERED),
    _declared("W-IN-POT", "II", "Potable water, a part of W-IN", "m³"),
    Field("E-REUSE", "II", "Waste heat reused outside", "kWh", Origin.METERED),
    Field("T-WH", "II", "Mean temperature of the waste heat", "°C", Origin.METERED),
    _declared("T-IN", "II", "Mean set-point of the intake air", "°C"),
    _declared("REFRIGERANT", "II", "Refrigerants", number=False),
    _declared("CDD", "II", "Cooling degree days, base 21 °C", "K·d"),
    Field("E-RES-TOT", "II", "Energy from renewable sources", "kWh", Origin.COMPUTED),
    _declared("E-RES-GOO", "II", "Renewable by guarantees of origin, cancelled", "kWh"),
    _declared("E-RES-PPA", "II", "Renewable by power purchase agreements", "kWh"),
    _declared("E-RES-OS", "II", "Renewable, made at the site itself", "kWh"),
    _declared("C-SERV", "II", "Capacity of the servers (SERT)", ""),
    _declared("C-STOR", "II", "Capacity of the storage", "PB"),
    _declared("B-IN", "II", "Incoming bandwidth", "GB/s"),
    _declared("B-OUT", "II", "Outgoing bandwidth", "GB/s"),
    _declared("TRAFFIC-IN", "II", "Incoming traffic", "EB"),
    _declared("TRAFFIC-OUT", "II", "Outgoing traffic", "EB"),
    Field("PUE", "III", "Power usage effectiveness", "", Origin.COMPUTED),
    Field("WUE", "III", "Water usage effectiveness", "m³/MWh", Origin.COMPUTED),
    Field("ERF", "III", "Energy reuse factor", "", Origin.COMPUTED),
    Field("REF", "III", "Renewable energy factor", "", Origin.COMPUTED),
)

# EnEfG, section 17 (1): what the platform for waste heat asks of each site. The act has no
# symbols; these are ours.
HEAT_FIELDS = (
    Field("WH-COMPANY", "1", "Name of the company", "", Origin.SITE, number=False),
    Field("WH-CONTACT", "1", "Contact", "", Origin.SITE, number=False),
    _declared("WH-ADDRESS", "2", "Address of the site: street, number, postcode", number=False),
    Field("WH-TOWN", "2", "Municipality", "", Origin.SITE, number=False),
    Field("WH-KWH", "3", "Heat of the year handed over", "kWh", Origin.METERED),
    _declared("WH-BESIDES", "3", "Waste heat of the year that nobody takes", "kWh"),
    Field("WH-MAX", "3", "Highest thermal power, hourly mean", "kW", Origin.METERED),
    Field("WH-PROFILE", "4", "Months with a whole load profile", "of 12", Origin.METERED),
    _declared("WH-AVAILABLE", "4", "When there is no heat: rests, shutdowns", number=False),
    _declared("WH-TEMPERATURE", "5", "How far the temperature can be controlled", number=False),
    _declared("WH-PRESSURE", "5", "How far the pressure can be controlled", number=False),
    _declared("WH-FEED-IN", "5", "How far the feed-in can be controlled", number=False),
    Field("WH-MEAN", "6", "Mean temperature of the heat", "°C", Origin.METERED),
    _declared(
        "WH-COMPANY-USE", "", "Final energy of the company a year, mean of the last three", "kWh"
    ),
)
BY_SYMBOL = {field.symbol: field for field in (*FIELDS, *HEAT_FIELDS)}


class Gap(enum.StrEnum):
    """
    What is wrong with an answer.
    """

    MISSING = "missing"
    NOT_A_NUMBER = "not_a_number"
    NEGATIVE = "negative"
    PART_EXCEEDS_WHOLE = "part_exceeds_whole"


# (part, whole): a part is not larger than its whole.
_PARTS = (
    ("S-CR", "S-DC"), ("E-DC-BG", "E-DC"), ("E-IT", "E-DC"), ("W-IN-POT", "W-IN"),
    ("E-RES-TOT", "E-DC"),
)  # fmt: skip


def gaps(answers: Mapping[str, str | None], fields: Iterable[Field] = FIELDS) -> dict[str, Gap]:
    """
    Return by symbol what a report of these fields still lacks, or what in it cannot be.
    """
    found: dict[str, Gap] = {}
    numbers: dict[str, Decimal] = {}
    for field in fields:
        answer = answers.get(field.symbol)
        if not answer:
            if field.required:
                found[field.symbol] = Gap.MISSING
        elif field.number:
            value = as_number(answer)
            if value is None:
                found[field.symbol] = Gap.NOT_A_NUMBER
            elif value < 0 and field.unit != "°C":
                found[field.symbol] = Gap.NEGATIVE
            else:
                numbers[field.symbol] = value
    for part, whole in _PARTS:
        if part in numbers and whole in numbers and numbers[part] > numbers[whole]:
            found[part] = Gap.PART_EXCEEDS_WHOLE
    return found


def as_number(text: str) -> Decimal | None:
    """
    Return a text as number, with point or comma; None where it is none.
    """
    try:
        value = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def renewable_total(answers: Mapping[str, str | None]) -> Decimal | None:
    """
    Return E_RES-TOT, the sum of its three parts; None while one is not answered.
    """
    parts = [as_number(answers.get(s) or "") for s in ("E-RES-GOO", "E-RES-PPA", "E-RES-OS")]
    known = [part for part in parts if part is not None]
    return sum(known, Decimal(0)) if len(known) == len(parts) else None


def complete(answers: Mapping[str, str | None], symbols: Iterable[str] | None = None) -> bool:
    """
    Say whether nothing of the given symbols, or of all, is lacking.
    """
    lacking = gaps(answers).keys()
    return not (lacking if symbols is None else lacking & set(symbols))
