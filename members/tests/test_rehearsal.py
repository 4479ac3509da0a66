"""A rehearsal tells what will happen by itself, and changes nothing."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from members.models import Member, Rehearsal, RehearsalLine
from members.services import jobs, periodic, rehearsal
from members.tests.people import DAY, debit, earn, make_member, make_program, scalar

TABLES = (
    *("members_ledgertransaction", "members_ledgerentry", "members_pointlot", "members_lotuse"),
    *("members_ledgerhold", "members_tiermembership", "members_outboxevent", "members_message"),
)


def _rows() -> dict[str, list[Any]]:
    found = {}
    for table in TABLES:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
            found[table] = cursor.fetchall()
    return found


def _shop(now: datetime) -> list[Member]:
    """Return members with points that end, points that wait, a hold, and a tier to compare."""
    make_program()
    start = now - 400 * DAY
    members = [make_member(f"60110000{number:02}", moment=start) for number in range(4)]
    expiring, waiting, holding, falling = members
    earn(expiring, 100, at=now - 30 * DAY, expires_at=now + 5 * DAY)
    earn(expiring, 40, at=now - 30 * DAY, expires_at=now + 60 * DAY)
    earn(waiting, 70, at=now - DAY, available_at=now + 2 * DAY)
    earn(holding, 50, at=now - 3 * DAY)
    debit(holding, 20, at=now - DAY, kind="hold", hold_expires_at=now + DAY)
    earn(falling, 600, at=now - 399 * DAY, code="status")
    jobs.run(periodic.JOBS["regrade_tiers"], moment=now - 398 * DAY)
    return members


def _rehearsed(days: int, now: datetime) -> Rehearsal:
    asked = rehearsal.request(days=days, requested_by=None, moment=now)
    done = rehearsal.run(asked.pk)
    assert done is not None
    return done


def test_a_rehearsal_lists_what_is_due_and_to_whom(committed_database: str) -> None:
    now = timezone.now()
    expiring, waiting, holding, _falling = _shop(now)

    done = _rehearsed(10, now)

    lines = RehearsalLine.objects.filter(rehearsal=done)
    found = {
        (line.what, line.member_id): (line.points, line.occurs_at)
        for line in lines.exclude(what__startswith="message:")
    }
    assert found["expire", expiring.pk] == (-100, now + 5 * DAY)
    assert found["activate", waiting.pk] == (70, now + 2 * DAY)
    assert found["release", holding.pk] == (20, now + DAY)
    told = lines.get(what="message:points_expired")
    assert (told.member_id, told.points) == (expiring.pk, 100)
    assert {"what": "expire", "currency": "points", "times": 1, "points": -100} in done.totals
    assert (done.failure, done.skipped, done.done) == ("", 0, done.members)


def test_a_rehearsal_foretells_the_notices_of_points_that_end(committed_database: str) -> None:
    now = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
    member = _shop(now)[0]

    told = _rehearsed(60, now).lines.filter(what="message:points_expiring", member=member)

    # The 40 points end in 60 days: notices 30 and 7 days before, each at the start of its day.
    midnight = now.replace(hour=0)
    assert [(line.points, line.occurs_at) for line in told.order_by("occurs_at")] == [
        (40, midnight + 30 * DAY),
        (40, midnight + 53 * DAY),
    ]


def test_a_rehearsal_changes_nothing(committed_database: str) -> None:
    now = timezone.now()
    _shop(now)
    before = _rows()

    _rehearsed(366, now)

    assert _rows() == before


def test_what_is_rehearsed_is_what_then_happens(committed_database: str) -> None:
    now = timezone.now()
    _shop(now)
    done = _rehearsed(10, now)
    rehearsed = sorted(
        done.lines.exclude(what__contains=":").values_list("member_id", "what", "occurs_at")
    )

    for name in ("activate_points", "expire_points", "regrade_tiers"):
        jobs.run(periodic.JOBS[name], moment=now + 10 * DAY)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT member_id, type, occurred_at FROM members_ledgertransaction"
            " WHERE actor LIKE 'job:%%'"
            " UNION ALL SELECT t.member_id, 'tier_changed', t.starts_at"
            " FROM members_tiermembership t WHERE t.recorded_at = %s AND superseded_at IS NULL"
            " ORDER BY 1, 2, 3",
            [now + 10 * DAY],
        )
        happened = [tuple(row) for row in cursor.fetchall()]
    assert [row for row in rehearsed if row[1] != "release"] == happened
    assert len(happened) >= 2


def test_a_member_whom_a_till_works_on_is_left_out_and_does_not_wait(
    committed_database: str, database_urls: dict[str, str]
) -> None:
    now = timezone.now()
    expiring = _shop(now)[0]
    with psycopg.connect(database_urls["site"]) as till:
        till.execute(b"SELECT ledger_lock(ARRAY[%s]::bigint[])" % str(expiring.pk).encode())
        done = _rehearsed(10, now)

    assert (done.skipped, done.failure) == (1, "")
    assert done.done == done.members - 1
    assert not done.lines.filter(member=expiring).exists()


def test_the_next_slice_follows_from_the_time_of_the_last() -> None:
    assert rehearsal.next_size(25, 0.01) == 50
    assert rehearsal.next_size(100, 0.4) == 50
    assert rehearsal.next_size(1, 2.0) == 1
    assert rehearsal.next_size(1000, 0.05) == 1000


def test_a_rehearsal_is_made_once(committed_database: str) -> None:
    now = timezone.now()
    _shop(now)
    asked = rehearsal.request(days=10, requested_by=None, moment=now)
    made: list[object] = []
    threads = [
        threading.Thread(target=lambda: made.append(_run_and_close(asked.pk))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(each is not None for each in made) == 1
    assert rehearsal.waiting() == []


def _run_and_close(pk: int) -> object:
    try:
        return rehearsal.run(pk)
    finally:
        connection.close()


def test_the_command_prints_the_totals(committed_database: str) -> None:
    _shop(timezone.now())
    told = StringIO()

    call_command("rehearse", "--days", "10", stdout=told)

    lines = told.getvalue().splitlines()
    assert any(line.split() == ["expire", "1", "times", "-100", "points"] for line in lines)
    assert lines[-1].endswith("nothing was changed")
    with pytest.raises(CommandError, match="from 1 to 366"):
        call_command("rehearse", "--days", "0")


def test_old_rehearsals_go(committed_database: str) -> None:
    now = timezone.now()
    make_program()
    for number in range(rehearsal.REHEARSALS_KEPT + 3):
        rehearsal.request(days=1, requested_by=None, moment=now + timedelta(seconds=number))

    assert scalar("SELECT count(*) FROM members_rehearsal") == rehearsal.REHEARSALS_KEPT
