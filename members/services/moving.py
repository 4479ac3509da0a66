"""Move what one member row holds to another, with its dates.

The two rows are locked and settled by the caller. Available and pending lots keep their end; a
debt goes along and is paid at once by what the receiver has. What was already paid or taken
stays where it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from loyalty_site.lib.errors import DomainError
from members.models import LedgerAccount, LedgerTransaction, LotUse, PointLot
from members.services.ledger import Entry, Header, NewLot, Posting, Use, post

TYPES = LedgerTransaction.Type
# How a move leaves the one and comes to the other.
MERGE = (TYPES.MERGE_OUT, TYPES.MERGE_IN)
POOL = (TYPES.POOL_OUT, TYPES.POOL_IN)


class DebtTooDeep(DomainError):
    """A debt would come to somebody who may not owe that much."""

    code = "debt_too_deep"
    title = "The debt is deeper than the program allows"
    cause = "The debt that would move is more than the receiver has and may owe."
    remedy = "Write a part of the debt off first."


@dataclass(frozen=True, slots=True)
class Purse:
    """The accounts of a member in one currency, by kind."""

    member_id: int
    currency_id: int
    accounts: dict[str, LedgerAccount]

    @property
    def owed(self) -> int:
        """Return the debt, zero or positive."""
        return -self.accounts["debt"].balance

    @property
    def debt_room(self) -> int:
        """Return how much deeper the debt may become."""
        debt = self.accounts["debt"]
        return debt.balance - debt.floor


@dataclass(frozen=True, slots=True)
class Part:
    """Points of one lot that move."""

    lot: PointLot
    points: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """What caused a move, and when it holds; ``ref`` is unique for each currency.

    ``types`` are those of the departure and of the arrival. What only passes through to be taken
    back pays no debt on its way.
    """

    source: str
    ref: str
    actor: str
    moment: datetime
    recorded_at: datetime
    reason_code: str = ""
    types: tuple[LedgerTransaction.Type, LedgerTransaction.Type] = MERGE
    pays_debt: bool = True


@dataclass
class Moved:
    """What moved in one currency."""

    available: int = 0
    pending: int = 0
    debt: int = 0
    transactions: list[int] = field(default_factory=list)


def purses(member_id: int) -> dict[int, Purse]:
    """Return the member's redeemable accounts by currency, as they are now."""
    found: dict[int, dict[str, LedgerAccount]] = {}
    rows = LedgerAccount.objects.filter(member_id=member_id, currency_kind="redeemable")
    for account in rows.order_by("currency_id", "kind"):
        found.setdefault(account.currency_id, {})[account.kind] = account
    return {currency: Purse(member_id, currency, accounts) for currency, accounts in found.items()}


def open_parts(purse: Purse) -> list[Part]:
    """Return everything that is left of the purse's lots, soonest end first."""
    accounts = [purse.accounts["available"].pk, purse.accounts["pending"].pk]
    return [Part(lot, lot.remaining) for lot in _lots(accounts)]


def _lots(accounts: Sequence[int]) -> list[PointLot]:
    rows = PointLot.objects.filter(account_id__in=accounts, remaining__gt=0)
    return list(rows.order_by("expires_at", "pk"))


def move_all(*, program_id: int, giver: int, taker: int, move: Move) -> dict[int, Moved]:
    """Move all lots and debts from one member to the other; return what moved by currency.

    A repeat finds nothing to move.

    :raises DebtTooDeep: the receiver may not owe that much.
    """
    moved: dict[int, Moved] = {}
    takers = purses(taker)
    for currency, purse in purses(giver).items():
        done = Moved()
        parts, owed = open_parts(purse), purse.owed
        move_lots(
            program_id=program_id, giver=purse, taker=takers[currency], parts=parts, move=move,
            done=done,
        )  # fmt: skip
        move_debt(
            program_id=program_id, giver=purse, taker=takers[currency], points=owed, move=move,
            done=done,
        )  # fmt: skip
        if done.transactions:
            moved[currency] = done
    return moved


def move_some(
    *,
    program_id: int,
    giver: int,
    taker: int,
    currency_id: int,
    points: Mapping[int, int],
    move: Move,
) -> dict[int, int]:
    """Move so many points of each lot; return the new lots by the old ones."""
    rows = {lot.pk: lot for lot in PointLot.objects.filter(pk__in=points)}
    parts = [Part(rows[lot], part) for lot, part in points.items()]
    new = move_lots(
        program_id=program_id,
        giver=purses(giver)[currency_id],
        taker=purses(taker)[currency_id],
        parts=parts,
        move=move,
        done=Moved(),
    )
    return dict(zip(points, new, strict=True))


