"""
Load a file of readings of one site.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from sites.models import Site
from telemetry import formats, operations, queries
from telemetry.models import IngestBatch


class Command(BaseCommand):
    help = "Load a file of readings in any format known; loading it again changes nothing."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--site", required=True, help="slug of the site")
        parser.add_argument("--format", choices=sorted(formats.FORMATS))
        parser.add_argument(
            "--option", action="append", default=[], metavar="NAME=VALUE",
            help="what the format wants to know, such as precision=s",
        )  # fmt: skip
        parser.add_argument("--mapping", help="code of the column mapping a table is read by")
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        by_name = formats.of_file(file.name)
        format_name: str = options["format"] or (by_name.name if by_name else "")
        if not format_name:
            raise CommandError(f"Say the format of {file.name} with --format.")
        site = Site.objects.filter(slug=options["site"]).first()
        if site is None:
            raise CommandError(f"There is no site {options['site']!r}.")
        try:
            with file.open("rb") as stream:
                result = operations.ingest(
                    site_id=site.pk,
                    stream=formats.open_file(stream, file.name),
                    format=format_name,
                    source=IngestBatch.Source.FILE,
                    received_at=timezone.now(),
                    name=file.name,
                    options=_told(options),
                )
        except OSError as problem:
            raise CommandError(f"{file} cannot be read: {problem.strerror}.") from None
        except formats.NotReadable as problem:
            raise CommandError(f"{file.name}: {problem}") from None
        counts = dataclasses.asdict(result)
        problems = queries.problems_of_batch(batch_id=result.batch_id, limit=20)
        if options["json"]:
            self.stdout.write(json.dumps({**counts, "problems": problems}))
            return
        for name, count in counts.items():
            self.stdout.write(f"{name}: {count}")
        for problem_row in problems:
            self.stdout.write("row {row}, {field}: {detail}".format(**problem_row))


def _told(options: dict[str, Any]) -> dict[str, str]:
    told = dict(given.partition("=")[::2] for given in options["option"])
    return {**told, "mapping": options["mapping"]} if options["mapping"] else told
