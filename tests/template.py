"""
A migrated database that the databases of tests are copied from.

Going through all migrations takes longer than most test modules. It is done once for each state of
them; a later run, another worker and a server of a test's own copy the outcome.
"""

import hashlib
import os
import subprocess
import sys

import django
import psycopg
from django.conf import settings

from portal import embedded
from tests.web_server import ROOT, with_name

_PREFIX = "template_warmgrid_"
# Whoever looks for the template holds this, so that it is made once.
_LOCK = 7_318_205


def _name() -> str:
    files = sorted(ROOT.glob("*/migrations/*.py"))
    told = hashlib.sha256(django.__version__.encode())
    for file in files:
        told.update(file.relative_to(ROOT).as_posix().encode() + file.read_bytes())
    return _PREFIX + told.hexdigest()[:16]


def ensure_template() -> str:
    """
    Return the name of the template, made first where it is missing.
    """
    name = _name()
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        found = server.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_PREFIX]
        ).fetchall()
        if (name,) in found:
            return name
        for (old,) in found:
            server.execute(f'DROP DATABASE "{old}" WITH (FORCE)')
        begun = f"{_PREFIX}begun"
        server.execute(f"CREATE DATABASE {begun}")
        url = with_name(settings.DATABASE_URL, begun)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT, env={**os.environ, "DATABASE_URL": url, "REDIS_URL": settings.REDIS_URL},
            check=True,
        )  # fmt: skip
        # Under its name it is whole.
        server.execute(f"ALTER DATABASE {begun} RENAME TO {name}")
    return name


def copy_template(target: str) -> None:
    """
    Fill the empty database at a URL, of whatever server, as migrations would.
    """
    source = with_name(settings.DATABASE_URL, ensure_template())
    programs = embedded.postgres_programs()
    with subprocess.Popen(
        [programs / "pg_dump", "--no-owner", source], stdout=subprocess.PIPE
    ) as dump:
        subprocess.run(
            [programs / "psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", target],
            stdin=dump.stdout, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
    if dump.returncode:
        raise RuntimeError("pg_dump failed")
