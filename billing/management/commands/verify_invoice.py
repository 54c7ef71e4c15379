"""
Recompute an issued invoice from its readings.
"""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import queries


class Command(BaseCommand):
    help = "Say whether an invoice equals what its readings give; exit code 1 if it does not."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("number")

    def handle(self, *args: Any, **options: Any) -> None:
        invoice = queries.issued_invoice(number=options["number"])
        if invoice is None:
            raise CommandError(f"There is no issued invoice {options['number']}.")
        found = list(queries.differences(invoice=invoice))
        for difference in found:
            self.stdout.write(f"{invoice.number}: {difference}")
        if found:
            sys.exit(1)
        self.stdout.write(f"{invoice.number}: equal")
