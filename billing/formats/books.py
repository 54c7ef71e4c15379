"""
Bookings for other programs: a journal as CSV, and a stack of bookings in DATEV's layout.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Iterator

from billing.domain.bookkeeping import GrossEntry, Posting
from telemetry.documents.spreadsheet import stays_text

JOURNAL = (
    "day", "document", "account", "text", "currency", "debit", "credit", "tax_key",
)  # fmt: skip

# The columns of a stack of bookings (format 700, category 21) up to the last one filled here.
_DATEV = (
    "Umsatz (ohne Soll/Haben-Kz)", "Soll/Haben-Kennzeichen", "WKZ Umsatz", "Kurs", "Basis-Umsatz",
    "WKZ Basis-Umsatz", "Konto", "Gegenkonto (ohne BU-Schlüssel)", "BU-Schlüssel", "Belegdatum",
    "Belegfeld 1", "Belegfeld 2", "Skonto", "Buchungstext",
)  # fmt: skip


def journal_csv(postings: Iterable[Posting]) -> Iterator[str]:
    """
    Return the journal line by line: UTF-8, decimal points, days as in ISO 8601.
    """
    yield ",".join(JOURNAL) + "\r\n"
    for row in postings:
        yield _line(
            [row.day.isoformat(), row.document, row.account, stays_text(row.text), row.currency,
             row.debit, row.credit, row.tax_key]
        )  # fmt: skip


def _line(cells: list[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(["" if cell is None else cell for cell in cells])
    return buffer.getvalue()


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def datev_stack(
    entries: Iterable[GrossEntry], *, consultant: str, client: str, year_begins: dt.date,
    first: dt.date, last: dt.date, digits: int, made_at: dt.datetime,
) -> Iterator[str]:  # fmt: skip
    """
    Return a stack of bookings in DATEV's layout, line by line: decimal commas, days without their
    year, texts of at most 60 characters. Encode it as Windows-1252. Entries are in the order of
    their days, all in one accounting year.
    """
    yield ";".join(
        ['"EXTF"', "700", "21", '"Buchungsstapel"', "13", f"{made_at:%Y%m%d%H%M%S}000", "", '"WG"',
         '""', '""', consultant, client, f"{year_begins:%Y%m%d}", str(digits), f"{first:%Y%m%d}",
         f"{last:%Y%m%d}", '"Warmgrid"', '""', "1", "0", "0", '"EUR"']
    ) + "\r\n"  # fmt: skip
    yield ";".join(_DATEV) + "\r\n"
    for entry in entries:
        yield _datev_line(entry)


def _datev_line(entry: GrossEntry) -> str:
    side = "S" if entry.amount > 0 else "H"
    amount = f"{abs(entry.amount):.2f}".replace(".", ",")
    return ";".join(
        [amount, f'"{side}"', _quoted(entry.currency), "", "", '""', entry.account, entry.contra,
         _quoted(entry.tax_key), f"{entry.day:%d%m}", _quoted(_field(entry.document, 36)), '""',
         "", _quoted(_field(entry.text, 60))]
    ) + "\r\n"  # fmt: skip


def _field(text: str, length: int) -> str:
    # What Windows-1252 has no sign for would stop the import of the whole stack.
    return text.encode("cp1252", "replace").decode("cp1252")[:length]
