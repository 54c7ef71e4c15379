"""
The embedded servers under the conditions that break such things, each tried for real.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dj_database_url
import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]


def _environment(var: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    return {**kept, "WARMGRID_VAR": str(var), **more}


def _embedded(command: str, var: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portal.embedded", command],
        cwd=ROOT,
        env=_environment(var, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _url(var: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from portal import embedded; print(embedded.postgres_url())"],
        cwd=ROOT,
        env=_environment(var),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _ask(var: Path, question: str) -> str:
    parts = dj_database_url.parse(_url(var))
    with psycopg.connect(
        host=parts["HOST"], user=parts["USER"], dbname=parts["NAME"]
    ) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return str(row[0])


BOTH_RUN = "postgresql: running\nredis: running\n"


@pytest.fixture(params=["open", "closed"])
def var(request: pytest.FixtureRequest) -> Iterator[Path]:
    """
    A long path with spaces; "closed" to other accounts, as under /root, or open to them.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755 if request.param == "open" else 0o700)
        place = Path(folder) / ("a folder with spaces " + "x" * 120) / "var"
        yield place
        data = (
            Path(_ask(place, "SHOW data_directory"))
            if "postgresql: running" in (_embedded("status", place).stdout)
            else None
        )
        _embedded("stop", place)
        if data is not None and data.is_relative_to("/var/lib/warmgrid"):
            shutil.rmtree(data.parent)


def test_a_long_path_with_spaces_two_starts_at_once_and_a_killed_server(var: Path):
    command = [sys.executable, "-m", "portal.embedded", "start"]
    pair = [
        subprocess.Popen(
            command, cwd=ROOT, env=_environment(var), stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=120)[0] for process in pair] == [BOTH_RUN, BOTH_RUN]
    assert _ask(var, "SHOW server_version").startswith("18")
    assert _ask(var, "SHOW listen_addresses") == ""

    data = Path(_ask(var, "SHOW data_directory"))
    pid_file = data / "postmaster.pid"
    contents = pid_file.read_text().split("\n")
    os.kill(int(contents[0]), signal.SIGKILL)
    os.kill(int((var / "redis" / "redis.pid").read_text()), signal.SIGKILL)
    # The number of the killed server now belongs to somebody else: to this test.
    pid_file.write_text("\n".join([str(os.getpid()), *contents[1:]]))

    assert _embedded("start", var).stdout == BOTH_RUN
    assert _ask(var, "SELECT 1") == "1"

    assert _embedded("stop", var).stdout == "postgresql: stopped\nredis: stopped\n"
    assert _embedded("start", var).stdout == BOTH_RUN


def test_nothing_is_started_when_the_variables_name_servers(tmp_path: Path):
    found = _embedded(
        "start",
        tmp_path / "var",
        DATABASE_URL="postgresql://u@db.example/x",
        REDIS_URL="redis://r.example",
    )

    assert found.stdout == "postgresql: stopped\nredis: stopped\n"


@pytest.mark.skipif(
    not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")), reason="no stock PostgreSQL"
)
def test_a_stock_postgresql_takes_every_migration_both_ways():
    programs = next(Path("/usr/lib/postgresql").glob("*/bin"))
    account = "nobody" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        if account:
            shutil.chown(folder, account)
        data = str(Path(folder) / "data")

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [str(programs / program), "-D", data, *arguments],
                cwd="/",
                stdout=subprocess.DEVNULL,
                check=True,
                user=account,
            )

        run("initdb", "-A", "trust", "-U", "postgres")
        run(
            "pg_ctl",
            "-w",
            "-l",
            f"{folder}/log",
            "-o",
            f"-k {folder} -c listen_addresses=",
            "start",
        )
        try:
            environment = {
                **os.environ,
                "DATABASE_URL": f"postgresql://postgres@{folder.replace('/', '%2F')}/postgres",
                "REDIS_URL": "redis://localhost",
            }
            for arguments in (["migrate"], ["migrate", "billing", "zero"]):
                subprocess.run(
                    [sys.executable, "manage.py", *arguments, "--verbosity", "0"],
                    cwd=ROOT,
                    env=environment,
                    check=True,
                )
        finally:
            run("pg_ctl", "-m", "immediate", "stop")


def test_other_accounts_reach_neither_socket_and_a_cleaned_tmp_is_survived():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        var = Path(folder) / "var"
        assert _embedded("start", var).stdout == BOTH_RUN
        sockets = Path(dj_database_url.parse(_url(var))["HOST"])
        try:
            assert sockets.stat().st_mode & 0o777 == 0o700

            (sockets / ".s.PGSQL.5432").unlink()

            assert _embedded("start", var).stdout == BOTH_RUN
            assert _ask(var, "SELECT lower('ÆRØ')") == "ærø"
        finally:
            _embedded("stop", var)


def test_a_link_laid_in_tmp_is_not_followed(tmp_path: Path):
    sockets = Path(dj_database_url.parse(_url(tmp_path / "var"))["HOST"])
    sockets.symlink_to(tmp_path)
    try:
        found = _embedded("start", tmp_path / "var")
    finally:
        sockets.unlink()

    assert found.returncode == 1
    assert "belongs to somebody else" in found.stderr


def test_servers_whose_data_was_deleted_make_room_for_new_ones():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        var = Path(folder) / "var"
        assert _embedded("start", var).stdout == BOTH_RUN
        old = _ask(var, "SELECT system_identifier FROM pg_control_system()")

        # As when a checkout is deleted and cloned again at the same place.
        shutil.rmtree(var)

        try:
            assert _embedded("start", var).stdout == BOTH_RUN
            assert _ask(var, "SELECT system_identifier FROM pg_control_system()") != old
            assert (var / "redis" / "redis.pid").exists()
        finally:
            _embedded("stop", var)


def test_a_redis_on_the_path_that_is_too_old_is_passed_over():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        old = Path(folder) / "programs" / "redis-server"
        old.parent.mkdir()
        old.write_text(
            "#!/bin/sh\n[ $1 = --version ] && echo 'Redis server v=5.0.14 sha=0' || exit 1\n"
        )
        old.chmod(0o755)
        var = Path(folder) / "var"
        try:
            found = _embedded("start", var, PATH=f"{old.parent}:{os.environ['PATH']}")
            assert found.stdout == BOTH_RUN, found.stderr
        finally:
            _embedded("stop", var)
