"""
Forms of reference data: validate, never save.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from portal.forms.money import ListFilter, search_field
from telemetry.formats.checked_csv import LARGEST

_SUPERSEDED = [("", _("In force")), ("yes", _("Superseded too"))]
KINDS = [("factors", _("Emission factors")), ("rules", _("Rules about ratios"))]
STANDINGS = [("law", _("Law")), ("draft", _("Draft")), ("benchmark", _("Comparison"))]


class FactorFilter(ListFilter):
    """
    Search in factors by region and source, by carrier, and those that were superseded.
    """

    search = search_field(_("Region, source"))
    carrier = forms.ChoiceField(label=_("Carrier"), required=False)
    superseded = forms.ChoiceField(label=_("Rows"), required=False, choices=_SUPERSEDED)

    def __init__(self, *args: Any, carriers: Iterable[str], **more: Any) -> None:
        super().__init__(*args, **more)
        chosen: Any = self.fields["carrier"]
        chosen.choices = [("", _("All")), *((c, carrier_in_words(c)) for c in carriers)]


class RuleFilter(ListFilter):
    """
    Search in rules by name, words and region, by standing, and those that were superseded.
    """

    search = search_field(_("Name, words, region"))
    standing = forms.ChoiceField(
        label=_("Standing"),
        required=False,
        choices=[("", _("All but drafts")), *STANDINGS, ("all", _("All, drafts too"))],
    )
    superseded = forms.ChoiceField(label=_("Rows"), required=False, choices=_SUPERSEDED)


class CheckedFile(forms.Form):
    """
    A CSV file that is first looked at, then taken.
    """

    file = forms.FileField(
        label=_("CSV file"), help_text=_("UTF-8, with the columns of the download on the list.")
    )

    def clean_file(self) -> bytes:
        file = self.cleaned_data["file"]
        if file.size > LARGEST:
            raise ValidationError(_("The file is larger than 1 MB. Divide it."))
        return bytes(file.read())


class CheckedText(forms.Form):
    """
    The same file once more, as it was shown.
    """

    text = forms.CharField(max_length=LARGEST, strip=False)


class ReferenceFile(CheckedFile):
    """
    A CSV file of factors or rules.
    """

    kind = forms.ChoiceField(label=_("What is in it"), choices=KINDS)
    field_order = ("kind", "file")


class ReferenceText(CheckedText):
    """
    It once more, as it was shown.
    """

    kind = forms.ChoiceField(choices=KINDS)


def carrier_in_words(carrier: str) -> Any:
    """
    Return the name of a carrier for readers; one we do not know stands as it is.
    """
    return {
        "electricity": _("Electricity, mean of the grid"),
        "electricity_residual": _("Electricity, residual mix"),
        "electricity_supplier": _("Electricity, supplier’s mix"),
        "natural_gas": _("Natural gas"),
        "heating_oil": _("Heating oil"),
        "lpg": _("Liquefied gas"),
        "heat_district": _("District heat"),
        "heat_district_chp_gas": _("District heat, combined heat and power"),
        "heat_district_boiler_gas": _("District heat, gas boilers"),
        "heat_waste": _("Waste heat"),
    }.get(carrier, carrier)
