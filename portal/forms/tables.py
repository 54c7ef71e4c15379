"""
Tables as files or pasted: read by the names in their head, faults named by line and column.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

_LIMIT = 1024 * 1024


def decoded(file: Any, typed: str) -> str:
    """
    Return the text of an uploaded file, or what was typed where there is none.
    """
    if not file:
        return typed
    if file.size > _LIMIT:
        raise ValidationError(_("The file is larger than 1 MB."))
    try:
        return str(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValidationError(_("The file is not text in UTF-8.")) from None


def read_table(text: str, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """
    Return the rows of a table with their line numbers, by the names in its head.
    """
    lines = text.strip().splitlines()
    if not lines:
        raise ValidationError(gettext("Give a file or paste the table."))
    mark = max(";,\t", key=lines[0].count)
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=mark))
    head = [name.strip().lower() for name in rows[0]]
    absent = [name for name in columns if name not in head]
    if absent:
        raise ValidationError(
            gettext("The first line names the columns; %s is not among them.") % ", ".join(absent)
        )
    blank = [""] * len(head)
    return [
        # A row cut short has empty cells at its end.
        (n, dict(zip(head, [cell.strip() for cell in row] + blank, strict=False)))
        for n, row in enumerate(rows[1:], start=2)
        if any(row)
    ]


def number_in(row: int, name: str, text: str) -> Decimal:
    """
    Return the number of a cell; a fault names the line and the column.
    """
    try:
        # A decimal comma, where the columns are not parted by it.
        found = Decimal(text.replace(",", "."))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise ValidationError(
            gettext("Line %(row)s, %(name)s: “%(text)s” is not a number.")
            % {"row": row, "name": name, "text": text}
        )
    return found


def day_in(row: int, name: str, text: str) -> dt.date:
    """
    Return the day of a cell; a fault names the line and the column.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValidationError(
            gettext("Line %(row)s, %(name)s: “%(text)s” is not a day such as 2026-01-31.")
            % {"row": row, "name": name, "text": text}
        ) from None


class TableForm(forms.Form):
    """
    A table as a file or pasted; after the preview it comes back as text.
    """

    file = forms.FileField(
        label=_("CSV file"), required=False,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )  # fmt: skip
    table = forms.CharField(
        label=_("Or the table itself"), required=False, max_length=_LIMIT,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )  # fmt: skip

    def text(self) -> str:
        """
        Return the table as text, from the file where there is one.
        """
        return str(self.cleaned_data.get("text", ""))

    def _read(self, given: dict[str, Any], columns: Sequence[str]) -> list[Any]:
        try:
            given["text"] = decoded(given.get("file"), given.get("table") or "")
            return read_table(given["text"], columns)
        except ValidationError as problem:
            self.add_error("file" if given.get("file") else "table", problem)
            return []
