"""Moving points. Thin calls of the posting functions in ``members/sql``, which are judged there.

The order of every act: ``settle_due`` (it locks the members), read what the decision needs, then
post. What the books do not allow is refused by the database with ``IntegrityError`` and leaves
nothing behind; services decide beforehand, so that a member sees a reason instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db import connection

from loyalty_site.lib.wire import dumps
from members.models import LedgerAccount, LedgerTransaction, LotUse, PointCurrency

DebitType = Literal["redeem", "donate", "hold"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """A transaction to post; ``external_ref`` says which thing caused it, never who.

    ``counterpart`` is the position of the header of another member that the points come from.
    """

    member_id: int
    currency_id: int
    type: LedgerTransaction.Type
    source: str
    external_ref: str
    actor: str
    occurred_at: datetime
    reverses_id: int | None = None
    resolves_id: int | None = None
    hold_expires_at: datetime | None = None
    reason_code: str = ""
    public_id: UUID | None = None
    counterpart: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewLot:
    """A lot that a header opens; ``earned_at`` is not before the header's ``occurred_at``."""

    header: int
    account_id: int
    points: int
    earned_at: datetime
    available_at: datetime
    expires_at: datetime | None
    moved_from_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """Points that a header takes from a lot: an old one, or one that it opens itself."""

    header: int
    points: int
    kind: LotUse.Kind
    lot_id: int | None = None
    new_lot: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One signed line of a header."""

    header: int
    account_id: int
    points: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Posting:
    """Transactions of one program; ``header`` and ``new_lot`` are positions, from 0."""

    headers: Sequence[Header]
    entries: Sequence[Entry]
    lots: Sequence[NewLot] = ()
    uses: Sequence[Use] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Debit:
    """Points to take from what is available, soonest expiry first."""

    member_id: int
    currency_id: int
    points: int
    type: DebitType
    external_ref: str
    actor: str
    source: str = "redemption"
    hold_expires_at: datetime | None = None


def lock(*, member_ids: Sequence[int]) -> None:
    """Wait for the members' accounts, in the one order; held until the transaction ends."""
    call("ledger_lock(%s::bigint[])", list(member_ids))


def earliest_debit(*, lots: Sequence[int], moment: datetime) -> datetime:
    """Return ``moment``, or when the last of the lots was earned or given back, if that is later.

    A debit that is dated before would make a balance of the past negative.
    """
    found: datetime = call(
        "greatest(%s::timestamptz, ledger_earliest_debit(%s::bigint[]))", moment, list(lots)
    )
    return found


