"""
What the figures of a statement are called and what limits each, in plain words: specific, dated,
and never a mark of quality (Directive (EU) 2024/825).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel.numbers import format_decimal, format_percent
from django.utils.translation import get_language, gettext, to_locale


@dataclass(frozen=True, slots=True)
class Row:
    """
    One figure for readers: `figure` is a dash where `missing` says why there is none.
    """

    key: str
    title: str
    figure: str
    unit: str
    limit: str
    basis: str
    missing: str = ""
    measured: str = ""
    estimated: str = ""
    interim: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    title: str
    unit: str
    limit: str
    places: int | None = 0


def _kinds(gas: str = "CO2") -> dict[str, _Kind]:
    return {
        "serverElectricity": _Kind(
            gettext("Electricity of the servers"),
            "kWh",
            gettext("Counted by the meter of the tenant’s feed."),
        ),
        "siteElectricityShare": _Kind(
            gettext("With the share of the site"),
            "kWh",
            gettext("Cooling and losses of the site are shared by the electricity of the servers."),
        ),
        "emissionsLocationBased": _Kind(
            gettext("Emissions, location-based"),
            f"kg {gas}",
            gettext("By the mean factor of the country’s grid. Reused heat is not deducted."),
            1,
        ),
        "emissionsMarketBased": _Kind(
            gettext("Emissions, market-based"),
            f"kg {gas}",
            gettext("By how the electricity was bought; the rest has the residual mix."),
            1,
        ),
        "renewableShare": _Kind(
            gettext("Renewable electricity over the whole period"),
            "",
            gettext("Cancelled certificates, contracts and own production set against use."),
            None,
        ),
        "hourlyMatch": _Kind(
            gettext("Renewable electricity hour by hour"),
            "",
            gettext("Only what was produced in the same hour counts."),
            None,
        ),
        "uptime": _Kind(
            gettext("Uptime"),
            "",
            gettext("Of the time in which something is known; announced work is left out."),
            None,
        ),
        "pue": _Kind(
            gettext("Energy the site needs for each kWh of its servers"),
            "PUE",
            gettext("Everything the site used, set against its servers."),
            2,
        ),
        "ref": _Kind(
            gettext("Renewable electricity of the whole site"),
            "REF",
            gettext("Covered by attributes or made at the site, over the whole period."),
            None,
        ),
        "erf": _Kind(
            gettext("Heat that was reused, of the site’s energy"),
            "ERF",
            gettext("It is about the buildings that take the heat, and reduces no footprint."),
            None,
        ),
        "heatReused": _Kind(
            gettext("Heat handed over by the site"),
            "kWh",
            gettext("Of the whole site, whoever’s servers made it."),
        ),
    }


def rows(content: Mapping[str, Any]) -> list[Row]:
    """
    Return the figures of a statement in the order people read them.
    """
    figures = content["figures"]
    gas = "CO2e" if any("CO2e" in factor for factor in content["factors"]) else "CO2"
    return [_row(key, kind, figures[key]) for key, kind in _kinds(gas).items() if key in figures]


@dataclass(frozen=True, slots=True)
class Box:
    """
    Figures that belong together, and what they do not say; boxes are never added up.
    """

    title: str
    rows: list[Row]
    limit: str


_PURCHASE = frozenset({"renewableShare", "hourlyMatch", "ref"})
_HEAT = frozenset({"erf", "heatReused"})


def boxes(told: Sequence[Row]) -> list[Box]:
    """
    Return the rows in their boxes: footprint, purchase, heat; an empty one left out.
    """
    found = [
        Box(
            gettext("Electricity and emissions of the service"),
            [row for row in told if row.key not in _PURCHASE | _HEAT],
            "",
        ),
        Box(
            gettext("How the electricity was bought"),
            [row for row in told if row.key in _PURCHASE],
            gettext(
                "A yearly balance is not the same as electricity of the same hour. Neither has to"
                " do with the heat."
            ),
        ),
        Box(
            gettext("Heat of the site"),
            [row for row in told if row.key in _HEAT],
            gettext(
                "For information. What heat replaces elsewhere is claimed by the building that"
                " takes it."
            ),
        ),
    ]
    return [box for box in found if box.rows]


def _row(key: str, kind: _Kind, figure: Mapping[str, Any]) -> Row:
    value = figure.get("value")
    if value is None:
        text = "–"
    elif kind.places is None:
        text = percent(Decimal(value), 3 if key == "uptime" else 1)
    else:
        text = _number(Decimal(value), kind.places)
    return Row(
        key=key,
        title=kind.title,
        figure=text,
        unit=kind.unit,
        limit=kind.limit,
        basis=figure["basis"],
        missing=_missing(figure) if value is None else "",
        measured=percent(Decimal(figure["coverage"])) if "coverage" in figure else "",
        estimated=percent(Decimal(figure["estimatedShare"])) if "estimatedShare" in figure else "",
        interim=bool(figure.get("interim")),
    )


def _missing(figure: Mapping[str, Any]) -> str:
    return {
        "no_meter": gettext("Not stated: a meter for it is missing."),
        "not_started": gettext("Not stated: measuring began later."),
        "low_coverage": gettext("Not stated: less than 90% of hours were measured."),
        "zero_denominator": gettext("Not stated: the servers used no electricity."),
        "implausible": gettext("Not stated: readings contradict each other."),
        "estimated": gettext("Not stated: more than 5% of it was estimated."),
        "no_factor": gettext("Not stated: an emission factor for it is missing."),
        "no_residual": gettext("Not stated: no factor of the residual mix is held."),
        "no_attributes": gettext("Not stated: no certificates or contracts are recorded."),
        "no_hours": gettext("Not stated: when it was produced is not recorded hour by hour."),
        "not_public": gettext("Not stated: it would tell what a neighbour used."),
    }.get(figure["notStated"], gettext("Not stated."))


def held_words(held: Mapping[str, str]) -> str:
    """
    Say what stands against a statement.
    """
    kind = _kinds().get(held["figure"])
    title = kind.title if kind else held["figure"]
    share = percent(Decimal(held["share"])) if "share" in held else ""
    words = {
        "no_meter": gettext("%(figure)s: there is no meter for it."),
        "low_coverage": gettext("%(figure)s: %(share)s of hours measured, 90%% needed."),
        "estimated": gettext("%(figure)s: %(share)s of it was estimated, at most 5%% may be."),
        "contradiction": gettext("%(figure)s: readings contradict each other."),
    }[held["why"]]
    return words % {"figure": title, "share": share}


def percent(share: Decimal, places: int = 1) -> str:
    """
    Write a share; one just below the whole never reads as the whole.
    """
    shown = share.quantize(Decimal(1).scaleb(-places - 2))
    if shown == 1 and share < 1:
        shown = 1 - Decimal(1).scaleb(-places - 2)
    pattern = "#,##0." + "0" * places + "%"
    return format_percent(shown, format=pattern, locale=_locale())


def _number(value: Decimal, places: int) -> str:
    pattern = "#,##0" + ("." + "0" * places if places else "")
    return format_decimal(value, format=pattern, locale=_locale()).replace("-", "−")


def _locale() -> str:
    return to_locale(get_language() or "en-gb")
