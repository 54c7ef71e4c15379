"""
Forms of metering: points, channels, meters, verification, losses. They validate and never save.

Times are those of the site: the view sets its zone while a form is read, and a time that the
clock change makes doubtful is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.forms.money import search_field
from telemetry.domain.units import BASE_UNITS, M3_PER_UNIT, REGISTER_BASE
from telemetry.models import Channel, LossPolicy, Meter, MeteringPoint, MeterRegister

_DATE = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
_MOMENT = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
_HEAT = {MeteringPoint.Boundary.HEAT_HANDOFF, MeteringPoint.Boundary.HEAT_SOURCE}


def _choices(kind: Any, *, empty: Any = None) -> list[tuple[str, Any]]:
    shown = [(value, _(label)) for value, label in kind.choices if value]
    return shown if empty is None else [("", empty), *shown]


class MeterFilter(forms.Form):
    """
    Search and filters of the list of meters. What is not understood counts as not chosen.
    """

    search = search_field(_("Serial, make, place"))
    kind = forms.ChoiceField(
        label=_("Kind"), required=False, choices=_choices(Meter.Kind, empty=_("All"))
    )
    calibration = forms.ChoiceField(
        label=_("Verification"),
        required=False,
        choices=[
            ("", _("All")),
            ("expired", _("Expired")),
            ("soon", _("Ends within 180 days")),
            ("valid", _("Valid")),
            ("unknown", _("Not known")),
        ],
    )

    def chosen(self) -> dict[str, Any]:
        """
        Return what was understood, as arguments of `telemetry.queries.meters`.
        """
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class PointForm(forms.Form):
    """
    A new metering point of a site.
    """

    name = forms.CharField(label=_("Name"), max_length=120)
    code = forms.SlugField(
        label=_("Code"), max_length=60,
        help_text=_("Gateways address it: heat-pool makes heat-pool.energy"),
    )  # fmt: skip
    boundary = forms.ChoiceField(
        label=_("What crosses here"), choices=_choices(MeteringPoint.Boundary)
    )
    delivery_point = forms.TypedChoiceField(
        label=_("Heat for"), coerce=int, empty_value=None, required=False,
        help_text=_("Only at a hand-off of heat"),
    )  # fmt: skip
    hosting_service = forms.TypedChoiceField(
        label=_("Feed of"), coerce=int, empty_value=None, required=False,
        help_text=_("Only at a tenant feed"),
    )  # fmt: skip

    def __init__(
        self, data: Any, *, codes: Iterable[str], deliveries: Iterable[Any], services: Iterable[Any]
    ) -> None:
        super().__init__(data)
        self._codes = set(codes)
        for field, rows in (("delivery_point", deliveries), ("hosting_service", services)):
            shown: Any = self.fields[field]
            shown.choices = [("", _("None")), *((str(row.pk), row.name) for row in rows)]

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if code in self._codes:
            raise forms.ValidationError(_("Another point of this site has this code."))
        return code

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        boundary = cleaned.get("boundary")
        self._need("delivery_point", boundary in _HEAT, _("Say whom the heat is for."))
        feed = boundary == MeteringPoint.Boundary.TENANT_FEED
        self._need("hosting_service", feed, _("Say whose feed it is."))
        return cleaned

    def _need(self, name: str, needed: bool, missing: Any) -> None:
        given = self.cleaned_data.get(name)
        if needed and given is None:
            self.add_error(name, missing)
        elif not needed:
            self.cleaned_data[name] = None


class ChannelForm(forms.Form):
    """
    A new channel of a point: what is sent, how, and in which unit.
    """

    quantity = forms.ChoiceField(label=_("Quantity"), choices=_choices(Channel.Quantity))
    kind = forms.ChoiceField(
        label=_("How it is sent"),
        choices=[
            ("register", _("A register that counts on")),
            ("gauge", _("What is there at the instant")),
            ("interval", _("The mean of an interval")),
            ("heartbeat", _("A sign of life, 1 or 0")),
        ],
    )
    unit = forms.ChoiceField(
        label=_("Unit"), required=False,
        help_text=_("A register counts in the unit of its meter"),
        choices=[
            ("", _("As the meter")), ("kW", "kW"), ("W", "W"), ("°C", "°C"), ("K", "K"),
            ("m3/h", "m³/h"), ("l/h", "l/h"),
        ],
    )  # fmt: skip
    interval_s = forms.IntegerField(
        label=_("Interval, seconds"), required=False, min_value=1, max_value=86_400,
        help_text=_("Of means and signs of life"),
    )  # fmt: skip

    def __init__(self, data: Any, *, present: Iterable[str]) -> None:
        super().__init__(data)
        self._present = set(present)

    def clean_quantity(self) -> str:
        quantity: str = self.cleaned_data["quantity"]
        if quantity in self._present:
            raise forms.ValidationError(_("This point has a channel of that quantity."))
        return quantity

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        quantity, kind = cleaned.get("quantity"), cleaned.get("kind")
        if quantity is None or kind is None:
            return cleaned
        if (kind == "register") != (quantity in REGISTER_BASE):
            self.add_error("kind", _("Energy, volume, E8 and E9 are registers; others are not."))
        elif (kind == "heartbeat") != (quantity == "heartbeat"):
            self.add_error("kind", _("A heartbeat is a sign of life, and nothing else is."))
        timed = kind in {"interval", "heartbeat"}
        if timed and not cleaned.get("interval_s"):
            self.add_error("interval_s", _("Say for how many seconds a value speaks."))
        cleaned["interval_s"] = cleaned.get("interval_s") if timed else None
        if kind == "register":
            cleaned["unit"] = ""
        elif quantity == "month_end" and (kind != "gauge" or cleaned.get("unit")):
            self.add_error(
                "kind", _("It is what is there at the instant, in the unit of the meter.")
            )
        elif quantity == "power" and cleaned.get("unit") not in {"kW", "W"}:
            self.add_error("unit", _("Power is sent in kW or W."))
        return cleaned


class RegisterFields(forms.Form):
    """
    How a dial counts.
    """

    unit = forms.ChoiceField(label=_("Unit of the dial"), choices=MeterRegister.Unit.choices)
    multiplier = forms.DecimalField(
        label=_("Times"), max_digits=14, decimal_places=6, initial=1, min_value=Decimal("0.000001"),
        help_text=_("Transformer ratio, or kWh or m³ a pulse"),
    )  # fmt: skip
    digits = forms.IntegerField(
        label=_("Digits"), min_value=1, max_value=12, initial=7,
        help_text=_("After so many it begins at 0 again"),
    )  # fmt: skip
    resolution = forms.DecimalField(
        label=_("Smallest step"), max_digits=9, decimal_places=6, initial=1,
        min_value=Decimal("0.000001"), help_text=_("0.001 where it shows three decimals"),
    )  # fmt: skip


class RegisterForm(RegisterFields):
    """
    A further register of a meter.
    """

    field_order = ("quantity",)

    quantity = forms.ChoiceField(label=_("Register"), choices=_choices(MeterRegister.Quantity))
    max_an_hour = forms.DecimalField(
        label=_("Most in an hour"), max_digits=12, decimal_places=3, min_value=Decimal("0.001"),
        help_text=_("m³, m³·°C or kWh; more than this is doubted"),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        base = REGISTER_BASE.get(cleaned.get("quantity", ""))
        if base and cleaned.get("unit") and cleaned["unit"] not in BASE_UNITS[base]:
            self.add_error("unit", _("This register does not count in that unit."))
        return cleaned


class MeterFields(RegisterFields):
    """
    A meter as its plate and papers tell.
    """

    field_order: tuple[str, ...] = ("serial", "make", "kind")

    serial = forms.CharField(label=_("Serial number"), max_length=60)
    make = forms.CharField(label=_("Make"), max_length=80)
    kind = forms.ChoiceField(label=_("Measures"), choices=_choices(Meter.Kind))
    max_power_kw = forms.DecimalField(
        label=_("Most in an hour"), max_digits=12, decimal_places=3, min_value=Decimal("0.001"),
        help_text=_("kWh or m³ the installation can pass; more is doubted"),
    )  # fmt: skip
    flow_sensor = forms.ChoiceField(
        label=_("Flow sensor in"), required=False,
        choices=_choices(Meter.FlowSensor, empty=_("Not stated")),
    )  # fmt: skip
    fluid = forms.ChoiceField(label=_("Filled with"), choices=_choices(Meter.Fluid))
    accuracy_class = forms.TypedChoiceField(
        label=_("Accuracy class (EN 1434)"), required=False, coerce=int, empty_value=None,
        choices=[("", _("Not stated")), ("1", "1"), ("2", "2"), ("3", "3")],
    )  # fmt: skip
    dt_min_k = forms.DecimalField(
        label=_("Smallest temperature difference, K"), required=False, max_digits=4,
        decimal_places=1, min_value=Decimal("0.1"),
    )  # fmt: skip
    qp_m3h = forms.DecimalField(
        label=_("Nominal flow qp, m³/h"), required=False, max_digits=9, decimal_places=3,
        min_value=Decimal("0.001"),
    )  # fmt: skip
    qi_m3h = forms.DecimalField(
        label=_("Smallest flow qi, m³/h"), required=False, max_digits=9, decimal_places=4,
        min_value=Decimal("0.0001"),
    )  # fmt: skip
    verified_on = forms.DateField(
        label=_("Verified on"), required=False, widget=_DATE,
        help_text=_("The country’s term gives until when"),
    )  # fmt: skip
    calibration_due = forms.DateField(
        label=_("Verification holds until"), required=False, widget=_DATE,
        help_text=_("Only where it differs from the term"),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        kind, unit = cleaned.get("kind"), cleaned.get("unit")
        if kind in {"water", "gas"}:
            if unit and unit not in M3_PER_UNIT:
                self.add_error("unit", _("Water and gas are counted in m³, litres or pulses."))
        elif unit in {"m3", "l", "m3C"}:
            self.add_error("unit", _("The main register of such a meter counts energy."))
        if cleaned.get("accuracy_class"):
            for name in ("dt_min_k", "qp_m3h"):
                if cleaned.get(name) is None and name not in self.errors:
                    self.add_error(name, _("A class says nothing without this figure."))
        return cleaned


class InstallMeter(MeterFields):
    """
    The first meter of a point.
    """

    since = forms.DateTimeField(label=_("In place since"), widget=_MOMENT)
    first_register = forms.DecimalField(
        label=_("Dial then"), required=False, max_digits=20, decimal_places=6, min_value=Decimal(0),
        help_text=_("Without it the first reading stands in"),
    )  # fmt: skip

    field_order = ("since", "first_register", "serial", "make", "kind")


class ExchangeMeter(MeterFields):
    """
    Another meter in place of the present one.
    """

    when = forms.DateTimeField(label=_("Old meter taken out"), widget=_MOMENT)
    last_register = forms.DecimalField(
        label=_("Old dial then"), max_digits=20, decimal_places=6, min_value=Decimal(0),
        help_text=_("In its own unit"),
    )  # fmt: skip
    back_at = forms.DateTimeField(
        label=_("New meter counts from"), required=False, widget=_MOMENT,
        help_text=_("If later: the time between is estimated"),
    )  # fmt: skip
    first_register = forms.DecimalField(
        label=_("New dial then"), max_digits=20, decimal_places=6, min_value=Decimal(0),
        help_text=_("In its own unit"),
    )  # fmt: skip

    field_order = ("when", "last_register", "back_at", "first_register", "serial", "make", "kind")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        when, back_at = cleaned.get("when"), cleaned.get("back_at")
        if when and back_at and back_at < when:
            self.add_error("back_at", _("The new meter cannot count before the old one is out."))
        return cleaned


class VerificationForm(forms.Form):
    """
    A new verification of a meter.
    """

    verified_on = forms.DateField(label=_("Verified on"), widget=_DATE)
    calibration_due = forms.DateField(
        label=_("Holds until"), required=False, widget=_DATE,
        help_text=_("Only where it differs from the country’s term"),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        verified, due = cleaned.get("verified_on"), cleaned.get("calibration_due")
        if verified and due and due < verified:
            self.add_error("calibration_due", _("It cannot end before it begins."))
        return cleaned


class RadioKeyForm(forms.Form):
    """
    The AES-128 key of a radio meter, as its maker states it; never given back.
    """

    key = forms.CharField(
        label=_("Key"), max_length=80,
        help_text=_("32 hexadecimal digits (AES-128), as the maker’s key file states them"),
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip

    def clean_key(self) -> bytes:
        digits = re.sub(r"[\s:-]", "", self.cleaned_data["key"]).removeprefix("0x")
        if not re.fullmatch(r"[0-9a-fA-F]*", digits):
            raise forms.ValidationError(_("Only the digits 0 to 9 and A to F make a key."))
        if len(digits) != 32:
            raise forms.ValidationError(
                _("A key has 32 hexadecimal digits, these are %(n)d.") % {"n": len(digits)}
            )
        return bytes.fromhex(digits)


class LossForm(forms.Form):
    """
    What is agreed about heat lost on the way to a customer.
    """

    first_day = forms.DateField(label=_("From"), widget=_DATE)
    method = forms.ChoiceField(label=_("How"), choices=_choices(LossPolicy.Method))
    loss_kw = forms.DecimalField(
        label=_("Loss, kW"), required=False, max_digits=9, decimal_places=3, min_value=Decimal(0)
    )
    warm_from_c = forms.DecimalField(
        label=_("The pipe is warm from, °C"), required=False, max_digits=5, decimal_places=1
    )
    loss_percent = forms.DecimalField(
        label=_("Loss, %"), required=False, max_digits=5, decimal_places=2, min_value=Decimal(0),
        max_value=Decimal(100),
    )  # fmt: skip

    _NEEDED = {"const_kw": ("loss_kw", "warm_from_c"), "percent": ("loss_percent",)}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        needed = self._NEEDED.get(cleaned.get("method", ""), ())
        for name in ("loss_kw", "warm_from_c", "loss_percent"):
            if name not in needed:
                cleaned[name] = None
            elif cleaned.get(name) is None and name not in self.errors:
                self.add_error(name, _("This figure is needed."))
        return cleaned
