"""
Save column mappings from JSON files, each an object with code, name and spec.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from sites.access import Kind
from sites.models import Stakeholder
from telemetry import operations
from telemetry.formats.csv_spec import BadMapping


class Command(BaseCommand):
    help = "Save column mappings from JSON files; one of the same code is changed."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path)
        parser.add_argument("--operator", required=True, help="slug of the operator")

    def handle(self, *args: Any, **options: Any) -> None:
        operators = Stakeholder.objects.filter(kind=Kind.OPERATOR, slug=options["operator"])
        operator = operators.first()
        if operator is None:
            raise CommandError(f"There is no operator {options['operator']!r}.")
        for file in options["files"]:
            try:
                given = json.loads(file.read_text())
                mapping = operations.save_mapping(
                    operator_id=operator.pk, code=given["code"], name=given["name"],
                    spec=given["spec"], at=timezone.now(), by_id=None,
                )  # fmt: skip
            except OSError as problem:
                raise CommandError(f"{file} cannot be read: {problem.strerror}.") from None
            except (ValueError, KeyError, TypeError):
                raise CommandError(f"{file} is no JSON object with code, name and spec.") from None
            except BadMapping as problem:
                raise CommandError(f"{file}: {problem}") from None
            self.stdout.write(f"{mapping.code}: {mapping.name}")
