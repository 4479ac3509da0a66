"""How somebody's time in a pool ends, and how a pool does: everybody gets back what is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from loyalty_site.lib.problems import NotFound
from members.models import Pool, PoolInvite, PoolMembership
from members.pooling import successor
from members.queries import pools as reading
from members.services import ledger, outbox, pool_points
from members.services.pool_points import Locked
from members.services.pools import require_owner

Ending = PoolMembership.Ending
Role = PoolMembership.Role


@transaction.atomic
def leave(*, member_id: int, actor: str, moment: datetime) -> int:
    """End the member's time in their pool; return how many points came back to them.

    What an owner leaves behind is the longest adult's; without one the pool ends.

    :raises NotInAPool: the member is in none.
    """
    locked = _lock_all(member_id, actor, moment)
    return _end(locked, locked.membership, Ending.LEFT, actor, moment)


@transaction.atomic
def remove(*, owner_id: int, member: UUID, actor: str, moment: datetime) -> int:
    """Let the owner remove somebody; return how many points went back to that member.

    :raises NotInAPool: the owner is in none.
    :raises NotYourPool: somebody else owns it.
    :raises NotFound: nobody else in the pool has that id.
    """
    locked = _lock_all(owner_id, actor, moment)
    require_owner(locked.membership)
    for each in reading.members_of(locked.pool.pk):
        if each.member.public_id == member and each.member_id != owner_id:
            return _end(locked, each, Ending.REMOVED, actor, moment)
    raise NotFound


@transaction.atomic
def close(*, owner_id: int, actor: str, moment: datetime) -> Pool:
    """Return the owner's pool, ended: everybody has back what was left of theirs.

    :raises NotInAPool: the owner is in none.
    :raises NotYourPool: somebody else owns it.
    """
    locked = _lock_all(owner_id, actor, moment)
    require_owner(locked.membership)
    _close(locked.pool, reading.members_of(locked.pool.pk), actor, moment)
    return locked.pool


@transaction.atomic
def end_of_member(*, member_id: int, ending: Ending, actor: str, moment: datetime) -> int:
    """End the pool membership of somebody who goes; return the points. Nothing without one.

    Called before anything of the member is locked.
    """
    try:
        locked = _lock_all(member_id, actor, moment)
    except pool_points.NotInAPool:
        return 0
    pool = locked.pool
    if ending == Ending.ERASED and locked.membership.role == Role.OWNER and pool.name:
        # Its owner called it so: a family's name is theirs.
        pool.name = ""
        pool.save(update_fields=["name"])
    return _end(locked, locked.membership, ending, actor, moment)


def _lock_all(member_id: int, actor: str, moment: datetime) -> Locked:
    """Lock everybody in the pool: who leaves may be its owner, and all points may go back."""
    around = people_around(member_id)
    locked = pool_points.lock(member_id=member_id, moment=moment, actor=actor, also=around)
    # Whoever joined in between; joining takes the pool's lock too, so that nobody does now.
    late = sorted(set(people_around(member_id)) - set(around))
    if late:
        ledger.settle_due(member_ids=late, moment=moment, recorded_at=moment, actor=actor)
    return locked


def people_around(member_id: int) -> list[int]:
    """Return the rows that an end of the member's time in a pool has to lock with theirs."""
    found = reading.open_membership(member_id)
    if found is None:
        return []
    return [found.pool.holder_id, *(each.member_id for each in reading.members_of(found.pool_id))]


def _end(
    locked: Locked, membership: PoolMembership, ending: Ending, actor: str, moment: datetime
) -> int:
    pool = locked.pool
    rest = [each for each in reading.members_of(pool.pk) if each.pk != membership.pk]
    points = _go(pool, membership, ending, actor, moment)
    if membership.role != Role.OWNER:
        return points
    heir = successor([(each.role, each.joined_at, each.pk) for each in rest])
    if heir is None:
        _close(pool, rest, actor, moment)
    else:
        PoolMembership.objects.filter(pk=heir).update(role=Role.OWNER)
        PoolInvite.objects.filter(pool=pool, used_at=None).delete()
    return points


def _go(
    pool: Pool, membership: PoolMembership, ending: Ending, actor: str, moment: datetime
) -> int:
    pool_points.share_due(membership=membership, actor=actor, moment=moment)
    points = pool_points.return_own(
        pool=pool,
        contributor_id=membership.member_id,
        ref=f"end-{membership.pk}",
        actor=actor,
        at=moment,
        recorded_at=moment,
    )
    membership.left_at, membership.ending = moment, ending
    membership.save(update_fields=["left_at", "ending"])
    if ending in (Ending.REMOVED, Ending.CLOSED):
        outbox.record(
            program_id=pool.program_id,
            kind="pool_ended",
            member_id=membership.member_id,
            payload={
                "pool": str(pool.public_id),
                "points": points,
                "currency": pool.currency.code,
                "ending": str(ending),
            },
            moment=moment,
        )
    return points


def _close(pool: Pool, rest: Sequence[PoolMembership], actor: str, moment: datetime) -> None:
    for each in rest:
        _go(pool, each, Ending.CLOSED, actor, moment)
    PoolInvite.objects.filter(pool=pool, used_at=None).delete()
    pool.name, pool.closed_at, pool.changed_at = "", moment, moment
    pool.save(update_fields=["name", "closed_at", "changed_at"])
