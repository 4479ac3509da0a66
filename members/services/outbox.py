"""What has to be told to members: rows written with the act, and a bell rung after its commit.

The row is the record. The bell only shortens the wait: a lost ring costs at most the minute
until the sweep of the timetable.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError
from kombu.exceptions import OperationalError as BrokerError

from members.models import OutboxEvent

Kind = Literal[
    "points_earned",
    "points_expired",
    "points_expiring",
    "tier_changed",
    "redemption_made",
    "redemption_cancelled",
    "voucher_used",
    "voucher_granted",
    "voucher_withdrawn",
    "member_enrolled",
    "return_applied",
    "transfer_requested",
    "transfer_received",
    "transfer_returned",
    "members_merged",
    "pool_ended",
    "claim_decided",
]
KINDS: tuple[str, ...] = get_args(Kind)

RINGS_APART_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class News:
    """One thing to tell; ``payload`` holds only JSON, public ids and figures."""

    kind: Kind
    member_id: int | None
    payload: Mapping[str, Any] = field(default_factory=dict)


def record(
    *,
    program_id: int,
    kind: Kind,
    member_id: int | None,
    payload: Mapping[str, Any],
    moment: datetime,
) -> None:
    """Write what has to be told in the caller's transaction, and ring once it is committed."""
    record_many(
        program_id=program_id,
        news=[News(kind=kind, member_id=member_id, payload=payload)],
        moment=moment,
    )


def record_many(*, program_id: int, news: Iterable[News], moment: datetime) -> None:
    """Write many things to tell with one statement, and ring once they are committed."""
    rows = [
        OutboxEvent(
            program_id=program_id,
            kind=item.kind,
            member_id=item.member_id,
            payload=dict(item.payload),
            created_at=moment,
        )
        for item in news
    ]
    if rows:
        OutboxEvent.objects.bulk_create(rows)
        ring()


def ring(task: str = "members.tasks.deliver_outbox") -> None:
    """Ask a worker, once the transaction is committed, to run ``task`` soon.

    Rings are joined to one a second for each task and process.
    """
    transaction.on_commit(lambda: _bell.ring(task), robust=True)


class _Bell:
    """Sends the task at the first ring, to start when the rings that it answers are over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rung_at: dict[str, float] = {}

    def ring(self, task: str) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._rung_at.get(task, float("-inf")) < RINGS_APART_SECONDS:
                return
            self._rung_at[task] = now
        try:
            current_app.send_task(task, countdown=RINGS_APART_SECONDS, retry=False)
        except (KombuError, BrokerError, OSError) as error:
            # The act is committed and its row stands; the sweep will find it.
            _log.warning("the queue could not be rung: %s", type(error).__name__)


_bell = _Bell()
