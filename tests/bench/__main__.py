"""
Speed against bare PostgreSQL, in a database of its own: python -m tests.bench [--quick]

Prints one JSON object; each figure stands beside its goal. Ratios are of two times taken in the
same run on the same rows, so they hold on any machine.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

NAME = "warmgrid_bench"


@contextmanager
def database_of_its_own() -> Iterator[None]:
    """
    Make the database and let this process and its children use it; drop it in the end.
    """
    from portal import embedded

    embedded.ensure_running()
    given = os.environ.get("DATABASE_URL") or embedded.postgres_url()
    # Queries and options stay; only the name of the database changes.
    head, _, options = given.partition("?")
    own = f"{head.rsplit('/', 1)[0]}/{NAME}" + (f"?{options}" if options else "")
    with psycopg.connect(given, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {NAME}")
        os.environ.update(DATABASE_URL=own, LOG_LEVEL="ERROR", DEBUG="")
        os.environ.setdefault("SECRET_KEY", "only for the bench")
        try:
            yield
        finally:
            server.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def main() -> None:
    quick = "--quick" in sys.argv
    with database_of_its_own():
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        from tests.bench import archive, charts, ingest, invoices, pages

        call_command("migrate", verbosity=0)
        found = {
            "machine": {"cores": os.cpu_count()},
            **ingest.measure(rows=40_000 if quick else 500_000, runs=1 if quick else 3),
            **ingest.measure_memory(rows=100_000 if quick else 3_000_000),
            **archive.measure(days=3 if quick else 31),
            **invoices.measure(
                contracts=200 if quick else 10_000,
                meters=2 if quick else 200,
                pdfs=20 if quick else 400,
            ),
            **charts.measure(minutes=50_000 if quick else 525_600),
            **pages.measure(sites=20 if quick else 1000, months=2 if quick else 10),
        }
        connection.close()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
