"""
Filters on a heat customer's pages.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.forms.billing import InvoiceFilter
from portal.forms.money import search_field
from sites.access import Viewer


class BillFilter(InvoiceFilter):
    """
    Search and filters of a heat customer's bills; the building only where there are several.
    """

    search = search_field(_("Number"))
    status = None  # type: ignore[assignment]

    def __init__(self, data: Any, *, viewer: Viewer, buildings: list[Any]) -> None:
        super().__init__(data, viewer=viewer)
        if len(buildings) > 1:
            self.fields["building"] = forms.TypedChoiceField(
                label=_("Building"), required=False, coerce=int, empty_value=None,
                choices=[("", _("All")), *((point.pk, point.name) for point in buildings)],
            )  # fmt: skip
