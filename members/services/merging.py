"""Bring two rows of one person together, and take them apart again.

The merged row keeps what it did: purchases, redemptions and status points stay where they are,
and whoever reads the survivor's reads them too (``absorbed``). What it holds moves: open lots,
debt, identifiers and the login. Staff decide; an address alone proves nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.db import connection, transaction
from django.db.models import F, Min

from loyalty_site.lib.errors import DomainError
from members.models import (
    Identifier,
    LedgerHold,
    Member,
    MemberMerge,
    MergeCandidate,
    PointLot,
    PoolMembership,
    TierMembership,
    User,
)
from members.services import ledger, moving, outbox, pool_ends
from members.services.merged_rows import move_of
from members.services.merged_tiers import raise_tier, restore_tier
from members.services.moving import Move, Moved, Part

NEVER = datetime(9000, 1, 1, tzinfo=UTC)
OPEN = (Member.Status.ACTIVE, Member.Status.SUSPENDED)


class CannotMerge(DomainError):
    """The two members cannot become one now."""

    code = "cannot_merge"
    title = "The members cannot be merged"
    cause = "They are one member, or one of them is closed, erased, merged, or has points held."
    remedy = "Read both members again; wait until held points are released or captured."


class CannotUndoMerge(DomainError):
    """The merge was undone before, or a later one stands on it."""

    code = "cannot_undo_merge"
    title = "The merge cannot be undone"
    cause = "It was undone before, the survivor was merged or erased since, or points are held."
    remedy = "Undo the later merge first; wait until held points are released or captured."


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Who is to go into whom, and how; ``reason`` holds nothing personal."""

    survivor_id: int
    merged_id: int
    reason: str
    tier: str = MemberMerge.KeepTier.HIGHER
    vouchers: str = MemberMerge.Vouchers.KEEP


@transaction.atomic
def merge(*, wanted: Wanted, by: User | None, moment: datetime) -> MemberMerge:
    """Merge one member into another; points, identifiers and the login move at once.

    :raises CannotMerge: one of them is not open, or points are held; a repeat finds it merged.
    :raises DebtTooDeep: the survivor may not owe what the other one owes.
    """
    survivor, merged = _locked(wanted.survivor_id, wanted.merged_id)
    _require(survivor, merged)
    actor = _actor(by)
    # Whoever shares a pool with the merged row is locked with the two, in the one order.
    around = pool_ends.people_around(merged.pk)
    ledger.settle_due(
        member_ids=[survivor.pk, merged.pk, *around],
        moment=moment,
        recorded_at=moment,
        actor=actor,
    )
    _require_nothing_held([merged.pk], CannotMerge)
    pool_ends.end_of_member(
        member_id=merged.pk, ending=PoolMembership.Ending.MERGED, actor=actor, moment=moment
    )
    public_id = uuid4()
    moved = moving.move_all(
        program_id=survivor.program_id,
        giver=merged.pk,
        taker=survivor.pk,
        move=move_of(f"merge-{public_id}", actor, moment),
    )
    row = MemberMerge.objects.create(
        public_id=public_id,
        survivor=survivor,
        merged=merged,
        tier=wanted.tier,
        vouchers=wanted.vouchers,
        reason=wanted.reason,
        made_at=moment,
        made_by=by,
        moved={**_what_moves(survivor, merged), "points": _points(moved)},
    )
    _move_identity(row, survivor, merged, moment)
    raise_tier(survivor, merged, prefer_higher=wanted.tier == "higher", moment=moment)
    _close_candidates(survivor, merged, by, moment)
    outbox.record(
        program_id=survivor.program_id,
        kind="members_merged",
        member_id=survivor.pk,
        payload={},
        moment=moment,
    )
    return row


