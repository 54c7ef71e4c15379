"""
What to type at a gateway, ready to be copied.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.utils.translation import gettext

from telemetry.domain.topics import topic_for

# A figure that is plausible for a quantity.
_FIGURES = {
    "energy": "1234.5", "power": "12.5", "supply": "61.5", "return": "41.25", "flow": "0.85",
    "heartbeat": "1", "volume": "98.6",
}  # fmt: skip
# Where both exist, an example had better not begin with the register that is billed.
_FIRST = ("supply", "return", "power", "flow", "heartbeat")
_NOW = "$(date -u +%Y-%m-%dT%H:%M:%SZ)"


class Example(NamedTuple):
    """
    One way to send: its name, what to know about it, and what to type; "" where it cannot be had.
    """

    name: str
    hint: str
    code: str


def examples(
    *, channels: list[Any], gateway_id: int, token: str, base: str, broker_url: str, topics: str
) -> list[Example]:
    """
    Return how to send to one of a site's channels. `broker_url` and `topics` are MQTT_URL and
    MQTT_TOPICS.
    """
    ranked = sorted(channels, key=lambda c: c.quantity not in _FIRST)
    key = ranked[0].key if ranked else "pool.supply"
    quantity = ranked[0].quantity if ranked else "supply"
    point, _, name = key.rpartition(".")
    figure = _FIGURES.get(quantity, "1")
    shown = token or "YOUR_TOKEN"
    row = f'[{{"channel": "{key}", "at": "\'"{_NOW}"\'", "value": {figure}}}]'
    send = f"curl -H 'Authorization: Bearer {shown}'"
    return [
        Example(
            "curl, JSON", "",
            f"{send} -H 'Content-Type: application/json' \\\n  -d '{row}' \\\n"
            f"  {base}/api/v1/readings",
        ),
        Example(
            "curl, InfluxDB line protocol",
            gettext("Point and quantity, then seconds since 1970. No answer (204) is a good one."),
            f"{send} --data-binary '{point} {name}={figure} '\"$(date +%s)\" \\\n"
            f"  '{base}/api/v2/write?precision=s'",
        ),
        Example(
            gettext("curl, M-Bus telegrams"),
            gettext(
                "One telegram a line in hexadecimal. The serial in it says whose it is, so the"
                " meter must be installed at a point here."
            ),
            f"{send} -H 'Content-Type: application/x-mbus-hex' \\\n"
            f"  --data-binary @telegrams.hex {base}/api/v1/readings",
        ),
        Example(
            "Telegraf",
            gettext("Any input will do: its name is the point, its fields are quantities."),
            f'[[outputs.influxdb_v2]]\n  urls = ["{base}"]\n  token = "{shown}"\n'
            '  organization = "warmgrid"\n  bucket = "warmgrid"\n\n'
            "# In the input, so that a field called "
            f'{name} arrives as {key}:\n#   name_override = "{point}"',
        ),
        _mosquitto(row, gateway_id, broker_url, topics),
    ]  # fmt: skip


def _mosquitto(row: str, gateway_id: int, broker_url: str, topics: str) -> Example:
    name = "mosquitto_pub"
    if not broker_url:
        return Example(name, gettext("No MQTT broker is set up here (MQTT_URL)."), "")
    topic = topic_for(topics, gateway=str(gateway_id), format="json")
    if topic is None:
        return Example(name, gettext("No template in MQTT_TOPICS is for JSON of this gateway."), "")
    broker = urlsplit(broker_url)
    secure = broker.scheme == "mqtts"
    # A certificate of one's own authority is named with --cafile in place of it.
    options = [f"-h {broker.hostname}", f"-p {broker.port or (8883 if secure else 1883)}"]
    options += ["--tls-use-os-certs"] if secure else []
    options += [f"-u {gateway_id} -P YOUR_PASSWORD"] if broker.username else []
    hint = (
        gettext("User and password are those that the broker knows for this gateway.")
        if broker.username else ""
    )  # fmt: skip
    code = f"mosquitto_pub {' '.join(options)} -q 1 \\\n  -t '{topic}' \\\n  -m '{row}'"
    return Example(name, hint, code)
