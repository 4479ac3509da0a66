"""Who pays for a redemption: the member, or the pool that the member is in."""

from __future__ import annotations

from datetime import datetime

from members.models import PoolMembership
from members.pooling import terms_of
from members.queries import pools
from members.services import ledger, pool_points


def of_pool(*, member_id: int) -> int:
    """Return the row that holds the points of the member's pool; nothing is locked.

    :raises NotInAPool: the member is in none.
    :raises PoolRefused: the member's role may not redeem its points.
    """
    membership = pools.open_membership(member_id)
    if membership is None:
        raise pool_points.NotInAPool
    return _allowed(membership)


def settle(*, member_id: int, with_pool: bool, moment: datetime, actor: str) -> int | None:
    """Lock and settle who pays, and return the row of the pool; None where the member pays.

    :raises NotInAPool: the member is in none.
    :raises PoolRefused: the member's role may not redeem its points.
    """
    if with_pool:
        locked = pool_points.lock(member_id=member_id, moment=moment, actor=actor)
        return _allowed(locked.membership)
    ledger.settle_due(member_ids=[member_id], moment=moment, recorded_at=moment, actor=actor)
    return None


def _allowed(membership: PoolMembership) -> int:
    pool = membership.pool
    terms = terms_of(pool.program.pools, pool.kind)
    if terms is None:
        raise pool_points.refusal(["pools_off"])
    if membership.role not in terms.redeem:
        raise pool_points.refusal(["role_may_not_redeem"])
    return pool.holder_id
