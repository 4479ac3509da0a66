"""The jobs that keep the books tidy: activation and expiry of whoever's points are due.

Every service settles what is due for its member first, so that nobody waits for these jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from members.services import ledger, outbox
from members.services.jobs import Job, Trouble

# A chunk holds the locks of its members: few enough that no till waits for half a second.
ACTIVATIONS_PER_CHUNK = 100
EXPIRIES_PER_CHUNK = 1000

# The condition on earned_at is that of the index: it tells lots that wait from those that were
# moved when they became available.
_ACTIVATING = """
SELECT DISTINCT d.member_id FROM (
  SELECT a.member_id FROM members_pointlot l
  JOIN members_ledgeraccount a ON a.id = l.account_id AND a.kind = 'pending'
  WHERE l.remaining > 0 AND l.available_at > l.earned_at AND l.available_at <= %s
    AND NOT a.member_id = ANY (%s::bigint[])
  ORDER BY l.available_at LIMIT %s) d
ORDER BY 1
"""
_EXPIRING = """
SELECT DISTINCT d.member_id FROM (
  SELECT a.member_id FROM members_pointlot l
  JOIN members_ledgeraccount a ON a.id = l.account_id
  WHERE l.remaining > 0 AND l.expires_at <= %s AND NOT a.member_id = ANY (%s::bigint[])
    AND a.kind = 'available' AND (l.renew_months IS NULL OR
      ledger_lot_end(l.expires_at, l.renew_months, a.active_on, a.program_id) <= %s)
  ORDER BY l.expires_at LIMIT %s) d
ORDER BY 1
"""


def activate_due(moment: datetime, trouble: Trouble) -> int | None:
    """Make a chunk of pending lots available; return how many transactions were posted."""
    members = _due(_ACTIVATING, moment, trouble.members, ACTIVATIONS_PER_CHUNK)
    return settle(members, moment=moment, trouble=trouble, actor="job:activate_points")


def expire_due(moment: datetime, trouble: Trouble) -> int | None:
    """Expire a chunk of lots whose end has come; return how many transactions were posted."""
    members = _due(_EXPIRING, moment, trouble.members, moment, EXPIRIES_PER_CHUNK)
    return settle(members, moment=moment, trouble=trouble, actor="job:expire_points")


def settle(members: Sequence[int], *, moment: datetime, trouble: Trouble, actor: str) -> int | None:
    """Post what is due for the members; None when there are none.

    Where the books refuse a chunk it is repeated member by member, so that one member's rows
    never keep the others waiting.
    """
    if not members:
        return None
    try:
        return _settle_together(members, moment, actor)
    except IntegrityError as error:
        if len(members) == 1:
            trouble.add(str(error).partition("\n")[0][:200], members[0])
            return 0
    return sum(
        settle([member], moment=moment, trouble=trouble, actor=actor) or 0 for member in members
    )


def _due(sql: str, *values: Any) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [row[0] for row in cursor.fetchall()]


@transaction.atomic
def _settle_together(members: Sequence[int], moment: datetime, actor: str) -> int:
    posted = ledger.settle_due(
        member_ids=members, moment=moment, recorded_at=timezone.now(), actor=actor
    )
    outbox.ring()
    return posted


ACTIVATE_POINTS = Job(name="activate_points", chunk=activate_due)
EXPIRE_POINTS = Job(name="expire_points", chunk=expire_due)
