"""Apply the demo's program and load a year of real purchases through the site's services."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import F, Max
from django.utils import timezone

from campaigns.programfile import ProgramDocument, parse
from campaigns.services import program as program_service
from campaigns.services.periodic import JOBS as CAMPAIGN_JOBS
from loyalty_site.lib.errors import DomainError
from members.models import JobRun, Member, OutboxEvent, Purchase, Segment, SegmentSnapshot
from members.services import jobs, segments
from members.services.periodic import JOBS as MEMBER_JOBS

BASE_DIR = Path(__file__).resolve().parents[3]
# Members are told of the last days as if the site had been there; older news is history.
NEWS_DAYS = 7
# How far back segments are looked at, and how many members staff put into the one kept by hand.
WEEKS_OF_SEGMENTS = 8
PANEL = 12
AFTERWARDS = ("activate_points", "expire_points", "regrade_tiers", "deliver_outbox")


class Command(BaseCommand):
    """Loads the Complete Journey data set; a repeat loads nothing twice."""

    help = "Apply a program file and load N households (or all) of the demo's data."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--members", default="300", help="households: a number or all (300)")
        parser.add_argument(
            "--program", type=Path, default=BASE_DIR / "demo" / "program.yaml", help="program file"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply the program moved to the data's last day, then load."""
        # The data set's readers are packages of the demo alone.
        sys.path.insert(0, str(BASE_DIR))
        wanted = options["members"]
        households = None if wanted == "all" else int(wanted)
        text = options["program"].read_text(encoding="utf-8")
        try:
            zone = ZoneInfo(parse(text).program.timezone)
            self._load(text, zone, households, marker=f"load_demo {wanted}")
        except DomainError as refusal:
            raise CommandError(refusal.detail) from None

    def _load(self, text: str, zone: ZoneInfo, households: int | None, *, marker: str) -> None:
        from demo import by_hand, campaigning, journey, loading, program_window

        is_loaded = JobRun.objects.filter(name=marker, finished_at__isnull=False).exists()
        if households == 0 or is_loaded:
            last_day = _last_day(zone) or loading.today(zone) - timedelta(days=1)
            document = parse(program_window.moved_to(text, last_day))
            # What was announced, and what staff started, is no part of the demo's file.
            self._apply(campaigning.stated(document) if is_loaded else document)
            return
        data = journey.load(households, loading.today(zone), zone, currency=_money(text))
        document = parse(program_window.moved_to(text, data.last_day))
        self._apply(document)
        run = JobRun.objects.create(name=marker, started_at=timezone.now())
        tally = loading.load(data, zone)
        by_hand.adjust(timezone.now())
        by_hand.print_lids(timezone.now())
        by_hand.ask(timezone.now())
        by_hand.found_household(timezone.now())
        campaigning.write_campaign(timezone.now())
        self._apply(campaigning.stated(document))
        self._settle()
        run.done = tally.purchases
        run.finished_at = timezone.now()
        run.save()
        rate = tally.purchases / tally.seconds if tally.seconds else 0
        self.stdout.write(
            f"  {tally.members:,} members, {tally.purchases:,} purchases with {tally.lines:,} lines"
            f" and {tally.redemptions:,} simulated redemptions in {tally.seconds:.0f} s:"
            f" {rate:,.0f} purchases a second"
        )
        for refused in tally.refused[:5]:
            self.stderr.write(f"  not loaded: {refused}")

    def _apply(self, document: ProgramDocument) -> None:
        changes = program_service.apply(document=document, moment=timezone.now(), actor="demo")
        if changes:
            self.stdout.write(f"  Applied the program: {len(changes)} changes")

    @staticmethod
    def _settle() -> None:
        """Post what is due, and leave nothing for the first minute of the worker."""
        since = timezone.now() - timedelta(days=NEWS_DAYS)
        OutboxEvent.objects.filter(delivered_at__isnull=True, created_at__lt=since).update(
            delivered_at=F("created_at")
        )
        # Nobody is mailed about what the demo made up.
        settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
        for name in AFTERWARDS:
            jobs.run(MEMBER_JOBS[name], moment=timezone.now())
        grow_segments(timezone.now())


def grow_segments(now: datetime) -> None:
    """Refresh segments as of some weeks and as of now, so that they have a past."""
    # Looking back again would take members out as of a past that is told already.
    first = 0 if SegmentSnapshot.objects.exists() else WEEKS_OF_SEGMENTS
    for weeks in range(first, -1, -1):
        moment = now - timedelta(weeks=weeks)
        jobs.run(MEMBER_JOBS["score_members"], moment=moment)
        jobs.run(CAMPAIGN_JOBS["refresh_segments"], moment=moment)
    panel = Segment.objects.filter(code="tasting-panel", is_retired=False).first()
    if panel is not None and panel.where is None:
        members = Member.objects.filter(program=panel.program, status="active").order_by("pk")
        segments.move(
            segment=panel,
            members=list(members.values_list("pk", flat=True)[:PANEL]),
            entering=True,
            actor="demo",
            moment=now,
        )


def _money(text: str) -> str:
    return parse(text).program.currency


def _last_day(zone: ZoneInfo) -> date | None:
    latest = Purchase.objects.filter(source="complete-journey").aggregate(at=Max("occurred_at"))
    return latest["at"].astimezone(zone).date() if latest["at"] else None
