"""The jobs of campaigns; each means 'all that is due and not done'."""

from __future__ import annotations

from datetime import datetime

from campaigns.services.campaign_rows import move_by_clock
from campaigns.services.occasions import NOTE_OCCASIONS
from campaigns.services.program import take_announced
from campaigns.services.returns import retry_parked
from campaigns.services.segments import refresh_segments
from members.services.jobs import Job, Trouble


def _retry(moment: datetime, trouble: Trouble) -> int | None:
    # Returns that still lack their purchase stay parked, so that one call is all there is.
    return retry_parked(moment=moment)


def _refresh(moment: datetime, trouble: Trouble) -> int | None:
    return refresh_segments(moment=moment)


def _take(moment: datetime, trouble: Trouble) -> int | None:
    return take_announced(moment=moment)


def _move(moment: datetime, trouble: Trouble) -> int | None:
    return move_by_clock(moment=moment)


RETRY_PARKED_RETURNS = Job(
    name="retry_parked_returns", chunk=_retry, is_exclusive=False, in_chunks=False
)
REFRESH_SEGMENTS = Job(name="refresh_segments", chunk=_refresh, is_exclusive=False, in_chunks=False)
MOVE_CAMPAIGNS = Job(name="move_campaigns", chunk=_move, in_chunks=False)
TAKE_ANNOUNCED = Job(name="take_announced", chunk=_take, in_chunks=False)
JOBS = {
    job.name: job
    for job in (
        RETRY_PARKED_RETURNS,
        REFRESH_SEGMENTS,
        MOVE_CAMPAIGNS,
        NOTE_OCCASIONS,
        TAKE_ANNOUNCED,
    )
}
