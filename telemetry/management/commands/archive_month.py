"""
Bring a month of readings to the archive, back, or look whether its file is as it was signed.
"""

import argparse
import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from sites.models import Site
from telemetry import operations
from telemetry.archive import ArchiveUnreadable
from telemetry.domain.secrets import WrongSecret
from telemetry.models import ArchivedMonth

_TRIES = 3


class Command(BaseCommand):
    help = (
        "Bring a month of a site's readings to the archive; exit code 1 if it does not get there."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--month", required=True, type=_month, help="such as 2026-01, UTC")
        parser.add_argument("--site", required=True, help="slug of the site")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--restore", action="store_true", help="back into the database for good")
        how.add_argument("--check", action="store_true", help="read the file from end to end")

    def handle(self, *args: Any, **options: Any) -> None:
        site = Site.objects.filter(slug=options["site"]).first()
        if site is None:
            raise CommandError(f"There is no site {options['site']!r}.")
        name = f"{site.slug} {options['month']:%Y-%m}"
        try:
            if options["restore"]:
                self._restore(site, options["month"])
            elif options["check"]:
                self._check(site, options["month"])
            else:
                self._archive(site, options["month"])
        except operations.NotSealable as why:
            raise CommandError(f"{name} is not settled: {why}") from None
        except operations.NotArchived:
            raise CommandError(f"{name} is not archived.") from None
        except (ArchiveUnreadable, WrongSecret) as problem:
            raise CommandError(str(problem)) from None

    def _archive(self, site: Site, month: dt.date) -> None:
        there = ArchivedMonth.objects.filter(site=site, month=month)
        archive = there.filter(
            state__in=[ArchivedMonth.State.SEALED, ArchivedMonth.State.WRITTEN]
        ).first()
        if archive is None:
            archive = operations.seal_month(
                site_id=site.pk, month=month, at=timezone.now(), by_id=None
            )
        for _ in range(_TRIES):
            operations.write_month(archive_id=archive.pk, at=timezone.now())
            operations.verify_month(archive_id=archive.pk, at=timezone.now())
            archive.refresh_from_db()
            if archive.state in ArchivedMonth.IN_USE:
                break
        else:
            raise CommandError(f"{archive}: {archive.problem}")
        self.stdout.write(
            f"{archive}: {archive.rows} readings in {archive.path},"
            f" {archive.bytes / archive.rows:.2f} bytes each; they leave the database in"
            f" {operations.GRACE.seconds // 60} minutes."
        )

    def _restore(self, site: Site, month: dt.date) -> None:
        archive = operations.restore_month(
            site_id=site.pk, month=month, at=timezone.now(), by_id=None
        )
        self.stdout.write(f"{archive}: {archive.rows} readings are in the database.")

    def _check(self, site: Site, month: dt.date) -> None:
        archive = ArchivedMonth.objects.filter(
            site=site, month=month, state__in=ArchivedMonth.IN_USE
        ).first()
        if archive is None:
            raise operations.NotArchived
        operations.check_month(archive_id=archive.pk, at=timezone.now(), by_id=None)
        self.stdout.write(f"{archive}: {archive.rows} readings, as they were signed.")


def _month(text: str) -> dt.date:
    return dt.datetime.strptime(text, "%Y-%m").replace(tzinfo=dt.UTC).date()
