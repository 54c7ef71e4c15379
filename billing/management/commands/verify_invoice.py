"""
Recompute an issued invoice from its readings.
"""

import argparse
import sys
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from django.core.management.base import BaseCommand, CommandError

from billing import documents, queries
from telemetry.archive import ArchiveUnreadable


class Command(BaseCommand):
    help = "Say whether an invoice equals what its readings give; exit code 1 if it does not."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        one = parser.add_mutually_exclusive_group(required=True)
        one.add_argument("number", nargs="?", help="a document in the database")
        one.add_argument("--bundle", type=Path, help="an evidence file, checked on its own")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["bundle"] is not None:
            self._say(options["bundle"].name, self._of_bundle(options["bundle"]))
            return
        invoice = queries.issued_invoice(number=options["number"])
        if invoice is None:
            raise CommandError(f"There is no issued invoice {options['number']}.")
        try:
            found = list(queries.differences(invoice=invoice))
        except ArchiveUnreadable as problem:
            found = [str(problem)]
        self._say(invoice.number, found)

    def _of_bundle(self, path: Path) -> list[str]:
        try:
            return list(documents.bundle_differences(path.read_bytes()))
        except (OSError, BadZipFile, KeyError, ValueError) as problem:
            raise CommandError(f"{path} is no evidence file: {problem}") from None

    def _say(self, name: str, found: list[str]) -> None:
        for difference in found:
            self.stdout.write(f"{name}: {difference}")
        if found:
            sys.exit(1)
        self.stdout.write(f"{name}: equal")
