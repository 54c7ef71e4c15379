"""
python manage.py load_reference: emission factors, rules, verification terms, meter profiles; again
changes nothing.
"""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from seeds import reference


class Command(BaseCommand):
    help = "Load the reference data that ships with the portal. Running it again is harmless."

    def handle(self, *args: Any, **options: Any) -> None:
        added = reference.load_emission_factors(at=timezone.now())
        terms = reference.load_calibration_rules(at=timezone.now())
        rules = reference.load_kpi_rules(at=timezone.now())
        profiles = reference.load_meter_profiles(at=timezone.now())
        self.stdout.write(
            f"{added} emission factors, {rules} rules, {terms} verification terms and {profiles}"
            " meter profiles added"
        )
