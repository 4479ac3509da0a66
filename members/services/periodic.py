"""The jobs of members by name, for the timetable's tasks and for the operator's commands."""

from __future__ import annotations

from datetime import datetime

from members.services import (
    batch_posting,
    candidates,
    delivery,
    notices,
    partner_statements,
    pool_jobs,
    reconciliation,
    scores,
    sealing,
    settling,
    tiers,
    transfer_ends,
    upkeep,
)
from members.services.jobs import Job, Trouble

# A chunk holds the locks of its members: few enough that no till waits for half a second.
MEMBERS_PER_CHUNK = 1000


def regrade_tiers(moment: datetime, trouble: Trouble) -> int | None:
    """Grade a chunk of members whose tier is due."""
    return tiers.regrade_due(moment=moment, trouble=trouble, limit=MEMBERS_PER_CHUNK)


def deliver_outbox(moment: datetime, _trouble: Trouble) -> int | None:
    """Tell a chunk of events; workers share them by their claims."""
    return delivery.deliver_due(moment=moment) or None


JOBS = {
    job.name: job
    for job in (
        settling.ACTIVATE_POINTS,
        settling.EXPIRE_POINTS,
        notices.TELL_OF_ENDS,
        transfer_ends.COMPLETE_TRANSFERS,
        pool_jobs.SHARE_WITH_POOLS,
        pool_jobs.SWEEP_POOLS,
        partner_statements.PROPOSE_STATEMENTS,
        batch_posting.POST_BATCHES,
        Job(name="regrade_tiers", chunk=regrade_tiers, is_exclusive=False),
        Job(name="deliver_outbox", chunk=deliver_outbox, is_exclusive=False),
        sealing.SEAL_LEDGER,
        reconciliation.VERIFY_LEDGER,
        candidates.FIND_DUPLICATES,
        scores.SCORE_MEMBERS,
        upkeep.PURGE_IDEMPOTENCY_RECORDS,
        upkeep.PURGE_OUTBOX,
        upkeep.PURGE_TOKENS,
    )
}
