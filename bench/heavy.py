"""The measures that need a large ledger: each returns the seconds or the rates of its rounds."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from bench import books
from bench.growth import Point
from bench.loads import TPS

if TYPE_CHECKING:
    from members.services.jobs import Job

HERE = Path(__file__).resolve().parent
LARGE, EMPTY, TEMPLATE = "loyalty", "bench_empty", "bench_template"
POSTING_CLIENTS, POSTING_SECONDS = 4, 2
PAGES, PAGE_ROWS = 200, 20
SCRIPT = r"""\set member :first + random(0, :members - 1)
SELECT bench.post(:member);
"""
# The same rows by hand, as the owner of the server, with every trigger off and nothing kept.
BARE_EXPIRY = "UPDATE members_pointlot SET remaining = 0 WHERE remaining > 0 AND expires_at <= %s"
BARE_REGRADING = (
    "UPDATE members_tiermembership SET ends_at = valid_until"
    " WHERE superseded_at IS NULL AND ends_at IS NULL AND valid_until <= %s"
)
BARE_SCAN = "SELECT sum(points) FROM members_ledgerentry"


@dataclass(slots=True)
class Rounds:
    """Seconds of what is measured and of what it is compared with, round by round."""

    full: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    rows: int = 0
    longest_chunk: float = 0.0


@dataclass(frozen=True, slots=True)
class Members:
    """A database and its members, ids without gaps.

    The first are those whose statements are read; the others are posted for meanwhile, so that
    the statements stay of one length.
    """

    database: str
    first: int
    count: int
    readers: int


def server() -> Any:
    """Return the embedded server of the settings."""
    from django.conf import settings

    return settings.EMBEDDED_POSTGRES


@contextmanager
def database(name: str) -> Iterator[None]:
    """Let the site's connection of this thread be to another database meanwhile."""
    from django.db import connection

    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def renew_empty() -> None:
    """Make the all but empty ledger anew, so that measuring does not fill it."""
    server().sql(f"DROP DATABASE IF EXISTS {EMPTY}")
    server().sql(f"CREATE DATABASE {EMPTY} TEMPLATE {TEMPLATE}")


def settle_down(*tables: str) -> None:
    """Leave no work of the past to what is measured next."""
    if tables:
        server().sql(f"VACUUM (ANALYZE) {', '.join(tables)}", database=LARGE)
    server().sql("CHECKPOINT")


def posting(pgbench: str, members: Members) -> float:
    """Return purchases' points posted a second by four clients, every one a transaction."""
    script = server().base / "post.sql"
    script.write_text(SCRIPT)
    command = [
        *(pgbench, "-n", "-M", "prepared", "-f", str(script)),
        *("-c", str(POSTING_CLIENTS), "-j", "2", "-T", str(POSTING_SECONDS)),
        *("-D", f"first={members.first + members.readers}"),
        *("-D", f"members={members.count - members.readers}"),
        *("-h", str(server().socket_folder), "-p", "5432", "-U", "loyalty_site"),
        members.database,
    ]
    environment = os.environ | {"PGPASSWORD": server().role_passwords["loyalty_site"]}
    printed = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    ).stdout
    found = TPS.search(printed)
    if found is None:
        raise SystemExit(f"bin/bench: pgbench said nothing of its rate:\n{printed}")
    return float(found[1])


def statements(members: Members, seed: int) -> float:
    """Return first pages of a member's statement a second, of members at random, one client."""
    from members.models import PointCurrency
    from members.queries.statement import statement_rows

    # The same members' places in either ledger, round by round.
    chosen = random.Random(seed)
    with database(members.database):
        currency = PointCurrency.objects.get(kind="redeemable").pk
        ids = [members.first + chosen.randrange(members.readers) for _ in range(PAGES)]
        began = time.perf_counter()
        for member_id in ids:
            rows = statement_rows(
                member_id=member_id, currency_id=currency, after=None, before=None, limit=PAGE_ROWS
            )
            if not rows:
                raise SystemExit("bin/bench: a statement is empty")
        return PAGES / (time.perf_counter() - began)


def expiry(moment: datetime) -> Rounds:
    """Return the rounds of the expiry job, a slice of the members each."""
    from members.services import settling

    rounds = Rounds()
    _open_bell()
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(books.SLICES):
        at = midnight + timedelta(days=books.DAYS_TO_END + number, hours=12)
        _measure_job(settling.EXPIRE_POINTS, at, BARE_EXPIRY, rounds, "members_pointlot")
    return rounds


