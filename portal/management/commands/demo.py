"""
Loads the demo, or brings it up to now, and says who can sign in.
"""

import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from seeds import demo
from seeds.portfolio import PASSWORD, PEOPLE


class Command(BaseCommand):
    help = "Loads the demo portfolio, or brings the one that is there up to now."

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()

        def say(text: str) -> None:
            self.stdout.write(f"{time.monotonic() - started:6.1f} s  {text}")
            sys.stdout.flush()

        try:
            summary = demo.load(now=timezone.now(), say=say)
        except demo.NotTheDemo:
            raise CommandError(
                "This database belongs to an operator; the demo wants one of its own."
                " Set WARMGRID_VAR to another folder, or DATABASE_URL to another database."
            ) from None
        self.stdout.write(
            f"\n{summary.sites} sites, {summary.partners} heat partners, {summary.tenants} tenants,"
            f" {summary.readings:,} readings, {summary.invoices} invoices issued,"
            f" contracts with a held month: {summary.held}\n"
        )
        self.stdout.write(f"Sign in at {settings.BASE_URL} with the password “{PASSWORD}”:")
        for email, name, _, what in PEOPLE:
            self.stdout.write(f"  {email:26} {name}, {what}")
        self.stdout.write("")
