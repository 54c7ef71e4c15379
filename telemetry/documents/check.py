"""
What becomes of a statement that somebody hands in: is it one of ours, unchanged, and does it hold.
"""

from __future__ import annotations

import datetime as dt
import enum
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from telemetry.documents import credential
from telemetry.documents.statement_pdf import attached_credential
from telemetry.models import Statement
from telemetry.queries.statements import known_keys, public_statement

# A statement has some kilobytes, its PDF some dozens.
LARGEST = 2 * 1024 * 1024
_ID = re.compile(r"/verify/([0-9a-f-]{36})/?$")


class Outcome(enum.StrEnum):
    """
    What a check finds; only the first is good news.
    """

    HOLDS = "holds"
    LAPSED = "lapsed"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    CHANGED = "changed"
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    The outcome in a word, what is wrong in a sentence of the library, and the names of the parts
    that differ from what was issued. `content` is what was handed in and only there where the
    signature fits.
    """

    outcome: Outcome
    statement: Statement | None = None
    content: dict[str, Any] | None = None
    problem: str = ""
    differing: list[str] = field(default_factory=list)


def check_upload(data: bytes, *, at: dt.datetime) -> Verdict:
    """
    Check a PDF, a JSON document with its proof, or a vc+jwt.
    """
    text = _text_of(data)
    if text is None:
        return Verdict(Outcome.UNREADABLE)
    if not text.startswith("{"):
        # A token has three parts; another text is no statement, not a changed one.
        return _check_jwt(text, at) if text.count(".") == 2 else Verdict(Outcome.UNREADABLE)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return Verdict(Outcome.UNREADABLE)
    return _check_document(document, at)


def _text_of(data: bytes) -> str | None:
    if data.startswith(b"%PDF"):
        return attached_credential(data)
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None


def _check_jwt(token: str, at: dt.datetime) -> Verdict:
    try:
        content = credential.verified_jwt(token, keys=known_keys())
    except credential.NotVerified as problem:
        return Verdict(Outcome.CHANGED, problem=str(problem))
    statement = _statement_of(content)
    if statement is None:
        return Verdict(Outcome.UNKNOWN)
    return Verdict(outcome_of(statement, at), statement, content)


def _check_document(document: Mapping[str, Any], at: dt.datetime) -> Verdict:
    statement = _statement_of(document)
    if statement is None or statement.document is None:
        return Verdict(Outcome.UNKNOWN)
    # Compared before anything is computed from it: a stranger's graph could keep the machine
    # busy for hours, and what was issued is known.
    differing = sorted(
        name
        for name in set(_leaves(document)) ^ set(_leaves(statement.document))
    )  # fmt: skip
    if differing:
        names = list(dict.fromkeys(name.split("=")[0] for name in differing))
        return Verdict(Outcome.CHANGED, statement, differing=names[:20])
    try:
        content = credential.verified_document(statement.document, keys=known_keys())
    except credential.NotVerified as problem:
        return Verdict(Outcome.CHANGED, statement, problem=str(problem))
    return Verdict(outcome_of(statement, at), statement, content)


def outcome_of(statement: Statement, at: dt.datetime) -> Outcome:
    """
    Say whether an issued statement still holds.
    """
    if statement.state == Statement.State.ISSUED:
        lapsed = statement.valid_until is None or at >= statement.valid_until
        return Outcome.LAPSED if lapsed else Outcome.HOLDS
    return Outcome(statement.state)


def _statement_of(document: Mapping[str, Any]) -> Statement | None:
    address = document.get("id")
    found = _ID.search(address) if isinstance(address, str) else None
    if found is None:
        return None
    try:
        return public_statement(public_id=uuid.UUID(found.group(1)))
    except ValueError:
        return None


def _leaves(part: object, path: str = "") -> Iterator[str]:
    if isinstance(part, dict):
        for name, inner in part.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(part, list):
        for n, inner in enumerate(part):
            yield from _leaves(inner, f"{path}[{n}]")
    else:
        yield f"{path}={part!r}"
