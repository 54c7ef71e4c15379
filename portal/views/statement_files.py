"""
The files of an issued statement: PDF, the credential as JSON and as JWT, and CSV for reports.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse

from portal.views.lists import Column, csv_answer
from telemetry.documents.statement_pdf import statement_pdf

FORMATS = ("pdf", "json", "jwt", "csv")


def file_of(statement: Any, asked: str) -> HttpResponseBase:
    """
    Return one of the files of an issued statement.
    """
    if asked not in FORMATS or statement.issued_at is None:
        raise Http404
    name = f"{statement.number}.{asked}"
    if asked == "csv":
        return csv_answer(_rows(statement), _columns(), filename=name)
    answer: HttpResponse
    if asked == "pdf":
        answer = HttpResponse(statement_pdf(statement=statement), content_type="application/pdf")
    elif asked == "json":
        answer = JsonResponse(
            statement.document, json_dumps_params={"ensure_ascii": False, "indent": 1},
            content_type="application/vc",
        )  # fmt: skip
    else:
        answer = HttpResponse(statement.jwt, content_type="application/vc+jwt")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _rows(statement: Any) -> list[dict[str, Any]]:
    content = statement.content
    common = {
        "statement": statement.number,
        "tenant": content["tenant"],
        "service": content["name"],
        "site": content["site"],
        "first_day": content["firstDay"],
        "last_day": content["lastDay"],
        "method": content["method"],
        "state": statement.state,
    }
    return [{**common, "figure": name, **figure} for name, figure in content["figures"].items()]


def _columns() -> list[Column[dict[str, Any]]]:
    names = {
        "statement": "statement", "tenant": "tenant", "service": "service", "site": "site",
        "first_day": "first_day", "last_day": "last_day", "figure": "figure", "value": "value",
        "unit": "unit", "coverage": "coverage", "estimated_share": "estimatedShare",
        "interim": "interim", "not_stated": "notStated", "basis": "basis", "method": "method",
        "state": "state",
    }  # fmt: skip
    return [_column(name, key) for name, key in names.items()]


def _column(name: str, key: str) -> Column[dict[str, Any]]:
    return Column(name, value=lambda row: row.get(key))
