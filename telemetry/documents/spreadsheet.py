"""
Tables as XLSX workbooks, and texts that stay texts in any spreadsheet.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from openpyxl import Workbook
from openpyxl.styles import Font


def stays_text(text: str) -> str:
    """
    Return a text as a cell of a CSV file: with a mark before it where a spreadsheet would run it
    as a formula.
    """
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def workbook(*, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """
    Return a workbook of one sheet with a head that stays in sight. Texts stay texts: none is
    read as a formula.
    """
    book = Workbook()
    sheet = book.active
    if sheet is None:
        raise ValueError("The workbook has no sheet.")
    sheet.title = title[:31]
    sheet.append(list(columns))
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    sheet.freeze_panes = "A2"
    for row in rows:
        sheet.append(["" if value is None else value for value in row])
        for cell in sheet[sheet.max_row]:
            if cell.data_type == "f":
                cell.data_type = "s"
    for n, column in enumerate(columns):
        sheet.column_dimensions[chr(ord("A") + n)].width = max(12, min(48, len(column) + 6))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
