"""
A statement on paper, with the signed credential inside the file and a code that leads to its check.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import zoneinfo

import segno
import typst
from babel.dates import format_date
from django.conf import settings
from django.utils.translation import get_language, gettext, to_locale
from pypdf import PdfReader
from pypdf.errors import PyPdfError

from telemetry.documents.statements import address_of, method_address
from telemetry.documents.words import Row, boxes, rows
from telemetry.domain.statement import fingerprint
from telemetry.models import Statement
from telemetry.queries.statements import checks_of

ATTACHED = "statement.json"


def statement_pdf(*, statement: Statement) -> bytes:
    """
    Return an issued statement as PDF/A-3 with its credential attached; the same statement gives
    the same text, also after it has ended: whether it holds is told by the address in it.
    """
    if statement.issued_at is None or statement.valid_until is None:
        raise ValueError("Only an issued statement has a document.")
    address = address_of(statement)
    code = io.BytesIO()
    segno.make(address, error="m").save(code, kind="svg", border=0, scale=4)
    source = settings.BASE_DIR / "templates" / "statements" / "statement.typ"
    issued = statement.issued_at
    method = statement.content["method"]
    content = {
        "title": gettext("Energy and heat statement"),
        "language": (get_language() or "en")[:2],
        "date": [issued.year, issued.month, issued.day],
        "author": statement.operator.name,
        "lead": _lead(statement),
        "boxes": [
            {"title": box.title, "limit": box.limit, "rows": [_told(row) for row in box.rows]}
            for box in boxes(rows(statement.content))
        ],
        "limits": [
            [gettext("Checked by"), _checked(statement, issued)],
            [
                gettext("Not covered"),
                gettext("Making the hardware, networks outside the site."),
            ],
            [gettext("Method"), f"{method}, {method_address(method)}"],
            [gettext("Factors and attributes"), "; ".join(statement.content["factors"]) or "–"],
            [gettext("Fingerprint"), fingerprint(bytes(statement.content_sha256))],
        ],
        "check": gettext("Check it: %s") % address,
        "code": code.getvalue().decode(),
        "attached": json.dumps(statement.document, ensure_ascii=False, indent=1),
    }
    return bytes(
        typst.compile(
            source.read_bytes(),
            format="pdf",
            pdf_standards=["a-3b"],
            sys_inputs={"data": json.dumps(content)},
        )
    )


def attached_credential(pdf: bytes) -> str | None:
    """
    Return the credential inside a statement's PDF; None where there is none.
    """
    try:
        found = PdfReader(io.BytesIO(pdf)).attachments.get(ATTACHED)
        return found[0].decode() if found else None
    except (PyPdfError, ValueError, KeyError, OSError, RecursionError):
        return None


def _lead(statement: Statement) -> list[str]:
    content = statement.content
    return [
        f"{content['tenant']}, {content['name']}",
        content["site"],
        gettext("%(first)s to %(last)s, %(zone)s time")
        % {
            "first": _day(dt.date.fromisoformat(content["firstDay"])),
            "last": _day(dt.date.fromisoformat(content["lastDay"])),
            "zone": content["timeZone"],
        },
        gettext("%(number)s, issued by %(operator)s on %(day)s, valid until %(until)s")
        % {
            "number": statement.number,
            "operator": statement.operator.name,
            "day": _local(statement.issued_at, content["timeZone"]),
            "until": _local(statement.valid_until, content["timeZone"]),
        },
    ]


def _told(row: Row) -> dict[str, str]:
    marks = _marks(row.measured, row.estimated, interim=row.interim)
    return {
        "title": row.title,
        "figure": f"{row.figure} {row.unit}".strip(),
        "limit": row.missing or row.limit,
        "basis": "; ".join(part for part in (marks, row.basis) if part),
    }


def _checked(statement: Statement, at: dt.datetime) -> str:
    """
    Name each third party that had checked the site when the statement was issued, with what and
    when; say so where there was none.
    """
    found = [
        gettext("%(who)s on %(day)s, months %(first)s to %(last)s: %(scope)s")
        % {
            "who": check.checker,
            "day": _day(check.checked_on),
            "first": f"{check.first_month:%Y-%m}",
            "last": f"{check.last_month:%Y-%m}",
            "scope": check.scope,
        }
        for check in checks_of(statement=statement, at=at)
    ]
    return "; ".join(found) or gettext("No third party has checked this.")


def _marks(measured: str, estimated: str, *, interim: bool) -> str:
    parts = []
    if measured:
        parts.append(gettext("%s of hours measured") % measured)
    if estimated:
        parts.append(gettext("%s estimated") % estimated)
    if interim:
        parts.append(gettext("interim: under 12 months"))
    return ", ".join(parts)


def _local(at: dt.datetime | None, zone: str) -> str:
    return "" if at is None else _day(at.astimezone(zoneinfo.ZoneInfo(zone)).date())


def _day(day: dt.date) -> str:
    return format_date(day, "long", locale=to_locale(get_language() or "en-gb"))