def take(*, account_id: int, points: int) -> dict[int, int]:
    """Return the lots that a debit of so many points would take, and how much of each.

    Nothing is written; fewer where the account holds fewer.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lot_id, points FROM ledger_take(%s::bigint, %s::bigint)", [account_id, points]
        )
        return dict(cursor.fetchall())


def settle_due(
    *, member_ids: Sequence[int], moment: datetime, recorded_at: datetime, actor: str
) -> int:
    """Lock the members and post what is due for them at ``moment``; return how many it took.

    A repeat finds nothing due.
    """
    posted: int = call(
        "ledger_settle_due(%s::bigint[], %s::timestamptz, %s::timestamptz, %s::text)",
        *(list(member_ids), moment, recorded_at, actor),
    )
    return posted


def debit(*, wanted: Debit, occurred_at: datetime, recorded_at: datetime) -> int:
    """Redeem, donate or hold points; return the id of the transaction.

    It is dated at ``occurred_at``, or when the last of its points was earned or given back.

    :raises IntegrityError: the points are not there, or the member is in debt.
    """
    posted: int = call(
        "ledger_debit(%s::bigint, %s::bigint, %s::bigint, %s::text, %s::text, %s::text, %s::text,"
        " %s::timestamptz, %s::timestamptz, %s::timestamptz)",
        *(wanted.member_id, wanted.currency_id, wanted.points, wanted.type, wanted.source),
        *(wanted.external_ref, wanted.actor, occurred_at, recorded_at, wanted.hold_expires_at),
    )
    return posted


def capture(
    *,
    hold_id: int,
    actor: str,
    occurred_at: datetime,
    recorded_at: datetime,
    points: int | None = None,
) -> int:
    """Turn a hold into a redemption; return the id of the redeeming transaction.

    With ``points`` so many of the held ones are redeemed, and the rest goes back to
    its lots in the same transaction; without, all of them.

    :raises IntegrityError: the hold has ended, or holds fewer points.
    """
    posted: int = call(
        "ledger_capture(%s::bigint, %s::text, %s::timestamptz, %s::timestamptz, %s::bigint)",
        *(hold_id, actor, occurred_at, recorded_at, points),
    )
    return posted


def give_back(
    *,
    original_id: int,
    source: str,
    external_ref: str,
    actor: str,
    occurred_at: datetime,
    recorded_at: datetime,
    reason_code: str,
    points: int | None = None,
) -> int:
    """Release a hold or reverse a redemption, to the lots that it took; return the id.

    With ``points`` so many of a redemption's go back, those that end last first;
    without, all that have not gone back before.

    :raises IntegrityError: the hold has ended, or fewer points are left of the redemption.
    """
    posted: int = call(
        "ledger_give_back(%s::bigint, %s::text, %s::text, %s::text, %s::timestamptz,"
        " %s::timestamptz, %s::text, %s::bigint)",
        *(original_id, source, external_ref, actor, occurred_at, recorded_at, reason_code),
        points,
    )
    return posted


def reinstate(
    *,
    expiry_id: int,
    points: int,
    source: str,
    external_ref: str,
    actor: str,
    reason_code: str,
    expires_at: datetime | None,
    moment: datetime,
) -> int:
    """Give expired points back as new lots, debt first; return the id.

    They end at ``expires_at``, or None after the currency's days of grace.

    :raises IntegrityError: fewer points are left of the expiry, or nobody approved it.
    """
    posted: int = call(
        "ledger_reinstate(%s::bigint, %s::bigint, %s::text, %s::text, %s::text,"
        " %s::timestamptz, %s::text, %s::timestamptz)",
        *(expiry_id, points, source, external_ref, actor, moment, reason_code, expires_at),
    )
    return posted


def renew(*, member_id: int, currency: PointCurrency, act: str, moment: datetime) -> None:
    """Let an act of now renew the member's points, where points of the currency are renewed by it.

    What is due is posted before. A second act of the same day changes nothing.
    """
    if act not in (currency.expiry.get("renewed_by") or ()):
        return
    account = LedgerAccount.objects.values_list("pk", flat=True).get(
        member_id=member_id, currency=currency, kind=LedgerAccount.Kind.AVAILABLE
    )
    acts = [{"account": account, "act": act, "at": moment}]
    call("ledger_renew(%s::jsonb, %s::timestamptz)", dumps(acts).decode(), moment)


def post(*, program_id: int, posting: Posting, recorded_at: datetime) -> list[int]:
    """Post transactions that the caller decided under the members' lock; return their ids.

    :raises IntegrityError: some of them break a rule of the books; none is posted.
    """
    ids: list[int] = call(
        "ledger_post(%s::bigint, %s::timestamptz, %s::jsonb)",
        *(program_id, recorded_at, dumps(as_document(posting)).decode()),
    )
    return ids


def as_document(posting: Posting) -> dict[str, list[dict[str, Any]]]:
    """Return the posting as ``ledger_post`` reads it."""
    return {
        "headers": [_header(header) for header in posting.headers],
        "lots": [
            {
                **{"h": lot.header, "account": lot.account_id, "points": lot.points},
                **{"earned_at": lot.earned_at, "available_at": lot.available_at},
                **{"expires_at": lot.expires_at, "moved_from": lot.moved_from_id},
            }
            for lot in posting.lots
        ],
        "uses": [
            {
                **{"h": use.header, "points": use.points, "kind": use.kind},
                **{"lot": use.lot_id, "new": use.new_lot},
            }
            for use in posting.uses
        ],
        "entries": [
            {"h": entry.header, "account": entry.account_id, "points": entry.points}
            for entry in posting.entries
        ],
    }


def _header(header: Header) -> dict[str, Any]:
    return {
        "id": header.public_id,
        "member": header.member_id,
        "currency": header.currency_id,
        "type": header.type,
        "source": header.source,
        "ref": header.external_ref,
        "actor": header.actor,
        "occurred_at": header.occurred_at,
        "reverses": header.reverses_id,
        "resolves": header.resolves_id,
        "hold_expires_at": header.hold_expires_at,
        "reason": header.reason_code,
        "counterpart": header.counterpart,
    }


def call(function: str, *arguments: Any) -> Any:
    """Return what a function of the database answers: its text with places, then the values."""
    return call_row(function, *arguments)[0]


def call_row(function: str, *arguments: Any) -> tuple[Any, ...]:
    """Return the one row of a function of the database, by its columns."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {function}", arguments)
        row: tuple[Any, ...] = cursor.fetchone()
    return row
