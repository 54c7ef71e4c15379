"""
The documents of the methods by which statements are made. A version that was used is never edited:
what changes becomes another version.
"""

from __future__ import annotations

import hashlib
from functools import cache

from django.conf import settings

# Oldest first; the last is what `domain.statement.METHOD` names.
VERSIONS = ("1.0", "1.1")


@cache
def digest_of(version: str) -> str:
    """
    Return the SHA-256 of a version's document.
    """
    path = settings.BASE_DIR / "templates" / "methods" / f"{version}.html"
    return hashlib.sha256(path.read_bytes()).hexdigest()
