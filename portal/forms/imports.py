"""
Forms of imports: which file for which site, how its table is read, and filters of lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.text import slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.forms.money import search_field
from sites import queries as sites
from sites.access import Viewer
from telemetry import queries
from telemetry.domain.conversion import known_units
from telemetry.formats import csv_spec
from telemetry.formats.csv_detect import FORMATS

_LINES = forms.Textarea(attrs={"rows": 2, "cols": 24})


def _labels(known: dict[str, str]) -> list[tuple[str, str]]:
    return [(value, gettext(label)) for value, label in known.items()]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _cells(text: str) -> dict[str, list[str]]:
    """
    Return the cells by column of lines such as: Status = off.
    """
    found: dict[str, list[str]] = {}
    for line in _lines(text):
        column, _sign, cell = line.partition("=")
        found.setdefault(column.strip(), []).append(cell.strip())
    return found


class BatchFilter(forms.Form):
    """
    What is not understood counts as not chosen.
    """

    search = search_field(_("File, gateway"))
    source = forms.ChoiceField(
        label=_("Way"), required=False,
        choices=[("", _("All")), ("file", _("File")), ("http", _("HTTP")), ("mqtt", _("MQTT")),
                 ("replay", _("Tried again"))],
    )  # fmt: skip
    refused = forms.BooleanField(label=_("Only with refused rows"), required=False)

    def __init__(self, data: Any, *, viewer: Viewer) -> None:
        super().__init__(data)
        places = sites.sites(viewer=viewer).values_list("slug", "name")
        self.fields["site"] = forms.ChoiceField(
            label=_("Site"), required=False, choices=[("", _("All")), *places]
        )

    def chosen(self) -> dict[str, Any]:
        """
        Return what was understood, as arguments of `telemetry.queries.batches`.
        """
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class RefusedFilter(forms.Form):
    """
    Search and filters of a batch's refused rows.
    """

    search = search_field(_("Channel, text"))
    open_only = forms.BooleanField(label=_("Only those still open"), required=False)

    def __init__(self, data: Any, *, reasons: Sequence[tuple[str, str]]) -> None:
        super().__init__(data)
        self.fields["reason"] = forms.ChoiceField(
            label=_("Reason"), required=False, choices=[("", _("All")), *reasons]
        )

    def chosen(self) -> dict[str, Any]:
        """
        Return what was understood, as arguments of `telemetry.queries.refused_rows`.
        """
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class MappingSearch(forms.Form):
    """
    Search of saved mappings.
    """

    search = search_field(_("Name, code"))

    def chosen(self) -> str:
        """
        Return the search text, empty if there is none.
        """
        return self.cleaned_data["search"] if self.is_valid() else ""


class UploadForm(forms.Form):
    """
    A file, the site it belongs to, and the mapping to begin with.
    """

    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "A table as CSV or text; or .json, .ndjson, .lp (line protocol), .mbus or .hex (M-Bus"
            " telegrams), .wmbusmeters, .iec; also compressed with gzip"
        ),
    )

    def __init__(self, data: Any, files: Any, *, viewer: Viewer, most_bytes: int) -> None:
        super().__init__(data, files)
        self._most_bytes = most_bytes
        self.fields["site"] = forms.ChoiceField(
            label=_("Site"), choices=list(sites.sites(viewer=viewer).values_list("pk", "name"))
        )
        saved = queries.mappings(viewer=viewer).values_list("pk", "name")
        self.fields["mapping"] = forms.ChoiceField(
            label=_("Column mapping"), required=False,
            choices=[("", _("None yet: propose one from the file")), *saved],
        )  # fmt: skip
        self.order_fields(["site", "file", "mapping"])

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > self._most_bytes:
            raise forms.ValidationError(
                gettext("The file is larger than %d MB. Send it in several parts.")
                % (self._most_bytes // 1_000_000)
            )
        return file


class ColumnForm(forms.Form):
    """
    One column of figures: its channel, unit, marks of missing values and rounding.
    """

    column = forms.CharField(widget=forms.HiddenInput, max_length=200)
    channel = forms.CharField(
        label=_("Channel"), required=False, max_length=200,
        widget=forms.TextInput(attrs={"list": "channels", "placeholder": _("not imported")}),
    )  # fmt: skip
    unit = forms.ChoiceField(
        label=_("Unit"), required=False,
        choices=[("", _("As the channel")), *((unit, unit) for unit in known_units())],
    )  # fmt: skip
    missing = forms.CharField(label=_("Also missing"), required=False, max_length=200)
    decimals = forms.IntegerField(label=_("Decimals"), required=False, min_value=0, max_value=9)
    unit_column = forms.CharField(
        label=_("or the column that tells it"), required=False, max_length=200,
        widget=forms.TextInput(attrs={"list": "header", "placeholder": _("or in column")}),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("unit") and given.get("unit_column"):
            self.add_error("unit_column", _("Choose a unit or the column that tells it."))
        return given


ColumnFormSet = forms.formset_factory(ColumnForm, extra=0, max_num=csv_spec.MOST_COLUMNS)


class MappingForm(forms.Form):
    """
    How a table is read, but for its columns of figures.
    """

    name = forms.CharField(label=_("Name of the mapping"), max_length=120)
    code = forms.SlugField(
        label=_("Code"), required=False, max_length=60,
        help_text=_("for gateways and commands; made from the name if empty"),
    )  # fmt: skip
    separator = forms.ChoiceField(label=_("Cells are separated by"))
    encoding = forms.ChoiceField(label=_("Encoding"))
    decimal = forms.ChoiceField(label=_("Decimal sign"))
    thousands = forms.ChoiceField(label=_("Sign between thousands"), required=False)
    skip_lines = forms.IntegerField(
        label=_("Lines before the header"), min_value=0, max_value=csv_spec.MOST_LINES
    )
    header_lines = forms.IntegerField(
        label=_("Header lines"), min_value=0, max_value=csv_spec.MOST_LINES,
        help_text=_("0: columns are #1, #2 and so on"),
    )  # fmt: skip
    name_line = forms.IntegerField(
        label=_("Which of them names the columns"), min_value=1, max_value=csv_spec.MOST_LINES
    )
    footer_lines = forms.IntegerField(
        label=_("Lines at the end to leave out"), min_value=0, max_value=csv_spec.MOST_LINES
    )
    skip_starting_with = forms.CharField(
        label=_("Leave out lines that begin with"), required=False, widget=_LINES,
        help_text=_("one a line"),
    )  # fmt: skip
    skip_rows = forms.CharField(
        label=_("Leave out rows where"), required=False,
        widget=forms.Textarea(attrs={"rows": 2, "cols": 24}),
        help_text=_("one cell a line, such as: Status = off"),
    )  # fmt: skip
    missing = forms.CharField(
        label=_("Cells without a reading"), required=False, widget=_LINES,
        help_text=_("besides blank ones; one a line, such as ? or -"),
    )  # fmt: skip
    stamp = forms.CharField(
        label=_("Column of the time stamp, or of the date"), max_length=200,
        widget=forms.TextInput(attrs={"list": "header"}),
    )  # fmt: skip
    clock = forms.CharField(
        label=_("Column of the time of day"), required=False, max_length=200,
        help_text=_("if it has one of its own"),
        widget=forms.TextInput(attrs={"list": "header"}),
    )  # fmt: skip
    time_format = forms.CharField(
        label=_("Pattern of the time"), max_length=60,
        help_text=_("iso, unix, unix_ms, or such as %d.%m.%Y %H:%M or %I:%M %p"),
        widget=forms.TextInput(attrs={"list": "time-formats"}),
    )  # fmt: skip
    zone = forms.CharField(
        label=_("Clock of the time"), required=False, max_length=60,
        help_text=_("UTC, +01:00 or Europe/Berlin; empty if each stamp states its offset"),
        widget=forms.TextInput(attrs={"list": "zones"}),
    )  # fmt: skip
    repeated_hour = forms.ChoiceField(label=_("The hour that autumn repeats"))
    channels = forms.CharField(
        label=_("Keys to channels"), required=False,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 40}),
        help_text=_("where a channel is made of cells, such as {Adr}/{Nr.}: 1/1 = heat.energy"),
    )  # fmt: skip
    unlisted = forms.ChoiceField(
        label=_("Keys that are not in the list"),
        choices=[("refuse", _("Kept as refused rows")), ("skip", _("Left out"))],
    )

    time_formats = FORMATS[:12]

    def __init__(self, data: Any, *, initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial)
        for name, known in (
            ("separator", csv_spec.SEPARATORS), ("encoding", csv_spec.ENCODINGS),
            ("decimal", csv_spec.DECIMALS), ("thousands", csv_spec.THOUSANDS),
            ("repeated_hour", csv_spec.REPEATED_HOUR),
        ):  # fmt: skip
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 - tells the type checker
            field.choices = _labels(known)
            # A space or tab is a choice, not padding.
            if name in {"separator", "thousands"}:
                field.strip = False  # type: ignore[attr-defined]

    def structure(self) -> dict[str, Any]:
        """
        Return what was understood as the JSON of a mapping without values.
        """
        given = self.cleaned_data
        plain = ("separator", "encoding", "decimal", "thousands", "skip_lines", "header_lines",
                 "name_line", "footer_lines", "unlisted")  # fmt: skip
        columns = [name for name in (given.get("stamp"), given.get("clock")) if name]
        table = [line.partition("=") for line in _lines(given.get("channels", ""))]
        return {
            **{name: given[name] for name in plain if name in given},
            "skip_rows": [
                {"column": column, "values": values}
                for column, values in _cells(given.get("skip_rows", "")).items()
            ],
            "skip_starting_with": _lines(given.get("skip_starting_with", "")),
            "missing": ["", *_lines(given.get("missing", ""))],
            "time": {
                "columns": columns,
                "format": given.get("time_format", "iso"),
                "zone": given.get("zone", ""),
                "repeated_hour": given.get("repeated_hour", "order"),
            },
            "channels": {text.strip(): key.strip() for text, _, key in table},
        }

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not given.get("code"):
            given["code"] = slugify(given.get("name", ""))[:60]
        if given.get("name") and not given["code"]:
            self.add_error("code", gettext("Give a code of letters, digits and hyphens."))
        for name, words in (
            ("channels", gettext("Write each line as: text = channel.")),
            ("skip_rows", gettext("Write each line as: column = cell.")),
        ):
            if any("=" not in line for line in _lines(given.get(name, ""))):
                self.add_error(name, words)
        return given

    _FIELD_OF = {
        "time.columns": "stamp", "time.format": "time_format", "time.zone": "zone",
        "time.repeated_hour": "repeated_hour",
    }  # fmt: skip

    def tell(self, problems: Sequence[tuple[str, str]]) -> None:
        """
        Put what is wrong with the mapping next to its fields.
        """
        for key, text in problems:
            name = self._FIELD_OF.get(key, key.partition(" ")[0])
            self.add_error(name if name in self.fields else None, text)


def values_of(columns: Any, *, all_of_them: bool) -> list[dict[str, Any]]:
    """
    Return the columns that have a channel, or every one, as the JSON of a mapping's values.
    """
    values = []
    for form in columns:
        given = form.cleaned_data if form.is_valid() else {}
        if given.get("column") and (given.get("channel") or all_of_them):
            values.append({
                "column": given["column"], "channel": given.get("channel", ""),
                "unit": given.get("unit", ""), "unit_column": given.get("unit_column", ""),
                "missing": given.get("missing", "").split(), "decimals": given.get("decimals"),
            })  # fmt: skip
    return values


def initial_of(spec: csv_spec.Spec, *, name: str = "", code: str = "") -> dict[str, Any]:
    """
    Return a mapping as the form begins with it.
    """
    stamp, clock = (*spec.time.columns, "", "")[:2]
    return {
        "name": name, "code": code, "separator": spec.separator, "encoding": spec.encoding,
        "decimal": spec.decimal, "thousands": spec.thousands, "skip_lines": spec.skip_lines,
        "header_lines": spec.header_lines, "name_line": spec.name_line,
        "footer_lines": spec.footer_lines, "unlisted": spec.unlisted,
        "skip_starting_with": "\n".join(spec.skip_starting_with),
        "missing": "\n".join(mark for mark in spec.missing if mark),
        "stamp": stamp, "clock": clock, "time_format": spec.time.format, "zone": spec.time.zone,
        "repeated_hour": spec.time.repeated_hour,
        "channels": "\n".join(f"{text} = {key}" for text, key in spec.channels.items()),
        "skip_rows": "\n".join(
            f"{rule.column} = {value}" for rule in spec.skip_rows for value in rule.values
        ),
    }  # fmt: skip


def initial_column(value: csv_spec.Value) -> dict[str, Any]:
    """
    Return one column of figures as its form begins with it.
    """
    return {
        "column": value.column, "channel": value.channel, "unit": value.unit,
        "missing": " ".join(value.missing), "decimals": value.decimals,
        "unit_column": value.unit_column,
    }  # fmt: skip
