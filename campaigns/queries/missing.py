"""Purchases that a member may still claim, and the terms on which members do so themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import F, Q, QuerySet

from loyalty_site.lib import calendars
from members.models import Member, Program, Purchase

CANDIDATES_MAX = 20


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """How far back members may look, and how many of their cases may wait for staff."""

    lookback_days: int
    cases_max: int

    def first_day(self, moment: datetime, zone: ZoneInfo) -> date:
        """Return the earliest day whose purchases can be claimed at ``moment``."""
        return calendars.local_day(moment, zone) - timedelta(days=self.lookback_days)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What stands on a receipt: its number, its day in the program's calendar and its total."""

    number: str
    day: date
    total: Decimal


def terms_of(program: Program) -> ClaimTerms | None:
    """Return the terms, read from what is applied; None where members cannot claim themselves."""
    said = program.document.get("claims")
    return ClaimTerms(said["lookback_days"], said["cases_max"]) if said else None


def matches(member: Member, receipt: Receipt) -> list[Purchase]:
    """Return the purchases of the receipt that nobody has, or that came before the member joined.

    At most two: more than one is as good as none.
    """
    return list(_on_day(member, receipt).filter(_free(member)).order_by("pk")[:2])


def is_credited(member: Member, receipt: Receipt) -> bool:
    """Return whether the member has the points of the receipt already."""
    mine = _on_day(member, receipt).filter(member__in=member.rows)
    return mine.exclude(_free(member)).exists()


def before_joining(member: Member, *, since: date) -> list[Purchase]:
    """Return purchases that named the member before they joined, newest first."""
    zone = ZoneInfo(member.program.timezone)
    rows = Purchase.objects.filter(
        member=member,
        claimed_at=None,
        occurred_at__lt=member.enrolled_at,
        occurred_at__gte=calendars.start_of_day(since, zone),
    )
    return list(rows.exclude(state="returned").order_by("-occurred_at", "-pk")[:CANDIDATES_MAX])


def candidates(member: Member, receipt: Receipt) -> list[Purchase]:
    """Return what staff may mean: unclaimed purchases of the number, or of the day and total."""
    zone = ZoneInfo(member.program.timezone)
    by_day = Q(
        net=receipt.total,
        occurred_at__gte=calendars.start_of_day(receipt.day, zone),
        occurred_at__lt=calendars.end_of_day(receipt.day, zone),
    )
    rows = Purchase.objects.filter(Q(external_id=receipt.number) | by_day, program=member.program)
    return list(rows.filter(_free(member)).order_by("-occurred_at", "-pk")[:CANDIDATES_MAX])


def _free(member: Member) -> Q:
    before = Q(member=member, claimed_at__isnull=True, occurred_at__lt=F("member__enrolled_at"))
    return Q(member__isnull=True, claimed_at__isnull=True) | before


def _on_day(member: Member, receipt: Receipt) -> QuerySet[Purchase]:
    zone = ZoneInfo(member.program.timezone)
    return Purchase.objects.filter(
        program=member.program,
        external_id=receipt.number,
        net=receipt.total,
        occurred_at__gte=calendars.start_of_day(receipt.day, zone),
        occurred_at__lt=calendars.end_of_day(receipt.day, zone),
    )
