"""S4, S6, S7, S8 and S11: what takes a ledger of ten million entries to see.

The books are made in ten steps through the ledger's own posting (bench/books.py); after each the
speed is compared with an all but empty ledger on the same server, which gives the growth curve.
Then the proof, the expiry and the regrading are measured on the whole, and at the end, with the
site in front of it, single purchases beside a batch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench import books, growth, heavy, loads, site
from bench.heavy import LARGE, TEMPLATE, Members, Rounds, server
from bench.planned import ENTRIES, GB, MINUTES_MAX, Plan, plan
from bench.rows import Row, rates_row, say, show, times_row
from bench.site import ROOT

__all__ = ["ENTRIES", "plan", "run"]

CURVE = ROOT / "docs" / "performance-growth.svg"
# Members of the all but empty ledger with as long a history as those of the large one, so that
# their statements are of one length.
EMPTY_READERS = 200


@dataclass(slots=True)
class _Run:
    """What a run knows and has measured."""

    plan: Plan
    rounds: int
    moment: datetime
    pgbench: str | None
    began: float = field(default_factory=time.monotonic)
    posted: list[tuple[float, float]] = field(default_factory=list)
    read: list[tuple[float, float]] = field(default_factory=list)
    points: list[growth.Point] = field(default_factory=list)

    def say(self, text: str) -> None:
        minutes = (time.monotonic() - self.began) / 60
        say(f"{minutes:5.1f} min  {text}")

    @property
    def is_late(self) -> bool:
        return time.monotonic() - self.began > MINUTES_MAX * 60


def run(var: Path, plan: Plan, rounds: int) -> None:
    """Make the books, measure, print the table and draw the curve."""
    import django

    django.setup()
    this = _Run(plan, rounds, datetime.now(UTC), site.program_of("pgbench"))
    large, empty = _prepare(this)
    _grow(this, large, empty)
    rows = _speed_rows(this)
    heavy.settle_down(*_tables())
    rows.append(_proof_row(this))
    rows += _job_rows(this)
    this.say(f"disk in use: {_disk() / GB:.1f} GB")
    rows.insert(0, _latency_row(this, var))
    this.say("Proving the books a last time")
    heavy.proof(1)
    show(rows, rounds)
    say("")
    say(growth.table(this.points))
    _draw(this)


def _prepare(this: _Run) -> tuple[Members, Members]:
    this.say("Preparing the program and 2,000 members, with and without a ledger")
    site.prepare(this.moment)
    server().sql((heavy.HERE / "large.sql").read_text(encoding="utf-8"), database=LARGE)
    url = server().url("loyalty_site")
    first = int(server().sql("SELECT min(id) FROM members_member", database=LARGE))
    _close_connections()
    server().sql(f"CREATE DATABASE {TEMPLATE} TEMPLATE {LARGE}")
    members = books.enroll(url, this.plan.size, this.moment)
    this.say(f"{len(members):,} members enrolled")
    return (
        Members(LARGE, members[0], len(members), len(members) // 2),
        Members(heavy.EMPTY, first, site.MEMBERS, EMPTY_READERS),
    )


def _grow(this: _Run, large: Members, empty: Members) -> None:
    members = list(range(large.first, large.first + large.count))
    url = server().url("loyalty_site")
    few = list(range(empty.first, empty.first + empty.readers))
    this.points.append(growth.Point(0, 1.0, 1.0))
    for number in range(books.EARNS):
        books.earn(url, members, number, this.moment)
        books.earn(server().url("loyalty_site", TEMPLATE), few, number, this.moment)
        for database in (LARGE, TEMPLATE):
            server().sql(f"ANALYZE {', '.join(_tables())}", database=database)
        server().sql("CHECKPOINT")
        _compare(this, large, empty)
        entries = heavy.entries()
        this.points.append(heavy.point_of(entries, this.posted, this.read))
        point = this.points[-1]
        this.say(
            f"{entries:,} entries: posting {point.posting:.2f} x,"
            f" statement {point.statement:.2f} x of the empty ledger's"
        )


def _compare(this: _Run, large: Members, empty: Members) -> None:
    """Measure posting and reading in both ledgers, in turns; the first round does not count."""
    _close_connections()
    heavy.renew_empty()
    this.posted, this.read = [], []
    for number in range(this.rounds + 1):
        if this.pgbench:
            # Who comes second finds the disk busy, so they change places.
            sides = (large, empty) if number % 2 else (empty, large)
            rates = {members.database: heavy.posting(this.pgbench, members) for members in sides}
            this.posted.append((rates[large.database], rates[empty.database]))
        this.read.append((heavy.statements(large, number), heavy.statements(empty, number)))
    this.posted, this.read = this.posted[1:], this.read[1:]


def _speed_rows(this: _Run) -> list[Row]:
    posted, read = this.posted, this.read
    count = f"{this.plan.size.entries:,} entries"
    what = f"posting with {count} against an empty ledger"
    if posted:
        posting = rates_row("S8", what, ">= 0.75", *zip(*posted, strict=True))
    else:
        need = "not measured: needs Debian's postgresql-contrib"
        posting = Row("S8", what, ">= 0.75", None, need)
    page = rates_row("S8", f"a statement page with {count}", ">= 0.35", *zip(*read, strict=True))
    return [posting, page]


def _proof_row(this: _Run) -> Row:
    this.say("Proving the books")
    what = "verify_ledger against a bare scan of the entries"
    taken = heavy.proof(this.rounds)
    row = times_row("S11", what, "<= 25", taken.full, taken.bare)
    return _with(row, f"{taken.rows:,} entries")


def _job_rows(this: _Run) -> list[Row]:
    this.say("Expiring")
    taken = heavy.expiry(this.moment)
    expiry = times_row("S6", "expiry against a bare UPDATE", "<= 5", taken.full, taken.bare)
    rows = [
        _with(expiry, f"{taken.rows:,} lots"),
        Row("S6", "longest chunk of expiry", "<= 0.5 s", f"{taken.longest_chunk:.2f} s", ""),
    ]
    this.say("Regrading")
    heavy.settle_down(*_tables())
    graded: Rounds = heavy.regrading(this.moment)
    what = "regrading from the entries against a bare UPDATE"
    regrading = times_row("S7", what, "<= 3.5", graded.full, graded.bare)
    rows.append(_with(regrading, f"{graded.rows:,} members"))
    return rows


def _latency_row(this: _Run, var: Path) -> Row:
    what = "p99 of purchases beside a batch client against alone"
    wrk = site.program_of("wrk")
    if wrk is None or this.is_late:
        need = "the hour is over" if wrk else "needs Debian's wrk"
        return Row("S4", what, "<= 3", None, f"not measured: {need}")
    this.say("Single purchases over HTTP, alone and beside a batch client")
    _close_connections()
    running = site.start(var)
    beside, alone, rows = [], [], 0
    try:
        for number in range(this.rounds + 1):
            one = loads.purchases_p99(running, wrk, f"l{number}-alone")
            with loads.batch_client(running, f"l{number}-batch") as sent:
                two = loads.purchases_p99(running, wrk, f"l{number}-beside")
            # The first round fills caches and prepares statements, and does not count.
            if number:
                alone.append(one)
                beside.append(two)
                rows += sum(sent)
    finally:
        running.stop()
    return _with(times_row("S4", what, "<= 3", beside, alone), f"{rows:,} purchases in batches")


def _with(row: Row, words: str) -> Row:
    return Row(row.number, row.what, row.goal, row.value, f"{words}; {row.detail}")


def _draw(this: _Run) -> None:
    """Write the curve; only that of a whole run is the one that the docs show."""
    caption = (
        f"Speed of a ledger of up to {this.points[-1].entries:,} entries against an empty one,"
        f" {this.moment:%Y-%m-%d}"
    )
    whole = this.plan.size.entries >= ENTRIES
    path = CURVE if whole else ROOT / "var" / CURVE.name
    path.write_text(growth.svg(this.points, caption), encoding="utf-8")
    say(f"\nThe curve is in {path.relative_to(ROOT)}")


def _tables() -> list[str]:
    names = ("transaction", "entry", "account")
    ledger = [f"members_ledger{name}" for name in names]
    return [*ledger, "members_pointlot", "members_lotuse", "members_tiermembership"]


def _disk() -> int:
    data = server().data
    return sum(path.stat().st_size for path in data.rglob("*") if path.is_file())


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()
