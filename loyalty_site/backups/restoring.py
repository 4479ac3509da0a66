"""Restoring a dump in one transaction, and what makes a restored database fit to serve.

Whoever restores is one transaction away from either the old data or the new ones: the dump is
turned into SQL, and one session of psql removes what is there, reads it in, and starts the next
epoch of the ledger. The names of the roles in the dump do not matter.
"""

from __future__ import annotations

import gzip
import subprocess
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.core.management import call_command
from django.db import connections

from loyalty_site.backups.dumps import Manifest, digest, read_manifest
from loyalty_site.backups.programs import (
    OWNER_ALIAS,
    BackupFailed,
    Target,
    environment,
    find_program,
    last_words,
    owner_target,
    run,
)
from loyalty_site.management.commands.migrate import default_privileges
from members.services import erasure_log

# Of the database itself and not of the site: the target has its own, made by a superuser.
NOT_RESTORED = (" EXTENSION - ", " COMMENT - EXTENSION ", " SCHEMA - public ")
TRANSACTION_TIMEOUT_SINCE = 17
HEADER_BYTES_MAX = 8192
END = b"PostgreSQL database dump complete"
END_BYTES_MAX = 400
LEAVING_SECONDS_MAX = 3.0
TABLES = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
"""
SESSIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL
"""


def restore_dump(path: Path, *, is_replacing: bool) -> Manifest | None:
    """Put the dump's data into the site's database, and start the next epoch of its ledger.

    Either all of it is there afterwards or nothing has changed. Returns the dump's manifest,
    None where it has none.

    :raises BackupFailed: the dump is not whole, the database has tables and ``is_replacing`` is
        False, somebody is connected, or the server refuses.
    """
    manifest = _check_whole(path)
    target = owner_target()
    refuse_busy_or_full(is_replacing=is_replacing)
    psql = find_program("psql", major=target.major)
    with script_of(path, target) as script:
        _read_in(psql, script, target)
    # Plans of empty tables would be used until the server looks by itself.
    run(psql, "-X", "-q", "-d", target.conninfo, "-c", "ANALYZE", password=target.password)
    return manifest


def _check_whole(path: Path) -> Manifest | None:
    if not path.is_file():
        raise BackupFailed(f"There is no file {path}.")
    manifest = read_manifest(path)
    if manifest is not None and digest(path) != manifest.sha256:
        raise BackupFailed(f"{path} is not the file that its manifest was written for.")
    return manifest


def refuse_busy_or_full(*, is_replacing: bool) -> None:
    """Let a restore go on if nobody would be cut off and nothing lost.

    :raises BackupFailed: somebody is connected, or there are tables and none may be replaced.
    """
    for alias in connections:
        if alias != OWNER_ALIAS:
            connections[alias].close()
    with connections[OWNER_ALIAS].cursor() as cursor:
        sessions = _sessions(cursor)
        cursor.execute(TABLES)
        tables = cursor.fetchone()[0]
    connections[OWNER_ALIAS].close()
    if sessions:
        raise BackupFailed(
            f"{sessions} sessions use the database: stop web, worker and beat, then try again."
        )
    if tables and not is_replacing:
        raise BackupFailed(
            f"The database holds {tables} tables. With --replace they are removed and what"
            " they hold is lost; take a backup of it first."
        )


def _sessions(cursor: Any) -> int:
    # The server takes a moment to see that a connection was closed, this process's own as well.
    until = time.monotonic() + LEAVING_SECONDS_MAX
    while True:
        cursor.execute(SESSIONS)
        sessions: int = cursor.fetchone()[0]
        if not sessions or time.monotonic() > until:
            return sessions
        time.sleep(0.1)


