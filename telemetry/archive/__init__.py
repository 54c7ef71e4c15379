"""
Readings that lie in files: how a file is written, found, checked and read, and how what a read
needs of it comes back into the database.
"""

from telemetry.archive.errors import (
    ArchiveUnreadable,
    FileDamaged,
    FileMissing,
    ManifestAltered,
    PlaceUnreachable,
)
from telemetry.archive.manifest import canonical, check_manifest, manifest_of
from telemetry.archive.place import opened, put, put_text, shown_place, text_of
from telemetry.archive.recall import bring_back, bring_back_each, copy_to_table, recall
from telemetry.archive.rows import DIGEST, Summary, groups_of, summaries, write_file

__all__ = [
    "DIGEST",
    "ArchiveUnreadable",
    "FileDamaged",
    "FileMissing",
    "ManifestAltered",
    "PlaceUnreachable",
    "Summary",
    "bring_back",
    "bring_back_each",
    "canonical",
    "check_manifest",
    "copy_to_table",
    "groups_of",
    "manifest_of",
    "opened",
    "put",
    "put_text",
    "recall",
    "shown_place",
    "summaries",
    "text_of",
    "write_file",
]