@transaction.atomic
def undo(*, merge_id: int, by: User | None, moment: datetime) -> MemberMerge:
    """Take two members apart again; what was spent or expired since is not restored.

    Identifiers that are still the survivor's and the login go back. What was bought since the
    merge stays the survivor's.

    :raises CannotUndoMerge: it was undone before, or the survivor was merged or erased since.
    """
    found = MemberMerge.objects.get(pk=merge_id)
    survivor, merged = _locked(found.survivor_id, found.merged_id)
    row = MemberMerge.objects.select_for_update(no_key=True).get(pk=merge_id)
    if row.undone_at is not None or survivor.status not in OPEN or merged.status != "merged":
        raise CannotUndoMerge
    actor = _actor(by)
    ledger.settle_due(
        member_ids=[survivor.pk, merged.pk], moment=moment, recorded_at=moment, actor=actor
    )
    row.undone_at, row.undone_by = moment, by
    row.save(update_fields=["undone_at", "undone_by"])
    _give_identity_back(row, survivor, merged, moment)
    _give_points_back(row, survivor, merged, move_of(f"unmerge-{row.public_id}", actor, moment))
    restore_tier(survivor, since=row.made_at, moment=moment)
    restore_tier(merged, since=None, moment=moment)
    return row


def _actor(by: User | None) -> str:
    return "system" if by is None else f"staff:{by.pk}"


def _locked(survivor_id: int, merged_id: int) -> tuple[Member, Member]:
    rows = Member.objects.select_for_update(no_key=True).filter(pk__in=[survivor_id, merged_id])
    found = {row.pk: row for row in rows.order_by("pk")}
    if len(found) < 2:
        raise CannotMerge("Two different members are needed.")
    return found[survivor_id], found[merged_id]


def _require(survivor: Member, merged: Member) -> None:
    for member in (survivor, merged):
        if member.status not in OPEN:
            raise CannotMerge(f"{member.number} is {member.status}.")
    if survivor.program_id != merged.program_id:
        raise CannotMerge("They are of different programs.")


def _require_nothing_held(members: Sequence[int], refusal: type[DomainError]) -> None:
    held = LedgerHold.objects.filter(account__member__in=members, is_open=True)
    until = held.aggregate(until=Min("expires_at"))["until"]
    if until is not None:
        raise refusal(f"Points are held until {until:%Y-%m-%d %H:%M} UTC.")


def _what_moves(survivor: Member, merged: Member) -> dict[str, Any]:
    identifiers = Identifier.objects.filter(member=merged).order_by("pk")
    return {
        "identifiers": list(identifiers.values_list("pk", flat=True)),
        "primary": list(identifiers.filter(is_primary=True).values_list("pk", flat=True)),
        "user": merged.user_id,
        "user_stays_out": survivor.user_id is not None and merged.user_id is not None,
        "absorbed": list(merged.absorbed),
        "status": merged.status,
    }


def _points(moved: Mapping[int, Moved]) -> dict[str, Any]:
    return {
        str(currency): {
            "available": each.available,
            "pending": each.pending,
            "debt": each.debt,
            "transactions": each.transactions,
        }
        for currency, each in moved.items()
    }


def _move_identity(row: MemberMerge, survivor: Member, merged: Member, moment: datetime) -> None:
    kinds = Identifier.objects.filter(member=survivor, is_primary=True).values_list("kind")
    mine = Identifier.objects.filter(member=merged)
    mine.filter(kind__in=kinds).update(is_primary=False)
    mine.update(member=survivor)
    user_id = merged.user_id
    # Nobody asks for the tier of a row that went into another.
    TierMembership.objects.filter(member=merged, superseded_at=None, ends_at=None).update(
        grace_ends_at=NEVER
    )
    Member.objects.filter(pk=merged.pk).update(
        status=Member.Status.MERGED,
        user=None,
        merged_into=survivor,
        absorbed=[],
        changed_at=moment,
    )
    Member.objects.filter(pk__in=merged.absorbed).update(merged_into=survivor)
    survivor.absorbed = [*survivor.absorbed, merged.pk, *merged.absorbed]
    if user_id is not None:
        if survivor.user_id is None:
            survivor.user_id = user_id
        else:
            # One member has at most one login: the merged one's opens nothing any more.
            User.objects.filter(pk=user_id).update(is_active=False)
    survivor.changed_at = moment
    survivor.save(update_fields=["absorbed", "user", "changed_at"])


