"""Fetch points to the row that earned them, so that a reversal can take them there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from campaigns.queries import returning
from members.models import Purchase
from members.services import merged_rows, moving, pool_points


def recalled(
    purchase: Purchase,
    *,
    currency_id: int,
    points: Mapping[int, int],
    ref: str,
    actor: str,
    moment: datetime,
) -> dict[int, int]:
    """Fetch points of lots to the row that earned them; return the new lots by the old.

    A reversal touches only its original's member, while what a merged row held is
    with the one whom it went into, and what was given to a pool is in the pool. Nothing for
    points that are where they were earned. All rows are locked.
    """
    member = purchase.member
    if member is None or not points:
        return {}
    where = returning.holders_of(points)
    moved: dict[int, int] = {}
    for holder in sorted({*where.values()} - {*merged_rows.together(member)}):
        part = {lot: points[lot] for lot in points if where[lot] == holder}
        moved |= pool_points.recall(
            holder_id=holder, points=part, ref=f"{ref}-{holder}", actor=actor, moment=moment
        )
    if member.merged_into_id is None:
        return moved
    now = {moved.get(lot, lot): lot for lot in points}
    where = returning.holders_of(now)
    with_survivor = {lot: points[old] for lot, old in now.items() if where[lot] != member.pk}
    if with_survivor:
        new = moving.move_some(
            program_id=member.program_id,
            giver=member.merged_into_id,
            taker=member.pk,
            currency_id=currency_id,
            points=with_survivor,
            move=merged_rows.move_of(ref, actor, moment),
        )
        moved |= {now[lot]: after for lot, after in new.items()}
    return moved
