"""Taking a dump: one file that holds the whole database as of one instant, and what it holds."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import connections, transaction

from loyalty_site.backups.programs import (
    OWNER_ALIAS,
    BackupFailed,
    find_program,
    owner_target,
    run,
    server_version,
)
from loyalty_site.lib.wire import instant_text
from members.services import erasure_log

ERASURES = "erasures.log"
SUFFIX = ".dump"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dump holds, counted in the snapshot that it was taken of."""

    taken_at: str
    server_version: int
    epoch: int
    transactions: int
    entries: int
    bytes: int
    sha256: str


def take_dump(*, folder: Path, moment: datetime) -> Path:
    """Write a dump and its manifest into the folder, and gather the erasures; return the dump.

    :raises BackupFailed: a program, the server or the disk refuses; nothing half stays behind.
    """
    target = owner_target()
    program = find_program("pg_dump", major=target.major)
    make_private(folder)
    path = folder / f"loyalty-{stamp(moment)}{SUFFIX}"
    draft = path.with_suffix(".part")
    try:
        with transaction.atomic(using=OWNER_ALIAS):
            counted, snapshot = _count()
            run(
                *(program, "--format=custom", f"--snapshot={snapshot}", f"--file={draft}"),
                f"--dbname={target.conninfo}",
                password=target.password,
            )
        draft.chmod(0o600)
        _keep(draft, path, _manifest(draft, counted, moment))
    finally:
        draft.unlink(missing_ok=True)
    gather_erasures(folder)
    return path


def _count() -> tuple[dict[str, int], str]:
    """Return what the books hold, and the name of the snapshot that sees just that."""
    with connections[OWNER_ALIAS].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT to_regclass('public.members_ledgerentry') IS NULL")
        if cursor.fetchone()[0]:
            raise BackupFailed("The database is empty: there is nothing to back up.")
        cursor.execute(
            "SELECT public.ledger_epoch(), (SELECT count(*) FROM public.members_ledgertransaction),"
            " (SELECT count(*) FROM public.members_ledgerentry), pg_export_snapshot()"
        )
        epoch, transactions, entries, snapshot = cursor.fetchone()
        counted = {"epoch": epoch, "transactions": transactions, "entries": entries}
        return counted, snapshot


def _manifest(draft: Path, counted: dict[str, int], moment: datetime) -> Manifest:
    return Manifest(
        taken_at=instant_text(moment),
        server_version=server_version(),
        bytes=draft.stat().st_size,
        sha256=digest(draft),
        **counted,
    )


def _keep(draft: Path, path: Path, manifest: Manifest) -> None:
    """Give the dump its name once it and its manifest are whole on the disk."""
    sync(draft)
    written = manifest_path(path)
    written.write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")
    sync(written)
    draft.rename(path)
    sync(path.parent)


def manifest_path(dump: Path) -> Path:
    """Return where the manifest of a dump stands."""
    return dump.with_suffix(".json")


def read_manifest(dump: Path) -> Manifest | None:
    """Return what was written beside a dump, None where nothing was."""
    path = manifest_path(dump)
    if not path.exists():
        return None
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Manifest(**told)


def gather_erasures(folder: Path) -> int:
    """Bring the folder's log of erasures up to date; return how many were added."""
    make_private(folder)
    return erasure_log.append(folder / ERASURES, erasure_log.erased_members())


def remove_all_but(newest: int, *, folder: Path) -> list[Path]:
    """Remove the dumps before the newest ones, with their manifests; return them.

    The log of erasures stays: it is needed as long as any older dump is somewhere.
    """
    kept = sorted(folder.glob(f"loyalty-*{SUFFIX}"), reverse=True)
    for path in kept[newest:]:
        path.unlink()
        manifest_path(path).unlink(missing_ok=True)
    return kept[newest:]


def stamp(moment: datetime) -> str:
    """Return the moment as a part of a file's name that sorts by time."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def make_private(folder: Path) -> None:
    """Make the folder, which nobody else may enter: a dump is everybody's personal data."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until the disk has the file or the folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
