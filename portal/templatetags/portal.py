"""
Numbers, times and small pieces of markup on pages, by the reader's language.

Missing is a dash, never a zero. A number and its unit stand together by a no-break space.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers
from django import template
from django.templatetags.static import static
from django.utils import translation
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext
from stdnum import iban as iban_rules

from billing.operations import charge_name
from telemetry.domain import meter_status, supply
from telemetry.domain.statement import METHOD

register = template.Library()

Number = Decimal | float | int
# Templates hand a filter the empty text where a lookup on the way led to nothing.
Absent = str | None

DASH = "–"
NBSP = "\u00a0"


@cache
def _locale_of(language: str) -> Locale:
    return Locale.parse(translation.to_locale(language))


def _locale() -> Locale:
    return _locale_of(translation.get_language() or "en-gb")


# A page writes hundreds of numbers in a handful of patterns.
_pattern = cache(numbers.parse_pattern)


@register.filter
def number(value: Number | Absent, decimals: int = 0) -> str:
    """
    Write a number with a fixed count of decimals: 17,772 or 61.8.
    """
    if value is None or isinstance(value, str):
        return DASH
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    # A true minus sign, as wide as the digits; the locales of English write a hyphen.
    text = numbers.format_decimal(value, format=_pattern(pattern), locale=_locale())
    return text.replace("-", "−")


@register.filter
def quantity(value: Number | Absent) -> str:
    """
    Write a number with the decimals it has, at most three, so that it multiplies as printed.
    """
    if value is None or isinstance(value, str):
        return DASH
    return numbers.format_decimal(value, format=_pattern("#,##0.###"), locale=_locale()).replace(
        "-", "−"
    )


@register.filter
def against(now: Decimal, then: Decimal) -> str:
    """
    Say how a quantity compares with another, in whole per cent: "20% less than".
    """
    change = round((now - then) / then * 100)
    if change == 0:
        return gettext("about the same as")
    shown = numbers.format_percent(
        abs(change) / Decimal(100), format=_pattern("#,##0%"), locale=_locale()
    )
    return (gettext("%s more than") if change > 0 else gettext("%s less than")) % shown


@register.filter
def unit(value: Number | Absent, name: str) -> SafeString:
    """
    Write a whole number with its unit, muted: 17,772 kWh.
    """
    if value is None or isinstance(value, str):
        return SafeString(DASH)
    return format_html("{}{}<small>{}</small>", number(value), NBSP, name)


@register.filter
def iban(number: str) -> str:
    """
    Write an account number in groups of four.
    """
    return str(iban_rules.format(number))


@register.filter
def percent(share: Number | Absent, decimals: int = 1) -> str:
    """
    Write a share of 1 as per cent: 0.986 as 98.6%. Just under the whole never reads as 100.
    """
    if share is None or isinstance(share, str):
        return DASH
    step = Decimal(1).scaleb(-decimals - 2)
    exact = Decimal(str(share))
    shown = exact.quantize(step)
    if exact < 1 <= shown:
        shown = Decimal(1) - step
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "") + "%"
    return numbers.format_percent(shown, format=_pattern(pattern), locale=_locale())


@register.filter
def money(amount: Decimal | Absent, currency: str) -> str:
    """
    Write an amount with its currency and two decimals: £1,455.14.
    """
    if amount is None or isinstance(amount, str):
        return DASH
    return numbers.format_currency(amount, currency, locale=_locale()).replace("-", "−")


@register.filter
def price(amount: Decimal | Absent, currency: str) -> str:
    """
    Write a price per unit with up to six decimals, at least two: £0.0616.
    """
    if amount is None or isinstance(amount, str):
        return DASH
    return numbers.format_currency(
        amount, currency, format="¤#,##0.00####", locale=_locale(), currency_digits=False
    )


@register.filter
def day(value: dt.date | Absent, style: str = "long") -> str:
    """
    Write a date: 9 March 2026 ("long"), 9 Mar 2026 ("medium"), 9 Mar ("short").
    """
    if value is None or isinstance(value, str):
        return DASH
    if style == "short":
        return dates.format_skeleton("MMMd", value, locale=_locale())
    return dates.format_date(value, format=style, locale=_locale())


@register.filter
def month(value: dt.date | Absent, style: str = "long") -> str:
    """
    Write a month: October 2026 ("long"), Oct ("short").
    """
    if value is None or isinstance(value, str):
        return DASH
    skeleton = "yMMMM" if style == "long" else "MMM"
    return dates.format_skeleton(skeleton, value, locale=_locale())


@register.filter
def local(value: dt.datetime | Absent, zone: str) -> str:
    """
    Write an instant as clock time in a zone: 24 Nov 2026, 10:15.
    """
    if value is None or isinstance(value, str):
        return DASH
    there = value.astimezone(ZoneInfo(zone))
    return f"{day(there.date(), 'medium')}, {there:%H:%M}"


@register.filter
def local_day(value: dt.datetime | Absent, zone: str) -> str:
    """
    Write the local date of an instant: 24 Nov 2026.
    """
    if value is None or isinstance(value, str):
        return DASH
    return day(value.astimezone(ZoneInfo(zone)).date(), "medium")


@register.filter
def clock(value: dt.datetime | Absent, zone: str) -> str:
    """
    Write only the clock time of an instant in a zone: 10:15.
    """
    return (
        DASH
        if value is None or isinstance(value, str)
        else f"{value.astimezone(ZoneInfo(zone)):%H:%M}"
    )


@register.filter
def on_day(value: dt.datetime, zone: str) -> dt.date:
    """
    Return the day of an instant as lived in a zone.
    """
    return value.astimezone(ZoneInfo(zone)).date()


@register.filter
def year_before(day: dt.date) -> dt.date:
    """
    Return the first of the same month of the year before.
    """
    return dt.date(day.year - 1, day.month, 1)


@register.filter
def last_day(end: dt.date) -> dt.date:
    """
    Return the last day of a half-open span of days, for readers.
    """
    return end - dt.timedelta(days=1)


@register.filter
def minutes(seconds: int | Absent) -> str:
    """
    Write seconds as whole minutes: 129,180.
    """
    if seconds is None or isinstance(seconds, str):
        return DASH
    return number(Decimal(seconds) / 60)


@register.filter
def hours(seconds: float | Absent) -> str:
    """
    Write seconds as hours with one decimal: 71.5.
    """
    if seconds is None or isinstance(seconds, str):
        return DASH
    return number(seconds / 3600, 1)


@register.filter
def lowered(text: str) -> SafeString:
    """
    Write the 2 of CO2 below the line, as a formula has it.
    """
    return mark_safe(conditional_escape(text).replace("CO2", "CO<sub>2</sub>"))  # noqa: S308 - escaped


@register.filter
def lasted(span: Any) -> str:
    """
    Write how long a range of instants lasts, in the unit that fits: 45 min, 6 h or 3 days.
    """
    seconds = (span.upper - span.lower).total_seconds()
    if seconds < 3600:
        return f"{number(seconds / 60)}\N{NO-BREAK SPACE}min"
    if seconds < 2 * 86_400:
        return f"{quantity(round(seconds / 3600, 1))}\N{NO-BREAK SPACE}h"
    days = round(seconds / 86_400)
    return ngettext("%s day", "%s days", days) % number(days)


@register.filter
def item(rows: Mapping[Any, Any], key: Any) -> Any:
    """
    Return what a mapping holds for a key, None where it holds nothing.
    """
    return rows.get(key)


@register.filter
def hexadecimal(digest: bytes | memoryview) -> str:
    """
    Write a digest in groups of four digits, so that people can compare it.
    """
    digits = bytes(digest).hex()
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """
    Draw an icon of the sprite; always beside a word, so it is hidden from screen readers.
    """
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("portal/icons.svg"),
        name,
    )


# Tone and icon of each word of state. The words are those of the data, translated on the page.
_QUALITY = {
    "actual": ("ok", "check"),
    "scaled": ("info", "info"),
    "edited": ("info", "pencil"),
    "estimated": ("est", "activity"),
    "suspect": ("warn", "triangle-alert"),
    "missing": ("unk", "minus"),
}


def _tag(tone: str, symbol: str, word: str) -> SafeString:
    return format_html('<span class="tag {}">{}{}</span>', tone, icon(symbol), word)


@register.simple_tag
def tag(tone: str, symbol: str, word: str) -> SafeString:
    """
    Draw a tag of tone ok, warn, bad, info, est or unk: icon and word on a soft ground.
    """
    return _tag(tone, symbol, word)


def quality_words() -> dict[str, str]:
    """
    Return the word for each quality of a rollup.
    """
    return {
        "actual": gettext("Measured"),
        "scaled": gettext("Spread over time"),
        "edited": gettext("Edited"),
        "estimated": gettext("Estimated"),
        "suspect": gettext("Check"),
        "missing": gettext("Missing"),
    }


@register.filter
def quality(value: str) -> SafeString:
    """
    Draw the badge of a rollup's quality.
    """
    tone, symbol = _QUALITY[value]
    return _tag(tone, symbol, quality_words()[value])


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: object) -> str:
    """
    Return the query string of the page with some keys changed; None or "" drops a key, and any
    change but that of the page goes back to the first page.
    """
    given = context["request"].GET.copy()
    if "page" not in changes:
        given.pop("page", None)
    for key, value in changes.items():
        given.pop(key, None)
        if value not in (None, ""):
            given[key] = str(value)
    text: str = given.urlencode()
    return f"?{text}"


@register.simple_tag
def billing_tabs() -> list[tuple[str, str]]:
    """
    Return the pages about billing a month with their names, in the order of the work.
    """
    return [
        ("ops-checks-month", gettext("Before billing")),
        ("ops-preview", gettext("Preview")),
        ("ops-runs", gettext("Runs")),
        ("ops-drafts", gettext("Drafts")),
        ("ops-missing", gettext("Missing bills")),
        ("ops-corrections", gettext("To correct")),
    ]


@register.simple_tag
def money_tabs() -> list[tuple[str, str]]:
    """
    Return the pages about money with their names.
    """
    return [
        ("ops-money", gettext("What is owed")),
        ("ops-payments", gettext("Payments")),
        ("ops-debits", gettext("Direct debits")),
        ("ops-reminders", gettext("Reminders")),
        ("ops-disputes", gettext("Disputes")),
        ("ops-corrections", gettext("To correct")),
        ("ops-revenue", gettext("Revenue")),
        ("ops-books", gettext("Books")),
    ]


@register.simple_tag
def contract_tabs() -> list[tuple[str, str]]:
    """
    Return the lists around contracts with their names.
    """
    return [("ops-contracts", gettext("Contracts")), ("ops-indices", gettext("Price indices"))]


@register.simple_tag
def statement_tabs() -> list[tuple[str, str]]:
    """
    Return the lists of statements and what they rest on, with their names.
    """
    return [
        ("ops-statements", gettext("Statements")),
        ("ops-emissions", gettext("Emissions")),
        ("ops-kpis", gettext("Ratios")),
        ("ops-lots", gettext("Attributes")),
        ("ops-claims", gettext("Claims")),
        ("ops-counterfactuals", gettext("Heating replaced")),
        ("ops-reports", gettext("Reports")),
        ("ops-factors", gettext("Reference data")),
    ]


@register.simple_tag
def method_version() -> str:
    """
    Return the version of the method by which figures are made now.
    """
    return METHOD


@register.filter
def meter_words(status: int) -> list[str]:
    """
    Return what the status byte of a meter says.
    """
    words = []
    low = status & meter_status.ABNORMAL
    if low:
        words.append(
            {
                meter_status.BUSY: gettext("busy"),
                meter_status.APPLICATION_ERROR: gettext("application error"),
                meter_status.ABNORMAL: gettext("abnormal condition"),
            }[low]
        )
    for bit, said in (
        (meter_status.LOW_POWER, gettext("power low")),
        (meter_status.PERMANENT_ERROR, gettext("permanent error")),
        (meter_status.TEMPORARY_ERROR, gettext("temporary error")),
    ):
        if status & bit:
            words.append(said)
    own = status & meter_status.OF_THE_MAKER
    if own:
        words.append(gettext("code %s of the maker") % f"{own:02X}h")
    return words or [gettext("no fault")]


register.filter("is_fault", meter_status.is_fault)


@register.filter
def bands(hours: list[supply.Band]) -> str:
    """
    Write hours of the week, days with the same times together.
    """
    return "; ".join(supply.write_bands(hours))


@register.filter
def charge(kind: str) -> str:
    """
    Write what a kind of charge is called on bills.
    """
    return charge_name(kind)
