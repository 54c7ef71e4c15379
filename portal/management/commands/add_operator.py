"""
Makes an operator and prints the link by which its first administrator signs up.
"""

from argparse import ArgumentParser
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.urls import reverse
from django.utils import timezone

from portal.forms.parties import countries
from sites import operations


class Command(BaseCommand):
    """
    The first thing to do on a new installation; further operators share nothing with the first.
    """

    help = "Makes an operator and prints the link for its first administrator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the operator, as on invoices")
        parser.add_argument("--country", required=True, help="two letters, such as DE")
        parser.add_argument("--timezone", required=True, help="such as Europe/Berlin")
        parser.add_argument("--email", required=True, help="of its first administrator")

    def handle(self, *args: Any, **options: Any) -> None:
        country, zone = options["country"].upper(), options["timezone"]
        if country not in dict(countries()):
            raise CommandError(f"--country: {country} is no country; give two letters, such as DE.")
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise CommandError(f"--timezone: {zone} is none; give Europe/Berlin, say.") from None
        try:
            validate_email(options["email"])
        except ValidationError:
            raise CommandError(f"--email: {options['email']} is no e-mail address.") from None
        made, invitation, token = operations.found_operator(
            name=options["name"], country=country, timezone=zone, email=options["email"],
            at=timezone.now(),
        )  # fmt: skip
        self.stdout.write(f"{made.name} is there. {invitation.email} signs up here, within a week:")
        self.stdout.write(settings.BASE_URL + reverse("invitation", args=[token]))
