"""Replay a draft program on the real history, and keep what it would have done.

The history is read in one READ ONLY transaction that sees one instant; no lock is taken that a
till could feel. Members are replayed in ranges, so that memory stays flat, by as many processes as
are allowed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from campaigns.models import Backtest
from campaigns.programfile import ProgramDocument, canonical, from_canonical
from campaigns.services import history
from campaigns.services.program import live_document
from campaigns.trial.book import Book, differing, make_book
from campaigns.trial.compare import Plan
from campaigns.trial.rounds import NO_ROOMS, Part, RoomsOf, Settled, replay_part, settle
from campaigns.trial.shared import Resolved
from loyalty_site.lib.errors import DomainError
from members.models import Program

# So many members are read and replayed at a time.
RANGE: Final = 50
SEED: Final = 20_260_101


class NoLiveProgram(DomainError):
    """There is nothing that a draft could be compared with."""

    code = "no_live_program"
    title = "There is no live program"
    cause = "A draft is compared with the program that is live, and none has been applied."
    remedy = "Apply a program file first."


@dataclass(frozen=True, slots=True)
class Question:
    """What is replayed: two documents in canonical form and the window of the second."""

    live: Mapping[str, Any]
    draft: Mapping[str, Any]
    starts_at: datetime | None
    ends_at: datetime

    @property
    def always_on(self) -> frozenset[str]:
        """Return the draft's campaigns that are not live like this: they run all the time.

        One that begins next week would give nothing on the history of last year.
        """
        return differing(from_canonical(self.live), from_canonical(self.draft))

    def plan(self) -> Plan:
        """Return the two documents ready to be replayed."""
        return Plan.of(
            make_book(from_canonical(self.live)),
            make_book(from_canonical(self.draft), always_on=self.always_on),
            starts_at=self.starts_at,
            ends_at=self.ends_at,
        )

    def wanted(self, plan: Plan) -> history.Wanted:
        """Return what has to be read of each line."""
        return history.wanted(plan.before.zone, [self.live, self.draft])


def said(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a canonical document without its embedded tests, which change nothing."""
    return {key: value for key, value in document.items() if key != "tests"}


