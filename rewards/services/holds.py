"""Pieces of rewards and the holds on them: put back, expired, swept."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.db.models import F

from loyalty_site.lib.retries import retrying
from members.models import LedgerHold
from members.services import ledger
from members.services.jobs import Job, Trouble
from rewards.models import Redemption, Reward

ACTOR = "job:release_holds"
MEMBERS_PER_CHUNK = 200

State = Redemption.State


def lock_stock(*, reward_id: int) -> None:
    """Lock the reward's row where it counts pieces; it comes before the rows of redemptions."""
    counted = Reward.objects.filter(pk=reward_id, stock__isnull=False)
    list(counted.select_for_update(no_key=True).values_list("pk"))


def put_back(*, reward_id: int, pieces: int) -> None:
    """Add pieces to the reward's stock where it counts them."""
    Reward.objects.filter(pk=reward_id, stock__isnull=False).update(stock=F("stock") + pieces)


def expire_of_reward(*, reward_id: int, moment: datetime) -> int:
    """Expire the holds on the reward whose time is over; return how many.

    Their points become free by themselves: they are due in the books since the same instant.
    """
    lapsed = Redemption.objects.filter(
        reward=reward_id, state=State.HELD, hold_expires_at__lte=moment
    )
    if not lapsed.exists():
        return 0
    lock_stock(reward_id=reward_id)
    return len(_expire("reward_id = %s::bigint", reward_id, moment))


def release_chunk(moment: datetime, trouble: Trouble) -> int | None:
    """Release the holds of some members whose time is over; return how many redemptions expired.

    None when there was nothing left. Each member is a transaction of their own,
    and one whom the books refuse does not keep the others waiting.
    """
    members = _members_with_lapsed(moment, trouble)
    if not members:
        return None
    expired = 0
    for member_id in members:
        try:
            expired += _release_of(member_id, moment)
        except IntegrityError as error:
            trouble.add(str(error).partition("\n")[0][:200], member_id)
    return expired


RELEASE_HOLDS = Job(name="release_holds", chunk=release_chunk, is_exclusive=False)


def _members_with_lapsed(moment: datetime, trouble: Trouble) -> list[int]:
    by_row = Redemption.objects.filter(state=State.HELD, hold_expires_at__lte=moment)
    # A hold that was expired for the sake of its piece is still open in the books.
    by_books = LedgerHold.objects.filter(is_open=True, expires_at__lte=moment)
    members = [
        *by_row.exclude(member__in=trouble.members)
        .order_by("hold_expires_at", "pk")
        .values_list("member_id", flat=True)[:MEMBERS_PER_CHUNK],
        *by_books.exclude(account__member__in=trouble.members)
        .order_by("expires_at", "pk")
        .values_list("account__member", flat=True)[:MEMBERS_PER_CHUNK],
    ]
    return list(dict.fromkeys(members))


def _release_of(member_id: int, moment: datetime) -> int:
    expired: int = retrying(lambda: _release(member_id, moment))
    return expired


@transaction.atomic
def _release(member_id: int, moment: datetime) -> int:
    ledger.settle_due(member_ids=[member_id], moment=moment, recorded_at=moment, actor=ACTOR)
    lapsed = Redemption.objects.filter(
        member=member_id, state=State.HELD, hold_expires_at__lte=moment
    )
    for reward_id in sorted(set(lapsed.values_list("reward_id", flat=True))):
        lock_stock(reward_id=reward_id)
    return len(_expire("member_id = %s::bigint", member_id, moment))


def _expire(of: str, key: int, moment: datetime) -> list[tuple[int, int]]:
    # The rows of the rewards are locked by the caller.
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE rewards_redemption SET state = 'expired', changed_at = %s::timestamptz"
            f" WHERE {of} AND state = 'held' AND hold_expires_at <= %s::timestamptz"
            " RETURNING reward_id, quantity",
            [moment, key, moment],
        )
        expired: list[tuple[int, int]] = cursor.fetchall()
    pieces: Counter[int] = Counter()
    for reward_id, quantity in expired:
        pieces[reward_id] += quantity
    for reward_id in sorted(pieces):
        put_back(reward_id=reward_id, pieces=pieces[reward_id])
    return expired
