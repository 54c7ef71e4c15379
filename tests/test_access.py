"""
Every route against every audience, in one table; a route that is missing here fails.
"""

import pytest
from django.test import Client
from django.urls import get_resolver

AUDIENCES = ["stranger"]

ACCESS = {
    # route: what each audience gets
    "healthz": {"stranger": 200},
    "readyz": {"stranger": 200},
    "api/v1/readings": {"stranger": 401},
    "api/schema/": {"stranger": 200},
}


def _routes() -> set[str]:
    return {str(pattern.pattern) for pattern in get_resolver().url_patterns}


def test_no_route_is_missing_from_the_table():
    assert _routes() == set(ACCESS)


@pytest.mark.django_db
@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("route", ACCESS)
def test_each_audience_gets_what_the_table_says(client: Client, route: str, audience: str):
    assert client.get(f"/{route}").status_code == ACCESS[route][audience]
