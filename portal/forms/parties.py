"""
Forms of organisations: the operator's own details and those of its customers.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from babel import Locale
from babel.numbers import get_territory_currencies
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from stdnum import get_cc_module
from stdnum.exceptions import ValidationError as WrongNumber
from stdnum.iso7064 import mod_97_10

from portal.forms.accounts import zones
from portal.forms.bank import BicField, IbanField
from portal.forms.money import ListFilter, search_field
from sites.access import Kind

LANGUAGES = [("en-gb", _("English")), ("de", _("German")), ("fr", _("French"))]
# Codes that stand for no country.
_NO_COUNTRY = {"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}


@cache
def countries() -> list[tuple[str, str]]:
    """
    Return the countries there are by name, as choices.
    """
    names = Locale("en", "GB").territories
    found = [(code, name) for code, name in names.items() if len(code) == 2 and code.isalpha()]
    return sorted((c for c in found if c[0] not in _NO_COUNTRY), key=lambda choice: choice[1])


@cache
def currencies() -> list[tuple[str, str]]:
    """
    Return the currencies that are in use, as choices.
    """
    names = Locale("en", "GB").currencies
    codes = {code for country, _name in countries() for code in get_territory_currencies(country)}
    return [(code, f"{code} – {names.get(code, code)}") for code in sorted(codes)]


def currency_of(country: str) -> str:
    """
    Return the currency of a country today.
    """
    return next(iter(get_territory_currencies(country)), "EUR")


class CustomerFilter(ListFilter):
    """
    Search in customers.
    """

    search = search_field(_("Name, town, e-mail, VAT number"))
    kind = forms.ChoiceField(
        label=_("Kind"), required=False,
        choices=[("", _("All")), *((k, k.label) for k in Kind if k is not Kind.OPERATOR)],
    )  # fmt: skip


class _Organisation(forms.Form):
    """
    What is said of every organisation.
    """

    name = forms.CharField(label=_("Name"), max_length=120, help_text=_("as on invoices"))
    street = forms.CharField(label=_("Street and number"), max_length=120, required=False)
    postcode = forms.CharField(label=_("Postcode"), max_length=20, required=False)
    town = forms.CharField(label=_("Town"), max_length=80, required=False)
    country = forms.ChoiceField(label=_("Country"), choices=countries)
    email = forms.EmailField(
        label=_("E-mail address"), required=False, help_text=_("for letters about bills")
    )
    phone = forms.CharField(label=_("Telephone"), max_length=40, required=False)
    contact_name = forms.CharField(label=_("Contact person"), max_length=80, required=False)
    vat_id = forms.CharField(
        label=_("VAT number"), max_length=20, required=False,
        help_text=_("with the letters of its country, such as DE136695976"),
    )  # fmt: skip
    tax_number = forms.CharField(
        label=_("Tax number"), max_length=30, required=False,
        help_text=_("where there is no VAT number"),
    )  # fmt: skip
    electronic_address = forms.CharField(
        label=_("Address for electronic invoices"), max_length=80, required=False,
        help_text=_("its Peppol identifier; the e-mail address stands in where this is empty"),
    )  # fmt: skip
    electronic_scheme = forms.RegexField(
        label=_("Scheme of that address"), regex=r"^(EM|[0-9]{4})$", max_length=4, required=False,
        help_text=_("four digits, such as 0204 for a Leitweg-ID or 0088 for a GLN"),
        error_messages={"invalid": _("Four digits, or EM for an e-mail address.")},
    )  # fmt: skip

    def clean_vat_id(self) -> str:
        said: str = self.cleaned_data["vat_id"].replace(" ", "").upper()
        country = self.cleaned_data.get("country", "").lower()
        rules: Any = get_cc_module(said[:2].lower(), "vat") if said else None
        if not said or rules is None:
            return said
        if said[:2].lower() not in {country, "el" if country == "gr" else country}:
            raise ValidationError(_("The VAT number is of another country than the address."))
        try:
            rules.validate(said)
        except WrongNumber:
            raise ValidationError(
                _("This is no valid VAT number: its check digits or its length are off.")
            ) from None
        return said

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        address, scheme = cleaned.get("electronic_address"), cleaned.get("electronic_scheme")
        if address and scheme == "":
            self.add_error("electronic_scheme", _("Say of what scheme the address is."))
        if scheme and not address:
            self.add_error("electronic_address", _("Give the address that the scheme is of."))
        return cleaned


class CustomerForm(_Organisation):
    """
    A heat partner or a hosting tenant.
    """

    language = forms.ChoiceField(label=_("Language of its documents"), choices=LANGUAGES)
    buyer_reference = forms.CharField(
        label=_("Buyer reference"), max_length=80, required=False,
        help_text=_("what it wants to see on each invoice; in Germany an authority’s Leitweg-ID"),
    )  # fmt: skip
    field_order = ["kind", "name", "street", "postcode", "town", "country", "language"]


class NewCustomerForm(CustomerForm):
    """
    A customer that is new, with what it is.
    """

    kind = forms.TypedChoiceField(
        label=_("What it is"), coerce=Kind,
        choices=[
            (Kind.PARTNER, _("Heat partner: takes heat")),
            (Kind.TENANT, _("Hosting tenant: has servers here")),
        ],
    )  # fmt: skip


class OperatorForm(_Organisation):
    """
    The operator's own details.
    """

    timezone = forms.ChoiceField(
        label=_("Time zone"), choices=zones, help_text=_("for the dates of invoices")
    )
    iban = IbanField(required=False)
    bic = BicField(required=False)
    bank_details = forms.CharField(
        label=_("Bank, as on invoices"), max_length=200, required=False,
        help_text=_("the name of the bank, say; the IBAN is printed by itself"),
    )  # fmt: skip
    creditor_id = forms.CharField(
        label=_("Creditor identifier"), max_length=35, required=False,
        help_text=_("for SEPA direct debits"),
    )  # fmt: skip
    complaints = forms.CharField(
        label=_("Complaints"), required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("where a customer can complain, and who settles a dispute; on heat bills"),
    )  # fmt: skip

    def clean_creditor_id(self) -> str:
        said = self.cleaned_data["creditor_id"].replace(" ", "").upper()
        if said and not mod_97_10.is_valid(said[7:] + said[:4]):
            raise ValidationError(
                _("This is no creditor identifier: its check digits or its length are off.")
            )
        return str(said)
