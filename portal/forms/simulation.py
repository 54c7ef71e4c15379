"""
What is tried in a simulation, typed in query strings so that it can be shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.domain.simulation import Change
from portal.forms.terms_fields import figure, percent


def _by(label: Any, hint: Any = "") -> forms.DecimalField:
    return forms.DecimalField(
        label=label, help_text=hint, required=False, min_value=-100, max_value=1000,
        max_digits=9, decimal_places=4, widget=forms.NumberInput(attrs={"step": "any"}),
    )  # fmt: skip


class SimulationForm(forms.Form):
    """
    Which terms, and what of their inputs is another; empty leaves it as it is.
    """

    version = forms.TypedChoiceField(label=_("Terms"), required=False, coerce=int)
    price_per_kwh = figure(_("Price per kWh"))
    price_per_kw = figure(_("Price per kW and month"))
    contracted_kw = figure(_("Contracted kW"), places=2, digits=9)
    loss = percent(_("Losses, % of what the meter counts"))
    share = percent(_("Share of savings or heat revenue, %"))
    prices = _by(_("All prices by, %"))
    energy = _by(_("Energy by, %"), _("-10 for a tenth less"))
    indices = _by(_("All index values by, %"))

    def __init__(
        self, data: Any, *, versions: Sequence[tuple[int, str]], usual: int | None
    ) -> None:
        super().__init__(data)
        self._usual = usual
        self.fields["version"].choices = [("", _("those in force")), *versions]  # type: ignore[attr-defined]

    def chosen_version(self) -> int | None:
        """
        Return the version that was chosen, else the usual one.
        """
        return self._given().get("version") or self._usual

    def _given(self) -> dict[str, Any]:
        if not self.is_bound:
            return {}
        self.is_valid()
        return self.cleaned_data

    def change(self) -> Change:
        """
        Return what is tried; what was not understood is left as it is, with its error shown.
        """
        given = self._given()
        return Change(
            **{name: given[name] for name in Change.__slots__ if given.get(name) is not None}
        )


class CompareForm(forms.Form):
    """
    The figures of models a contract has no terms of. `start` gives kW, kWh and cost of the year:
    each begins with a price by which the year costs what was billed.
    """

    usage_price = figure(_("Usage: price per kWh"))
    fixed_kw = figure(_("Fixed fee: kW"), places=2, digits=9)
    fixed_price = figure(_("Fixed fee: per kW and month"))
    savings_share = percent(_("Shared savings: share, %"))
    hosting_kw_price = figure(_("Hosting: per kW and month"))
    hosting_kwh_price = figure(_("Hosting: per kWh"))
    heat_share = percent(_("Compute: part of heat revenue, %"))
    attribute_price = figure(_("Bundle: attributes, per kWh"))

    _OF = {
        "usage": ("usage_price",),
        "fixed": ("fixed_kw", "fixed_price"),
        "savings": ("savings_share",),
        "compute": ("fixed_kw", "hosting_kw_price", "hosting_kwh_price", "heat_share"),
        "bundle": ("fixed_kw", "hosting_kw_price", "hosting_kwh_price", "attribute_price"),
    }

    def __init__(self, data: Any, *, models: Sequence[str], start: Mapping[str, Any]) -> None:
        super().__init__(data, initial=_even(start))
        wanted = {name for model in models for name in self._OF.get(model, ())}
        for name in set(self.fields) - wanted:
            del self.fields[name]

    def _figures(self) -> dict[str, Decimal | None]:
        if self.is_bound:
            self.is_valid()
        given = self.cleaned_data if self.is_bound else {}
        return {
            name: self.initial.get(name) if given.get(name) is None else given[name]
            for name in self.fields
        }

    def terms_of(self, model: str, point_id: int | None, baseline: Any) -> dict[str, Any] | None:
        """
        Return the fields of terms of a model, None where a figure or meter is lacking.
        """
        if self.lacking(model, point_id, baseline):
            return None
        given = {name: value for name, value in self._figures().items() if value is not None}
        common: dict[str, Any] = {"vat_rate": Decimal(0), "details": {}}
        if model == "usage":
            return {**common, "metering_point_id": point_id, "price_per_kwh": given["usage_price"]}
        if model == "fixed":
            return {
                **common, "contracted_kw": given["fixed_kw"], "price_per_kw": given["fixed_price"],
            }  # fmt: skip
        if model == "savings":
            details = {"savings_share": str(given["savings_share"])}
            return {**common, "baseline": baseline, "details": details}
        extra = "heat_share" if model == "compute" else "attribute_price"
        details = {extra: str(given[extra])} if extra in given else {}
        return {
            **common, "metering_point_id": point_id, "contracted_kw": given["fixed_kw"],
            "price_per_kw": given["hosting_kw_price"], "price_per_kwh": given["hosting_kwh_price"],
            "details": details,
        }  # fmt: skip

    def lacking(self, model: str, point_id: int | None, baseline: Any) -> str:
        """
        Return in words what a model cannot be rated without, empty if nothing is lacking.
        """
        if model == "savings" and baseline is None:
            return gettext("No baseline was fitted yet.")
        if model in {"usage", "compute", "bundle"} and point_id is None:
            return gettext("There is no metering point.")
        given = self._figures()
        needed = set(self._OF.get(model, ())) - {"heat_share"}
        if any(given.get(name) is None for name in needed):
            return gettext("Enter its figures above.")
        return ""


def _even(start: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return figures by which the year costs what was billed.
    """
    kw, kwh, cost, months = (start[name] for name in ("kw", "energy_kwh", "cost", "months"))
    found: dict[str, Any] = {
        "fixed_kw": kw, "savings_share": Decimal(50), "heat_share": Decimal(30),
        "attribute_price": Decimal("0.0035"),
    }  # fmt: skip
    if months and cost > 0:
        if kwh:
            found["usage_price"] = _rounded(cost / kwh)
        if kw:
            found["fixed_price"] = _rounded(cost / months / kw)
            if kwh:
                # Half of the year by power, half by energy.
                found["hosting_kw_price"] = _rounded(cost / 2 / months / kw)
                found["hosting_kwh_price"] = _rounded(cost / 2 / kwh)
    return found


def _rounded(price: Decimal) -> Decimal:
    return price.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
