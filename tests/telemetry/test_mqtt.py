"""
Readings over a real Mosquitto, through kills of the broker, the database and the subscriber.

MQTT_READINGS sets how many.
"""

import contextlib
import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion
from structlog.testing import capture_logs

from telemetry.domain.topics import parse_templates
from telemetry.management import subscriber
from tests.own_server import OwnServer, server_of_its_own
from tests.web_server import ROOT

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
READINGS = int(os.environ.get("MQTT_READINGS", "40000"))
A_MESSAGE = 200
# A quarter of them, or what is left of them, may take so long.
PATIENCE_S = 90 + READINGS / 1000
FIRST_S = 1735689600

_MAKE_A_GATEWAY = """
from telemetry import operations
from tests.factories import NOON
from tests.factories_telemetry import make_heat_channel
channel = make_heat_channel(code="pool")
gateway, _ = operations.create_gateway(site_id=channel.site_id, name="g", at=NOON, by_id=None)
print(gateway.pk)
"""


@pytest.fixture(autouse=True)
def _needs_mosquitto() -> None:
    if MOSQUITTO is None:
        if os.environ.get("E2E") == "required":
            pytest.fail("Mosquitto is not installed, and E2E=required wants its tests.")
        pytest.skip("Mosquitto is not installed")


class _Broker:
    """
    A Mosquitto that keeps sessions and messages over a kill. `access` are the lines that say who
    may connect and how.
    """

    def __init__(self, folder: Path, access: str = "allow_anonymous true") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.config = folder / "mosquitto.conf"
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\n{access}\npersistence true\n"
            f"persistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\n"
            "max_queued_messages 0\nmax_inflight_messages 1000\nuser root\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [str(MOSQUITTO), "-c", str(self.config)], stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.05)
        raise RuntimeError("Mosquitto did not start.")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def _broker(folder: Path, **access: str) -> Iterator[_Broker]:
    broker = _Broker(folder, **access)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextlib.contextmanager
def _subscriber(
    server: OwnServer, broker: _Broker, topics: str = "warmgrid/{gateway}/{format}"
) -> Iterator[Callable[[], None]]:
    """
    Yield what kills the subscriber and starts another one.
    """
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        if running:
            running[-1].send_signal(signal.SIGKILL)
            running[-1].wait()
        running.append(
            subprocess.Popen(
                [sys.executable, "manage.py", "run_mqtt"], cwd=ROOT,
                env={**server.env, "MQTT_URL": f"mqtt://127.0.0.1:{broker.port}",
                     "MQTT_TOPICS": topics},
            )
        )  # fmt: skip

    start()
    try:
        yield start
    finally:
        running[-1].terminate()
        running[-1].wait(timeout=30)


def _publish(broker: _Broker, topic: str, payload: str, *, sent: list[int], number: int) -> None:
    """
    Publish with a connection of its own until the broker has taken it.
    """
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        client = paho.Client(CallbackAPIVersion.VERSION2)
        try:
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                client.connect("127.0.0.1", broker.port)
                client.loop_start()
                told = client.publish(topic, payload, qos=1)
                told.wait_for_publish(timeout=5)
                if told.is_published():
                    sent.append(number)
                    return
        finally:
            client.disconnect()
            client.loop_stop()
        time.sleep(0.2)
    raise AssertionError("The broker never took the message.")


