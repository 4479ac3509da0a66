"""Prove the books: every invariant recomputed from the rows, in one snapshot.

A check is a file ``<app>/sql/checks/<name>.sql``: its comment is the invariant, its query gives
the rows that break it. Each app checks what its own tables add to the books.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from django.apps import apps
from django.db import connection, transaction
from django.utils import timezone

from members.models import LedgerReport
from members.services import proving
from members.services.jobs import Job, Trouble

# Of each broken invariant so many rows are named; the count is of all.
ROWS_SHOWN = 20
REPORTS_KEPT = 60


@dataclass(frozen=True, slots=True)
class Check:
    """An invariant of the books and the query for what breaks it."""

    name: str
    invariant: str
    sql: str


@dataclass(frozen=True, slots=True)
class Finding:
    """How many rows break an invariant, and the first ``ROWS_SHOWN`` of them."""

    name: str
    invariant: str
    differences: int
    rows: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks found in one snapshot of so many entries."""

    entries: int
    findings: Sequence[Finding]

    @property
    def is_proved(self) -> bool:
        """Whether every invariant holds."""
        return not any(finding.differences for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return the report for machines."""
        return {"is_proved": self.is_proved, **asdict(self)}


def checks() -> list[Check]:
    """Return the checks of all apps, the books' own first."""
    folders = [Path(app.path) / "sql" / "checks" for app in apps.get_app_configs()]
    # Apps are installed from the highest down; what they build on is checked before them.
    paths = [path for folder in reversed(folders) for path in sorted(folder.glob("*.sql"))]
    return [_read(path) for path in paths]


def _read(path: Path) -> Check:
    lines = path.read_text(encoding="utf-8").splitlines()
    words = [line.removeprefix("--").strip() for line in lines if line.startswith("--")]
    query = "\n".join(line for line in lines if not line.startswith("--"))
    return Check(path.stem, " ".join(words), query)


@transaction.atomic
def verify(
    wanted: Sequence[Check] | None = None,
    *,
    since: int = 0,
    checkpoints: Sequence[Path] | None = None,
) -> Report:
    """Return what the checks find; all of them see the same snapshot and change nothing.

    Seals are proved with the rest, those after ``since`` against ``checkpoints``: the files of
    the folder unless told. ``wanted`` leaves them out, as it does the other checks.
    """
    folder = proving.kept_outside() if wanted is None else []
    with connection.cursor() as cursor:
        if len(connection.savepoint_ids) == 0:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        # Sums over the whole ledger take longer than a request may, and more memory.
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL work_mem = '128MB'")
        # Every row of every table is read once: in the order in which it lies, and put together
        # by hashes. Look-ups row by row would be quadratic where an estimate is wrong.
        cursor.execute("SET LOCAL random_page_cost = 4")
        cursor.execute("SET LOCAL enable_nestloop = off")
        findings = [_find(cursor, check) for check in (checks() if wanted is None else wanted)]
        if wanted is None:
            findings += _prove(since, checkpoints, folder)
        cursor.execute("SELECT count(*) FROM members_ledgerentry")
        entries = cursor.fetchone()[0]
    return Report(entries, findings)


def _find(cursor: Any, check: Check) -> Finding:
    cursor.execute(
        f"SELECT count(*) OVER (), to_jsonb(d)::text FROM ({check.sql}\n) d ORDER BY 2"
        f" LIMIT {ROWS_SHOWN}"
    )
    found = cursor.fetchall()
    rows = [orjson.loads(text) for _count, text in found]
    return Finding(check.name, check.invariant, found[0][0] if found else 0, rows)


def _prove(since: int, checkpoints: Sequence[Path] | None, folder: Sequence[Path]) -> list[Finding]:
    found = proving.prove(since=since, files=checkpoints, folder=folder)
    return [
        Finding(
            name, proving.INVARIANTS[name], what.differences, [what.first] if what.first else []
        )
        for name, what in found.items()
    ]


def verify_ledger(_moment: datetime, trouble: Trouble) -> int:
    """Prove the books and keep the report; return the entries proved.

    Every broken invariant becomes trouble.
    """
    started = time.monotonic()
    report = verify()
    keep(report, made_at=timezone.now(), seconds=time.monotonic() - started)
    for finding in report.findings:
        if finding.differences:
            place = (finding.rows[0] if finding.rows else {}).get("sequence")
            first = f", the first at sequence {place}" if place else ""
            trouble.add(f"{finding.name}: {finding.differences} rows{first}")
    return report.entries


def keep(report: Report, *, made_at: datetime, seconds: float) -> LedgerReport:
    """Write the report down for staff, and drop those that are older than the last few."""
    kept = LedgerReport.objects.create(
        made_at=made_at,
        seconds=round(seconds, 1),
        entries=report.entries,
        differences=sum(finding.differences for finding in report.findings),
        findings=[asdict(finding) for finding in report.findings],
    )
    old = LedgerReport.objects.order_by("-pk").values_list("pk", flat=True)[REPORTS_KEPT:]
    LedgerReport.objects.filter(pk__in=list(old)).delete()
    return kept


VERIFY_LEDGER = Job(name="verify_ledger", chunk=verify_ledger, is_exclusive=False, in_chunks=False)
