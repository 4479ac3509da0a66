"""Points that go into a pool, and those that come back to who gave them.

Every move is ``pool_out`` and ``pool_in``: a lot of the pool continues one of its contributor,
with the same end, and a lot that comes back continues one of the pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import connection, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from loyalty_site.lib.errors import DomainError
from members.models import LedgerTransaction, Member, Pool, PoolMembership
from members.pooling import PoolTerms, reasons_against_giving, share_of, terms_of
from members.queries import pools as reading
from members.services import ledger, merged_rows, moving
from members.services.moving import Move

SOURCE = "pool"
ACTOR = "job:share_with_pools"
# More than a pool can hold.
POINTS_MAX = 10**12

Status = Member.Status


class NotInAPool(DomainError):
    """The member is in no pool."""

    code = "not_in_a_pool"
    status = 404
    title = "The member is in no pool"
    cause = "It was left, or nobody let the member in."
    remedy = "Found a pool, or join one with the code of an invitation."


class PoolRefused(DomainError):
    """Something stands against it; ``reasons`` says what."""

    code = "pool_refused"
    title = "The pool does not allow this"
    cause = "The terms of pools, the role or the balance stand against it."
    remedy = "Read `reasons`; each says what stands against, and what would mend it."
    is_stored_refusal: ClassVar[bool] = True


def refusal(reasons: Sequence[str], **figures: object) -> PoolRefused:
    """Return the refusal that reasons amount to, with a sentence each in the active language."""
    told = [{"code": code, "text": str(_TEXTS[code]() % figures)} for code in reasons]
    return PoolRefused(told[0]["text"], reasons=told)


@dataclass(frozen=True, slots=True)
class Locked:
    """A member's pool under the lock of both, net of what was due, and freshly read."""

    membership: PoolMembership
    member: Member

    @property
    def pool(self) -> Pool:
        """Return the pool."""
        return self.membership.pool


def lock(*, member_id: int, moment: datetime, actor: str, also: Sequence[int] = ()) -> Locked:
    """Lock the member, the pool and ``also``, and post what is due for them.

    :raises NotInAPool: the member is in none.
    """
    found = reading.open_membership(member_id)
    if found is None:
        raise NotInAPool
    ledger.settle_due(
        member_ids=[member_id, found.pool.holder_id, *also],
        moment=moment,
        recorded_at=moment,
        actor=actor,
    )
    # Read again under the lock: the member may have left meanwhile, and joined another.
    fresh = reading.open_membership(member_id)
    if fresh is None or fresh.pk != found.pk:
        raise NotInAPool
    return Locked(fresh, fresh.member)


@transaction.atomic
def contribute(*, member_id: int, points: int, ref: str, actor: str, moment: datetime) -> Pool:
    """Give points to the pool that the member is in, those that end first; return the pool.

    ``ref`` is the caller's name for the gift; it is unique.

    :raises NotInAPool: the member is in none.
    :raises PoolRefused: the terms, the pool's cap or the balance stand against it.
    """
    locked = lock(member_id=member_id, moment=moment, actor=actor)
    pool = locked.pool
    purse = moving.purses(member_id)[pool.currency_id]
    held = held_by(pool)
    against = reasons_against_giving(
        terms_of(pool.program.pools, pool.kind),
        status=locked.member.status,
        available=purse.accounts["available"].balance,
        debt=purse.owed,
        held=held,
        points=points,
    )
    if against:
        raise refusal(against, available=purse.accounts["available"].balance, held=held)
    taken = ledger.take(account_id=purse.accounts["available"].pk, points=points)
    _move(pool, member_id, pool.holder_id, taken, f"gift-{ref}", actor, moment, moment)
    return pool


def share_due(*, membership: PoolMembership, actor: str, moment: datetime) -> int:
    """Give the pool its share of what the member earned since the last time; return the points.

    The caller has locked and settled both. What waits is shared when it becomes available, what
    was spent meanwhile is not. Dated at the earn, so that a late job changes no history.
    """
    pool = membership.pool
    terms = terms_of(pool.program.pools, pool.kind)
    shared = 0
    if terms and membership.share_pct and membership.member.status == Status.ACTIVE:
        for transaction_id, earned in _earned_since(membership).items():
            shared += _share(membership, terms, transaction_id, earned, actor, moment)
    newest = LedgerTransaction.objects.filter(member=membership.member_id).aggregate(
        newest=Max("pk")
    )["newest"]
    membership.shared_through = max(membership.shared_through, newest or 0)
    membership.shared_at = moment
    membership.save(update_fields=["shared_through", "shared_at"])
    return shared


def return_own(
    *,
    pool: Pool,
    contributor_id: int,
    ref: str,
    actor: str,
    at: datetime,
    recorded_at: datetime,
) -> int:
    """Give a contributor back what is left of their points in the pool; return how many.

    The caller has locked both, and whom a merged contributor went into. The points keep their
    end, and pay a debt first. Dated at ``at``, or when the last of them came to the pool.
    """
    own = {
        lot.id: lot.remaining
        for lot in reading.lots_of(pool)
        if lot.contributor_id == contributor_id
    }
    if own:
        _move(pool, pool.holder_id, contributor_id, own, ref, actor, at, recorded_at)
        contributor = Member.objects.get(pk=contributor_id)
        merged_rows.forward(member=contributor, ref=ref, actor=actor, moment=recorded_at)
    return sum(own.values())


