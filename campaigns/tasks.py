"""The work of campaigns that runs by itself: doorbells of the jobs."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from campaigns.services import backtests
from campaigns.services.occasions import NOTE_OCCASIONS
from campaigns.services.periodic import (
    MOVE_CAMPAIGNS,
    REFRESH_SEGMENTS,
    RETRY_PARKED_RETURNS,
    TAKE_ANNOUNCED,
)
from members.services import jobs


@shared_task
def retry_parked_returns() -> None:
    """Apply returns that waited for their purchase."""
    jobs.run(RETRY_PARKED_RETURNS, moment=timezone.now())


@shared_task
def refresh_segments() -> None:
    """Bring the members of every segment up to date."""
    jobs.run(REFRESH_SEGMENTS, moment=timezone.now())


@shared_task
def move_campaigns() -> None:
    """Say of every campaign whether it is to come, running or over."""
    jobs.run(MOVE_CAMPAIGNS, moment=timezone.now())


@shared_task
def note_occasions() -> None:
    """Write down birthdays, silences and other occasions that rules answer to."""
    jobs.run(NOTE_OCCASIONS, moment=timezone.now())


@shared_task
def backtest() -> None:
    """Replay every draft that staff asked about and nobody took up."""
    for pk in backtests.waiting():
        backtests.run(pk)


@shared_task
def take_announced() -> None:
    """Let changes hold whose notice has run."""
    jobs.run(TAKE_ANNOUNCED, moment=timezone.now())
