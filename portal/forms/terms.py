"""
A version of terms as one form: the fields of its price model, its rows and its price clauses.
Validates and translates; never saves.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.domain import agreement
from portal.forms.rows import Rows, changes_rows
from portal.forms.terms_fields import (
    FIELDS,
    LAYOUT,
    NEEDED,
    BandRow,
    ClauseForm,
    CreditRow,
    PartRow,
    Section,
    TierRow,
)

_COLUMNS = ("vat_category", "vat_rate", "contracted_kw", "price_per_kw", "price_per_kwh")
_LEVEL = ("response_h", "repair_h", "contact", "phone", "email", "remark")
_FLAGS = {
    "hold_unverified", "index_revised", "qualified_heat", "tiers_by_volume", "tiers_per_year",
    "true_up",
}  # fmt: skip
_LIMITS = ("deadband", "collar", "step_up", "step_down")
PRICES = {"kw": "price_per_kw", "kwh": "price_per_kwh"}


class TermsFields(forms.Form):
    """
    The fields of one price model.
    """

    def __init__(
        self, model: str, *given: Any, points: Sequence[tuple[int, str]],
        baselines: Sequence[tuple[int, str]], **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(*given, **more)
        for section in LAYOUT[model]:
            for name in section.names:
                self.fields[name] = self._field(name, points, baselines)
                if name in NEEDED[model]:
                    self.fields[name].required = True

    def _field(
        self, name: str, points: Sequence[tuple[int, str]], baselines: Sequence[tuple[int, str]]
    ) -> forms.Field:
        if name == "metering_point":
            return forms.TypedChoiceField(
                label=_("Metering point"), required=False, coerce=int, empty_value=None,
                choices=[("", "–"), *points],
            )  # fmt: skip
        if name == "baseline":
            return forms.TypedChoiceField(
                label=_("Baseline"), required=False, coerce=int, empty_value=None,
                choices=[("", "–"), *baselines], help_text=_("Fit or state one at the contract."),
            )  # fmt: skip
        return copy.deepcopy(FIELDS[name])


class Clause:
    """
    The clause of one price: its limits and its indices.
    """

    def __init__(
        self, key: str, data: Mapping[str, Any] | None, *, initial: Mapping[str, Any],
        indices: Sequence[tuple[str, str, Decimal | None]],
    ) -> None:  # fmt: skip
        self.key = key
        self.newest = {code: value for code, _, value in indices}
        bound = data if data is not None and not changes_rows(data) else None
        self.form = ClauseForm(
            bound, prefix=key, use_required_attribute=False,
            initial=initial.get("form", {}) if data is None else _raw(ClauseForm, key, data),
        )  # fmt: skip
        self.parts = Rows(
            PartRow, f"{key}-part", data, initial=initial.get("parts", ()), least=2,
            indices=[(code, name) for code, name, _ in indices],
        )  # fmt: skip

    def is_valid(self) -> bool:
        return all([self.form.is_valid(), self.parts.is_valid()])

    @property
    def is_empty(self) -> bool:
        return self.form.cleaned_data.get("fixed") is None and not self.parts.values()

    def weights(self) -> Decimal:
        """
        Return what the fixed part and the weights add up to.
        """
        rows = [row.get("weight") or Decimal(0) for row in self.parts.values()]
        return (self.form.cleaned_data.get("fixed") or Decimal(0)) + sum(rows, Decimal(0))

    def stored(self, base_price: Decimal | None) -> dict[str, Any]:
        """
        Return the clause in its stored form.

        :raises agreement.BadTerms: if the price or the value of an index is lacking
        """
        given = self.form.cleaned_data
        if base_price is None:
            raise agreement.BadTerms(PRICES[self.key], gettext("is needed: the clause moves it."))
        start, months, yearly = (given["reference"] or "-1,1,").split(",")
        found: dict[str, Any] = {
            "price": PRICES[self.key],
            "base_price": plain(base_price),
            "fixed": plain(given.get("fixed") or Decimal(0)),
            "parts": [self._part(row) for row in self.parts.values()],
            "places": given["places"] or 4,
            "start": int(start), "months": int(months), "yearly": bool(yearly),
        }  # fmt: skip
        found |= {k: plain(given[k] / 100) for k in _LIMITS if given.get(k) is not None}
        found |= {k: plain(given[k]) for k in ("floor", "ceiling") if given.get(k) is not None}
        return found

    def _part(self, row: Mapping[str, Any]) -> dict[str, str]:
        base = row.get("base") or self.newest.get(row["series"])
        if not base:
            raise agreement.BadTerms(
                "parts", gettext("%s has no value yet: enter the one agreed.") % row["series"]
            )
        return {"series": row["series"], "weight": plain(row["weight"]), "base": plain(base)}


class TermsInput:
    """
    One version of terms as it is typed; `data` is what was posted, `initial` in the form of
    `initial_of`. `indices` are code, name and newest value of the operator's.
    """

    def __init__(
        self, model: str, data: Mapping[str, Any] | None, *, initial: Mapping[str, Any],
        points: Sequence[tuple[int, str]], baselines: Sequence[tuple[int, str]],
        indices: Sequence[tuple[str, str, Decimal | None]],
    ) -> None:  # fmt: skip
        self.model = model
        self.bound = data is not None and not changes_rows(data)
        typed = _raw_fields(model, data) if data is not None else initial.get("fields", {})
        self.fields = TermsFields(
            model, data if self.bound else None, points=points, baselines=baselines,
            initial=typed, use_required_attribute=False,
        )  # fmt: skip
        names = {section.rows for section in LAYOUT[model]}
        rows = initial.get("rows", {})
        kinds: dict[str, tuple[type[forms.Form], int]] = {
            "tiers": (TierRow, 2), "bands": (BandRow, 1), "credits": (CreditRow, 2),
        }  # fmt: skip
        self.rows = {
            name: Rows(row, name, data, initial=rows.get(name, ()), least=least)
            for name, (row, least) in kinds.items()
            if name in names
        }
        self.clauses = {
            key: Clause(key, data, initial=initial.get("clauses", {}).get(key, {}), indices=indices)
            for key in PRICES
            if key in names
        }
        self.details: dict[str, Any] = {}

    def sections(self) -> list[dict[str, Any]]:
        """
        Return the parts of the page in order, each with its fields, rows or clause.
        """
        return [self._section(section) for section in LAYOUT[self.model]]

    def _section(self, section: Section) -> dict[str, Any]:
        fields = [self.fields[name] for name in section.names]
        rows, clause = self.rows.get(section.rows), self.clauses.get(section.rows)
        beside = rows if clause is None else clause.parts
        in_use = any(field.value() or field.errors for field in fields) or (
            beside is not None and (beside.touched or beside.error or not beside.is_empty)
        )
        return {
            "title": section.title, "hint": section.hint, "fields": fields, "rows": rows,
            "clause": clause, "folded": section.folded, "open": in_use,
        }  # fmt: skip

    def is_valid(self) -> bool:
        """
        Say whether the terms can be understood; what cannot stands beside its field.
        """
        if not self.bound:
            return False
        # Each of them, so that all errors show at once.
        found = [self.fields.is_valid()]
        found += [rows.is_valid() for rows in self.rows.values()]
        found += [clause.is_valid() for clause in self.clauses.values()]
        if not all(found):
            return False
        try:
            self.details = self._stored()
            agreement.read(self.model, self.details)
        except agreement.BadTerms as problem:
            self.refuse(problem.field, problem.problem)
        return not self.errors

    @property
    def errors(self) -> list[str]:
        """
        What is wrong beside the fields: with rows, clauses or all together.
        """
        named = [rows.error for rows in self.rows.values() if rows.error]
        named += [c.parts.error for c in self.clauses.values() if c.parts.error]
        return [*named, *(str(e) for all_of in self.fields.errors.values() for e in all_of)]

    def refuse(self, field: str, words: str) -> None:
        """
        Put a problem beside what it is about.
        """
        head = field.partition(".")[0]
        head = {"service_credit": "credits"}.get(head, head)
        if head in self.fields.fields:
            self.fields.add_error(head, words)
        elif head in self.rows:
            self.rows[head].error = words
        elif head in {"index", "parts"} and self.clauses:
            clause = self._clause_at(field)
            clause.parts.error = words
        else:
            self.fields.add_error(None, f"{field}: {words}")

    def _clause_at(self, field: str) -> Clause:
        used = [c for c in self.clauses.values() if not c.is_empty] or list(self.clauses.values())
        number = next((int(part) for part in field.split(".") if part.isdecimal()), 0)
        return used[min(number, len(used) - 1)]

    def columns(self) -> dict[str, Any]:
        """
        Return what of the terms are columns of their own, points and baselines as keys.
        """
        given = self.fields.cleaned_data
        found = {name: given[name] for name in _COLUMNS if given.get(name) is not None}
        for name in ("metering_point", "baseline"):
            if given.get(name) is not None:
                found[f"{name}_id"] = given[name]
        return found

    def _stored(self) -> dict[str, Any]:
        given = self.fields.cleaned_data
        found: dict[str, Any] = {}
        for name in agreement.ALLOWED[self.model]:
            value = given.get(name)
            if value in (None, "", False):
                continue
            found[name] = True if name in _FLAGS else _written(value)
        tiers = self.rows["tiers"].values() if "tiers" in self.rows else []
        if tiers:
            found["tiers"] = [
                {"up_to": _or_none(row.get("up_to")), "price": plain(row["price"])} for row in tiers
            ]
        else:
            found.pop("tiers_by_volume", None)
            found.pop("tiers_per_year", None)
        bands = self.rows["bands"].values() if "bands" in self.rows else []
        if bands:
            found["bands"] = [_band(row) for row in bands]
        clauses = [
            clause.stored(given.get(PRICES[key]))
            for key, clause in self.clauses.items()
            if not clause.is_empty
        ]
        if clauses:
            found["index"] = clauses
        else:
            found.pop("index_revised", None)
        level = {name: given[name] for name in _LEVEL if given.get(name)}
        if level:
            found["service_level"] = level
        return found | self._credit(given)

    def _credit(self, given: Mapping[str, Any]) -> dict[str, Any]:
        kind = given.get("credit")
        if not kind:
            return {}
        cap = given.get("credit_cap")
        found: dict[str, Any] = {} if cap is None else {"cap": plain(cap)}
        if kind == "tiers":
            rows = self.rows["credits"].values()
            found["tiers"] = [{name: plain(row[name]) for name in row} for row in rows]
            return {"service_credit": found}
        for name in ("target", "step", "per_step"):
            value = given.get(f"credit_{name}")
            if value is None:
                raise agreement.BadTerms(f"credit_{name}", gettext("This figure is needed."))
            found[name] = plain(value)
        return {"service_credit": found}


def plain(value: Decimal) -> str:
    """
    Write a figure as terms keep it: plain, without zeros at the end.
    """
    return f"{value.normalize():f}"


def _or_none(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _written(value: Any) -> Any:
    return plain(value) if isinstance(value, Decimal) else value


def _band(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": row["name"], "price": plain(row["price"])}
    if row.get("first_month"):
        first, last = int(row["first_month"]), int(row["last_month"])
        count = (last - first) % 12 + 1
        found["months"] = [(first - 1 + n) % 12 + 1 for n in range(count)]
    if row.get("days"):
        found["weekdays"] = [int(day) for day in row["days"].split(",")]
    if row.get("first_hour") is not None:
        found["first_hour"] = row["first_hour"]
    if row.get("end_hour") is not None:
        found["end_hour"] = row["end_hour"]
    return found


def _raw(form: type[forms.Form], prefix: str, data: Mapping[str, Any]) -> dict[str, Any]:
    names = form.base_fields
    return {name: data.get(f"{prefix}-{name}", "") for name in names}


def _raw_fields(model: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data.get(name, "") for section in LAYOUT[model] for name in section.names}


def initial_of(columns: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return terms that are there as the form shows them, for an amendment to start from.
    """
    told = {n: plain(v) if isinstance(v, Decimal) else v for n, v in columns.items()}
    fields: dict[str, Any] = {**told, **details, **details.get("service_level", {})}
    fields |= dict.fromkeys(_FLAGS & set(details), "y")
    credit = details.get("service_credit", {})
    if credit:
        fields["credit"] = "tiers" if "tiers" in credit else "steps"
        fields |= {f"credit_{name}": value for name, value in credit.items()}
    rows = {"tiers": details.get("tiers", ()), "credits": credit.get("tiers", ())}
    rows["bands"] = [_band_initial(band) for band in details.get("bands", ())]
    keys = {price: key for key, price in PRICES.items()}
    clauses = {keys[item["price"]]: _clause_initial(item) for item in details.get("index", ())}
    return {"fields": fields, "rows": rows, "clauses": clauses}


def _band_initial(band: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: band.get(name, "") for name in ("name", "price", "first_hour", "end_hour")}
    months = band.get("months", ())
    if months and len(months) < 12:
        found["first_month"], found["last_month"] = months[0], months[-1]
    found["days"] = ",".join(str(day) for day in band.get("weekdays", ()))
    return found


def _clause_initial(item: Mapping[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = {k: Decimal(item[k]) * 100 for k in _LIMITS if item.get(k) is not None}
    form |= {k: item[k] for k in ("fixed", "floor", "ceiling") if item.get(k) is not None}
    yearly = "y" if item.get("yearly") else ""
    form["reference"] = f"{item.get('start', -1)},{item.get('months', 1)},{yearly}"
    form["places"] = item.get("places", 4)
    return {"form": form, "parts": item.get("parts", ())}