def _wait_until(question: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if question():
            return
        time.sleep(0.2)
    raise AssertionError("It did not come about in time.")


def _count(server: OwnServer, question: str) -> int:
    with contextlib.suppress(Exception), server.connect() as database:
        row = database.execute(question).fetchone()
        return int(row[0]) if row else -1
    return -1


def test_nothing_is_lost_or_doubled_whoever_is_killed(tmp_path: Path):
    messages = READINGS // A_MESSAGE
    sent: list[int] = []
    with server_of_its_own() as server, _broker(tmp_path) as broker:
        gateway = server.run(
            "manage.py", "shell", "--verbosity", "0", "-c", _MAKE_A_GATEWAY
        ).strip()
        with _subscriber(server, broker) as restart:
            # A session begins with its first subscription; before it the broker keeps nothing.
            _wait_until(
                lambda: (
                    b"warmgrid" in (tmp_path / "mosquitto.db").read_bytes()
                    if (tmp_path / "mosquitto.db").exists()
                    else False
                ),
                30,
            )

            def publish_all() -> None:
                for n in range(messages):
                    numbers = range(n * A_MESSAGE, (n + 1) * A_MESSAGE)
                    _publish(
                        broker, f"warmgrid/{gateway}/line", number=n, sent=sent,
                        payload="\n".join(
                            f"pool energy={i}i {(FIRST_S + i) * 10**9}" for i in numbers
                        ),
                    )  # fmt: skip

            publisher = threading.Thread(target=publish_all)
            publisher.start()
            _wait_until(lambda: len(sent) > messages // 4, PATIENCE_S)
            server.kill()
            server.start()
            _wait_until(lambda: len(sent) > messages // 2, PATIENCE_S)
            # Its last autosave may lie a second back; what is not on disk, nobody acknowledged
            # to the publisher for longer than that.
            time.sleep(2.5)
            broker.kill()
            broker.start()
            _wait_until(lambda: len(sent) > messages * 3 // 4, PATIENCE_S)
            restart()
            publisher.join()
            _wait_until(
                lambda: _count(server, "SELECT count(*) FROM telemetry_reading") == READINGS,
                PATIENCE_S,
            )
            refused = _count(server, "SELECT count(*) FROM telemetry_rejectedreading")
            wrong = _count(
                server,
                "SELECT count(*) FROM telemetry_reading"
                " WHERE extract(epoch FROM at) - 1735689600 <> value",
            )

    assert len(sent) == messages
    assert (refused, wrong) == (0, 0)


def test_what_cannot_be_read_is_kept_and_does_not_come_again(tmp_path: Path):
    with server_of_its_own() as server, _broker(tmp_path) as broker:
        gateway = server.run(
            "manage.py", "shell", "--verbosity", "0", "-c", _MAKE_A_GATEWAY
        ).strip()
        topics = "warmgrid/{gateway}/{format},plant/{gateway}/{channel}"
        with _subscriber(server, broker, topics):
            _wait_until(
                lambda: (
                    b"warmgrid" in (tmp_path / "mosquitto.db").read_bytes()
                    if (tmp_path / "mosquitto.db").exists()
                    else False
                ),
                30,
            )
            pub = shutil.which("mosquitto_pub")
            good = '[{"channel": "pool.energy", "at": "2026-01-01T00:00:00Z", "value": 5}]'
            for topic, body in (
                (f"warmgrid/{gateway}/json", "no json"),
                (f"warmgrid/{gateway}/xml", "<a/>"),
                ("warmgrid/999/json", good),
                (f"warmgrid/{gateway}/json", good),
                (f"plant/{gateway}/pool.energy", " 34.5 "),
                (f"plant/{gateway}/pool.energy", "warm"),
            ):
                assert pub is not None
                subprocess.run(
                    [pub, "-p", str(broker.port), "-q", "1", "-t", topic, "-m", body], check=True
                )
            _wait_until(lambda: _count(server, "SELECT count(*) FROM telemetry_reading") == 2, 30)
            _wait_until(
                lambda: _count(server, "SELECT count(*) FROM telemetry_rejectedreading") == 3, 30
            )
            kinds = _count(
                server,
                "SELECT count(DISTINCT format) FROM telemetry_ingestbatch WHERE source = 'mqtt'",
            )

    assert kinds == 3


def _certificate(folder: Path) -> Path:
    """
    Write a certificate for localhost that signs itself, and its key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "cert.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return path


# The client leaves a socket behind whose certificate it did not like.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_and_passwords_and_why_a_broker_is_not_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trusted = _certificate(tmp_path)
    passwords = tmp_path / "passwords"
    program = shutil.which("mosquitto_passwd")
    assert program is not None
    subprocess.run(
        [program, "-c", "-b", str(passwords), "warmgrid", "p@ss:w/rd"], check=True,
        capture_output=True,
    )  # fmt: skip
    access = (
        f"allow_anonymous false\npassword_file {passwords}\ncertfile {trusted}\n"
        f"keyfile {tmp_path / 'key.pem'}"
    )

    def first_word(user: str) -> Any:
        url = f"mqtts://{user}@localhost:{broker.port}"
        one = subscriber.Subscriber(
            url, client_id="t", topics=parse_templates("warmgrid/{gateway}/{format}")
        )
        with capture_logs() as logs:
            thread = threading.Thread(target=one.run)
            thread.start()
            _wait_until(lambda: bool(logs), 20)
            one.stop()
            thread.join()
        return logs[0]

    with _broker(tmp_path, access=access) as broker:
        unknown = first_word("warmgrid:p%40ss%3Aw%2Frd")
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        wrong = first_word("warmgrid:wrong")
        right = first_word("warmgrid:p%40ss%3Aw%2Frd")

    assert unknown["event"] == "mqtt broker not reached"
    assert "certificate verify failed" in unknown["reason"]
    assert (wrong["event"], wrong["reason"]) == ("mqtt broker refused us", "Not authorized")
    assert right["event"] == "mqtt connected"
