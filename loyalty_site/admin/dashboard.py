"""The first page of the admin: how the program does, and whether everything works."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import Count, Min, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from loyalty_site.lib import calendars
from loyalty_site.lib.languages import pick
from loyalty_site.views_health import BEHIND_AFTER, OUTBOX_BEHIND_AFTER
from members.models import (
    Heartbeat,
    JobRun,
    LedgerAccount,
    LedgerReport,
    Member,
    OutboxEvent,
    Program,
    Purchase,
    TierMembership,
)
from rewards.models import Redemption

# The nightly proof, with an hour to spare.
PROOF_LATE_AFTER = timedelta(hours=25)


# Debt is kept below zero.
_SIGNS = {"debt": "balance__lt"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with the list of the rows that it counts; ``note`` says more of it."""

    label: str
    value: int
    url: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What members hold of one point currency, by state."""

    code: str
    total: Figure
    states: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Sign:
    """Whether a part of the site does its work, and what tells so."""

    label: str
    is_well: bool
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What the last proof of the books found; ``state`` is proved, failed, late or never."""

    state: str
    run: JobRun | None
    url: str
    ago: str = ""
    report: LedgerReport | None = None

    @property
    def differences(self) -> list[str]:
        """Return the invariants that are broken."""
        if self.report is not None:
            return [
                f"{found['invariant']} ({found['differences']})"
                for found in self.report.findings
                if found["differences"]
            ]
        return self.run.failure.split("; ") if self.run and self.run.failure else []


