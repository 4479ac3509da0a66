"""The clock of the periodic tasks, leaving a sign of life."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone
from django_celery_beat.schedulers import DatabaseScheduler

HEARTBEAT_SECONDS = 10

logger = logging.getLogger(__name__)


class Scheduler(DatabaseScheduler):
    """The timetable's scheduler, which writes the heartbeat ``beat``.

    A task cannot tell for it: a task that ran late may have waited for the worker.
    """

    _beaten_at = float("-inf")

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; return the seconds until the next look."""
        seconds: float = super().tick(*args, **kwargs)
        if time.monotonic() - self._beaten_at >= HEARTBEAT_SECONDS:
            self._beaten_at = time.monotonic()
            self._write_heartbeat()
        return min(seconds, HEARTBEAT_SECONDS / 2)

    @staticmethod
    def _write_heartbeat() -> None:
        from members.models import Heartbeat

        try:
            Heartbeat.objects.update_or_create(name="beat", defaults={"beat_at": timezone.now()})
        except DatabaseError:
            # The database comes back, and the clock has to be there when it does.
            logger.warning("No heartbeat: the database does not answer")
            connection.close()
