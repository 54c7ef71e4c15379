"""
Forms of places: a site, a hand-off of heat, a hosting service.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.forms.accounts import zones
from portal.forms.money import DAY
from portal.forms.parties import countries, currencies
from sites.models import Site


def _kw(label: Any, hint: Any, *, least: str = "0.01") -> forms.DecimalField:
    return forms.DecimalField(
        label=label, help_text=hint, min_value=Decimal(least), max_digits=9, decimal_places=2
    )


class SiteForm(forms.Form):
    """
    A data centre.
    """

    name = forms.CharField(label=_("Name"), max_length=120)
    town = forms.CharField(label=_("Town"), max_length=80)
    country = forms.ChoiceField(label=_("Country"), choices=countries)
    timezone = forms.ChoiceField(
        label=_("Time zone"), choices=zones,
        help_text=_("rules its readings and bills; fixed once there are readings"),
    )  # fmt: skip
    currency = forms.ChoiceField(
        label=_("Currency"), choices=currencies, help_text=_("fixed once there is a contract")
    )
    latitude = forms.DecimalField(
        label=_("Latitude"), min_value=-90, max_value=90, max_digits=8, decimal_places=5,
        help_text=_("in degrees, such as 54.32"),
    )  # fmt: skip
    longitude = forms.DecimalField(
        label=_("Longitude"), min_value=-180, max_value=180, max_digits=8, decimal_places=5,
        help_text=_("in degrees, east of Greenwich above zero"),
    )  # fmt: skip
    cooling = forms.ChoiceField(label=_("Cooling"), choices=Site.Cooling.choices)
    phase = forms.ChoiceField(label=_("Phase"), choices=Site.Phase.choices)
    rated_it_kw = _kw(_("Rated IT power, kW"), _("what the servers may draw"))
    capture_kw = _kw(
        _("Heat that can be captured, kW"), _("what the heat circuit can take up"), least="0"
    )
    started_on = forms.DateField(label=_("In operation since"), widget=DAY)


class DeliveryPointForm(forms.Form):
    """
    A hand-off of heat. Whom it serves is chosen once.
    """

    name = forms.CharField(
        label=_("Name"), max_length=120, help_text=_("the building, such as Swimming pool")
    )
    building_type = forms.CharField(
        label=_("What it is"), max_length=60, help_text=_("such as indoor pool or greenhouse")
    )
    distance_m = forms.IntegerField(
        label=_("Length of the pipe, m"), min_value=0, max_value=100_000
    )
    required_supply_c = forms.DecimalField(
        label=_("Supply temperature it needs, °C"), min_value=0, max_value=150, max_digits=5,
        decimal_places=1,
    )  # fmt: skip
    contracted_kw = _kw(_("Heat agreed, kW"), _("thermal power it can call for"))
    help_phone = forms.CharField(
        label=_("Telephone when it is cold"), max_length=40, required=False,
        help_text=_("whom the building’s people ring; shown to them"),
    )  # fmt: skip


class HostingServiceForm(forms.Form):
    """
    What a tenant hosts. Whose it is is chosen once.
    """

    name = forms.CharField(label=_("Name"), max_length=120)
    it_kw = _kw(_("IT power agreed, kW"), _("as in the contract"))
    racks = forms.IntegerField(label=_("Racks"), min_value=1, max_value=10_000)


def with_customer(
    form: forms.Form, name: str, label: Any, customers: Sequence[tuple[str, str]]
) -> None:
    """
    Put the choice of a customer in front of a form.
    """
    form.fields = {
        name: forms.ChoiceField(label=label, choices=customers),
        **form.fields,
    }
