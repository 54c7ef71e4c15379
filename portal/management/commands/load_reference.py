"""
python manage.py load_reference: emission factors and terms of verification; again changes nothing.
"""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from seeds import reference


class Command(BaseCommand):
    help = "Load the reference data that ships with the portal. Running it again is harmless."

    def handle(self, *args: Any, **options: Any) -> None:
        added = reference.load_emission_factors(at=timezone.now())
        rules = reference.load_calibration_rules(at=timezone.now())
        self.stdout.write(f"{added} emission factors and {rules} verification terms added")
