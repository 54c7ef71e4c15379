"""
Readings from an MQTT broker: messages become batches, and the broker is told only after the commit.

What a topic means is said by templates (`telemetry.domain.topics`). The broker decides who may
publish where; a topic's gateway decides whose site it is.
"""

from __future__ import annotations

import io
import json
import queue
import signal
import ssl
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
import structlog
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from paho.mqtt.enums import CallbackAPIVersion

from telemetry import formats, operations
from telemetry.domain.topics import FIGURE, TopicTemplate, place_of
from telemetry.models import Gateway, IngestBatch

logger = structlog.get_logger(__name__)

# A batch is closed when it has so many messages or its first one has waited so long.
MESSAGES_A_BATCH = 500
SECONDS_A_BATCH = 0.5
_RETRY_SECONDS = 1.0
# Formats of which several deliveries one after the other are one delivery.
_BY_LINE = {"ndjson", "line", "mbus", "wmbusmeters"}


@dataclass(frozen=True, slots=True)
class _Message:
    mid: int
    qos: int
    gateway: str
    format: str
    payload: bytes


class Subscriber:
    """
    Takes messages from one broker until it is stopped.
    """

    def __init__(self, url: str, *, client_id: str, topics: Sequence[TopicTemplate]) -> None:
        self._topics = topics
        self._waiting: queue.Queue[_Message] = queue.Queue(maxsize=50_000)
        self._stopped = threading.Event()
        self._address = urlsplit(url)
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            # The session outlives us: what arrives while we are away waits at the broker.
            clean_session=False,
            manual_ack=True,
        )
        if self._address.username:
            self._client.username_pw_set(
                unquote(self._address.username), unquote(self._address.password or "")
            )
        if self._address.scheme == "mqtts":
            self._client.tls_set_context(ssl.create_default_context())
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._not_reached
        self._client.on_message = self._arrived
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        # More than this is not sent to us before we acknowledge some.
        self._client.max_inflight_messages_set(10_000)

    def _connected(
        self, client: paho.Client, userdata: Any, flags: Any, code: Any, *_: Any
    ) -> None:
        if code.is_failure:
            # The client tries again by itself.
            logger.error("mqtt broker refused us", host=self._address.hostname, reason=str(code))
            return
        client.subscribe([(template.subscription, 1) for template in self._topics])
        logger.info("mqtt connected", host=self._address.hostname)

    def _not_reached(self, *_: Any) -> None:
        # Called where the attempt failed, so what it failed of is still at hand.
        why = str(sys.exc_info()[1] or "no answer")
        logger.error("mqtt broker not reached", host=self._address.hostname, reason=why)

    def _arrived(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        place = place_of(message.topic, self._topics)
        if place is None:
            # Left over from a session with other templates; nobody could ever read it.
            logger.warning("mqtt topic of no template", topic=message.topic)
            client.ack(message.mid, message.qos)
            return
        name, body = place.format, bytes(message.payload)
        if name == FIGURE:
            name, body = "ndjson", _as_row(place.channel, body)
        self._waiting.put(_Message(message.mid, message.qos, place.gateway, name, body))

    def run(self) -> None:
        """
        Take messages until `stop`.
        """
        port = self._address.port or (8883 if self._address.scheme == "mqtts" else 1883)
        self._client.connect_async(self._address.hostname or "localhost", port)
        self._client.loop_start()
        try:
            while not self._stopped.is_set():
                batch = self._next()
                if batch:
                    self._store(batch)
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def stop(self, *_: Any) -> None:
        """
        End after the batch at hand; what was not stored stays with the broker.
        """
        self._stopped.set()

    def _next(self) -> list[_Message]:
        found: list[_Message] = []
        deadline: float | None = None
        while len(found) < MESSAGES_A_BATCH:
            wait = 0.2 if deadline is None else deadline - time.monotonic()
            if wait <= 0:
                break
            try:
                found.append(self._waiting.get(timeout=wait))
            except queue.Empty:
                break
            deadline = deadline or time.monotonic() + SECONDS_A_BATCH
        return found

    def _store(self, batch: list[_Message]) -> None:
        together: defaultdict[tuple[str, str], list[_Message]] = defaultdict(list)
        for message in batch:
            together[message.gateway, message.format].append(message)
        for (gateway, name), messages in together.items():
            groups = [messages] if name in _BY_LINE else [[m] for m in messages]
            for group in groups:
                if not self._surely(partial(_take, gateway, name, group)):
                    return
                for message in group:
                    self._client.ack(message.mid, message.qos)

    def _surely(self, take: Callable[[], None]) -> bool:
        """
        Do it, again and again while the database is away; False where we were stopped meanwhile.
        """
        while True:
            try:
                take()
            except (OperationalError, InterfaceError) as away:
                logger.warning("database is away", error=str(away).split("\n")[0])
                connection.close()
                if self._stopped.wait(_RETRY_SECONDS):
                    return False
            else:
                return True


def _as_row(channel: str, figure: bytes) -> bytes:
    """
    Write a bare figure as a reading of the moment; what is none is refused as any other value.
    """
    row = {
        "channel": channel, "at": timezone.now().isoformat(),
        "value": figure.decode(errors="replace").strip(),
    }  # fmt: skip
    return json.dumps(row).encode()


def _take(gateway_id: str, name: str, messages: list[_Message]) -> None:
    """
    Store what some messages say. What cannot be read is kept as refused, or it would come again
    for ever; only what belongs to no site is dropped, with a line in the log.
    """
    gateway = (
        Gateway.objects.filter(pk=int(gateway_id), revoked_at__isnull=True).first()
        if gateway_id.isascii() and gateway_id.isdigit()
        else None
    )
    if gateway is None:
        logger.warning("mqtt topic of no gateway", gateway=gateway_id, messages=len(messages))
        return
    if name not in formats.FORMATS:
        _refuse(gateway, name, messages, f"Unknown format. Known: {', '.join(formats.FORMATS)}.")
        return
    body = b"\n".join(message.payload.rstrip(b"\n") for message in messages) + b"\n"
    try:
        operations.ingest(
            site_id=gateway.site_id, gateway_id=gateway.pk, stream=io.BytesIO(body), format=name,
            source=IngestBatch.Source.MQTT, received_at=timezone.now(), name="mqtt",
        )  # fmt: skip
    except formats.NotReadable as problem:
        if len(messages) == 1:
            _refuse(gateway, name, messages, str(problem))
            return
        for message in messages:
            _take(gateway_id, name, [message])


def _refuse(gateway: Gateway, name: str, messages: list[_Message], why: str) -> None:
    operations.keep_unreadable(
        site_id=gateway.site_id, gateway_id=gateway.pk, format=name[:30], why=why,
        source=IngestBatch.Source.MQTT, received_at=timezone.now(),
        bodies=[message.payload for message in messages],
    )  # fmt: skip


def run(url: str, *, client_id: str, topics: Sequence[TopicTemplate]) -> None:
    """
    Take messages until the process is told to end.
    """
    subscriber = Subscriber(url, client_id=client_id, topics=topics)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, subscriber.stop)
    subscriber.run()
