"""
Roll up again from the readings, or tell where that would differ from what is stored.
"""

import argparse
import datetime as dt
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from sites.domain import local_days
from sites.models import Site
from telemetry import operations, queries
from telemetry.models import Channel


class Command(BaseCommand):
    help = (
        "Roll channels up again from their readings. What is left to do is kept in the database: "
        "broken off, it goes on with --resume, or by itself where a worker runs."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--site", help="slug of a site; all sites otherwise")
        parser.add_argument("--channel", help="key of a channel, with --site")
        parser.add_argument(
            "--from", dest="first", type=dt.date.fromisoformat, metavar="DATE",
            help="first local day, with --site and --to",
        )  # fmt: skip
        parser.add_argument(
            "--to", dest="last", type=dt.date.fromisoformat, metavar="DATE",
            help="last local day, included",
        )  # fmt: skip
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument(
            "--resume", action="store_true", help="only what is still marked to be rolled up"
        )
        kind.add_argument(
            "--check", action="store_true",
            help="change nothing; list what differs and end with code 1 if anything does",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        channels = self._chosen(options)
        period = self._period(options)
        now = timezone.now()
        if options["check"]:
            self._check(channels, period, now)
            return
        if not options["resume"]:
            operations.mark_for_rebuild(channel_ids=list(channels), period=period, at=now)
        self._roll_up(channels)

    def _chosen(self, options: dict[str, Any]) -> dict[int, str]:
        chosen = Channel.objects.order_by("site__slug", "key")
        if options["site"]:
            if not Site.objects.filter(slug=options["site"]).exists():
                raise CommandError(f"There is no site {options['site']!r}.")
            chosen = chosen.filter(site__slug=options["site"])
        if options["channel"]:
            if not options["site"]:
                raise CommandError("A key names a channel of one site: say which with --site.")
            chosen = chosen.filter(key=options["channel"])
        found = {pk: f"{site} {key}" for pk, site, key in chosen.values_list(
            "pk", "site__slug", "key")}  # fmt: skip
        if not found:
            raise CommandError("There is no such channel.")
        return found

    def _period(self, options: dict[str, Any]) -> Any:
        first, last = options["first"], options["last"]
        if first is None and last is None:
            return None
        if first is None or last is None or not options["site"]:
            raise CommandError("Days are those of one site: --from, --to and --site go together.")
        if last < first:
            raise CommandError("--to is before --from.")
        zone = Site.objects.get(slug=options["site"]).timezone
        return local_days(first, last + dt.timedelta(days=1), zone)

    def _check(self, channels: dict[int, str], period: Any, now: dt.datetime) -> None:
        different = 0
        for number, (pk, name) in enumerate(channels.items(), start=1):
            found = operations.differences_from_raw(channel_id=pk, period=period, at=now)
            different += len(found)
            self.stdout.write(f"{number} of {len(channels)}  {name}: {len(found)} differ")
            for row in found[:5]:
                self.stdout.write(
                    f"    {row.grain} {row.start_at:%Y-%m-%d %H:%MZ} {row.kind}: stored"
                    f" {row.stored_kwh}, from the readings {row.computed_kwh}"
                )
        if different:
            raise CommandError(f"{different} buckets are not what the readings give.")
        self.stdout.write("Everything stored is what the readings give.")

    def _roll_up(self, channels: dict[int, str]) -> None:
        started = time.monotonic()
        dirty = queries.channels_waiting()
        waiting = [pk for pk in channels if pk in dirty]
        for number, pk in enumerate(waiting, start=1):
            try:
                operations.roll_up_channel(channel_id=pk, at=timezone.now())
            except KeyboardInterrupt:
                raise CommandError(
                    f"Broken off after {number - 1} of {len(waiting)} channels; use --resume."
                ) from None
            left = (time.monotonic() - started) / number * (len(waiting) - number)
            self.stdout.write(
                f"{number} of {len(waiting)}  {channels[pk]}, about {left:.0f} s left"
            )
        still = len(queries.channels_waiting() & set(channels))
        if still:
            self.stdout.write(f"{still} channels are being rolled up by a worker.")
