"""
Checks a carbon.txt file before it is put in place.
"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from telemetry.domain.carbon_txt import faults


class Command(BaseCommand):
    help = "Checks a carbon.txt file and says what to mend."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            found = faults(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as problem:
            raise CommandError(f"{file}: {problem}") from None
        if found:
            raise CommandError("\n".join(found))
        self.stdout.write(f"{file}: valid")
