"""What is known of pools: who is in one, what each gave to it, and what of it is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from members.models import Pool, PoolMembership
from members.pooling import PoolTerms, terms_of
from members.queries.balances import balance_now

# The available lots of a pool with whom each comes from.
_LOTS = """
SELECT l.id, l.remaining, pool_contributor(l.id)
FROM members_pointlot l
JOIN members_ledgeraccount a ON a.id = l.account_id AND a.kind = 'available'
WHERE a.member_id = %s AND l.remaining > 0 ORDER BY l.expires_at, l.id
"""

# The rows that hold the pools in which any of the members is, or was.
_HOLDERS = """
SELECT DISTINCT p.holder_id FROM members_poolmembership s
JOIN members_pool p ON p.id = s.pool_id WHERE s.member_id = ANY (%s::bigint[]) ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class PoolLot:
    """Points that are left in a lot of a pool, and the member who gave them."""

    id: int
    remaining: int
    contributor_id: int


@dataclass(frozen=True, slots=True)
class Companion:
    """Somebody in a pool, as the others see them; ``points`` of theirs are left in it."""

    membership: PoolMembership
    name: str
    points: int

    @property
    def is_owner(self) -> bool:
        """Return whether the pool is theirs."""
        return self.membership.role == PoolMembership.Role.OWNER


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool as somebody in it sees it; ``terms`` None where the program has none any more."""

    pool: Pool
    mine: PoolMembership
    terms: PoolTerms | None
    available: int
    held: int
    companions: tuple[Companion, ...]

    @property
    def may_redeem(self) -> bool:
        """Return whether this member may exchange the pool's points."""
        return self.terms is not None and self.mine.role in self.terms.redeem

    @property
    def is_owner(self) -> bool:
        """Return whether this member invites and removes."""
        return self.mine.role == PoolMembership.Role.OWNER

    @property
    def points_of_mine(self) -> int:
        """Return what would come back to this member."""
        return next(each.points for each in self.companions if each.membership.pk == self.mine.pk)


def open_membership(member_id: int) -> PoolMembership | None:
    """Return the membership of the pool that somebody is in, or None."""
    rows = PoolMembership.objects.filter(member=member_id, left_at__isnull=True)
    return rows.select_related("pool__program", "pool__currency", "pool__holder", "member").first()


def members_of(pool_id: int) -> list[PoolMembership]:
    """Return the open memberships of a pool, the longest first."""
    rows = PoolMembership.objects.filter(pool=pool_id, left_at__isnull=True)
    return list(rows.select_related("member", "pool").order_by("joined_at", "pk"))


def lots_of(pool: Pool) -> list[PoolLot]:
    """Return the lots of the pool that hold points, soonest end first."""
    with connection.cursor() as cursor:
        cursor.execute(_LOTS, [pool.holder_id])
        return [PoolLot(*row) for row in cursor.fetchall()]


def holders_around(member_ids: Sequence[int]) -> list[int]:
    """Return the rows that hold pools in which any of the members is, or was."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, [list(member_ids)])
        return [row[0] for row in cursor.fetchall()]


def view_of(member_id: int, moment: datetime) -> PoolView | None:
    """Return the pool that the member is in, its points net of what is due; None without one."""
    mine = open_membership(member_id)
    if mine is None:
        return None
    pool = mine.pool
    balance = balance_now(member=pool.holder.public_id, moment=moment, currency=pool.currency.code)
    assert balance is not None
    left: dict[int, int] = {}
    for lot in lots_of(pool):
        left[lot.contributor_id] = left.get(lot.contributor_id, 0) + lot.remaining
    return PoolView(
        pool=pool,
        mine=mine,
        terms=terms_of(pool.program.pools, pool.kind),
        available=balance.available,
        held=balance.held,
        companions=tuple(
            Companion(each, _name(each), left.get(each.member_id, 0))
            for each in members_of(pool.pk)
        ),
    )


def _name(membership: PoolMembership) -> str:
    # Who shares a pool knows each other by first name; nobody is shown a family name or a number.
    return membership.member.first_name
