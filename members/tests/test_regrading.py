"""Regrading in sets decides what the pure rules decide, and looks only at who is due."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction

from loyalty_site.lib import calendars
from members.models import OutboxEvent, Program, TierMembership
from members.queries.grading import ProgramGrading, grading_of
from members.services import periodic, tiers
from members.services.jobs import Trouble
from members.tests.books import Books, Connection, Holder, enroll, header, open_books, post, scalar

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 5, 20, 9, 30, 0, 250_000, tzinfo=UTC)
DAY = timedelta(days=1)
LADDER = [("bronze", 0), ("silver", 500), ("gold", 1200), ("platinum", 3000)]
MEMBERS = 60


def _raw() -> Connection:
    connection.ensure_connection()
    raw: Connection = connection.connection
    return raw


def _program(zone: str, policy: dict[str, Any]) -> tuple[Books, dict[str, int]]:
    raw = _raw()
    books = open_books(raw, timezone=zone)
    raw.execute(
        b"UPDATE members_program SET tier_policy = %s",
        [json.dumps({"currency": "status", "months": 12, "grace_days": 30, **policy})],
    )
    made = {
        code: scalar(
            raw,
            "INSERT INTO members_tier (program_id, code, name, threshold, benefits, is_retired)"
            " VALUES (%s, %s, '{}', %s, '[]', %s) RETURNING id",
            *(books.program, code, threshold, code == "old"),
        )
        for code, threshold in [*LADDER, ("old", 700)]
    }
    return books, made


def _stand(holder: Holder, tier: int, valid_until: datetime | None) -> None:
    _raw().execute(
        b"INSERT INTO members_tiermembership (member_id, tier_id, starts_at, valid_until, evidence,"
        b' recorded_at) VALUES (%s, %s, %s, %s, \'{"cause": "reached"}\', %s)',
        [
            holder.member,
            tier,
            (valid_until or MOMENT) - 365 * DAY,
            valid_until,
            (valid_until or MOMENT) - 365 * DAY,
        ],
    )


def _gain(books: Books, holder: Holder, points: int, at: datetime) -> int:
    entries = [(books.status_issued, -points), (holder.status, points)]
    document = {
        "headers": [header(books, holder, "earn", currency=books.status, occurred_at=at)],
        "lots": [],
        "uses": [],
        "entries": [{"h": 0, "account": account, "points": moved} for account, moved in entries],
    }
    return post(_raw(), books, document, moment=at)[0]


def _take_back(books: Books, holder: Holder, points: int, original: int, at: datetime) -> None:
    fields = {"currency": books.status, "occurred_at": at, "reverses": original}
    entries = [(holder.status, -points), (books.status_issued, points)]
    document = {
        "headers": [header(books, holder, "clawback", **fields)],
        "lots": [],
        "uses": [],
        "entries": [{"h": 0, "account": account, "points": moved} for account, moved in entries],
    }
    post(_raw(), books, document, moment=at)


def _live(books: Books, made: dict[str, int], seed: int) -> None:
    """Give members of every sort a past: returns, gains in grace, whole years missed."""
    draw = random.Random(seed)
    for number in range(MEMBERS):
        holder = enroll(_raw(), books)
        tier = draw.choice(["bronze", "silver", "silver", "gold", "gold", "platinum", "old"])
        ago = draw.choice([-5, 0, 3, 29, 30, 31, 45, 100, 420])
        due = MOMENT - ago * DAY - timedelta(microseconds=draw.choice([0, 0, 1, 250_000]))
        _stand(holder, made[tier], None if tier == "bronze" else due)
        for _ in range(draw.randrange(6)):
            at = due - timedelta(days=draw.randrange(-60, 800), hours=draw.randrange(24))
            if draw.random() < 0.1:
                at = draw.choice([due, due - 365 * DAY, due + 30 * DAY])
            points = draw.choice([100, 250, 500, 700])
            earned = _gain(books, holder, points, at)
            if draw.random() < 0.2:
                _take_back(books, holder, draw.choice([points, 50]), earned, at + 20 * DAY)
        if number % 7 == 0:
            _gain(books, holder, 500, due - 30 * DAY)


def _grading() -> tuple[Program, ProgramGrading]:
    program = Program.objects.get()
    found = grading_of(program)
    assert found is not None
    return program, found


def _timelines() -> list[Any]:
    rows = TierMembership.objects.order_by("member_id", "starts_at", "superseded_at").values_list(
        *("member_id", "tier__code", "starts_at", "ends_at", "valid_until"),
        *("grace_ends_at", "evidence", "recorded_at", "superseded_at"),
    )
    told = OutboxEvent.objects.order_by("member_id", "pk").values_list(
        "member_id", "kind", "payload", "created_at"
    )
    return [*rows, *told]


def _by_the_rules() -> list[Any]:
    """Return what grading each member by the pure rules leaves, and undo it."""
    program, rules = _grading()
    with transaction.atomic():
        due = TierMembership.objects.filter(ends_at=None, valid_until__lte=MOMENT)
        for member_id in due.order_by("member_id").values_list("member_id", flat=True):
            tiers.regrade_member(program=program, grading=rules, member_id=member_id, moment=MOMENT)
        found = _timelines()
        transaction.set_rollback(True)
    return found


def _in_sets(limit: int = 25) -> int:
    trouble, changed = Trouble(), 0
    while (step := tiers.regrade_due(moment=MOMENT, trouble=trouble, limit=limit)) is not None:
        changed += step
    assert str(trouble) == ""
    return changed


@pytest.mark.parametrize(
    ("zone", "policy"),
    [
        pytest.param("Europe/Lisbon", {}, id="one step"),
        pytest.param("America/New_York", {"downgrade": "recompute"}, id="recompute"),
        pytest.param("Australia/Lord_Howe", {"grace_days": 0}, id="no grace"),
        pytest.param("UTC", {"downgrade": "none"}, id="never lost"),
        pytest.param("Asia/Kolkata", {"months": 3, "grace_days": 10}, id="three months"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sets_decide_as_the_rules_do(zone: str, policy: dict[str, Any], seed: int) -> None:
    books, made = _program(zone, {"downgrade": "one_step", **policy})
    _live(books, made, seed)
    before, expected = _timelines(), _by_the_rules()

    changed = _in_sets()

    assert changed > 5
    assert before != expected
    assert _timelines() == expected


def test_the_comparison_notices_other_rules() -> None:
    """The control: sets that are told of a day less of grace decide otherwise."""
    books, made = _program("UTC", {"downgrade": "one_step"})
    _live(books, made, seed=1)
    expected = _by_the_rules()
    _raw().execute(
        b"UPDATE members_program SET tier_policy = tier_policy || '{\"grace_days\": 29}'"
    )

    _in_sets()

    assert _timelines() != expected


def _plain_book() -> tuple[Books, Holder, Holder]:
    """Write a member who keeps silver and one who misses it, both compared ten days ago."""
    books, made = _program("UTC", {"downgrade": "one_step"})
    keeps, misses = enroll(_raw(), books), enroll(_raw(), books)
    for holder in (keeps, misses):
        _stand(holder, made["silver"], MOMENT - 10 * DAY)
    _gain(books, keeps, 500, MOMENT - 100 * DAY)
    _gain(books, misses, 499, MOMENT - 100 * DAY)
    return books, keeps, misses


def test_plain_members_are_graded_without_any_of_them_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _plain_book()
    monkeypatch.setattr(tiers, "regrade_member", None)

    assert _in_sets() == 1


def test_a_member_in_grace_is_put_off_to_its_end_and_then_falls() -> None:
    _, _, misses = _plain_book()
    trouble = Trouble()

    first = tiers.regrade_due(moment=MOMENT, trouble=trouble)
    again = tiers.regrade_due(moment=MOMENT + 19 * DAY, trouble=trouble)
    at_last = tiers.regrade_due(moment=MOMENT + 20 * DAY, trouble=trouble)

    held = TierMembership.objects.select_related("tier").get(member=misses.member, ends_at=None)
    assert (first, again, at_last) == (1, None, 1)
    assert (held.tier.code, held.starts_at) == ("bronze", MOMENT + 20 * DAY)
    assert OutboxEvent.objects.get().payload == {"before": "silver", "after": "bronze"}


def test_a_gain_in_grace_is_left_to_the_rules_and_renews() -> None:
    books, _, misses = _plain_book()
    assert _in_sets() == 1
    _gain(books, misses, 1, MOMENT - 100 * DAY)
    _gain(books, misses, 5, MOMENT - DAY)
    TierMembership.objects.filter(member=misses.member).update(grace_ends_at=None)

    assert _in_sets() == 1

    held = TierMembership.objects.select_related("tier").get(member=misses.member, ends_at=None)
    assert (held.tier.code, held.starts_at) == ("silver", MOMENT - 10 * DAY)
    assert held.evidence["cause"] == "renewed"


def test_one_members_refused_row_keeps_nobody_waiting() -> None:
    books, keeps, _ = _plain_book()
    broken = enroll(_raw(), books)
    silver = TierMembership.objects.get(member=keeps.member).tier_id
    # It ends before it starts, so that nothing can follow it.
    _raw().execute(
        b"INSERT INTO members_tiermembership (member_id, tier_id, starts_at, valid_until, evidence,"
        b" recorded_at) VALUES (%s, %s, %s, %s, '{}', %s)",
        [broken.member, silver, MOMENT - 5 * DAY, MOMENT - 60 * DAY, MOMENT],
    )
    trouble = Trouble()

    assert tiers.regrade_due(moment=MOMENT, trouble=trouble) == 1
    assert tiers.regrade_due(moment=MOMENT, trouble=trouble) is None
    assert trouble.members == [broken.member]
    assert "members_tiermembership_order" in str(trouble)
    assert TierMembership.objects.filter(member=keeps.member).count() == 2


def test_the_job_grades_chunk_after_chunk() -> None:
    _plain_book()

    assert periodic.regrade_tiers(MOMENT, Trouble()) == 1
    assert periodic.regrade_tiers(MOMENT, Trouble()) is None


ZONES = (
    "UTC",
    "Europe/Lisbon",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Tehran",
    "Africa/Cairo",
    "Antarctica/Troll",
)


@pytest.mark.parametrize("zone", ZONES)
def test_the_database_moves_instants_as_the_calendar_does(zone: str) -> None:
    draw = random.Random(zone)
    spans = [(months, 0) for months in (-25, -12, -1, 1, 6, 12)] + [(0, 30), (0, 1), (0, 0)]
    start = datetime(2019, 1, 1, tzinfo=UTC)
    instants = [
        start + timedelta(minutes=30 * draw.randrange(17_520 * 9), microseconds=draw.choice([0, 5]))
        for _ in range(150)
    ]
    # Every half hour around both changes of a year, so that skipped and repeated times are met.
    for day in (datetime(2024, 3, 30, tzinfo=UTC), datetime(2024, 10, 26, tzinfo=UTC)):
        instants += [day + timedelta(minutes=30 * step) for step in range(100)]
    tried = [(instant, *draw.choice(spans)) for instant in instants]
    tried += [(instant, -12, 0) for instant in instants[150:]] + [
        (instant, 0, 7) for instant in instants[150:]
    ]

    found = _raw().execute(
        b"SELECT array_agg(calendar_shift(t.at, make_interval(months => t.months,"
        b" days => t.days), %s) ORDER BY t.n) FROM unnest(%s::timestamptz[], %s::int[], %s::int[])"
        b" WITH ORDINALITY t(at, months, days, n)",
        [zone, *(list(column) for column in zip(*tried, strict=True))],
    )
    expected = [
        calendars.add_days_to_instant(instant, days, ZoneInfo(zone))
        if days
        else calendars.add_months_to_instant(instant, months, ZoneInfo(zone))
        for instant, months, days in tried
    ]

    assert found.fetchone() == (expected,)