def move_lots(
    *,
    program_id: int,
    giver: Purse,
    taker: Purse,
    parts: Sequence[Part],
    move: Move,
    done: Moved,
) -> list[int]:
    """Move parts of lots; what the receiver owes is paid first. Return the new lots by part."""
    if not parts:
        return []
    at = _moment(move.moment, [part.lot.pk for part in parts], [giver, taker])
    pending_account = giver.accounts["pending"].pk
    legs = {"available": 0, "pending": 0}
    lots: list[NewLot] = []
    uses: list[Use] = []
    paid = 0
    pays_debt = move.pays_debt
    for part in parts:
        kind = "pending" if part.lot.account_id == pending_account else "available"
        legs[kind] += part.points
        uses.append(Use(header=0, points=part.points, kind=LotUse.Kind.MOVE, lot_id=part.lot.pk))
        lots.append(
            NewLot(
                header=1,
                account_id=taker.accounts[kind].pk,
                points=part.points,
                earned_at=at,
                available_at=part.lot.available_at if kind == "pending" else at,
                expires_at=_end_of(part.lot),
                moved_from_id=part.lot.pk,
            )
        )
        pays = min(part.points, taker.owed - paid) if pays_debt and kind == "available" else 0
        if pays > 0:
            paid += pays
            uses.append(Use(header=1, points=pays, kind=LotUse.Kind.DEBT, new_lot=len(lots) - 1))
    total = sum(legs.values())
    moved = _moved_account(giver.currency_id)
    entries = [
        *((0, giver.accounts[kind].pk, -points) for kind, points in legs.items()),
        *((0, moved, total), (1, moved, -total)),
        (1, taker.accounts["pending"].pk, legs["pending"]),
        (1, taker.accounts["available"].pk, legs["available"] - paid),
        (1, taker.accounts["debt"].pk, paid),
    ]
    ids = _post(program_id, giver, taker, f"{move.ref}-lots", move, at, entries, lots, uses)
    done.available += legs["available"]
    done.pending += legs["pending"]
    done.transactions += ids
    by_origin = PointLot.objects.filter(transaction_id=ids[1]).values_list("moved_from_id", "pk")
    new = dict(by_origin)
    return [new[part.lot.pk] for part in parts]


def move_debt(
    *, program_id: int, giver: Purse, taker: Purse, points: int, move: Move, done: Moved
) -> None:
    """Move a debt; the receiver's available points pay of it what they can, at once."""
    room = PointLot.objects.filter(account=taker.accounts["available"], remaining__gt=0)
    lots = list(room.order_by("expires_at", "pk"))
    payable = sum(lot.remaining for lot in lots)
    if points <= 0:
        return
    if points > payable + taker.debt_room:
        raise DebtTooDeep(
            f"{points} points are owed, {payable + taker.debt_room} can be taken over.",
            owed=points,
            limit=payable + taker.debt_room,
        )
    paid = min(points, payable)
    uses, left = [], paid
    for lot in lots:
        part = min(lot.remaining, left)
        if part:
            uses.append(Use(header=1, points=part, kind=LotUse.Kind.MOVE, lot_id=lot.pk))
        left -= part
    at = _moment(move.moment, [use.lot_id for use in uses if use.lot_id], [giver, taker])
    moved = _moved_account(giver.currency_id)
    entries = [
        (0, giver.accounts["debt"].pk, points),
        (0, moved, -points),
        (1, moved, points),
        (1, taker.accounts["available"].pk, -paid),
        (1, taker.accounts["debt"].pk, paid - points),
    ]
    ids = _post(program_id, giver, taker, f"{move.ref}-debt", move, at, entries, [], uses)
    done.debt += points
    done.transactions += ids


def _post(
    program_id: int,
    giver: Purse,
    taker: Purse,
    ref: str,
    move: Move,
    at: datetime,
    entries: Sequence[tuple[int, int, int]],
    lots: Sequence[NewLot],
    uses: Sequence[Use],
) -> list[int]:
    return post(
        program_id=program_id,
        recorded_at=move.recorded_at,
        posting=Posting(
            headers=[
                _header(giver, move.types[0], ref, move, at),
                _header(taker, move.types[1], ref, move, at, counterpart=0),
            ],
            entries=[
                Entry(header=header, account_id=account, points=points)
                for header, account, points in entries
                if points
            ],
            lots=lots,
            uses=uses,
        ),
    )


def _header(
    purse: Purse, type_: Any, ref: str, move: Move, at: datetime, counterpart: int | None = None
) -> Header:
    return Header(
        member_id=purse.member_id,
        currency_id=purse.currency_id,
        type=type_,
        source=move.source,
        external_ref=ref,
        actor=move.actor,
        occurred_at=at,
        reason_code=move.reason_code,
        counterpart=counterpart,
    )


def _end_of(lot: PointLot) -> datetime | None:
    """Return the end that moves: what its member's activity made of the stored one."""
    if lot.renew_months is None:
        return lot.expires_at
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_lot_end(l.expires_at, l.renew_months, a.active_on, a.program_id)"
            " FROM members_pointlot l JOIN members_ledgeraccount a ON a.id = l.account_id"
            " WHERE l.id = %s",
            [lot.pk],
        )
        found: datetime | None = cursor.fetchone()[0]
    return found


def _moved_account(currency_id: int) -> int:
    account = LedgerAccount.objects.get(
        member=None, currency_id=currency_id, kind=LedgerAccount.Kind.MOVED
    )
    return account.pk


def _moment(moment: datetime, lots: Sequence[int], either: Sequence[Purse]) -> datetime:
    # Taken before they were earned, or paid before it was owed, points would make a balance of
    # the past negative.
    debts = [purse.accounts["debt"].pk for purse in either if purse.owed]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest(%s::timestamptz, ledger_earliest_debit(%s::bigint[]),"
            " (SELECT max(ledger_earliest_payment(d)) FROM unnest(%s::bigint[]) d))",
            [moment, list(lots), debts],
        )
        found: datetime = cursor.fetchone()[0]
    return found
