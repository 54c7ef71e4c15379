"""
carbon.txt, the file that says where an organisation's evidence is (Green Web Foundation, syntax
0.2 to 0.4): written, and checked with a remedy for each fault.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SYNTAX = "0.4"
DOC_TYPES = (
    "web-page", "annual-report", "sustainability-page", "certificate", "csrd-report", "other",
)  # fmt: skip
# What each syntax adds to the one before.
_FILE_KEYS = {
    "0.2": {"version", "org", "upstream"},
    "0.3": {"version", "org", "upstream", "last_updated"},
    "0.4": {"version", "org", "upstream", "last_updated"},
}
_DISCLOSURE_KEYS = {
    "0.2": {"doc_type", "url", "domain"},
    "0.3": {"doc_type", "url", "domain", "valid_until"},
    "0.4": {"doc_type", "url", "domain", "valid_until", "title"},
}
_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$", re.I)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """
    One piece of evidence: its kind, address and title, and the day from which it is out of date.
    """

    doc_type: str
    url: str
    title: str
    valid_until: dt.date


def written(*, disclosures: Sequence[Disclosure], updated: dt.date) -> str:
    """
    Return the file. The domain of each disclosure is that of its address; an address without a
    name that can be looked up, such as 127.0.0.1, has none.

    :raises ValueError: without a disclosure: a file that points to nothing is not valid
    """
    if not disclosures:
        raise ValueError("There is nothing to disclose.")
    lines = [f'version = "{SYNTAX}"', f'last_updated = "{updated}"', "", "[org]", "disclosures = ["]
    lines += [f"    {_inline(disclosure)}," for disclosure in disclosures]
    return "\n".join([*lines, "]", ""])


def _inline(disclosure: Disclosure) -> str:
    host = urlsplit(disclosure.url).hostname or ""
    fields = {
        "doc_type": disclosure.doc_type,
        "url": disclosure.url,
        "title": disclosure.title,
        "valid_until": disclosure.valid_until.isoformat(),
    }
    if _DOMAIN.match(host):
        fields["domain"] = host
    # A JSON string is a TOML basic string too.
    told = ", ".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()
    )
    return "{ " + told + " }"


def faults(text: str) -> list[str]:
    """
    Return what is wrong with a carbon.txt file, each fault naming its place and the remedy; none
    for a valid one.
    """
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        return [f"The file is not TOML: {problem}. Check quotes, commas and brackets there."]
    version = parsed.get("version", "0.2")
    if version not in _FILE_KEYS:
        return [f"version: {version!r} is no version of the syntax. Write 0.2, 0.3 or 0.4."]
    return [*_of_file(parsed, version), *_of_org(parsed, version), *_of_upstream(parsed)]


def _of_file(parsed: dict[str, Any], version: str) -> Iterator[str]:
    for key in parsed.keys() - _FILE_KEYS[version]:
        yield f"{key}: syntax {version} has no such part. Remove it."
    if "last_updated" in parsed and not _is_day(parsed["last_updated"]):
        yield "last_updated: not a day. Write it as 2026-01-31."


def _of_org(parsed: dict[str, Any], version: str) -> Iterator[str]:
    org = parsed.get("org")
    if not isinstance(org, dict):
        yield "org: missing. Add a table [org] with the list disclosures."
        return
    for key in org.keys() - {"disclosures"}:
        yield f"org.{key}: there is no such part. Evidence goes into org.disclosures."
    listed = org.get("disclosures")
    if not isinstance(listed, list) or not listed:
        yield "org.disclosures: missing or empty. List at least one piece of evidence."
        return
    for n, disclosure in enumerate(listed):
        place = f"org.disclosures[{n}]"
        if not isinstance(disclosure, dict):
            yield f"{place}: not a table. Write {{ doc_type = …, url = … }}."
            continue
        yield from _of_disclosure(place, disclosure, version)


def _of_disclosure(place: str, disclosure: dict[str, Any], version: str) -> Iterator[str]:
    for key in disclosure.keys() - _DISCLOSURE_KEYS[version]:
        yield f"{place}.{key}: syntax {version} has no such field. Remove it."
    kind = disclosure.get("doc_type")
    if kind not in DOC_TYPES:
        yield f"{place}.doc_type: {kind!r} is not one of {', '.join(DOC_TYPES)}."
    if not _is_address(disclosure.get("url")):
        yield f"{place}.url: not an address. Write it whole, with https:// in front."
    domain = disclosure.get("domain")
    if domain is not None and not _is_domain(domain):
        yield f"{place}.domain: {domain!r} is not a domain name. Write example.org, no https://."
    if "valid_until" in disclosure and not _is_day(disclosure["valid_until"]):
        yield f"{place}.valid_until: not a day. Write it as 2026-01-31."
    if "title" in disclosure and not isinstance(disclosure["title"], str):
        yield f"{place}.title: not a text. Put it in quotes."


def _of_upstream(parsed: dict[str, Any]) -> Iterator[str]:
    upstream = parsed.get("upstream")
    if upstream is None:
        return
    if not isinstance(upstream, dict):
        yield "upstream: not a table. Write [upstream] with the list services."
        return
    for key in upstream.keys() - {"services"}:
        yield f"upstream.{key}: there is no such part. Providers go into upstream.services."
    services = upstream.get("services")
    if services is not None and not isinstance(services, list):
        yield "upstream.services: not a list."
        return
    for n, service in enumerate(services or []):
        if isinstance(service, str):
            continue
        place = f"upstream.services[{n}]"
        if not isinstance(service, dict) or not _is_domain(service.get("domain")):
            yield f"{place}.domain: missing or not a domain name. Write example.org."
            continue
        for key in service.keys() - {"domain", "name", "service_type"}:
            yield f"{place}.{key}: there is no such field. Remove it."


def _is_day(value: object) -> bool:
    if isinstance(value, dt.date):
        return True
    try:
        return isinstance(value, str) and bool(dt.date.fromisoformat(value))
    except ValueError:
        return False


def _is_address(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and " " not in value


def _is_domain(value: object) -> bool:
    return isinstance(value, str) and _DOMAIN.match(value) is not None
