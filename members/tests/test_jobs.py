"""Periodic jobs end in the same state, run once or twice, late, together, or killed between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections

from conftest import SERVER, _point_at
from loyalty_site.timetable import TIMETABLE
from members import tasks
from members.models import Heartbeat, JobRun
from members.services import jobs, notices, periodic, reconciliation, settling
from members.services import ledger as ledger_service
from members.services.jobs import Job, Trouble
from members.tests import books as ledger
from members.tests.books import DAY, NOON, Connection, scalar

LAST = NOON + 10 * DAY
WORKERS = 4
# Which notices of points that end are still worth telling depends on the day of the run.
JOBS = {name: job for name, job in periodic.JOBS.items() if job is not notices.TELL_OF_ENDS}

_STATE = {
    "balances": "SELECT id, balance FROM members_ledgeraccount WHERE keeps_balance ORDER BY 1",
    "lots": "SELECT account_id, points, remaining, expires_at FROM members_pointlot"
    " ORDER BY 1, 4, 2, 3",
    "transactions": "SELECT t.type, t.occurred_at, e.account_id, sum(e.points)::text"
    " FROM members_ledgertransaction t JOIN members_ledgerentry e ON e.transaction_id = t.id"
    " GROUP BY t.id, 1, 2, 3 ORDER BY 2, 1, 3, 4",
    "tiers": "SELECT member_id, tier_id, starts_at, ends_at, valid_until"
    " FROM members_tiermembership WHERE superseded_at IS NULL ORDER BY 1, 3",
    "messages": "SELECT member_id, kind, title FROM members_message ORDER BY 1, 2, 3",
    "told": "SELECT kind, delivered_at IS NULL FROM members_outboxevent ORDER BY 1, 2",
    "keys": "SELECT key FROM members_idempotencyrecord ORDER BY 1",
    "sessions": "SELECT session_key FROM django_session ORDER BY 1",
    "tokens": "SELECT hash FROM allauth_idp_oidc_token ORDER BY 1",
}


@contextmanager
def _prepared() -> Iterator[Connection]:
    """Log in as the site, to a fresh program in which every job has something to do."""
    name = SERVER.next_name()
    SERVER.clone(name)
    _point_at(name)
    # Checkpoints speak of one database only; each test begins in a place of its own.
    settings.CHECKPOINT_DIR = Path(settings.CHECKPOINT_DIR).parent / f"checkpoints-{name}"
    mail.outbox = []
    try:
        with psycopg.connect(SERVER.site_url(name), autocommit=True) as connection:
            _write_what_is_due(connection)
            yield connection
    finally:
        SERVER.drop(name)


def _write_what_is_due(site: Connection) -> None:
    books = ledger.open_books(site)
    policy = {"currency": "status", "months": 12, "downgrade": "one_step", "grace_days": 2}
    site.execute(b"UPDATE members_program SET tier_policy = %s", (json.dumps(policy),))
    tiers = [
        scalar(
            site,
            "INSERT INTO members_tier (program_id, code, name, threshold, benefits, is_retired)"
            " VALUES (%s, %s, %s, %s, '[]', false) RETURNING id",
            *(books.program, code, json.dumps({"en": code.title()}), threshold),
        )
        for code, threshold in [("base", 0), ("gold", 100)]
    ]
    for number in range(3):
        holder = ledger.enroll(site, books)
        for days in (1, 3, 3, 8, 400):
            ledger.earn(site, books, holder, 10 + days, expires_at=NOON + days * DAY)
            ledger.earn(site, books, holder, 20 + days, available_at=NOON + days * DAY)
        ledger.debit(site, books, holder, 5, kind="hold", hold_expires_at=NOON + 2 * DAY)
        _hold_tier(site, holder.member, tiers[1], until=NOON + number * DAY)
        _tell(site, books.program, holder.member)
    _write_what_is_old(site)


def _hold_tier(site: Connection, member: int, tier: int, *, until: datetime) -> None:
    site.execute(
        b"INSERT INTO members_tiermembership (member_id, tier_id, starts_at, valid_until,"
        b" evidence, recorded_at) VALUES (%s, %s, %s, %s, '{}', %s)",
        (member, tier, until - 365 * DAY, until, until - 365 * DAY),
    )


def _tell(site: Connection, program: int, member: int) -> None:
    site.execute(
        b"INSERT INTO members_outboxevent (public_id, program_id, kind, member_id, payload,"
        b" created_at, attempts, failure)"
        b" VALUES (gen_random_uuid(), %s, 'member_enrolled', %s, '{}', %s, 0, '')",
        (program, member, NOON),
    )
    site.execute(
        b"INSERT INTO members_identifier (program_id, member_id, kind, value, verified_at,"
        b" is_primary, is_from_enrolment, added_at)"
        b" VALUES (%s, %s, 'email', %s, %s, true, true, %s)",
        (program, member, f"m{member}@example.com", NOON, NOON),
    )


def _write_what_is_old(site: Connection) -> None:
    for key, days in [("old", 31), ("new", 15)]:
        site.execute(
            b"INSERT INTO members_idempotencyrecord (caller, key, fingerprint, status, body,"
            b" created_at) VALUES ('till', %s, '', 200, '{}', %s)",
            (key, NOON - days * DAY),
        )
        site.execute(
            b"INSERT INTO django_session (session_key, session_data, expire_date)"
            b" VALUES (%s, '', %s)",
            (key, NOON + (30 - days) * DAY),
        )
        site.execute(
            b"INSERT INTO allauth_idp_oidc_token (type, hash, created_at, expires_at, scopes)"
            b" VALUES ('at', %s, %s, %s, '')",
            (key, NOON, NOON + (30 - days) * DAY),
        )
        site.execute(
            b"INSERT INTO members_outboxevent (public_id, program_id, kind, payload, created_at,"
            b" attempts, failure, delivered_at) SELECT gen_random_uuid(), id, %s, '{}', %s, 1,"
            b" '', %s FROM members_program",
            (key, NOON - days * DAY, NOON - days * DAY),
        )


def _run_all(moment: datetime) -> None:
    for job in JOBS.values():
        assert jobs.run(job, moment=moment).failure == ""
    # Expiries tell the outbox after it was delivered.
    jobs.run(periodic.JOBS["deliver_outbox"], moment=moment)


def _state(site: Connection) -> dict[str, Any]:
    state: dict[str, Any] = {
        name: site.execute(sql.encode()).fetchall() for name, sql in _STATE.items()
    }
    state["mails"] = sorted((message.to, message.subject) for message in mail.outbox)
    return state


def _twice(_site: Connection) -> None:
    for day in (0, 1, 2, 4, 8, 10):
        _run_all(NOON + day * DAY)
        _run_all(NOON + day * DAY)


def _late(_site: Connection) -> None:
    _run_all(LAST)


def _together(_site: Connection) -> None:
    def work(_worker: int) -> None:
        try:
            _run_all(LAST)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    # Who came second left a chunk to the first, which may have ended before: the next run
    # finds it.
    _run_all(LAST)


def _killed(_site: Connection) -> None:
    for job in JOBS.values():
        with pytest.raises(KeyboardInterrupt):
            _run_until_killed(job)
    _run_all(LAST)


def _run_until_killed(job: Job) -> None:
    """Run the job until its third chunk, which dies when its work is done but not committed."""
    calls = count(1)

    def dying(moment: datetime, trouble: Trouble) -> int | None:
        done = job.chunk(moment, trouble)
        if next(calls) > 2:
            raise KeyboardInterrupt
        return done

    while True:
        jobs.run(replace(job, chunk=dying), moment=LAST)


WAYS: dict[str, Callable[[Connection], None]] = {
    "twice": _twice,
    "late": _late,
    "together": _together,
    "killed": _killed,
}


@pytest.mark.parametrize("way", WAYS)
def test_jobs_end_in_the_same_state(
    way: str, committed_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "ACTIVATIONS_PER_CHUNK", 2)
    monkeypatch.setattr(settling, "EXPIRIES_PER_CHUNK", 2)
    with _prepared() as site:
        for day in (0, 1, 2, 4, 8, 10):
            _run_all(NOON + day * DAY)
        expected = _state(site)

    with _prepared() as site:
        WAYS[way](site)

        for name, rows in _state(site).items():
            assert rows == expected[name], name
        assert reconciliation.verify().is_proved


def test_jobs_do_all_that_is_due(committed_database: str) -> None:
    with _prepared() as site:
        _run_all(LAST)

        state = _state(site)
        assert state["keys"] == state["sessions"] == state["tokens"] == [("new",)]
        assert ("old", False) not in state["told"]
        assert not any(is_waiting for _kind, is_waiting in state["told"])
        # Three welcomes and three tiers fallen.
        assert len(state["mails"]) == 6
        assert len(state["messages"]) == 6 + 3 * 3
        assert {row[0] for row in state["transactions"]} == {
            *("earn", "activate", "expire", "hold", "release")
        }
        held = "SELECT sum(balance) FROM members_ledgeraccount WHERE kind = 'held'"
        assert scalar(site, held) == 0


def test_member_whose_rows_are_refused_keeps_nobody_waiting(
    committed_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _prepared() as site:
        poisoned = scalar(site, "SELECT min(id) FROM members_member")
        settle_due = ledger_service.settle_due

        def refuse(*, member_ids: Sequence[int], **rest: Any) -> int:
            if poisoned in member_ids:
                raise IntegrityError("a rule of the books")
            return settle_due(member_ids=member_ids, **rest)

        monkeypatch.setattr(ledger_service, "settle_due", refuse)
        outcome = jobs.run(periodic.JOBS["expire_points"], moment=LAST)

        assert outcome.failure == "a rule of the books"
        left = "SELECT count(DISTINCT account_id) FROM members_pointlot WHERE expires_at <= %s"
        assert scalar(site, f"{left} AND remaining > 0", LAST) == 1
        with pytest.raises(CommandError, match="a rule of the books"):
            call_command("expire_points")


def test_run_that_finds_nothing_replaces_the_one_before(committed_database: str) -> None:
    for _run in range(3):
        jobs.run(periodic.JOBS["activate_points"], moment=NOON)

    assert JobRun.objects.filter(name="activate_points").count() == 1


def test_run_that_fails_is_recorded_and_raised(committed_database: str) -> None:
    def fail(_moment: datetime, _trouble: Trouble) -> int:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        jobs.run(Job(name="failing", chunk=fail), moment=NOON)

    assert JobRun.objects.get(name="failing").failure == "RuntimeError: no"


def test_chunk_in_hand_keeps_another_run_out(
    committed_database: str, database_urls: dict[str, str]
) -> None:
    job = Job(name="busy", chunk=lambda _moment, _trouble: 1, in_chunks=False)
    with psycopg.connect(database_urls["site"]) as other:
        other.execute(jobs.LOCK.encode(), jobs.lock_key("busy"))
        assert jobs.run(job, moment=NOON).done == 0
        other.rollback()

    assert jobs.run(job, moment=NOON).done == 1


def test_every_job_is_a_task_of_the_timetable_and_a_command(committed_database: str) -> None:
    mine = {entry.task for entry in TIMETABLE if entry.task.startswith("members.")}

    assert mine == {f"members.tasks.{name}" for name in (*periodic.JOBS, "beat_heartbeat")}
    for name in periodic.JOBS:
        call_command(name, stdout=StringIO())
        getattr(tasks, name)()
    call_command("beat_heartbeat")
    tasks.beat_heartbeat()
    assert Heartbeat.objects.get().name == "worker"
