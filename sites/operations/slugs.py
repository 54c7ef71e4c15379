"""
Names in addresses.
"""

from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, transaction
from django.utils.text import slugify

Made = TypeVar("Made")

_LONGEST = 50
# What stands in addresses where a slug could.
_TAKEN = {"new", "s"}


def with_free_slug(name: str, make: Callable[[str], Made]) -> Made:
    """
    Make a row with the slug of a name, with a number behind it where that is taken.
    """
    wanted = slugify(name)[:_LONGEST].strip("-") or "x"
    number = 2 if wanted in _TAKEN else 1
    while True:
        slug = wanted if number == 1 else f"{wanted}-{number}"
        try:
            with transaction.atomic():
                return make(slug)
        except IntegrityError as problem:
            if "slug" not in str(problem):
                raise
            number += 1
