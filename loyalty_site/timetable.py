"""The timetable of the work that runs by itself, and its synchronization.

Each task means 'all that is due and not done': it may run twice, late or in parallel.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

# Tells the rows of this table from those that the operator added in the admin.
MARK = "From the timetable in code; changed there."


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One periodic task: every so many seconds, or daily at a minute of the day in UTC."""

    name: str
    task: str
    every_seconds: int | None = None
    daily_at: tuple[int, int] | None = None


TIMETABLE = (
    Entry(name="activate due points", task="members.tasks.activate_points", every_seconds=300),
    Entry(name="expire points", task="members.tasks.expire_points", every_seconds=900),
    Entry(name="tell of ends", task="members.tasks.tell_of_ends", every_seconds=3600),
    Entry(name="post batches", task="members.tasks.post_batches", every_seconds=60),
    Entry(name="release lapsed holds", task="rewards.tasks.release_holds", every_seconds=60),
    Entry(name="complete transfers", task="members.tasks.complete_transfers", every_seconds=60),
    Entry(name="share with pools", task="members.tasks.share_with_pools", every_seconds=60),
    Entry(name="sweep pools", task="members.tasks.sweep_pools", every_seconds=300),
    Entry(name="regrade tiers", task="members.tasks.regrade_tiers", every_seconds=900),
    Entry(name="deliver the outbox", task="members.tasks.deliver_outbox", every_seconds=60),
    Entry(
        name="retry parked returns",
        task="campaigns.tasks.retry_parked_returns",
        every_seconds=300,
    ),
    # Before the segments, which may ask for what it finds.
    Entry(name="score members", task="members.tasks.score_members", daily_at=(1, 30)),
    Entry(name="refresh segments", task="campaigns.tasks.refresh_segments", daily_at=(2, 0)),
    Entry(name="take announced", task="campaigns.tasks.take_announced", every_seconds=300),
    Entry(name="move campaigns", task="campaigns.tasks.move_campaigns", every_seconds=60),
    Entry(name="note occasions", task="campaigns.tasks.note_occasions", every_seconds=900),
    Entry(name="find duplicates", task="members.tasks.find_duplicates", daily_at=(2, 15)),
    Entry(name="beat the heart", task="members.tasks.beat_heartbeat", every_seconds=15),
    Entry(name="seal the ledger", task="members.tasks.seal_ledger", every_seconds=60),
    Entry(name="verify the ledger", task="members.tasks.verify_ledger", daily_at=(2, 30)),
    Entry(name="propose statements", task="members.tasks.propose_statements", daily_at=(1, 40)),
    Entry(
        name="purge idempotency records",
        task="members.tasks.purge_idempotency_records",
        daily_at=(3, 10),
    ),
    Entry(name="purge the outbox", task="members.tasks.purge_outbox", daily_at=(3, 20)),
    Entry(name="purge expired tokens", task="members.tasks.purge_tokens", daily_at=(3, 30)),
)


@transaction.atomic
def synchronize() -> None:
    """Make the scheduler's rows equal to the timetable; a repeat changes nothing.

    Whether a task is enabled stays as the operator left it, and rows that the operator
    added stay untouched.
    """
    for entry in TIMETABLE:
        _synchronize(entry)
    names = [entry.name for entry in TIMETABLE]
    for retired in PeriodicTask.objects.filter(description=MARK).exclude(name__in=names):
        retired.delete()


def _synchronize(entry: Entry) -> None:
    interval, crontab = _schedules(entry)
    wanted = {
        "task": entry.task,
        "interval": interval,
        "crontab": crontab,
        "description": MARK,
        # A queue that stood still is not to find the same task a hundred times: each run
        # does all that is due.
        "expire_seconds": entry.every_seconds,
    }
    row = PeriodicTask.objects.filter(name=entry.name).first()
    if row is None:
        PeriodicTask.objects.create(name=entry.name, **wanted)
        return
    changed = [field for field, value in wanted.items() if getattr(row, field) != value]
    for field in changed:
        setattr(row, field, wanted[field])
    # Saving tells the scheduler to read everything again.
    if changed:
        row.save()


def _schedules(entry: Entry) -> tuple[IntervalSchedule | None, CrontabSchedule | None]:
    if entry.every_seconds is not None:
        interval, _created = IntervalSchedule.objects.get_or_create(
            every=entry.every_seconds, period=IntervalSchedule.SECONDS
        )
        return interval, None
    hour, minute = entry.daily_at or (0, 0)
    crontab, _created = CrontabSchedule.objects.get_or_create(
        minute=str(minute),
        hour=str(hour),
        day_of_week="*",
        day_of_month="*",
        month_of_year="*",
        timezone="UTC",
    )
    return None, crontab
