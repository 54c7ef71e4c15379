"""
Probes against servers that really listen, on this machine.
"""

import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from telemetry.tasks import probing


class _Door(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(1)
        codes = {"/well": 200, "/moved": 302, "/ill": 503, "/slow": 200}
        self.send_response(codes.get(self.path, 404))
        # Whoever followed it would find a page that is well.
        self.send_header("Location", "/well")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def door(settings: Settings) -> Iterator[str]:
    settings.PROBE_LOCAL = True
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "ok", "answer"),
    [("/well", True, "200"), ("/moved", True, "302"), ("/ill", False, "503"),
     ("/gone", False, "404")],
)  # fmt: skip
def test_http_is_there_below_400_and_redirects_are_not_followed(
    door: str, path: str, ok: bool, answer: str
):
    found = probing.ask(kind="http", target=f"http://{door}{path}", timeout_s=5)

    assert (found.ok, found.answer) == (ok, answer)
    assert found.took_ms is not None


def test_an_answer_that_comes_too_late_is_none(door: str):
    found = probing.ask(kind="http", target=f"http://{door}/slow", timeout_s=0.2)

    assert not found.ok
    assert found.took_ms is None
    assert "imed out" in found.answer


def test_tcp_is_there_while_somebody_listens(settings: Settings):
    settings.PROBE_LOCAL = True
    with socket.create_server(("127.0.0.1", 0)) as listening:
        target = f"127.0.0.1:{listening.getsockname()[1]}"
        there = probing.ask(kind="tcp", target=target, timeout_s=5)
    gone = probing.ask(kind="tcp", target=target, timeout_s=5)

    assert (there.ok, there.answer) == (True, "connected")
    assert not gone.ok
    assert "refused" in gone.answer


def test_the_portals_own_machine_is_not_asked_unless_that_is_set(door: str, settings: Settings):
    settings.PROBE_LOCAL = False

    for kind, target in (("http", f"http://{door}/well"), ("tcp", door)):
        found = probing.ask(kind=kind, target=target, timeout_s=5)
        assert (found.ok, found.took_ms) == (False, None)
        assert found.answer == "This address may not be asked."


def test_other_schemes_are_refused():
    found = probing.ask(kind="http", target="file:///etc/passwd", timeout_s=5)

    assert not found.ok
    assert found.answer == "The address is neither http nor https."