@contextmanager
def script_of(path: Path, target: Target) -> Iterator[IO[bytes]]:
    """Give the dump as SQL: a file of pg_dump's custom format, or ``.sql`` or ``.sql.gz``."""
    if path.name.endswith(".sql"):
        with path.open("rb") as file:
            yield file
        return
    if path.name.endswith(".sql.gz"):
        with gzip.open(path) as unpacked:
            yield unpacked  # type: ignore[misc]
        return
    program = find_program("pg_restore", major=target.major)
    listed = run(program, "--list", path)
    wanted = [line for line in listed.splitlines() if not any(x in line for x in NOT_RESTORED)]
    contents = path.with_suffix(".contents")
    contents.write_text("\n".join(wanted) + "\n", encoding="utf-8")
    try:
        with subprocess.Popen(
            [program, "--no-owner", "--no-privileges", f"--use-list={contents}", "--file=-", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(""),
        ) as reading:
            assert reading.stdout is not None
            assert reading.stderr is not None
            yield reading.stdout
            complaint = reading.stderr.read()
        if reading.returncode:
            raise BackupFailed(f"pg_restore: {last_words(complaint)}")
    finally:
        contents.unlink()


def _read_in(psql: Path, script: IO[bytes], target: Target) -> None:
    """Run the script between the removal of what is there and the new epoch, all or nothing."""
    with subprocess.Popen(
        [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", target.conninfo],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(target.password),
    ) as session:
        assert session.stdin is not None
        assert session.stderr is not None
        try:
            with session.stdin as sql:
                sql.write(f"BEGIN;\nDROP OWNED BY CURRENT_USER CASCADE;\n{_grants()}".encode())
                sql.write(_portable(script.read(HEADER_BYTES_MAX), target.major))
                is_whole = _copy(script, sql)
                if is_whole:
                    sql.write(b"\nSELECT public.ledger_new_epoch();\nCOMMIT;\n")
        except BrokenPipeError:
            # psql ended at the first error, which it has told.
            is_whole = True
        complaint = session.stderr.read()
    if session.returncode or not is_whole:
        words = last_words(complaint) or "the dump ends early"
        raise BackupFailed(f"Nothing was changed: {words}")


def _copy(script: IO[bytes], sql: IO[bytes]) -> bool:
    """Copy the rest of the script; return whether it has the end that pg_dump writes.

    A script that ends early must not be committed, and psql cannot tell.
    """
    end = b""
    try:
        while chunk := script.read(1 << 20):
            sql.write(chunk)
            end = (end + chunk)[-END_BYTES_MAX:]
    except (EOFError, OSError, zlib.error) as error:
        if isinstance(error, BrokenPipeError):
            raise
        return False
    return END in end


def _grants() -> str:
    # New tables get the site's rights as they are made; migrating then narrows them.
    return default_privileges() + "SET client_min_messages = warning;\n"


def _portable(header: bytes, major: int) -> bytes:
    """Leave out the one setting that programs newer than the server write."""
    if major >= TRANSACTION_TIMEOUT_SINCE:
        return header
    return header.replace(b"SET transaction_timeout = 0;\n", b"")


def start_epoch() -> int:
    """Start the next epoch of the ledger in a server that was restored as a whole; return it.

    :raises BackupFailed: somebody is connected, who could write in the epoch before.
    """
    owner_target()
    refuse_busy_or_full(is_replacing=True)
    with connections[OWNER_ALIAS].cursor() as cursor:
        cursor.execute("SELECT public.ledger_new_epoch()")
        epoch: int = cursor.fetchone()[0]
    return epoch


@dataclass(frozen=True, slots=True)
class Finished:
    """What making restored data fit to serve has found and done."""

    sessions_ended: int
    erased_again: int
    entries_restored: int
    entries: int
    differences: int


def finish(*, erasures: Sequence[erasure_log.Log]) -> Finished:
    """Make restored data fit to serve, and prove it.

    The tables are brought to this version, the site's rights granted, every session ended, and
    whoever was erased after the backup is erased again. A repeat changes nothing.
    """
    from campaigns.services.erasure import erase_again
    from members.models import LedgerEntry
    from members.services.reconciliation import verify

    call_command("migrate", interactive=False, verbosity=0)
    restored = LedgerEntry.objects.count()
    ended = end_sessions()
    erased = erase_again([each for log in erasures for each in log.erasures])
    report = verify()
    return Finished(
        sessions_ended=ended,
        erased_again=erased,
        entries_restored=restored,
        entries=report.entries,
        differences=sum(finding.differences for finding in report.findings),
    )


def gather_before_replacing(log: Path) -> int:
    """Add to the log whom the present database knows to be erased; nothing where it has no tables.

    Whoever was erased since the last backup would else come back with the dump.
    """
    owner_target()
    with connections[OWNER_ALIAS].cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.members_member') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return 0
        # Its tables may be of another version than the models.
        cursor.execute(
            "SELECT public_id, erased_at FROM public.members_member"
            " WHERE erased_at IS NOT NULL ORDER BY 2, 1"
        )
        rows = cursor.fetchall()
    return erasure_log.append(log, [erasure_log.Erasure(*row) for row in rows])


def end_sessions() -> int:
    """Delete every session: one that was ended after the backup must not live again."""
    from allauth.usersessions.models import UserSession
    from django.contrib.sessions.models import Session

    UserSession.objects.all().delete()
    return Session.objects.all().delete()[0]
