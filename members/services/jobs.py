"""Running the work that runs by itself: chunk after chunk, with a record for the operator.

A job means 'all that is due and not done'. It may run twice, late or in parallel, and may be
killed: each chunk is a transaction of its own that finds what the chunks before it left.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from zlib import crc32

from django.db import connection, transaction
from django.utils import timezone

from members.models import JobRun

# Longer runs would outlive the time limit of a task; the next run goes on.
RUN_SECONDS_MAX = 1500
# Keeps the locks of jobs apart from those of other parts.
LOCK_SPACE = 712_604_010
LOCK = "SELECT pg_try_advisory_xact_lock(%s::int, %s::int)"

_log = logging.getLogger(__name__)


@dataclass
class Trouble:
    """What a run could not do: members to leave out of its next chunks, and why."""

    members: list[int] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, member_id: int | None = None) -> None:
        """Note a reason, and the member whom it concerns; never anything personal."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if member_id is not None:
            self.members.append(member_id)

    def __str__(self) -> str:
        return "; ".join(
            f"{reason} ({times} times)" if times > 1 else reason
            for reason, times in self.reasons.items()
        )


# Does what is due at the moment; returns how much, and None when there was nothing left.
Chunk = Callable[[datetime, Trouble], int | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A named piece of work.

    Chunks of an exclusive job are each a transaction and take turns by an advisory lock: who
    does not get it leaves the rest to the one who has it. The chunks of another job begin and
    end their own transactions. A job that is not ``in_chunks`` does all in one call.
    """

    name: str
    chunk: Chunk
    is_exclusive: bool = True
    in_chunks: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a run did; ``failure`` is empty when all went well."""

    done: int
    failure: str


def run(job: Job, *, moment: datetime) -> Outcome:
    """Do all that is due at ``moment``, and keep a ``JobRun`` of it; a repeat finds nothing.

    An error that ends the run is recorded and raised; what earlier chunks did stays done.
    """
    record = JobRun.objects.create(name=job.name, started_at=timezone.now())
    trouble = Trouble()
    try:
        _all_chunks(job, moment, trouble, record)
    except Exception as error:
        _finish(record, f"{type(error).__name__}: {error}"[:2000])
        raise
    _finish(record, str(trouble)[:2000])
    return Outcome(done=record.done, failure=record.failure)


def _all_chunks(job: Job, moment: datetime, trouble: Trouble, record: JobRun) -> None:
    until = time.monotonic() + RUN_SECONDS_MAX
    while time.monotonic() < until:
        step = _one_chunk(job, moment, trouble)
        record.done += step or 0
        if step is None or not job.in_chunks:
            return


def _one_chunk(job: Job, moment: datetime, trouble: Trouble) -> int | None:
    if not job.is_exclusive:
        return job.chunk(moment, trouble)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK, lock_key(job.name))
        row = cursor.fetchone()
        return job.chunk(moment, trouble) if row and row[0] else None


def lock_key(name: str) -> tuple[int, int]:
    """Return the figures of the advisory lock of a job."""
    return LOCK_SPACE, crc32(name.encode()) - 2**31


def _finish(record: JobRun, failure: str) -> None:
    record.finished_at = timezone.now()
    record.failure = failure
    record.save(update_fields=["finished_at", "done", "failure"])
    if failure:
        _log.error("job %s: %s", record.name, failure)
    elif not record.done:
        # Of the runs that found nothing only the newest says anything.
        JobRun.objects.filter(
            name=record.name, done=0, failure="", finished_at__isnull=False, pk__lt=record.pk
        ).delete()
