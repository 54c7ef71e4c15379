"""
Rows that a form may have any number of: tiers, bands, indices of a clause.

A row left empty counts for nothing. Adding and dropping are presses of named buttons, answered by
the server with the same page and everything that was typed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django import forms

# A form that is longer was not typed by a person.
_MOST = 40


class Rows:
    """
    The rows named `prefix` of a form, each a form of its own. `data` is what was posted, None for
    a fresh page, which shows `initial` or `least` empty rows.
    """

    def __init__(
        self, row: type[forms.Form], prefix: str, data: Mapping[str, Any] | None, *,
        initial: Sequence[Mapping[str, Any]] = (), least: int = 1, **of_row: Any,
    ) -> None:  # fmt: skip
        self.prefix = prefix
        self.error = ""
        self.labels = [field.label for field in row.base_fields.values()]
        # Whether somebody has just asked for a row more or less here.
        self.touched = False
        if data is None:
            shown = [*initial, *({} for _ in range(least - len(initial)))]
            self.forms = [row(None, **_named(prefix, n), initial=dict(r), **of_row)
                          for n, r in enumerate(shown)]  # fmt: skip
            return
        posted = str(data.get(f"{prefix}-rows", ""))
        count = min(int(posted), _MOST) if posted.isdecimal() else 0
        asked = str(data.get("rows", ""))
        if asked in {f"add {prefix}", *(f"drop {prefix} {n}" for n in range(count))}:
            self.touched = True
            self.forms = self._changed(row, data, count, asked, of_row)
            return
        self.forms = [row(data, **_named(prefix, n), **of_row) for n in range(count)]

    def _changed(
        self, row: type[forms.Form], data: Mapping[str, Any], count: int, asked: str,
        of_row: dict[str, Any],
    ) -> list[forms.Form]:  # fmt: skip
        names = list(row.base_fields)
        kept = [
            {name: data.get(f"{self.prefix}-{n}-{name}", "") for name in names}
            for n in range(count)
            if asked != f"drop {self.prefix} {n}"
        ]
        if asked.startswith("add"):
            kept.append({})
        return [
            row(None, **_named(self.prefix, n), initial=dict(r), **of_row)
            for n, r in enumerate(kept)
        ]

    def __iter__(self) -> Iterator[forms.Form]:
        return iter(self.forms)

    def __len__(self) -> int:
        return len(self.forms)

    @property
    def can_drop(self) -> bool:
        return len(self.forms) > 1

    @property
    def is_empty(self) -> bool:
        """
        Whether there is nothing in any row.
        """
        return not any(form.initial or (form.is_bound and form.has_changed()) for form in self)

    def is_valid(self) -> bool:
        # Each of them, so that all errors show at once.
        found = [form.is_valid() for form in self.forms]
        return all(found)

    def values(self) -> list[dict[str, Any]]:
        """
        Return what the rows say that are not empty.
        """
        return [form.cleaned_data for form in self.forms if form.has_changed()]


def _named(prefix: str, n: int) -> dict[str, Any]:
    return {
        "prefix": f"{prefix}-{n}", "empty_permitted": True, "use_required_attribute": False,
    }  # fmt: skip


def changes_rows(data: Mapping[str, Any]) -> bool:
    """
    Say whether a press only asks for a row more or less.
    """
    return "rows" in data
