"""Replay a draft program on the real history and print what it would have done."""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from campaigns import backtest_report
from campaigns.programfile import parse
from campaigns.services import backtests
from campaigns.services.program import live_document
from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError
from members.queries.program import current_program


class Command(BaseCommand):
    """Keep a backtest of a draft file, and tell its figures."""

    help = "DRAFT [--from DAY] [--to DAY] [--processes N] [--json]"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("draft", type=Path, help="a program file")
        parser.add_argument("--from", dest="since", metavar="DAY", help="first day of the draft")
        parser.add_argument("--to", dest="until", metavar="DAY", help="last day (today)")
        parser.add_argument("--name", default="", help="what the report is called")
        parser.add_argument("--seed", type=int, default=backtests.SEED, help="of the ranges")
        parser.add_argument(
            "--processes", type=int, default=os.cpu_count() or 1, help="how many replay at a time"
        )
        parser.add_argument("--json", action="store_true", help="print the whole report")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replay, keep the report, and print it."""
        now = timezone.now()
        try:
            document = parse(options["draft"].read_text(encoding="utf-8"))
            asked = backtests.request(
                document=document,
                starts_at=_day(options["since"], after=False),
                ends_at=min(_day(options["until"], after=True) or now, now),
                requested_by=None,
                moment=now,
                name=options["name"] or options["draft"].stem,
                seed=options["seed"],
            )
            done = backtests.run(asked.pk, processes=max(options["processes"], 1))
        except OSError as error:
            raise CommandError(f"cannot read {options['draft']}: {error}") from None
        except DomainError as refusal:
            raise CommandError(refusal.detail) from None
        if done is None:
            raise CommandError("a worker has taken it up; its report stands in the admin")
        if options["json"]:
            text = orjson.dumps(done.figures, option=orjson.OPT_INDENT_2).decode()
            self.stdout.write(text)
            return
        ladder = backtest_report.ladder_of(live_document() or {}, done.draft)
        for line in backtest_report.lines(done.figures, ladder, done.program.currency):
            self.stdout.write(line)


def _day(text: str | None, *, after: bool) -> datetime | None:
    """Return the instant at which a program-local day begins, or with ``after`` is over."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text} is no day, such as 2026-03-01") from None
    zone = ZoneInfo(current_program().timezone)
    return calendars.end_of_day(day, zone) if after else calendars.start_of_day(day, zone)
