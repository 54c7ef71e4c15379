"""
Which pages the browser visits, and as whom.

Every route of the access table that answers with a page is here by itself, seen by the first
audience that may see it. Add what the table cannot tell to MORE: a page in another state, a query.
"""

from tests.routes import ACCESS, AUDIENCES

# Answers for machines, and those that only lead on.
NOT_PAGES = ("api/", "healthz", "readyz")
NOT_HTML = (".json", ".csv", "/pdf", ".pdf", ".svg", ".txt", "/status-list")

# (audience, route as in the access table, query string)
MORE: list[tuple[str, str, str]] = [
    ("operator", "channels/<int:pk>/", "?first=2026-01-01&last=2026-01-31&compare=previous"),
    ("operator", "channels/<int:pk>/", "?first=2026-02-01&last=2026-01-31"),
    ("partner", "channels/<int:pk>/", "?first=2026-01-01&last=2026-01-31"),
    ("operator", "ops/contracts/<int:pk>/terms/new/", "?model=fixed"),
    ("operator", "ops/contracts/<int:pk>/terms/new/", "?model=savings"),
    ("operator", "ops/contracts/<int:pk>/simulate/", "?price_per_kw=5"),
    ("operator", "ops/find/", "?q=nothing+matches"),
    ("operator", "ops/contracts/indices/", "?search=nothing+matches"),
    ("operator", "ops/invoices/", "?search=nothing+matches"),
    ("operator", "ops/billing/checks/", "?search=nothing+matches"),
    ("operator", "ops/billing/missing/", "?state=none"),
    ("operator", "ops/availability/incidents/", "?search=nothing+matches"),
    ("operator", "ops/availability/", "?span=2026-10"),
    ("partner", "heat/bills/", "?search=nothing+matches"),
    ("partner", "heat/usage/", "?month=2026-01"),
    ("partner", "heat/usage/", "?day=2026-01-14"),
    ("partner", "heat/temperature/", "?days=30"),
    ("tenant", "hosting/invoices/", "?search=nothing+matches"),
    ("tenant", "hosting/energy/", "?year=2026"),
]


def pages_for(audience: str) -> list[tuple[str, str]]:
    """
    Return routes and queries to visit as this audience.
    """
    column = AUDIENCES.index(audience)
    own = [
        (route, "")
        for route, codes in ACCESS.items()
        if 200 in codes
        and codes.index(200) == column
        and not route.startswith(NOT_PAGES)
        and not route.endswith(NOT_HTML)
    ]
    return own + [(route, query) for who, route, query in MORE if who == audience]
