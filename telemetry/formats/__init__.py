"""
Bytes to rows, one module a format. A new format is a module with a `Format` and its entry in
the list below; HTTP, files and the fuzz test then know it.
"""

from __future__ import annotations

from pathlib import PurePath

from telemetry.formats import csv_plain, line_protocol, objects, telegrams
from telemetry.formats.compression import (
    ENCODINGS,
    Limited,
    Source,
    TooLarge,
    UnknownEncoding,
    encoding_of_file,
    inflated,
    open_file,
)
from telemetry.formats.frame import (
    FIELDS,
    KEPT_TEXT,
    ROWS_AT_ONCE,
    Again,
    Columns,
    Delivery,
    Format,
    Heard,
    Learnt,
    NotReadable,
    Refused,
    Row,
    in_columns,
)

__all__ = [
    "ENCODINGS",
    "FIELDS",
    "FORMATS",
    "KEPT_TEXT",
    "ROWS_AT_ONCE",
    "Again",
    "Columns",
    "Delivery",
    "Format",
    "Heard",
    "Learnt",
    "Limited",
    "NotReadable",
    "Refused",
    "Row",
    "Source",
    "TooLarge",
    "UnknownEncoding",
    "encoding_of_file",
    "in_columns",
    "inflated",
    "media_types",
    "of_file",
    "of_media_type",
    "open_file",
]

FORMATS: dict[str, Format] = {
    known.name: known
    for known in (
        csv_plain.FORMAT,
        objects.JSON,
        objects.NDJSON,
        line_protocol.FORMAT,
        telegrams.TELEGRAMS,
        telegrams.WMBUSMETERS,
        telegrams.READOUT,
    )
}


def media_types() -> list[str]:
    """
    Return the media types that name a format.
    """
    return sorted({name for known in FORMATS.values() for name in known.media_types})


def of_media_type(content_type: str) -> Format | None:
    """
    Return the format of a Content-Type header, whatever its parameters; None for another type.
    """
    name = content_type.partition(";")[0].strip().lower()
    return next((known for known in FORMATS.values() if name in known.media_types), None)


def of_file(name: str) -> Format | None:
    """
    Return the format by the extension of a file name, that of a compression left out.
    """
    path = PurePath(name.lower())
    suffix = PurePath(path.stem).suffix if encoding_of_file(name) else path.suffix
    return next(
        (known for known in FORMATS.values() if suffix.removeprefix(".") in known.extensions), None
    )
