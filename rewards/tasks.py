"""The work of rewards that runs by itself."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from members.services import jobs
from rewards.services.holds import RELEASE_HOLDS


@shared_task(name="rewards.tasks.release_holds")
def release_holds() -> int:
    """Release every hold whose time is over; return how many redemptions expired."""
    return jobs.run(RELEASE_HOLDS, moment=timezone.now()).done
