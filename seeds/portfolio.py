"""
Who and what the demo shows: one operator in two countries. Names and prices are invented;
every reading behind them is real (data/SOURCES.md).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from seeds import sources
from sites.access import Kind, Role

OPERATOR: dict[str, Any] = {
    "name": "Nordhaven Edge",
    "slug": "nordhaven-edge",
    "country": "DE",
    "timezone": "Europe/Berlin",
    "street": "Schwedenkai 4",
    "postcode": "24103",
    "town": "Kiel",
    "vat_id": "DE811569869",
    "email": "billing@nordhaven.example",
    "phone": "+49 431 555 0140",
    "bank_details": "Nordhaven Edge",
    # A well-formed number that banks use in examples; no account.
    "iban": "DE02120300000000202051",
    "creditor_id": "DE98ZZZ09999999999",
    "contact_name": "Mara Lindqvist",
    "complaints": "Schlichtungsstelle Energie e. V., Friedrichstraße 133, 10117 Berlin",
}


@dataclass(frozen=True, slots=True)
class Feed:
    """
    A metering point with the series that feeds it.

    `seasonal` series keep their time of year. `servers` is how many servers like the measured
    one stand there: its power is multiplied by it. A meter behind a current transformer counts
    a part, `meter["multiplier"]` makes it whole.
    """

    code: str
    name: str
    boundary: str
    read: sources.Reader
    seasonal: bool = False
    # A series of about a year, laid round the calendar; where its end meets its beginning the
    # demo records a meter exchange.
    round_the_year: bool = False
    servers: int = 1
    heartbeat_s: int | None = None
    meter: dict[str, Any] = field(default_factory=dict)
    # What else the meter counts, by quantity.
    registers: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Whose it is: slug of the partner or tenant, and what is agreed with them.
    customer: str = ""
    place: dict[str, Any] = field(default_factory=dict)
    terms: dict[str, Any] = field(default_factory=dict)


def _meter(serial: str, make: str, unit: str, kw: int, **more: Any) -> dict[str, Any]:
    return {
        "serial": serial, "make": make, "unit": unit, "max_power_kw": Decimal(kw), "digits": 7,
        "kind": "electricity", **more,
    }  # fmt: skip


def _heat_meter(serial: str, make: str, unit: str, kw: int, **more: Any) -> dict[str, Any]:
    # Sensor, class and verification are assumed: the sources do not tell.
    papers = {
        "kind": "heat", "flow_sensor": "outlet", "accuracy_class": 2, "dt_min_k": Decimal(3),
        "verified_on": dt.date(2023, 4, 18),
    }  # fmt: skip
    return _meter(serial, make, unit, kw, **{**papers, **more})


_KIEL_IT, _LUEBECK_IT, _LEEDS_CT = 900, 4200, 6

CUSTOMERS: list[dict[str, Any]] = [
    {
        "kind": Kind.PARTNER,
        "slug": "foerdebad",
        "name": "Fördebad Kiel gGmbH",
        "country": "DE",
        "timezone": "Europe/Berlin",
        "town": "Kiel",
        "postcode": "24143",
        "street": "Werftbahn 2",
    },
    {
        "kind": Kind.PARTNER,
        "slug": "kita-moewennest",
        "name": "Kita Möwennest e. V.",
        "country": "DE",
        "language": "de",
        "timezone": "Europe/Berlin",
        "town": "Kiel",
        "postcode": "24143",
        "street": "Norddeutsche Straße 11",
    },
    {
        "kind": Kind.PARTNER,
        "slug": "wohnbau-trave",
        "name": "Wohnbau Trave eG",
        "country": "DE",
        "timezone": "Europe/Berlin",
        "town": "Lübeck",
        "postcode": "23552",
        "street": "An der Obertrave 30",
    },
    {
        "kind": Kind.PARTNER,
        "slug": "canal-road-school",
        "name": "Canal Road Primary School",
        "country": "GB",
        "timezone": "Europe/London",
        "town": "Leeds",
        "postcode": "LS12 2PU",
        "street": "Canal Road",
    },
    {
        "kind": Kind.TENANT,
        "slug": "fjord-render",
        "name": "Fjord Render GmbH",
        "country": "DE",
        "timezone": "Europe/Berlin",
        "town": "Hamburg",
        "postcode": "20457",
        "street": "Brooktorkai 7",
    },
    {
        "kind": Kind.TENANT,
        "slug": "baltic-weather",
        "name": "Baltic Weather Models GmbH",
        "country": "DE",
        "timezone": "Europe/Berlin",
        "town": "Rostock",
        "postcode": "18055",
        "street": "Am Strande 3",
    },
    {
        "kind": Kind.TENANT,
        "slug": "hanse-genomics",
        "name": "Hanse Genomics AG",
        "country": "DE",
        "timezone": "Europe/Berlin",
        "town": "Lübeck",
        "postcode": "23562",
        "street": "Maria-Goeppert-Straße 1",
    },
    {
        "kind": Kind.TENANT,
        "slug": "tallow-software",
        "name": "Tallow Software Ltd",
        "country": "GB",
        "timezone": "Europe/London",
        "town": "Leeds",
        "postcode": "LS1 4AP",
        "street": "Park Row 14",
    },
    {
        "kind": Kind.TENANT,
        "slug": "pennine-archive",
        "name": "Pennine Archive CIC",
        "country": "GB",
        "timezone": "Europe/London",
        "town": "Bradford",
        "postcode": "BD1 1HX",
        "street": "Hall Ings 6",
    },
]

_GPU = {
    "unit": "W",
    "interval_s": 3600,
}


def _flat(letter: str, serial: str) -> dict[str, Any]:
    return {
        "read": partial(sources.flat, letter),
        "heartbeat_s": 900,
        "meter": _meter(serial, "Landis+Gyr E450", "kWh", 400, multiplier=Decimal(_LEEDS_CT)),
    }


_SHIFTED = (
    "Demonstration data: real readings of other places, their dates shifted so that they end"
    " today. {more} Source and licence of each series are in seeds/data/SOURCES.md."
)

SITES: list[dict[str, Any]] = [
    {
        "slug": "kiel-werftbahn",
        "name": "Werftbahn",
        "town": "Kiel",
        "country": "DE",
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "latitude": Decimal("54.3160"),
        "longitude": Decimal("10.1530"),
        "cooling": "liquid",
        "rated_it_kw": Decimal(600),
        "capture_kw": Decimal(260),
        "is_public": False,
        "public_text": "",
        "data_note": _SHIFTED.format(
            more=f"The IT load is the power of two servers times {_KIEL_IT} each; the cooling"
            " meter’s transformer ratio is assumed. Two series cover a year and are laid round it,"
            " with a meter exchange at the seam."
        ),
        "vat_rate": 19,
        "feeds": [
            Feed(
                "pool",
                "Heat to the pool",
                "heat_handoff",
                partial(sources.substation, "L12"),
                seasonal=True,
                meter=_heat_meter(
                    "70114512", "Kamstrup Multical 603", "MWh", 1000, qp_m3h=Decimal("25")
                ),
                customer="foerdebad",
                place={
                    "name": "Fördebad, plant room",
                    "slug": "foerdebad",
                    "building_type": "pool",
                    "distance_m": 120,
                    "required_supply_c": Decimal(27),
                    "contracted_kw": Decimal(240),
                    "help_phone": "+49 431 555 0199",
                },
                terms={
                    "model": "usage",
                    "contracted_kw": 240,
                    "price_per_kw": Decimal("3.40"),
                    "price_per_kwh": Decimal("0.0616"),
                    # Heat that does not count under the terms of supply is not billed.
                    "details": {"qualified_heat": True},
                },
            ),
            Feed(
                "nursery",
                "Heat to the nursery",
                "heat_handoff",
                sources.danish_meter,
                seasonal=True,
                round_the_year=True,
                meter=_heat_meter(
                    "66001801",
                    "Kamstrup Multical 403",
                    "kWh",
                    40,
                    qp_m3h=Decimal("1.5"),
                    flow_sensor="inlet",
                ),
                registers={
                    "volume": {"unit": "m3", "max_an_hour": Decimal(3)},
                    "e8": {"unit": "m3C", "max_an_hour": Decimal(300)},
                    "e9": {"unit": "m3C", "max_an_hour": Decimal(300)},
                },
                customer="kita-moewennest",
                place={
                    "name": "Kita Möwennest, cellar",
                    "slug": "moewennest",
                    "building_type": "nursery",
                    "distance_m": 45,
                    "required_supply_c": Decimal(55),
                    "contracted_kw": Decimal(15),
                    "help_phone": "+49 431 555 0199",
                },
                terms={"model": "usage", "price_per_kwh": Decimal("0.0790")},
            ),
            Feed(
                "hall-a",
                "Hall A, servers of Fjord Render",
                "tenant_feed",
                partial(sources.gpu_server, "cbsugpu05"),
                servers=_KIEL_IT,
                heartbeat_s=3600,
                customer="fjord-render",
                place={
                    "name": "Hall A, render farm",
                    "slug": "hall-a",
                    "it_kw": Decimal(280),
                    "racks": 12,
                },
                terms={"model": "fixed", "contracted_kw": 280, "price_per_kw": Decimal("92.00")},
            ),
            Feed(
                "hall-b",
                "Hall B, servers of Baltic Weather",
                "tenant_feed",
                partial(sources.gpu_server, "cbsugpu07"),
                servers=_KIEL_IT,
                heartbeat_s=3600,
                customer="baltic-weather",
                place={
                    "name": "Hall B, ensemble cluster",
                    "slug": "hall-b",
                    "it_kw": Decimal(290),
                    "racks": 12,
                },
                terms={"model": "fixed", "contracted_kw": 290, "price_per_kw": Decimal("89.50")},
            ),
            Feed(
                "cooling",
                "Cooling and pumps",
                "cooling",
                # After the first of its two long outages.
                partial(sources.heat_pump, since="2019-06-14"),
                round_the_year=True,
                meter=_meter("21880034", "Schneider iEM3255", "kWh", 2000, multiplier=Decimal(30)),
            ),
        ],
    },
    {
        "slug": "luebeck-roddenkoppel",
        "name": "Roddenkoppel",
        "town": "Lübeck",
        "country": "DE",
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "latitude": Decimal("53.8790"),
        "longitude": Decimal("10.6660"),
        "cooling": "liquid",
        "rated_it_kw": Decimal(1400),
        "capture_kw": Decimal(500),
        "is_public": False,
        "public_text": "",
        "data_note": _SHIFTED.format(
            more=f"The IT load is the power of one server times {_LUEBECK_IT}. Cooling is not"
            " metered here, so there is no PUE."
        ),
        "vat_rate": 19,
        "feeds": [
            Feed(
                "quarter",
                "Heat to the quarter",
                "heat_handoff",
                partial(sources.substation, "L17"),
                seasonal=True,
                meter=_heat_meter(
                    "70114517", "Kamstrup Multical 603", "MWh", 2000, qp_m3h=Decimal("40")
                ),
                customer="wohnbau-trave",
                place={
                    "name": "Quartier Obertrave, substation",
                    "slug": "obertrave",
                    "building_type": "housing",
                    "distance_m": 310,
                    "required_supply_c": Decimal(27),
                    "contracted_kw": Decimal(420),
                    "help_phone": "+49 451 555 0199",
                },
                terms={"model": "fixed", "contracted_kw": 420, "price_per_kw": Decimal("11.20")},
            ),
            Feed(
                "genomics",
                "Servers of Hanse Genomics",
                "tenant_feed",
                partial(sources.gpu_server, "cbsugpu09"),
                servers=_LUEBECK_IT,
                heartbeat_s=3600,
                customer="hanse-genomics",
                place={
                    "name": "Sequencing cluster",
                    "slug": "genomics",
                    "it_kw": Decimal(1300),
                    "racks": 40,
                },
                terms={"model": "fixed", "contracted_kw": 1300, "price_per_kw": Decimal("84.00")},
            ),
        ],
    },
    {
        "slug": "leeds-canal-road",
        "name": "Canal Road",
        "town": "Leeds",
        "country": "GB",
        "timezone": "Europe/London",
        "currency": "GBP",
        "latitude": Decimal("53.7990"),
        "longitude": Decimal("-1.5790"),
        "cooling": "air",
        "rated_it_kw": Decimal(20),
        "capture_kw": Decimal(20),
        "is_public": True,
        "public_text": "Servers of two organisations in a former canal warehouse. Their heat warms"
        " the primary school next door.",
        "data_note": _SHIFTED.format(
            more=f"The server feeds are household sub-meters behind an assumed transformer ratio"
            f" of {_LEEDS_CT}."
        ),
        "vat_rate": 20,
        "feeds": [
            Feed(
                "school",
                "Heat to the school",
                "heat_handoff",
                sources.central_heating,
                seasonal=True,
                meter=_heat_meter("5540233", "Itron CF Echo II", "kWh", 60, qp_m3h=Decimal("2.5")),
                customer="canal-road-school",
                place={
                    "name": "School boiler room",
                    "slug": "school",
                    "building_type": "school",
                    "distance_m": 25,
                    "required_supply_c": Decimal(22),
                    "contracted_kw": Decimal(20),
                    "help_phone": "0113 496 0140",
                },
                terms={
                    "model": "usage",
                    "contracted_kw": 20,
                    "price_per_kw": Decimal("4.00"),
                    "price_per_kwh": Decimal("0.0580"),
                },
            ),
            Feed(
                "rack-a",
                "Racks A, Tallow",
                "tenant_feed",
                customer="tallow-software",
                place={"name": "Racks A", "slug": "racks-a", "it_kw": Decimal(4), "racks": 2},
                terms={
                    "model": "usage",
                    "contracted_kw": 4,
                    "price_per_kw": Decimal("60.00"),
                    "price_per_kwh": Decimal("0.2140"),
                },
                **_flat("a", "40118001"),
            ),
            Feed(
                "rack-b",
                "Racks B, Tallow",
                "tenant_feed",
                customer="tallow-software",
                place={"name": "Racks B", "slug": "racks-b", "it_kw": Decimal(5), "racks": 2},
                terms={
                    "model": "usage",
                    "contracted_kw": 5,
                    "price_per_kw": Decimal("60.00"),
                    "price_per_kwh": Decimal("0.2140"),
                },
                **_flat("b", "40118002"),
            ),
            Feed(
                "rack-c",
                "Racks C, Pennine Archive",
                "tenant_feed",
                customer="pennine-archive",
                place={"name": "Racks C", "slug": "racks-c", "it_kw": Decimal(3), "racks": 1},
                terms={"model": "usage", "price_per_kwh": Decimal("0.2630")},
                **_flat("c", "40118003"),
            ),
            Feed(
                "rack-d",
                "Racks D, Pennine Archive",
                "tenant_feed",
                customer="pennine-archive",
                place={"name": "Racks D", "slug": "racks-d", "it_kw": Decimal(5), "racks": 2},
                terms={"model": "usage", "price_per_kwh": Decimal("0.2630")},
                **_flat("d", "40118004"),
            ),
            Feed(
                "cooling",
                "Cooling and ventilation",
                "cooling",
                sources.heat_pump,
                meter=_meter("21880035", "Schneider iEM3255", "kWh", 300, multiplier=Decimal(1)),
            ),
        ],
    },
]

PASSWORD = "warm grid demo"  # noqa: S105 - printed for whoever tries the demo
PEOPLE: list[tuple[str, str, dict[str, Role], str]] = [
    ("mara@nordhaven.example", "Mara Lindqvist", {"nordhaven-edge": Role.ADMIN}, "operator"),
    (
        "tom@nordhaven.example",
        "Tom Petersen",
        {"nordhaven-edge": Role.BILLING},
        "operator’s billing",
    ),
    ("joan@foerdebad.example", "Joan Price", {"foerdebad": Role.ADMIN}, "heat partner"),
    ("jens@tallow.example", "Jens Holt", {"tallow-software": Role.ADMIN}, "tenant"),
    (
        "ines@pennine.example",
        "Ines Okafor",
        {"pennine-archive": Role.ADMIN, "canal-road-school": Role.VIEWER},
        "tenant and heat partner",
    ),
]
