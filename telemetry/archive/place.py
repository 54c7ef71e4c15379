"""
Where the files lie: the folder or bucket that ARCHIVE_URL names, by fsspec.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import fsspec
from django.conf import settings

from telemetry.archive.errors import FileDamaged, FileMissing, PlaceUnreachable


def shown_place() -> str:
    """
    Return the address of the archive without the name and password that may stand in it.
    """
    scheme, separator, rest = settings.ARCHIVE_URL.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}".rstrip("/")


def _place() -> tuple[Any, str]:
    try:
        system, root = fsspec.core.url_to_fs(settings.ARCHIVE_URL)
    except (ImportError, ValueError) as problem:
        raise PlaceUnreachable(
            f"ARCHIVE_URL {shown_place()} is no place to be used: {problem}"
        ) from problem
    return system, str(root).rstrip("/")


def put(path: str, file: IO[bytes]) -> None:
    """
    Keep a file at a path relative to ARCHIVE_URL, safe on its disk when this returns.

    :raises PlaceUnreachable: if the place does not take it
    """
    system, root = _place()
    target = f"{root}/{path}"
    try:
        system.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
        with system.open(target, "wb") as kept:
            shutil.copyfileobj(file, kept, 1 << 20)
            kept.flush()
            _sync(kept)
    except Exception as problem:
        # Each file system has errors of its own.
        raise PlaceUnreachable(f"{path} cannot be written to the archive: {problem}") from problem


def _sync(kept: Any) -> None:
    try:
        descriptor = kept.fileno()
    except (OSError, AttributeError, NotImplementedError):
        # Buckets have no descriptors; there a closed file is a stored one.
        return
    os.fsync(descriptor)


def put_text(path: str, text: str) -> None:
    """
    :raises PlaceUnreachable: if the place does not take it
    """
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        put(path, file)


def text_of(path: str) -> str:
    """
    :raises FileMissing: if there is no such file
    :raises PlaceUnreachable: if the place does not answer
    """
    with tempfile.TemporaryFile() as file:
        _fetch(path, file)
        file.seek(0)
        return file.read().decode("utf-8", "replace")


@contextmanager
def opened(path: str, *, sha256: bytes, what: str) -> Iterator[IO[bytes]]:
    """
    Give a copy of a file that was compared with its digest as a whole.

    :raises FileMissing: if there is no such file
    :raises FileDamaged: if a single bit of it is not as it was
    :raises PlaceUnreachable: if the place does not answer
    """
    with tempfile.TemporaryFile() as file:
        found = _fetch(path, file)
        if found != sha256:
            raise FileDamaged(
                f"{what}: the archive's file {path} is not as it was written; its SHA-256 is"
                f" {found.hex()}, not {sha256.hex()}. Put a copy from a backup in its place."
            )
        file.seek(0)
        yield file


def _fetch(path: str, file: IO[bytes]) -> bytes:
    system, root = _place()
    digest = hashlib.sha256()
    try:
        with system.open(f"{root}/{path}", "rb") as kept:
            while piece := kept.read(1 << 20):
                digest.update(piece)
                file.write(piece)
    except FileNotFoundError as problem:
        raise FileMissing(
            f"The archive's file {path} is not at {shown_place()}. Put a copy from a backup"
            " there, or set ARCHIVE_URL to where the archive is."
        ) from problem
    except Exception as problem:
        # Each file system has errors of its own.
        raise PlaceUnreachable(f"{path} cannot be read from the archive: {problem}") from problem
    return digest.digest()