def _give_identity_back(
    row: MemberMerge, survivor: Member, merged: Member, moment: datetime
) -> None:
    moved = row.moved
    theirs = Identifier.objects.filter(pk__in=moved["identifiers"], member=survivor)
    theirs.filter(is_primary=True).update(is_primary=False)
    theirs.update(member=merged)
    Identifier.objects.filter(pk__in=moved["primary"], member=merged).update(is_primary=True)
    apart = {merged.pk, *moved["absorbed"]}
    survivor.absorbed = [each for each in survivor.absorbed if each not in apart]
    merged.user_id = None
    if moved["user"] is not None:
        User.objects.filter(pk=moved["user"]).update(is_active=True)
        if moved["user_stays_out"] or survivor.user_id == moved["user"]:
            merged.user_id = moved["user"]
        if survivor.user_id == moved["user"]:
            survivor.user_id = None
    survivor.changed_at = merged.changed_at = moment
    survivor.save(update_fields=["absorbed", "user", "changed_at"])
    TierMembership.objects.filter(member=merged, grace_ends_at=NEVER).update(grace_ends_at=None)
    merged.status, merged.merged_into = moved["status"], None
    merged.absorbed = moved["absorbed"]
    merged.save(update_fields=["status", "merged_into", "absorbed", "user", "changed_at"])
    Member.objects.filter(pk__in=moved["absorbed"]).update(merged_into=merged)


# The lots that a merge opened with the survivor, and whatever they became there.
_STILL_THERE = """
WITH RECURSIVE came AS (
  SELECT l.id, l.account_id FROM members_pointlot l
  JOIN members_ledgertransaction t ON t.id = l.transaction_id
  WHERE l.transaction_id = ANY (%(transactions)s::bigint[]) AND t.member_id = %(member)s
  UNION ALL
  SELECT l.id, l.account_id FROM members_pointlot l JOIN came c ON l.moved_from_id = c.id)
SELECT c.id FROM came c JOIN members_ledgeraccount a ON a.id = c.account_id
WHERE a.member_id = %(member)s
"""


def _give_points_back(row: MemberMerge, survivor: Member, merged: Member, move: Move) -> None:
    givers, takers = moving.purses(survivor.pk), moving.purses(merged.pk)
    for currency, told in row.moved["points"].items():
        giver, taker = givers[int(currency)], takers[int(currency)]
        lots = _still_there(told["transactions"], survivor.pk)
        done = Moved()
        moving.move_lots(
            program_id=survivor.program_id,
            giver=giver,
            taker=taker,
            parts=[Part(lot, lot.remaining) for lot in lots],
            move=move,
            done=done,
        )
        moving.move_debt(
            program_id=survivor.program_id,
            giver=giver,
            taker=taker,
            points=min(told["debt"], giver.owed),
            move=move,
            done=done,
        )


def _still_there(transactions: Iterable[int], member_id: int) -> list[PointLot]:
    with connection.cursor() as cursor:
        cursor.execute(_STILL_THERE, {"transactions": list(transactions), "member": member_id})
        rows = [found[0] for found in cursor.fetchall()]
    lots = PointLot.objects.filter(pk__in=rows, remaining__gt=0)
    return list(lots.order_by(F("expires_at").asc(nulls_last=True), "pk"))


def _close_candidates(survivor: Member, merged: Member, by: User | None, moment: datetime) -> None:
    pair = sorted([survivor.pk, merged.pk])
    MergeCandidate.objects.filter(first_id=pair[0], second_id=pair[1]).update(
        state=MergeCandidate.State.MERGED, decided_at=moment, decided_by=by
    )
