"""
Forms of boundaries and reported years: validate, never save.
"""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class Boundary(forms.Form):
    """
    How a site's ratios are bounded from a day on.
    """

    valid_from = forms.DateField(label=_("From"), widget=forms.DateInput(attrs={"type": "date"}))
    it_category = forms.TypedChoiceField(
        label=_("IT energy is measured at"), coerce=int,
        choices=[
            (1, _("Category 1: output of the UPS")), (2, _("Category 2: output of the PDU")),
            (3, _("Category 3: input of the IT equipment")),
        ],
        help_text=_("Category of ISO/IEC 30134-2."),
    )  # fmt: skip
    heat_pump = forms.ChoiceField(
        label=_("Heat pump"),
        choices=[
            ("none", _("There is none")),
            ("inside", _("Inside: its electricity is the site’s, heat counts after it")),
            ("outside", _("Outside: its electricity is not, heat counts before it")),
        ],
    )
    own_production_sold = forms.BooleanField(
        label=_("The guarantees of what the site produces are sold"), required=False
    )
    note = forms.CharField(label=_("Note"), required=False, max_length=300)


class Restatement(forms.Form):
    """
    Why a reported year is reported anew.
    """

    reason = forms.CharField(
        label=_("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Kept beside both figures."),
    )  # fmt: skip