def recall(
    *, holder_id: int, points: Mapping[int, int], ref: str, actor: str, moment: datetime
) -> dict[int, int]:
    """Fetch points of lots of a pool back to who gave them; return the new lots by the old.

    For goods that come back: what they earned is taken where it was earned. All rows are locked.
    """
    pool = Pool.objects.select_related("program").get(holder=holder_id)
    givers = {lot.id: lot.contributor_id for lot in reading.lots_of(pool)}
    new: dict[int, int] = {}
    for contributor in sorted({givers[lot] for lot in points}):
        part = {lot: each for lot, each in points.items() if givers[lot] == contributor}
        name = f"{ref}-{contributor}"
        new |= _move(
            *(pool, holder_id, contributor, part, name, actor, moment, moment), pays_debt=False
        )
    return new


def _move(
    pool: Pool,
    giver: int,
    taker: int,
    points: Mapping[int, int],
    ref: str,
    actor: str,
    at: datetime,
    recorded_at: datetime,
    *,
    pays_debt: bool = True,
) -> dict[int, int]:
    return moving.move_some(
        program_id=pool.program_id,
        giver=giver,
        taker=taker,
        currency_id=pool.currency_id,
        points=points,
        move=Move(
            source=SOURCE,
            ref=ref,
            actor=actor,
            moment=at,
            recorded_at=recorded_at,
            types=moving.POOL,
            pays_debt=pays_debt,
        ),
    )


def held_by(pool: Pool) -> int:
    """Return what the pool holds, available or set aside; its accounts are locked."""
    purse = moving.purses(pool.holder_id)[pool.currency_id]
    return purse.accounts["available"].balance + purse.accounts["held"].balance


# What earns opened, or what became available of them, since they were shared the last time.
_EARNED = """
SELECT t.id, t.occurred_at, l.id, l.remaining, l.points - coalesce((
  SELECT sum(u.points) FROM members_lotuse u
  WHERE u.lot_id = l.id AND u.transaction_id = t.id AND u.kind = 'debt'), 0)::bigint
FROM members_ledgertransaction t
JOIN members_pointlot l ON l.transaction_id = t.id
JOIN members_ledgeraccount a ON a.id = l.account_id AND a.kind = 'available'
LEFT JOIN members_pointlot w ON w.id = l.moved_from_id
JOIN members_ledgertransaction o ON o.id = coalesce(w.transaction_id, t.id)
WHERE t.member_id = %(member)s AND t.currency_id = %(currency)s AND t.id > %(through)s
  AND t.recorded_at > %(since)s AND t.type IN ('earn', 'activate')
  AND o.type = 'earn' AND o.occurred_at >= %(joined_at)s
ORDER BY t.id, l.expires_at, l.id
"""
# Clocks of two machines may differ by so much, and a lock is never waited for longer.
_SLACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Earned:
    """What became available at an instant: (lot, what remains, points after a debt was paid)."""

    at: datetime
    lots: list[tuple[int, int, int]]


def _earned_since(membership: PoolMembership) -> dict[int, _Earned]:
    with connection.cursor() as cursor:
        cursor.execute(
            _EARNED,
            {
                "member": membership.member_id,
                "currency": membership.pool.currency_id,
                "through": membership.shared_through,
                "since": membership.shared_at - _SLACK,
                "joined_at": membership.joined_at,
            },
        )
        rows = cursor.fetchall()
    found: dict[int, _Earned] = {}
    for transaction_id, at, lot, remaining, points in rows:
        found.setdefault(transaction_id, _Earned(at, [])).lots.append((lot, remaining, points))
    return found


def _share(
    membership: PoolMembership,
    terms: PoolTerms,
    transaction_id: int,
    earned: _Earned,
    actor: str,
    moment: datetime,
) -> int:
    pool = membership.pool
    room = terms.room(held_by(pool), POINTS_MAX)
    taken: dict[int, int] = {}
    for lot, remaining, points in earned.lots:
        part = share_of(points, membership.share_pct, left=remaining, room=room)
        if part:
            taken[lot] = part
            room -= part
    if taken:
        _move(
            *(pool, membership.member_id, pool.holder_id, taken),
            *(f"share-{transaction_id}", actor, earned.at, moment),
        )
    return sum(taken.values())


@transaction.atomic
def share_of_member(*, member_id: int, moment: datetime, actor: str = ACTOR) -> int:
    """Share with the pool what a member earned; return the points. A repeat shares nothing."""
    try:
        locked = lock(member_id=member_id, moment=moment, actor=actor)
    except NotInAPool:
        return 0
    return share_due(membership=locked.membership, actor=actor, moment=moment)


_TEXTS = {
    "pools_off": lambda: _("Points cannot be pooled in this program."),
    "member_suspended": lambda: _("The membership is not active."),
    "in_a_pool": lambda: _("You are in a pool already; leave it first."),
    "too_new": lambda: _("Pools are open %(days)s days after joining the program."),
    "pool_closed": lambda: _("This pool has ended."),
    "pool_complete": lambda: _("The pool has as many members as it can have."),
    "role_may_not_redeem": lambda: _("Your role in the pool does not allow this; ask its owner."),
    "in_debt": lambda: _("Points are owed after a return; what is earned next settles it."),
    "pool_full": lambda: _("The pool cannot hold so many points."),
    "insufficient_points": lambda: _("You have %(available)s points."),
}