def add_to_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Give the page what it shows; the theme calls this."""
    now = timezone.now()
    program: Program | None = getattr(request, "program", None)
    runs = _newest_runs()
    context.update(
        {
            "title": program.name if program else _("Dashboard"),
            "program": program,
            "figures": [*_members(), *_today(program, now)] if program else [],
            "outstanding": _outstanding(),
            "tiers": _tiers(program) if program else [],
            "signs": [*_beats(now), _outbox(now)],
            "proof": _proof(runs, now),
            "runs": [(run, _url("members", "jobrun", run.pk)) for run in runs],
        }
    )
    return context


def _list(app: str, model: str, **filters: object) -> str:
    query = urlencode(filters)
    return reverse(f"admin:{app}_{model}_changelist") + (f"?{query}" if query else "")


def _url(app: str, model: str, pk: int) -> str:
    return reverse(f"admin:{app}_{model}_change", args=[pk])


def _members() -> list[Figure]:
    counts = dict(
        Member.objects.exclude(status=Member.Status.POOL)
        .values_list("status")
        .annotate(count=Count("pk"))
        .order_by("status")
    )
    active = counts.pop(Member.Status.ACTIVE, 0)
    others = [f"{count} {Member.Status(status).label.lower()}" for status, count in counts.items()]
    url = _list("members", "member", status__exact="active")
    return [Figure(_("Active members"), active, url, ", ".join(others))]


def _today(program: Program, now: datetime) -> list[Figure]:
    zone = ZoneInfo(program.timezone)
    day = calendars.local_day(now, zone)
    since = calendars.start_of_day(day, zone)
    until = calendars.start_of_day(day + timedelta(days=1), zone)
    bought = Purchase.objects.filter(recorded_at__gte=since, recorded_at__lt=until)
    redeemed = Redemption.objects.filter(created_at__gte=since, created_at__lt=until)
    in_all, by_members, redemptions_made = (
        Program.objects.filter(pk=program.pk)
        .values_list(_count(bought), _count(bought.exclude(member=None)), _count(redeemed))
        .get()
    )
    purchases = {"recorded_at__gte": since.isoformat(), "recorded_at__lt": until.isoformat()}
    redemptions = {"created_at__gte": since.isoformat(), "created_at__lt": until.isoformat()}
    of_members = _("%(count)d of members") % {"count": by_members}
    return [
        Figure(
            _("Purchases recorded today"),
            in_all,
            _list("members", "purchase", **purchases),
            of_members if in_all else "",
        ),
        Figure(
            _("Redemptions today"),
            redemptions_made,
            _list("rewards", "redemption", **redemptions),
        ),
    ]


def _count(rows: QuerySet[Any]) -> Coalesce:
    counted = rows.filter(program=OuterRef("pk")).order_by().values("program")
    return Coalesce(Subquery(counted.annotate(count=Count("pk")).values("count")), 0)


def _outstanding() -> list[Outstanding]:
    rows = (
        LedgerAccount.objects.filter(member__isnull=False, currency__kind="redeemable")
        .values_list("currency_id", "currency__code", "kind")
        .annotate(points=Sum("balance"))
        .order_by("currency__position", "currency_id", "kind")
    )
    found: dict[tuple[int, str], dict[str, int]] = {}
    for currency, code, kind, points in rows:
        found.setdefault((currency, code), {})[kind] = int(points)
    return [_of_currency(*currency, points) for currency, points in found.items()]


def _of_currency(currency: int, code: str, points: dict[str, int]) -> Outstanding:
    labels = {
        "available": _("available"),
        "pending": _("pending"),
        "held": _("held"),
        "debt": _("debt"),
    }
    states = tuple(
        Figure(
            label,
            abs(points.get(kind, 0)),
            _accounts(currency, kind__exact=kind, **{_SIGNS.get(kind, "balance__gt"): 0}),
        )
        for kind, label in labels.items()
    )
    held = sum(points.get(kind, 0) for kind in ("available", "pending", "held"))
    url = _accounts(currency, member__isnull="False")
    return Outstanding(code, Figure(_("Points outstanding"), held, url), states)


def _accounts(currency: int, **filters: Any) -> str:
    return _list("members", "ledgeraccount", currency__id__exact=currency, **filters)


def _tiers(program: Program) -> list[Figure]:
    rows = (
        TierMembership.objects.filter(superseded_at=None, ends_at=None)
        .values_list("tier_id", "tier__code", "tier__name")
        .annotate(count=Count("pk"))
        .order_by("tier__threshold", "tier_id")
    )
    languages = [get_language() or "", program.locale]
    return [
        Figure(pick(name, languages, code), count, _list("members", "member", tier=code))
        for _tier, code, name, count in rows
    ]


def _beats(now: datetime) -> list[Sign]:
    beats = {row.name: row for row in Heartbeat.objects.order_by("name")}
    labels = {"worker": _("Worker"), "beat": _("Scheduler")}
    signs = []
    for name, limit in BEHIND_AFTER.items():
        row = beats.get(name)
        url = _url("members", "heartbeat", row.pk) if row else _list("members", "heartbeat")
        is_well = row is not None and now - row.beat_at <= limit
        text = _ago(now - row.beat_at) if row else _("never seen")
        signs.append(Sign(labels[name], is_well, text, url))
    return signs


def _outbox(now: datetime) -> Sign:
    found = OutboxEvent.objects.filter(delivered_at=None).aggregate(
        count=Count("pk"), oldest=Min("created_at")
    )
    oldest: datetime | None = found["oldest"]
    is_well = oldest is None or now - oldest <= OUTBOX_BEHIND_AFTER
    text = _("nothing waits")
    if oldest is not None:
        text = _("%(count)d waiting, the oldest %(ago)s") % {
            "count": found["count"],
            "ago": _ago(now - oldest),
        }
    url = _list("members", "outboxevent", delivered_at__isempty=1)
    return Sign(_("Outbox"), is_well, text, url)


def _ago(passed: timedelta) -> str:
    seconds = max(0, int(passed.total_seconds()))
    if seconds < 120:
        return _("%(count)d s ago") % {"count": seconds}
    if seconds < 7200:
        return _("%(count)d min ago") % {"count": seconds // 60}
    return _("%(count)d h ago") % {"count": seconds // 3600}


def _newest_runs() -> list[JobRun]:
    return list(JobRun.objects.order_by("name", "-started_at", "-pk").distinct("name"))


def _proof(runs: list[JobRun], now: datetime) -> Proof:
    run = next((run for run in runs if run.name == "verify_ledger"), None)
    if run is None:
        return Proof("never", None, _list("members", "jobrun", name="verify_ledger"))
    state = "failed" if run.failure else "proved"
    if not run.failure and (run.finished_at is None or now - run.finished_at > PROOF_LATE_AFTER):
        state = "late"
    report = LedgerReport.objects.filter(made_at__gte=run.started_at).order_by("-made_at").first()
    url = _url("members", "ledgerreport", report.pk) if report else ""
    url = url or _url("members", "jobrun", run.pk)
    return Proof(state, run, url, _ago(now - run.started_at), report)
