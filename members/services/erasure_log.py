"""The log of erasures: who must be erased again after an older backup was restored.

It is kept outside the database, since a restored database does not know what came after it. A
line is an instant and the member's public id, and nothing else: neither says who it was.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings

from loyalty_site.lib.wire import instant_text
from members.models import Member


@dataclass(frozen=True, slots=True)
class Erasure:
    """That a member was erased, and when."""

    public_id: UUID
    erased_at: datetime

    def __str__(self) -> str:
        return f"{instant_text(self.erased_at)} {self.public_id}"


@dataclass(frozen=True, slots=True)
class Log:
    """What a file says; ``unreadable`` are the numbers of lines that say something else."""

    erasures: list[Erasure]
    unreadable: list[int]


def read(path: Path) -> Log:
    """Return what the file says; nothing where there is no file."""
    erasures, unreadable = [], []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            at, public_id = line.split()
            erasures.append(Erasure(UUID(public_id), _instant(at)))
        except ValueError:
            unreadable.append(number)
    return Log(erasures, unreadable)


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at


def append(path: Path, erasures: Iterable[Erasure]) -> int:
    """Add those that the file lacks, safe on the disk; return how many. A repeat adds nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        known = {each.public_id for each in read(path).erasures}
        wanted = [each for each in erasures if each.public_id not in known]
        if not wanted:
            return 0
        file.seek(0)
        written = file.read()
        # A process that was killed while it wrote leaves half a line, which stays one.
        start = "\n" if written and not written.endswith(b"\n") else ""
        file.write((start + "".join(f"{each}\n" for each in wanted)).encode())
        file.flush()
        os.fsync(file.fileno())
    return len(wanted)


def erased_members() -> list[Erasure]:
    """Return everyone whom the database knows to be erased, the earliest first."""
    rows = Member.objects.filter(erased_at__isnull=False).order_by("erased_at", "pk")
    return [
        Erasure(public_id, at)
        for public_id, at in rows.values_list("public_id", "erased_at")
        if at is not None
    ]


def note(public_id: UUID, erased_at: datetime) -> None:
    """Write one erasure into the installation's log, where it keeps one."""
    if settings.ERASURE_LOG is not None:
        append(settings.ERASURE_LOG, [Erasure(public_id, erased_at)])