def regrading(moment: datetime) -> Rounds:
    """Return the rounds of the regrading job, a slice of the members each."""
    from members.services.periodic import JOBS

    rounds = Rounds()
    _open_bell()
    for number in range(books.SLICES):
        days = books.DAYS_TO_GRADING + books.DAYS_BETWEEN_GRADINGS * (number + 1) - 0.1
        at = moment + timedelta(days=days)
        _measure_job(JOBS["regrade_tiers"], at, BARE_REGRADING, rounds, "members_tiermembership")
    return rounds


def _open_bell() -> None:
    """Ring once before: the first ring of a process opens the way to the workers."""
    from django.db import transaction

    from members.services import outbox

    with transaction.atomic():
        outbox.ring()


def _measure_job(job: Job, at: datetime, bare: str, rounds: Rounds, table: str) -> None:
    settle_down(table)
    seconds, rows = _undone(bare, at)
    settle_down(table)
    chunks = Chunks(job)
    began = time.perf_counter()
    chunks.run(at)
    rounds.full.append(time.perf_counter() - began)
    rounds.bare.append(seconds)
    rounds.rows += rows
    rounds.longest_chunk = max(rounds.longest_chunk, chunks.longest)


def _undone(statement: str, at: datetime) -> tuple[float, int]:
    """Return how long a statement takes with its write-ahead log written, and its rows."""
    with psycopg.connect(server().url("postgres", LARGE)) as connection:
        connection.execute("SET session_replication_role = replica")
        began = time.perf_counter()
        rows = connection.execute(statement.encode(), [at]).rowcount
        connection.execute("SELECT pg_logical_emit_message(false, 'bench', '', true)")
        seconds = time.perf_counter() - began
        connection.rollback()
    return seconds, rows


class Chunks:
    """Runs a job and notes its longest chunk, commit included: the time that locks are held."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._began = 0.0
        self.longest = 0.0

    def run(self, at: datetime) -> None:
        """Run the job for all that is due."""
        from dataclasses import replace

        from members.services import jobs

        outcome = jobs.run(replace(self._job, chunk=self._chunk), moment=at)
        if outcome.failure:
            raise SystemExit(f"bin/bench: {self._job.name} failed: {outcome.failure}")

    def _chunk(self, moment: datetime, trouble: Any) -> int | None:
        now = time.perf_counter()
        if self._began:
            self.longest = max(self.longest, now - self._began)
        self._began = now
        return self._job.chunk(moment, trouble)


def proof(rounds: int) -> Rounds:
    """Return the rounds of proving the books against reading the entries once."""
    from members.services import reconciliation

    taken = Rounds()
    for _ in range(rounds):
        taken.bare.append(_timed(_scan))
        began = time.perf_counter()
        report = reconciliation.verify()
        taken.full.append(time.perf_counter() - began)
        if not report.is_proved:
            broken = [finding for finding in report.findings if finding.differences]
            raise SystemExit(f"bin/bench: the books do not verify: {broken}")
        taken.rows = report.entries
    return taken


def _scan() -> None:
    with psycopg.connect(server().url("postgres", LARGE)) as connection:
        # The table itself; an index that has the points would be a shorter way.
        connection.execute("SET enable_indexonlyscan = off")
        connection.execute("SET enable_indexscan = off")
        connection.execute("SET enable_bitmapscan = off")
        connection.execute(BARE_SCAN)


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def entries() -> int:
    """Return how many entries the large ledger has, from its statistics."""
    server().sql("ANALYZE members_ledgerentry", database=LARGE)
    found = server().sql(
        "SELECT reltuples::bigint FROM pg_class WHERE relname = 'members_ledgerentry'",
        database=LARGE,
    )
    return int(found.strip())


def point_of(
    at: int,
    posted: Sequence[tuple[float, float]],
    read: Sequence[tuple[float, float]],
) -> Point:
    """Return the point of a curve from rounds of (large, empty) rates."""
    from statistics import median

    return Point(
        entries=at,
        posting=median(large / empty for large, empty in posted),
        statement=median(large / empty for large, empty in read) if read else 1.0,
    )
