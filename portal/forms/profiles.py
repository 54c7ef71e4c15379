"""
The form of a meter profile, drawn from a telegram. It validates and never saves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.forms.money import search_field
from portal.forms.rows import Rows
from portal.profile_words import medium_words, quantity_words
from telemetry.domain.conversion import known_units
from telemetry.domain.meter_profiles import Bytes, Coding, Profile, Take
from telemetry.formats.profiled import Addressed, addressed, stamp_beside
from telemetry.formats.telegram import Record, Telegram
from telemetry.models import MeterProfileLine

_MOMENT = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
_ENERGY = ("energy", "cooling_energy")
# What the units of records can be told as.
_FITTING = {
    "Wh": _ENERGY, "J": _ENERGY, "m³": ("volume",), "m³/h": ("flow",), "K": ("delta_t",),
    "W": ("power", "available", "call"), "J/h": ("power", "available", "call"),
    "°C": ("supply", "return", "outdoor"),
}  # fmt: skip
_ALL = (
    "energy", "cooling_energy", "volume", "e8", "e9", "power", "flow", "supply", "return",
    "delta_t", "outdoor", "available", "call", "mode",
)  # fmt: skip


class ProfileFilter(forms.Form):
    """
    What is not understood counts as not chosen.
    """

    search = search_field(_("Name, make"))
    past = forms.BooleanField(label=_("Also those that were replaced"), required=False)

    def chosen(self) -> dict[str, Any]:
        """
        Return what was understood, as arguments of `telemetry.queries.profiles.meter_profiles`.
        """
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class TelegramForm(forms.Form):
    """
    A telegram to look at.
    """

    telegram = forms.CharField(
        label=_("Telegram"), max_length=4000, strip=True,
        widget=forms.Textarea(
            attrs={"rows": 4, "class": "mono", "spellcheck": "false", "autocomplete": "off"}
        ),
        help_text=_("Hexadecimal, wired or radio, an instant before it if you like"),
    )  # fmt: skip

    def __init__(self, data: Any, *, required: bool, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.fields["telegram"].required = required


class ForForm(forms.Form):
    """
    Which telegrams a profile is for.
    """

    name = forms.CharField(label=_("Name"), max_length=120)
    manufacturer = forms.CharField(
        label=_("Make"), max_length=3, help_text=_("The three letters in its telegrams"),
        validators=[RegexValidator(r"\A[A-Z]{3}\Z", _("Three capital letters, such as KAM."))],
    )  # fmt: skip
    first_version = forms.IntegerField(label=_("Version from"), min_value=0, max_value=255)
    last_version = forms.IntegerField(label=_("Version to"), min_value=0, max_value=255)
    medium = forms.TypedChoiceField(label=_("Medium"), coerce=int, empty_value=None, required=False)
    since = forms.DateTimeField(label=_("For telegrams from"), required=False, widget=_MOMENT)

    def __init__(self, data: Any, *, zone: str, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        field: Any = self.fields["medium"]
        media = sorted({0x02, 0x03, 0x04, 0x06, 0x07, 0x0A, 0x0C, 0x0D, 0x16} | self._asked())
        field.choices = [("", _("All")), *((str(m), medium_words(m)) for m in media)]
        self.fields["since"].help_text = gettext("Time in %s; empty: of any time") % zone

    def _asked(self) -> set[int]:
        given = self.data if self.is_bound else self.initial
        asked = str(given.get("medium", ""))
        return {int(asked)} if asked.isdecimal() and int(asked) < 256 else set()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first_version"), cleaned.get("last_version")
        if first is not None and last is not None and first > last:
            self.add_error("last_version", _("The last version is before the first."))
        return cleaned


def fitting(one: Addressed, *, dated: bool) -> tuple[str, ...]:
    """
    Return the quantities that a record can be for; `dated` says that a day is kept beside it.
    """
    record = one.record
    if record.function == "error" or not isinstance(record.value, Decimal):
        return ()
    if record.is_own:
        return _ALL
    fit = _FITTING.get(record.unit, ())
    return (*fit, "month_end") if dated and record.quantity == "energy" else fit


class RecordForm(forms.Form):
    """
    Where one record of the telegram goes. Its address is that of the record.
    """

    quantity = forms.ChoiceField(label=_("Goes to"), required=False)
    factor = forms.DecimalField(label=_("Times"), required=False, max_digits=18, decimal_places=9)
    unit = forms.ChoiceField(label=_("Unit"), required=False)

    def __init__(self, data: Any, *, one: Addressed, dated: bool, **kwargs: Any) -> None:
        super().__init__(data, use_required_attribute=False, **kwargs)
        self.one, self._dated = one, dated
        fit = fitting(one, dated=dated)
        self.can_go = bool(fit)
        fields: Any = self.fields
        fields["quantity"].choices = [("", _("Not taken")), *((q, quantity_words(q)) for q in fit)]
        fields["unit"].choices = [("", _("None")), *_units()]
        if not one.record.is_own:
            del fields["unit"], fields["factor"]

    def take(self) -> Take | None:
        """
        Return the line of the profile, None where the record is not taken.
        """
        form = self if self.is_bound else RecordForm(
            _as_posted(self), one=self.one, dated=self._dated, prefix=self.prefix
        )  # fmt: skip
        if not form.is_valid() or not form.cleaned_data.get("quantity"):
            return None
        given, record = form.cleaned_data, self.one.record
        return Take(
            quantity=given["quantity"], measured=record.quantity, function=record.function,
            storage=record.storage, tariff=record.tariff, device=record.device, nth=self.one.nth,
            unit=given.get("unit") or "", factor=given.get("factor") or Decimal(1),
        )  # fmt: skip


class BytesForm(forms.Form):
    """
    A figure within bytes of the maker's own.
    """

    record = forms.TypedChoiceField(label=_("In"), coerce=int)
    first = forms.IntegerField(label=_("First byte"), min_value=1, max_value=250)
    count = forms.IntegerField(label=_("Bytes"), min_value=1, max_value=8)
    coding = forms.ChoiceField(label=_("Written as"), choices=MeterProfileLine.Coding.choices)
    factor = forms.DecimalField(
        label=_("Times"), max_digits=18, decimal_places=9, initial=Decimal(1)
    )
    unit = forms.ChoiceField(label=_("Unit"), initial="kWh")
    quantity = forms.ChoiceField(label=_("Goes to"))

    def __init__(self, data: Any, *, owns: Sequence[tuple[int, Addressed]], **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self._owns = dict(owns)
        fields: Any = self.fields
        fields["record"].choices = [
            (n, gettext("record %d") % (n + 1)) for n, _one in owns
        ]  # fmt: skip
        fields["record"].initial = owns[0][0] if owns else None
        fields["coding"].initial = MeterProfileLine.Coding.BCD
        fields["unit"].choices = _units()
        fields["quantity"].choices = [("", "–"), *((q, quantity_words(q)) for q in _ALL)]

    def clean_factor(self) -> Decimal:
        factor: Decimal = self.cleaned_data["factor"]
        if not factor:
            raise forms.ValidationError(_("Times zero is no reading."))
        return factor

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        one = self._owns.get(cleaned.get("record", -1))
        first, count = cleaned.get("first"), cleaned.get("count")
        if one is not None and first and count and first + count - 1 > len(one.record.data):
            self.add_error("count", gettext("Only %d bytes are there.") % len(one.record.data))
        if cleaned.get("coding") == Coding.FLOAT and count not in {None, 4}:
            self.add_error("count", gettext("A real number has four bytes."))
        return cleaned

    def take(self) -> Take | None:
        """
        Return the line of the profile, None where nothing is said.
        """
        form = self if self.is_bound else BytesForm(
            _as_posted(self), owns=list(self._owns.items()), prefix=self.prefix
        )  # fmt: skip
        if not form.is_valid() or not form.cleaned_data.get("quantity"):
            return None
        given = form.cleaned_data
        one = self._owns[given["record"]]
        return Take(
            quantity=given["quantity"], measured=one.record.quantity,
            function=one.record.function, storage=one.record.storage, tariff=one.record.tariff,
            device=one.record.device, nth=one.nth, unit=given["unit"], factor=given["factor"],
            place=Bytes(given["first"], given["count"], Coding(given["coding"])),
        )  # fmt: skip


def _as_posted(form: forms.Form) -> dict[str, Any]:
    # Drawn and not judged yet: it says what it shows.
    return {form.add_prefix(name): form[name].value() for name in form.fields}


def _units() -> list[tuple[str, str]]:
    return [(unit, unit.replace("m3C", "m³·°C")) for unit in known_units()]


class Editor:
    """
    All of a profile as one page: for which telegrams it is, where each record of the telegram at
    hand goes, what stands in bytes of the maker's own, and lines for records which it lacks.

    `takes` are the lines to begin with. What was typed is kept while the telegram is the same.
    """

    def __init__(
        self, data: Mapping[str, Any] | None, *, telegram: str, told: Telegram | None,
        takes: Sequence[Take], head: Mapping[str, Any], zone: str,
    ) -> None:  # fmt: skip
        self.drawn = hashlib.sha256(telegram.encode()).hexdigest()[:16]
        same = data is not None and data.get("drawn") == self.drawn
        self.saves = data is not None and same and "save" in data
        typed = data if data is not None and same else None
        self.head = self._form(ForForm, typed, head, zone=zone)
        records = addressed(told) if told is not None else []
        self._owns = [(n, one) for n, one in enumerate(records) if one.record.is_own]
        self.records = [
            self._form(
                RecordForm, typed, _record_initial(one, takes), prefix=f"record-{n}", one=one,
                dated=told is not None and stamp_beside(told, one.record) is not None,
            )
            for n, one in enumerate(records)
        ]  # fmt: skip
        placed = [t for t in takes if t.place is not None and self._place_of(t) is not None]
        self.bytes = Rows(
            BytesForm, "bytes", typed, owns=self._owns, least=1,
            initial=[_bytes_initial(take, self._place_of(take)) for take in placed],
        )  # fmt: skip
        there = [
            take for take in takes
            if take in placed or any(one.is_of(take) and take.place is None for one in records)
        ]  # fmt: skip
        self.others = [
            (n, take, typed is None or f"keep-{n}" in typed)
            for n, take in enumerate(take for take in takes if take not in there)
        ]

    def _form(
        self, kind: Any, typed: Mapping[str, Any] | None, initial: Mapping[str, Any], **of: Any
    ) -> Any:
        if typed is None or self.saves:
            return kind(typed, initial=initial, **of)
        # Nothing is judged while somebody still looks.
        prefix = f"{of['prefix']}-" if "prefix" in of else ""
        asked = {name: typed.get(f"{prefix}{name}", "") for name in kind.base_fields}
        return kind(None, initial=asked, **of)

    def _place_of(self, take: Take) -> int | None:
        return next((n for n, one in self._owns if one.is_of(take)), None)

    @property
    def has_own(self) -> bool:
        """
        Whether the telegram has bytes in the maker's own layout.
        """
        return bool(self._owns)

    def record(self, take: Take) -> Record:
        """
        Return the record that a line about bytes means.
        """
        return next(one.record for _, one in self._owns if one.is_of(take))

    def is_valid(self) -> bool:
        """
        Judge all parts, so that all errors show at once.
        """
        judged = [part.is_valid() for part in (self.head, *self.records, self.bytes)]
        return all(judged)

    def takes(self) -> list[Take]:
        """
        Return the lines as they are said now; what is not well-formed is none.
        """
        rows: list[Any] = [*self.records, *self.bytes]
        said = [form.take() for form in rows]
        return [take for take in said if take] + [take for _, take, keep in self.others if keep]


def _record_initial(one: Addressed, takes: Sequence[Take]) -> dict[str, Any]:
    take = next((t for t in takes if t.place is None and one.is_of(t)), None)
    if take is None:
        return {}
    return {"quantity": take.quantity, "factor": take.factor.normalize(), "unit": take.unit}


def _bytes_initial(take: Take, record: int | None) -> dict[str, Any]:
    assert take.place is not None  # noqa: S101 - only such lines are asked for
    return {
        "record": record, "first": take.place.first, "count": take.place.count,
        "coding": take.place.coding.value, "factor": take.factor.normalize(), "unit": take.unit,
        "quantity": take.quantity,
    }  # fmt: skip


def head_of(profile: Profile) -> dict[str, Any]:
    """
    Return what the head of the page shows of a profile.
    """
    return {
        "name": profile.name, "manufacturer": profile.manufacturer,
        "first_version": profile.first_version, "last_version": profile.last_version,
        "medium": profile.medium, "since": None,
    }  # fmt: skip
