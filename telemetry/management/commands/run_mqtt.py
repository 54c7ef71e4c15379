"""
Takes readings from an MQTT broker.
"""

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from telemetry.domain.topics import BadTemplate, parse_templates
from telemetry.management import subscriber


class Command(BaseCommand):
    help = (
        "Subscribe to MQTT_URL (mqtt:// or mqtts://user:password@host:port) and store the readings"
        " of the topics that MQTT_TOPICS says; acknowledged only once they are stored."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--client-id", default="warmgrid",
            help="names the session at the broker; one process may use a name at a time",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.MQTT_URL.startswith(("mqtt://", "mqtts://")):
            raise CommandError("Set MQTT_URL to mqtt://… or mqtts://….")
        try:
            topics = parse_templates(settings.MQTT_TOPICS)
        except BadTemplate as problem:
            raise CommandError(f"MQTT_TOPICS: {problem}") from None
        subscriber.run(settings.MQTT_URL, client_id=options["client_id"], topics=topics)
