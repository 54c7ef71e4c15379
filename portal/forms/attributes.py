"""
Forms of energy attributes, claims and counterfactuals: validate, never save.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from portal.forms.money import ListFilter, search_field
from portal.forms.statements import MonthField

_DAY = forms.DateInput(attrs={"type": "date"})
KINDS = [
    ("go", _("Guarantee of origin")), ("rego", _("REGO (United Kingdom)")),
    ("ppa", _("Power purchase agreement")), ("tariff", _("Green tariff")),
    ("onsite", _("Own production at the site")),
]  # fmt: skip
TECHNOLOGIES = [
    ("wind", _("Wind")), ("solar", _("Solar")), ("hydro", _("Hydropower")),
    ("biomass", _("Biomass")), ("geothermal", _("Geothermal")), ("mixed", _("Several")),
]  # fmt: skip
ROLES = [
    ("partner", _("Heat partner: less fuel")), ("operator", _("Operator: enabled")),
    ("tenant", _("Tenant: renewable electricity")),
]  # fmt: skip


class LotFilter(ListFilter):
    """
    Search in lots by number and plant, and by kind.
    """

    search = search_field(_("Number, plant"))
    kind = forms.ChoiceField(label=_("Kind"), required=False, choices=[("", _("All")), *KINDS])


class BesideFilter(ListFilter):
    """
    What is claimed at a customer's sites: by site, year, and what it is of.
    """

    site = forms.TypedChoiceField(label=_("Site"), required=False, coerce=int, empty_value=None)
    year = forms.TypedChoiceField(label=_("Year"), required=False, coerce=int, empty_value=None)
    of = forms.ChoiceField(
        label=_("Of"), required=False,
        choices=[("", _("All")), ("heat", _("Displaced heat")), ("electricity", _("Electricity"))],
    )  # fmt: skip

    def __init__(self, *args: Any, sites: Iterable[Any], years: Iterable[int], **more: Any) -> None:
        super().__init__(*args, **more)
        for name, choices in (
            ("site", [(s.pk, s.name) for s in sites]), ("year", [(y, str(y)) for y in years]),
        ):  # fmt: skip
            field: Any = self.fields[name]
            field.choices = [("", _("All")), *choices]


class ClaimFilter(BesideFilter):
    """
    Search in claims by site and claimant besides, and by role.
    """

    search = search_field(_("Site, who claims"))
    role = forms.ChoiceField(label=_("Role"), required=False, choices=[("", _("All")), *ROLES])
    field_order = ("search", "role", "site", "year", "of")


class Lot(forms.Form):
    """
    Certificates or a contract, as their document says.
    """

    kind = forms.ChoiceField(label=_("Kind"), choices=KINDS)
    technology = forms.ChoiceField(label=_("Technology"), choices=TECHNOLOGIES)
    country = forms.CharField(label=_("Country, two letters"), min_length=2, max_length=2)
    plant = forms.CharField(label=_("Plant or supplier"), max_length=120)
    registry = forms.CharField(
        label=_("Registry"), max_length=60, required=False, help_text=_("Such as HKNR or Ofgem.")
    )
    registry_id = forms.CharField(
        label=_("Numbers"), max_length=120,
        help_text=_("First and last number of the certificates, or that of the contract."),
    )  # fmt: skip
    first_day = forms.DateField(label=_("Produced from"), widget=_DAY)
    last_day = forms.DateField(label=_("Produced until, that day included"), widget=_DAY)
    kwh = forms.DecimalField(
        label=_("Energy, kWh"), min_value=Decimal("0.001"), decimal_places=3, max_digits=18
    )
    kg_per_kwh = forms.DecimalField(
        label=_("Emissions, kg per kWh"), min_value=0, decimal_places=6, max_digits=10, initial=0,
        help_text=_("Zero for wind, solar and hydropower."),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", _("The last day is before the first."))
        return cleaned

    def fields_of_lot(self) -> dict[str, Any]:
        """
        Return what the operation takes.
        """
        told = dict(self.cleaned_data)
        told["end_day"] = told.pop("last_day") + dt.timedelta(days=1)
        told["country"] = told["country"].upper()
        return told


class Cancellation(forms.Form):
    """
    The registry's proof that certificates were cancelled.
    """

    cancelled_on = forms.DateField(label=_("Cancelled on"), widget=_DAY)
    proof_reference = forms.CharField(label=_("Proof of the registry"), max_length=200)


class Allocation(forms.Form):
    """
    What of a lot is used where.
    """

    place = forms.ChoiceField(label=_("Used for"))
    month = MonthField(label=_("Month"))
    kwh = forms.DecimalField(
        label=_("Energy, kWh"), required=False, min_value=Decimal("0.001"), decimal_places=3,
        max_digits=18,
    )  # fmt: skip
    hours = forms.FileField(
        label=_("Or hour by hour"), required=False,
        help_text=_("CSV with the columns hour (such as 2026-03-01T00:00Z) and kwh."),
    )  # fmt: skip

    def __init__(self, *args: Any, sites: Iterable[Any], services: Iterable[Any], **more: Any):
        super().__init__(*args, **more)
        chosen: Any = self.fields["place"]
        chosen.choices = [
            *((f"site-{s.pk}", _("%s, all tenants alike") % s.name) for s in sites),
            *(
                (f"service-{s.pk}-{s.site_id}", f"{s.tenant.name}, {s.name}, {s.site.name}")
                for s in services
            ),
        ]

    def clean_hours(self) -> dict[dt.datetime, Decimal]:
        file = self.cleaned_data["hours"]
        return {} if file is None else _read_hours(file)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and bool(cleaned.get("kwh")) == bool(cleaned.get("hours")):
            self.add_error("kwh", _("Give the energy of the month, or a file of its hours."))
        return cleaned

    def where(self) -> dict[str, int | None]:
        """
        Return the site and, where one was chosen, the service.
        """
        kind, *keys = self.cleaned_data["place"].split("-")
        if kind == "site":
            return {"site_id": int(keys[0]), "service_id": None}
        return {"service_id": int(keys[0]), "site_id": int(keys[1])}


def _read_hours(file: Any) -> dict[dt.datetime, Decimal]:
    """
    Return kWh by hour of a CSV file.

    :raises ValidationError: naming the row and what is wrong with it
    """
    if file.size > 2_000_000:
        raise ValidationError(_("The file is larger than a year of hours."))
    found: dict[dt.datetime, Decimal] = {}
    lines = file.read().decode("utf-8-sig", "replace").splitlines()
    for n, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        at, _comma, kwh = line.replace(";", ",").partition(",")
        try:
            hour = dt.datetime.fromisoformat(at.strip())
            value = Decimal(kwh.strip())
        except (ValueError, ArithmeticError):
            raise ValidationError(_("Row %s: write hour and kWh.") % n) from None
        if hour.tzinfo is None or hour.minute or hour.second:
            raise ValidationError(_("Row %s: write a full hour with its offset, such as Z.") % n)
        if not value.is_finite() or value < 0 or hour in found:
            raise ValidationError(_("Row %s: the hour is there twice, or below zero.") % n)
        found[hour.astimezone(dt.UTC)] = value
    if not found:
        raise ValidationError(_("There is no hour in the file."))
    return found


class NewClaim(forms.Form):
    """
    A share of the displaced heat of a month, or of a lot used at a site.
    """

    site = forms.TypedChoiceField(label=_("Site"), coerce=int)
    month = MonthField(label=_("Month"))
    lot = forms.TypedChoiceField(
        label=_("Of"), coerce=lambda v: int(v) if v else None, empty_value=None, required=False
    )
    claimant = forms.TypedChoiceField(label=_("Who claims"), coerce=int)
    role = forms.ChoiceField(label=_("Role"), choices=ROLES)
    share = forms.DecimalField(
        label=_("Share, %"), min_value=Decimal("0.0001"), max_value=100, decimal_places=4
    )

    def __init__(
        self, *args: Any, sites: Iterable[Any], lots: Iterable[Any], parties: Iterable[Any],
        **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(*args, **more)
        for name, choices in (
            ("site", [(s.pk, s.name) for s in sites]),
            ("lot", [("", _("Displaced heat")), *((lot.pk, str(lot)) for lot in lots)]),
            ("claimant", [(p.pk, p.name) for p in parties]),
        ):
            field: Any = self.fields[name]
            field.choices = choices

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("role") == "tenant" and not cleaned.get("lot"):
            self.add_error("role", _("Tenants are informed of displaced heat, and claim none."))
        return cleaned


class CounterfactualForm(forms.Form):
    """
    What would have made a building's heat.
    """

    delivery_point = forms.TypedChoiceField(label=_("Building"), coerce=int)
    first_day = forms.DateField(label=_("From"), widget=_DAY)
    fuel = forms.CharField(label=_("Fuel"), max_length=60)
    fuel_kg_per_kwh = forms.DecimalField(
        label=_("Emissions of the fuel, kg per kWh"), min_value=0, decimal_places=6, max_digits=10
    )
    basis = forms.ChoiceField(
        label=_("Heating value of both figures"),
        choices=[("ncv", _("Net calorific value")), ("gcv", _("Gross calorific value"))],
    )
    efficiency = forms.DecimalField(
        label=_("Efficiency of the boiler"), min_value=Decimal("0.01"), max_value=7,
        decimal_places=4,
        help_text=_("Such as 0.90. That of an efficient new one if the old is due."),
    )  # fmt: skip
    auxiliary_share = forms.DecimalField(
        label=_("Pumping, kWh of electricity per kWh of heat"), min_value=0, max_value=1,
        decimal_places=6, initial=0,
    )  # fmt: skip
    uncertainty = forms.DecimalField(
        label=_("Uncertainty of it all, %"), min_value=0, max_value=100, decimal_places=3,
        initial=5,
        help_text=_("Taken off what is claimed; a negative result is shown in full."),
    )  # fmt: skip
    source = forms.CharField(label=_("Source of the figures"), max_length=200)

    def __init__(self, *args: Any, buildings: Iterable[Any], **more: Any) -> None:
        super().__init__(*args, **more)
        chosen: Any = self.fields["delivery_point"]
        chosen.choices = [(b.pk, f"{b.name}, {b.site.name}") for b in buildings]

    def fields_of_it(self) -> dict[str, Any]:
        """
        Return what the operation takes.
        """
        told = dict(self.cleaned_data)
        told["delivery_point_id"] = told.pop("delivery_point")
        told["uncertainties"] = [told.pop("uncertainty") / 100]
        return told
