"""Rehearse the next days, and print what would happen by itself."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from members.services import rehearsal


class Command(BaseCommand):
    """Posts what is due slice by slice, rolls each back, and keeps the report for the admin."""

    help = (
        "List what would expire, be released, regraded and told in the next days; changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="from 1 to 366; 30 unless told")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Rehearse and print the totals."""
        days = options["days"]
        if not 1 <= days <= 366:
            raise CommandError("--days is from 1 to 366")
        asked = rehearsal.request(days=days, requested_by=None, moment=timezone.now())
        done = rehearsal.run(asked.pk)
        if done is None:
            raise CommandError("a worker has taken the rehearsal up; see the admin for its report")
        for row in done.totals:
            self.stdout.write(
                f"{row['what']:28} {row['times']:>9} times {row['points']:>12} {row['currency']}"
            )
        self.stdout.write(
            f"{done.done} of {done.members} members, {done.skipped} skipped, {done.slices} slices,"
            f" the longest {done.longest_ms} ms; nothing was changed"
        )
