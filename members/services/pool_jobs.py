"""The jobs of pools: shares of what was earned, and what came back for those who left."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.db.models import Max

from loyalty_site.lib.retries import retrying
from members.models import LedgerTransaction, Member, Pool, PoolMembership
from members.services import ledger, merged_rows, pool_points
from members.services.jobs import Job, Trouble

POOLS_PER_CHUNK = 200

_TO_SHARE = """
SELECT s.id, s.member_id FROM members_poolmembership s
JOIN members_pool p ON p.id = s.pool_id
WHERE s.left_at IS NULL AND s.share_pct > 0 AND s.member_id <> ALL (%(left_out)s::bigint[])
  AND EXISTS (
    SELECT FROM members_ledgertransaction t
    WHERE t.member_id = s.member_id AND t.currency_id = p.currency_id
      AND t.recorded_at > s.shared_at - interval '1 hour' AND t.id > s.shared_through
      AND t.type IN ('earn', 'activate'))
ORDER BY s.id LIMIT %(most)s
"""


def share_chunk(moment: datetime, trouble: Trouble) -> int | None:
    """Share what some members earned with their pools; return how many, None for none.

    Each is a transaction of its own, and one that the books refuse does not keep the others
    waiting.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TO_SHARE, {"left_out": trouble.members, "most": POOLS_PER_CHUNK})
        found = cursor.fetchall()
    if not found:
        return None
    done = 0
    for _key, member_id in found:
        try:
            _share_retrying(member_id, moment)
            done += 1
        except IntegrityError as error:
            trouble.add(str(error).partition("\n")[0][:200], member_id)
    return done


def _share_retrying(member_id: int, moment: datetime) -> None:
    retrying(lambda: pool_points.share_of_member(member_id=member_id, moment=moment))


SHARE_WITH_POOLS = Job(name="share_with_pools", chunk=share_chunk, is_exclusive=False)

# Pools to which points came back since they were looked through, where somebody has left.
_TO_SWEEP = """
SELECT p.id FROM members_pool p
WHERE p.id <> ALL (%(left_out)s::bigint[])
  AND EXISTS (SELECT FROM members_poolmembership s
              WHERE s.pool_id = p.id AND s.left_at IS NOT NULL)
  AND EXISTS (
    SELECT FROM members_ledgertransaction t
    WHERE t.member_id = p.holder_id AND t.currency_id = p.currency_id
      AND t.recorded_at > p.swept_at - interval '1 hour' AND t.id > p.swept_through
      AND (t.type IN ('release', 'redemption_reversal', 'reinstate') OR t.resolves_id IS NOT NULL))
ORDER BY p.id LIMIT %(most)s
"""


def sweep_chunk(moment: datetime, trouble: Trouble) -> int | None:
    """Send on what came back to some pools for those who had left; None for none."""
    with connection.cursor() as cursor:
        cursor.execute(_TO_SWEEP, {"left_out": trouble.members, "most": POOLS_PER_CHUNK})
        found = [row[0] for row in cursor.fetchall()]
    if not found:
        return None
    done = 0
    for pool_id in found:
        try:
            _sweep_retrying(pool_id, moment)
            done += 1
        except IntegrityError as error:
            trouble.add(str(error).partition("\n")[0][:200], pool_id)
    return done


def _sweep_retrying(pool_id: int, moment: datetime) -> None:
    retrying(lambda: sweep(pool_id=pool_id, moment=moment))


@transaction.atomic
def sweep(*, pool_id: int, moment: datetime, actor: str = "job:sweep_pools") -> int:
    """Return to those who left what came back of theirs since; return the points.

    What an erased member had given stays with the pool. A repeat finds nothing.
    """
    pool = Pool.objects.select_related("program").get(pk=pool_id)
    gone = _gone_from(pool)
    rows = sorted({row for member in gone for row in merged_rows.together(member)})
    ledger.settle_due(
        member_ids=[*rows, pool.holder_id], moment=moment, recorded_at=moment, actor=actor
    )
    newest = LedgerTransaction.objects.filter(member=pool.holder_id).aggregate(newest=Max("pk"))
    through = newest["newest"] or 0
    returned = 0
    for member, left_at in gone.items():
        # Dated when they came back, so that a late job changes no history.
        returned += pool_points.return_own(
            pool=pool,
            contributor_id=member.pk,
            ref=f"swept-{pool_id}-{member.pk}-{through}",
            actor=actor,
            at=left_at,
            recorded_at=moment,
        )
    Pool.objects.filter(pk=pool_id).update(swept_through=through, swept_at=moment)
    return returned


def _gone_from(pool: Pool) -> dict[Member, datetime]:
    """Return who left the pool and is not in it again, with when they did."""
    times = PoolMembership.objects.filter(pool=pool)
    stay = times.filter(left_at=None).values("member")
    left = times.filter(left_at__isnull=False).exclude(member__in=stay)
    rows = (
        left.exclude(member__status=Member.Status.ERASED)
        .select_related("member")
        .order_by("left_at")
    )
    return {each.member: each.left_at for each in rows if each.left_at is not None}


SWEEP_POOLS = Job(name="sweep_pools", chunk=sweep_chunk, is_exclusive=False)