def digest_of(document: Mapping[str, Any]) -> str:
    """Return the digest of what a canonical document says; equal texts have equal ones."""
    raw = orjson.dumps(said(document), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(raw).hexdigest()


def plain(document: ProgramDocument) -> dict[str, Any]:
    """Return a document in the canonical form in which it is stored and compared."""
    stored: dict[str, Any] = said(orjson.loads(orjson.dumps(canonical(document))))
    return stored


def request(
    *,
    document: ProgramDocument,
    starts_at: datetime | None,
    ends_at: datetime,
    requested_by: Any,
    moment: datetime,
    name: str = "",
    seed: int = SEED,
) -> Backtest:
    """Write down that somebody wants to see what a draft would have done; a worker takes it up.

    :raises NoLiveProgram: nothing is live that it could be compared with.
    """
    program = Program.objects.first()
    live = live_document()
    if program is None or live is None:
        raise NoLiveProgram
    draft = plain(document)
    return Backtest.objects.create(
        program=program,
        name=name,
        draft=draft,
        draft_digest=digest_of(draft),
        live_digest=digest_of(live),
        seed=seed,
        requested_at=moment,
        requested_by=requested_by,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def waiting() -> list[int]:
    """Return the backtests that nobody has taken up."""
    return list(
        Backtest.objects.filter(started_at=None).order_by("pk").values_list("pk", flat=True)
    )


def of_draft(digest: str) -> Backtest | None:
    """Return the newest finished report about just this draft; None where there is none."""
    found = Backtest.objects.filter(draft_digest=digest, finished_at__isnull=False, failure="")
    return found.order_by("-pk").first()


def run(pk: int, *, processes: int = 1) -> Backtest | None:
    """Replay, and keep the report; None when somebody else has taken it up.

    What fails is written into the report and raised.
    """
    taken = Backtest.objects.filter(pk=pk, started_at=None).update(started_at=timezone.now())
    if not taken:
        return None
    backtest = Backtest.objects.get(pk=pk)
    try:
        _replay(backtest, processes)
    except Exception as error:
        backtest.failure = f"{type(error).__name__}: {error}"[:2000]
        raise
    finally:
        backtest.finished_at = timezone.now()
        backtest.save()
    return backtest


def _replay(backtest: Backtest, processes: int) -> None:
    live = live_document()
    if live is None:
        raise NoLiveProgram
    backtest_live = said(live)
    if digest_of(backtest_live) != backtest.live_digest:
        raise LiveChanged
    question = Question(backtest_live, backtest.draft, backtest.starts_at, backtest.ends_at)
    plan = question.plan()
    began = time.monotonic()
    with snapshot() as reader:
        backtest.extent = history.extent(reader.source)
        raw = orjson.dumps(backtest.extent, option=orjson.OPT_SORT_KEYS)
        backtest.extent_digest = hashlib.sha256(raw).hexdigest()
        rows = history.member_rows(reader.source)
        backtest.members = len(rows)
        backtest.save()
        if processes > 1:
            from campaigns.services import backtest_workers

            with backtest_workers.Workers(question, reader.name, processes) as workers:
                settled = _settle(backtest, plan, rows, workers.replay)
        else:
            wanted = question.wanted(plan)

            def replay(ranges: Iterable[Sequence[int]], rooms: RoomsOf) -> Iterator[Part]:
                for members in ranges:
                    stories = history.stories(members, wanted, reader.source)
                    yield replay_part(plan, stories, rooms)

            settled = _settle(backtest, plan, rows, replay)
    seconds = time.monotonic() - began
    backtest.figures = _figures(backtest, settled, question, plan, seconds, processes)


class LiveChanged(DomainError):
    """Another program went live between the question and the replay."""

    code = "live_program_changed"
    title = "Another program is live by now"
    cause = "A backtest compares a draft with the program that was live when it was asked for."
    remedy = "Ask for it again."


def _settle(backtest: Backtest, plan: Plan, rows: Sequence[int], replay: Any) -> Settled:
    def replayer(rooms: RoomsOf, only: frozenset[int] | None) -> Iterator[Part]:
        wanted = [row for row in rows if only is None or row in only]
        ranges = [wanted[place : place + RANGE] for place in range(0, len(wanted), RANGE)]
        done = 0
        for part in replay(ranges, rooms):
            done += part.comparison.members
            if rooms is NO_ROOMS:
                Backtest.objects.filter(pk=backtest.pk).update(done=done)
                backtest.done = done
            yield part

    return settle(plan, replayer)


@dataclass(frozen=True, slots=True)
class Reader:
    """A connection that sees one instant; ``name`` lets other connections see the same."""

    source: BaseDatabaseWrapper
    name: str


@contextmanager
def snapshot() -> Iterator[Reader]:
    """Open a connection that reads one instant and writes nothing.

    Inside a transaction the caller's own view is all that there is to read.
    """
    if connection.in_atomic_block:
        yield Reader(connection, "")
        return
    reader = open_reader()
    try:
        yield reader
    finally:
        reader.source.rollback()
        reader.source.close()


def open_reader(name: str | None = None) -> Reader:
    """Return a connection that sees one instant, that of another's snapshot with a name."""
    source = connections.create_connection("default")
    source.set_autocommit(False)
    with source.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if name:
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{name}'")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        if name is None:
            cursor.execute("SELECT pg_export_snapshot()")
            name = str(cursor.fetchone()[0])
    return Reader(source, name)


def _figures(
    backtest: Backtest,
    settled: Settled,
    question: Question,
    plan: Plan,
    seconds: float,
    processes: int,
) -> dict[str, Any]:
    figures = settled.comparison.as_json(seed=backtest.seed)
    replayed = settled.comparison.purchases
    return {
        **figures,
        "budgets": [
            *_budgets(settled.before, "before", plan.before),
            *_budgets(settled.after, "after", plan.after),
        ],
        "always_on": sorted(question.always_on),
        "rounds": settled.rounds,
        "is_settled": settled.is_settled,
        "seconds": round(seconds, 1),
        "processes": processes,
        "purchases_a_second": round(replayed / seconds) if seconds else 0,
    }


def _budgets(resolved: Resolved, side: str, book: Book) -> Iterator[dict[str, Any]]:
    """Yield what became of each campaign's budget; ``ended_at`` None where some of it was left."""
    for key, used in sorted(resolved.used.items()):
        if key.scope == "campaign":
            ended_at, bound = resolved.ended_at.get(key), book.bound(key)
            yield {
                "side": side,
                "campaign": key.code,
                "currency": key.currency,
                "budget": bound.points if key.currency else bound.uses,
                "used": used,
                "refused": resolved.refused.get(key, 0),
                "ended_at": ended_at.isoformat() if ended_at else None,
            }
