"""Prove the books: every invariant recomputed from the rows, in one snapshot.

A check is a file ``<app>/sql/checks/<name>.sql``: its comment is the invariant, its query gives
the rows that break it. Each app checks what its own tables add to the books.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from django.apps import apps
from django.db import connection, transaction

from members.services.jobs import Job, Trouble


@dataclass(frozen=True, slots=True)
class Check:
    """An invariant of the books and the query for what breaks it."""

    name: str
    invariant: str
    sql: str


@dataclass(frozen=True, slots=True)
class Finding:
    """How many rows break an invariant, and the first of them."""

    name: str
    invariant: str
    differences: int
    first: dict[str, Any] | None


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
def verify(wanted: Sequence[Check] | None = None) -> Report:
    """Return what the checks find; all of them see the same snapshot and change nothing."""
    with connection.cursor() as cursor:
        if len(connection.savepoint_ids) == 0:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        # Sums over the whole ledger take longer than a request may, and more memory.
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL work_mem = '128MB'")
        findings = [_find(cursor, check) for check in (checks() if wanted is None else wanted)]
        cursor.execute("SELECT count(*) FROM members_ledgerentry")
        entries = cursor.fetchone()[0]
    return Report(entries, findings)


def _find(cursor: Any, check: Check) -> Finding:
    cursor.execute(
        f"SELECT count(*) OVER (), to_jsonb(d)::text FROM ({check.sql}\n) d ORDER BY 2 LIMIT 1"
    )
    row = cursor.fetchone()
    differences, first = (row[0], orjson.loads(row[1])) if row else (0, None)
    return Finding(check.name, check.invariant, differences, first)


def verify_ledger(_moment: datetime, trouble: Trouble) -> int:
    """Prove the books; every broken invariant becomes trouble. Returns the entries proved."""
    report = verify()
    for finding in report.findings:
        if finding.differences:
            trouble.add(f"{finding.name}: {finding.differences} differences")
    return report.entries


VERIFY_LEDGER = Job(name="verify_ledger", chunk=verify_ledger, is_exclusive=False, in_chunks=False)
