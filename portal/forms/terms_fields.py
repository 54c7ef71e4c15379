"""
What a version of terms is typed in: the fields of each price model and the rows beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from billing.domain import agreement

_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
CATEGORIES = [
    ("S", _("Taxed at a rate")), ("AE", _("Reverse charge")), ("E", _("Exempt")),
    ("Z", _("Zero rate")),
]  # fmt: skip
MONTHS = [
    (1, _("January")), (2, _("February")), (3, _("March")), (4, _("April")), (5, _("May")),
    (6, _("June")), (7, _("July")), (8, _("August")), (9, _("September")), (10, _("October")),
    (11, _("November")), (12, _("December")),
]  # fmt: skip
DAYS = [
    ("", _("every day")), ("0,1,2,3,4", _("Monday to Friday")), ("5,6", _("Saturday, Sunday")),
    ("5", _("Saturday")), ("6", _("Sunday")),
]  # fmt: skip
# Start and count of the months of an index that a price takes, and whether for a whole year.
REFERENCES = [
    ("-1,1,", _("the month before")),
    ("-2,1,", _("two months before")),
    ("-3,1,", _("three months before")),
    ("-3,3,", _("mean of the last 3 months")),
    ("-12,12,", _("mean of the last 12 months")),
    ("-15,12,y", _("each year: mean of October of the year before last to September")),
    ("-3,3,y", _("each year: mean of the last quarter of the year before")),
]


def figure(
    label: Any, hint: Any = "", *, most: Decimal | None = None, places: int = 6,
    needed: bool = False, digits: int = 16,
) -> forms.DecimalField:  # fmt: skip
    """
    Return a field for a number not below zero.
    """
    return forms.DecimalField(
        label=label, help_text=hint, required=needed, min_value=Decimal(0), max_value=most,
        max_digits=digits, decimal_places=places,
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )  # fmt: skip


def percent(label: Any, hint: Any = "", *, needed: bool = False) -> forms.DecimalField:
    return figure(label, hint, most=Decimal(100), needed=needed)


def hours(label: Any, hint: Any = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label, help_text=hint, required=False, min_value=0, max_value=8760
    )


def choice(label: Any, choices: Any, hint: Any = "", *, needed: bool = False) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, help_text=hint, required=needed, choices=choices)


def yes(label: Any, hint: Any = "") -> forms.BooleanField:
    return forms.BooleanField(label=label, help_text=hint, required=False)


def text(label: Any, hint: Any = "", *, most: int = 120) -> forms.CharField:
    return forms.CharField(label=label, help_text=hint, required=False, max_length=most)


KW = figure(_("Contracted power, kW"), places=2, digits=9)
FIELDS: dict[str, forms.Field] = {
    "first_day": forms.DateField(label=_("Valid from"), widget=_DAY),
    "vat_category": choice(_("VAT"), CATEGORIES, needed=True),
    "vat_rate": figure(_("VAT rate, %"), most=Decimal(100), places=2, digits=5, needed=True),
    "contracted_kw": KW,
    "price_per_kw": figure(_("Price per kW and month")),
    "price_per_kwh": figure(_("Price per kWh")),
    "covers": choice(
        _("The fee covers"),
        [("standby", _("standby: the power is kept ready")),
         ("energy", _("delivered energy up to an allowance")), ("both", _("both"))],
        needed=True,
    ),
    "allowance_kwh": figure(_("Allowance, kWh a month"), places=3),
    "overage_price": figure(_("Price per kWh beyond it")),
    "monthly_fee": figure(_("Further monthly fee"), _("Meter rent, service"), places=2),
    "connection_fee": figure(_("Connection fee, once"), _("On the first bill"), places=2),
    "deposit": figure(
        _("Deposit, once"), _("First bill, no VAT; given back with the last"), places=2
    ),
    "cap_per_month": figure(_("Most a month may cost"), _("Before VAT"), places=2),
    "escalation": percent(
        _("Fixed prices rise a year by, %"), _("Each 1 January after the terms began")
    ),
    "index_revised": choice(
        _("When a final index value is revised"),
        [("", _("it counts from the next bill on")), ("y", _("bills made from it are corrected"))],
        _("A final value in the place of a provisional one always corrects."),
    ),
    "hold_unverified": choice(
        _("When a verification has ended"),
        [("", _("as the country’s rule says")), ("y", _("nothing is billed from the meter"))],
    ),
    "qualified_heat": choice(
        _("The heat that is charged"),
        [("", _("all that is metered")),
         ("y", _("only what counts under the terms of supply"))],
    ),
    "minimum_kwh": figure(_("Minimum a calendar year, kWh"), _("Take or pay"), places=3),
    "minimum_price": figure(_("Price per kWh not taken")),
    "tiers_by_volume": choice(
        _("The tiers are"),
        [("", _("graduated: each kWh has the price of its tier")),
         ("y", _("by volume: all kWh have the price of the last tier reached"))],
    ),
    "tiers_per_year": choice(_("They count"), [("", _("a month")), ("y", _("a calendar year"))]),
    "energy_factor": figure(
        _("Times"), _("Agreed PUE on the IT energy; empty: 1"), places=4
    ),
    "premium_per_kw": figure(_("Premium for heat use, per kW and month")),
    "heat_share": percent(
        _("Part of the site’s heat revenue that goes back, %"),
        _("Shared among its tenants by IT energy"),
    ),
    "savings_share": percent(_("Share of the savings paid, %"), needed=True),
    "true_up": yes(
        _("Settle each calendar year"),
        _("What the months charged beyond the year’s savings goes back in December"),
    ),
    "attribute_price": figure(
        _("Energy attributes, per kWh"), _("Only for kWh that attributes cover"), needed=True
    ),
    "matched_premium": figure(_("Premium for kWh matched in the hour")),
    "site_fee": figure(_("Site fee a month"), places=2),
    "margin": figure(_("Margin on electricity, %"), places=4),
    "response_h": hours(_("Faults answered within, hours")),
    "repair_h": hours(_("Faults mended within, hours")),
    "contact": text(_("Contact in case of a fault")),
    "phone": text(_("Telephone"), most=40),
    "email": forms.EmailField(label=_("E-mail"), required=False),
    "remark": text(_("Further agreement"), most=400),
    "credit": choice(
        _("Missed availability gives back"),
        [("", _("nothing")), ("steps", _("a part of the fee for each step below a target")),
         ("tiers", _("a part of the fee by tier"))],
    ),
    "credit_target": percent(_("Target, %")),
    "credit_step": figure(_("Step, percentage points")),
    "credit_per_step": percent(_("Credit a step, % of the fee")),
    "credit_cap": percent(_("At most, % of the fee"), _("Empty: all of it")),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """
    A part of the page: title, a sentence, the fields, and the name of rows that stand under them.
    What is seldom agreed is `folded` until something is in it.
    """

    title: Any
    hint: Any
    names: tuple[str, ...]
    rows: str = ""
    folded: bool = False


_HEAD = Section(_("From when"), "", ("first_day", "vat_category", "vat_rate"))
_POWER = ("contracted_kw", "price_per_kw")
_METER = ("metering_point", "hold_unverified")
_FURTHER = Section(
    _("Fees and limits"), _("Leave empty what is not agreed."),
    ("monthly_fee", "escalation", "cap_per_month", "connection_fee", "deposit"),
)  # fmt: skip
_LEVEL = Section(
    _("Service level"),
    _(
        "Temperatures and delivery windows are those of the delivery point; notice, hours and"
        " allowance of maintenance those of the site, under Announced work."
    ),
    ("response_h", "repair_h", "contact", "phone", "email", "remark"),
    folded=True,
)  # fmt: skip
_REMEDY = Section(
    _("Remedy"), _("The credit stands on the bill by itself, from the month’s availability."),
    ("credit", "credit_target", "credit_step", "credit_per_step", "credit_cap"), "credits",
    folded=True,
)  # fmt: skip
_CLAUSE_KW = Section(_("The price per kW follows indices"), "", (), "kw", folded=True)
_CLAUSE_KWH = Section(_("The price per kWh follows indices"), "", (), "kwh", folded=True)
_REVISED = Section(_("Revised index values"), "", ("index_revised",), folded=True)

LAYOUT: dict[str, tuple[Section, ...]] = {
    agreement.FIXED: (
        _HEAD,
        Section(_("The fee"), _("Part months are charged by the day."), (*_POWER, "covers")),
        Section(
            _("Energy"), _("For a fee that covers energy."),
            ("allowance_kwh", "overage_price", *_METER, "qualified_heat"),
        ),
        _CLAUSE_KW, _REVISED, _FURTHER, _LEVEL, _REMEDY,
    ),
    agreement.USAGE: (
        _HEAD,
        Section(
            _("Energy"), _("One price, or tiers, or bands; losses are those agreed at the point."),
            ("metering_point", "hold_unverified", "qualified_heat", "price_per_kwh"),
        ),
        Section(
            _("Tiers"), _("The last tier has no end."), ("tiers_by_volume", "tiers_per_year"),
            "tiers", folded=True,
        ),
        Section(
            _("Bands of time"),
            _("By the clock of the site. Hours that no band names take the price of the last."),
            (), "bands", folded=True,
        ),
        _CLAUSE_KWH,
        Section(_("Standing charge"), _("If power is kept ready."), _POWER),
        _CLAUSE_KW, _REVISED,
        Section(
            _("Take or pay"), _("What is missing is charged with the last month of the year."),
            ("minimum_kwh", "minimum_price"), folded=True,
        ),
        _FURTHER, _LEVEL, _REMEDY,
    ),
    agreement.SAVINGS: (
        _HEAD,
        Section(
            _("Savings"),
            _("Never below zero: a month’s loss lowers the next and is not charged."),
            ("baseline", "savings_share", "true_up"),
        ),
        Section(
            _("Fees and limits"), _("Leave empty what is not agreed."),
            ("monthly_fee", "cap_per_month", "connection_fee", "deposit"),
        ),
        _LEVEL,
    ),
    agreement.COMPUTE: (
        _HEAD,
        Section(_("IT capacity"), "", (*_POWER, "premium_per_kw")),
        Section(_("Energy"), "", (*_METER, "price_per_kwh", "energy_factor")),
        Section(_("Heat"), "", ("heat_share",)),
        _CLAUSE_KW, _CLAUSE_KWH, _REVISED, _FURTHER, _LEVEL, _REMEDY,
    ),
    agreement.BUNDLE: (
        _HEAD,
        Section(_("IT capacity"), "", _POWER),
        Section(_("Energy"), "", (*_METER, "price_per_kwh", "energy_factor")),
        Section(
            _("Renewable electricity"),
            _("Billed for what is allocated to the service, and once."),
            ("attribute_price", "matched_premium"),
        ),
        _CLAUSE_KW, _CLAUSE_KWH, _REVISED, _FURTHER, _LEVEL, _REMEDY,
    ),
    agreement.HOST: (
        _HEAD,
        Section(
            _("What the host is paid"),
            _("With a document in the host’s name that you issue."),
            ("site_fee", "escalation", *_METER, "price_per_kwh", "margin"),
        ),
        _CLAUSE_KWH, _REVISED,
    ),
}  # fmt: skip

NEEDED = {
    agreement.FIXED: {"contracted_kw", "price_per_kw"},
    agreement.USAGE: {"metering_point"},
    agreement.SAVINGS: {"baseline"},
    agreement.COMPUTE: {"contracted_kw", "price_per_kw", "price_per_kwh", "metering_point"},
    agreement.BUNDLE: {"contracted_kw", "price_per_kw", "price_per_kwh", "metering_point"},
    agreement.HOST: set[str](),
}


class TierRow(forms.Form):
    """
    One tier: up to which kWh, and its price.
    """

    up_to = figure(_("Up to, kWh"), _("Empty: without end"), places=3)
    price = figure(_("Price per kWh"), needed=True)


class BandRow(forms.Form):
    """
    One band of the local clock.
    """

    name = forms.CharField(label=_("Name"), max_length=40)
    price = figure(_("Price per kWh"), needed=True)
    first_month = choice(_("From month"), [("", _("all year")), *MONTHS])
    last_month = choice(_("To month"), [("", "–"), *MONTHS])
    days = choice(_("Days"), DAYS)
    first_hour = forms.IntegerField(label=_("From hour"), required=False, min_value=0, max_value=23)
    end_hour = forms.IntegerField(label=_("To hour"), required=False, min_value=1, max_value=24)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if bool(given.get("first_month")) != bool(given.get("last_month")):
            self.add_error("last_month", _("A season has a first and a last month."))
        first, end = given.get("first_hour") or 0, given.get("end_hour")
        if (24 if end is None else end) <= first:
            self.add_error("end_hour", _("It must end after it begins. Split it at midnight."))
        return given


class CreditRow(forms.Form):
    """
    One tier of a service credit.
    """

    at_least = percent(_("From availability, %"), needed=True)
    credit = percent(_("Credit, % of the fee"), needed=True)


class PartRow(forms.Form):
    """
    One index of a clause.
    """

    series = forms.ChoiceField(label=_("Index"))
    weight = forms.DecimalField(
        label=_("Weight"), max_digits=9, decimal_places=6,
        widget=forms.NumberInput(attrs={"step": "any"}),
    )  # fmt: skip
    base = figure(_("Value when agreed"), _("Empty: that of now"))

    def __init__(self, *given: Any, indices: list[tuple[str, Any]], **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["series"].choices = [("", "–"), *indices]  # type: ignore[attr-defined]


class ClauseForm(forms.Form):
    """
    How a price follows indices, beside the indices themselves. Without a fixed part there is no
    clause.
    """

    fixed = forms.DecimalField(
        label=_("Part that stays"), required=False, min_value=0, max_value=1, max_digits=9,
        decimal_places=6, help_text=_("0.2 for a fifth; empty: no clause"),
        widget=forms.NumberInput(attrs={"step": "any"}),
    )  # fmt: skip
    reference = choice(_("Value that counts"), REFERENCES)
    places = forms.TypedChoiceField(
        label=_("Decimals of the price"), coerce=int, initial=4, required=False,
        choices=[(n, str(n)) for n in range(2, 7)],
    )  # fmt: skip
    deadband = percent(_("Stays while it moves by less than, %"))
    collar = percent(_("Never further from the start than, %"))
    step_up = percent(_("Rises at once by at most, %"))
    step_down = percent(_("Falls at once by at most, %"))
    floor = figure(_("Lowest price"))
    ceiling = figure(_("Highest price"))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        low, high = given.get("floor"), given.get("ceiling")
        if low is not None and high is not None and high < low:
            self.add_error("ceiling", _("It must not lie below the lowest price."))
        return given
