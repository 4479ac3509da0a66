"""Books to try things on: a program, its currencies, members, and a few acts in plain SQL.

Plain connections instead of the ORM, so that a test says exactly what reaches the server, as
which role, and in which transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)

_numbers = count(1)


@dataclass(frozen=True)
class Books:
    """A program with ``points`` (redeemable) and ``status`` (qualifying), by their ids."""

    program: int
    points: int
    status: int
    issued: int
    redeemed: int
    expired: int
    adjusted: int
    status_issued: int
    status_adjusted: int


@dataclass(frozen=True)
class Holder:
    """A member's accounts, by their ids."""

    member: int
    available: int
    pending: int
    held: int
    debt: int
    status: int


def scalar(connection: Connection, sql: str, *values: Any) -> Any:
    """Return the first value of the first row."""
    row = connection.execute(sql.encode(), values).fetchone()
    return row[0] if row else None


def open_books(connection: Connection, *, timezone: str = "UTC", grace_days: int = 30) -> Books:
    """Write a program with two currencies and their counter-accounts."""
    program = scalar(
        connection,
        "INSERT INTO members_program (code, name, currency, timezone, locale, claim_days,"
        " tier_policy, document, version)"
        " VALUES ('shop', 'Shop', 'EUR', %s, 'en', 30, '{}', '{}', 1) RETURNING id",
        timezone,
    )
    currencies = [
        scalar(
            connection,
            "INSERT INTO members_pointcurrency (program_id, code, kind, names, position, value,"
            " expiry, pending_days, returns_policy, debt_limit, grace_days, is_retired)"
            " VALUES (%s, %s, %s, '{}', 0, 0, '{}', 0, 'into_debt', 500, %s, false)"
            " RETURNING id",
            *(program, code, kind, grace_days),
        )
        for code, kind in [("points", "redeemable"), ("status", "qualifying")]
    ]
    accounts = {
        (currency, kind): open_account(connection, program, currency, kind)
        for currency in currencies
        for kind in ("issued", "redeemed", "expired", "adjusted")
    }
    points, status = currencies
    return Books(
        program=program,
        points=points,
        status=status,
        issued=accounts[points, "issued"],
        redeemed=accounts[points, "redeemed"],
        expired=accounts[points, "expired"],
        adjusted=accounts[points, "adjusted"],
        status_issued=accounts[status, "issued"],
        status_adjusted=accounts[status, "adjusted"],
    )


def open_account(
    connection: Connection,
    program: int,
    currency: int,
    kind: str,
    member: int | None = None,
    **columns: Any,
) -> int:
    """Insert an account, with whatever other columns the caller wants to try; return its id."""
    columns = {"floor": 0, "balance": 0, "keeps_balance": False, "keeps_lots": False, **columns}
    account: int = scalar(
        connection,
        "INSERT INTO members_ledgeraccount (program_id, currency_id, currency_kind, member_id,"
        f" kind, {', '.join(columns)}) SELECT %s, id, kind, %s, %s{', %s' * len(columns)}"
        " FROM members_pointcurrency WHERE id = %s RETURNING id",
        *(program, member, kind, *columns.values(), currency),
    )
    return account


def enroll(connection: Connection, books: Books, *, debt_limit: int = 500) -> Holder:
    """Write a member with all accounts."""
    number = next(_numbers)
    member = scalar(
        connection,
        "INSERT INTO members_member (program_id, public_id, number, status, first_name,"
        " last_name, locale, timezone, source_channel, referral_code, card_secret, enrolled_at,"
        " recorded_at, changed_at) VALUES (%s, gen_random_uuid(), %s, 'active', '', '', '', '',"
        " '', '', gen_random_uuid(), %s, %s, %s) RETURNING id",
        *(books.program, f"T{number:09d}", NOON, NOON, NOON),
    )

    def of(kind: str, floor: int = 0) -> int:
        return open_account(connection, books.program, books.points, kind, member, floor=floor)

    return Holder(
        member=member,
        available=of("available"),
        pending=of("pending"),
        held=of("held"),
        debt=of("debt", -debt_limit),
        status=open_account(connection, books.program, books.status, "available", member),
    )


def post(
    connection: Connection, books: Books, document: Mapping[str, Any], *, moment: datetime = NOON
) -> list[int]:
    """Post a document of ``ledger_post``; return the ids of its headers."""
    ids: list[int] = scalar(
        connection,
        "SELECT ledger_post(%s, %s, %s)",
        *(books.program, moment, json.dumps(document, default=_in_iso_form)),
    )
    return ids


def header(books: Books, holder: Holder, kind: str, **fields: Any) -> dict[str, Any]:
    """Return a header of points for ``ledger_post``, with a reference of its own."""
    return {
        "member": holder.member,
        "currency": books.points,
        "type": kind,
        "source": "test",
        "ref": f"{kind}-{next(_numbers)}",
        "actor": "test",
        "occurred_at": NOON,
        **fields,
    }


def earn(
    connection: Connection,
    books: Books,
    holder: Holder,
    points: int,
    *,
    at: datetime = NOON,
    available_at: datetime | None = None,
    expires_at: datetime | None = None,
    moment: datetime | None = None,
) -> int:
    """Post an earn that is pending until ``available_at``, settling debt; return its header."""
    is_pending = available_at is not None and available_at > at
    account = holder.pending if is_pending else holder.available
    owed = (
        0
        if is_pending
        else -scalar(
            connection, "SELECT balance FROM members_ledgeraccount WHERE id = %s", holder.debt
        )
    )
    paid = min(points, owed)
    lot = {
        **{"h": 0, "account": account, "points": points, "earned_at": at},
        **{"available_at": available_at or at, "expires_at": expires_at},
    }
    legs = [(books.issued, -points), (account, points - paid), (holder.debt, paid)]
    uses = [{"h": 0, "new": 0, "points": paid, "kind": "debt"}] if paid else []
    document = {
        "headers": [header(books, holder, "earn", occurred_at=at)],
        "lots": [lot],
        "uses": uses,
        "entries": [{"h": 0, "account": a, "points": p} for a, p in legs if p],
    }
    return post(connection, books, document, moment=moment or at)[0]


def debit(
    connection: Connection,
    books: Books,
    holder: Holder,
    points: int,
    *,
    kind: str = "redeem",
    at: datetime = NOON,
    hold_expires_at: datetime | None = None,
    moment: datetime | None = None,
) -> int:
    """Redeem or hold available points, recorded at ``moment`` or ``at``; return the header."""
    transaction: int = scalar(
        connection,
        "SELECT ledger_debit(%s, %s, %s, %s, 'redemption', %s, 'test', %s, %s, %s)",
        *(holder.member, books.points, points, kind, f"r-{next(_numbers)}", at, moment or at),
        hold_expires_at,
    )
    return transaction


def give_back(connection: Connection, original: int, *, at: datetime = NOON) -> int:
    """Release a hold or reverse a redemption; return the header."""
    transaction: int = scalar(
        connection,
        "SELECT ledger_give_back(%s, 'redemption', %s, 'test', %s, %s, 'cancelled')",
        *(original, f"g-{next(_numbers)}", at, at),
    )
    return transaction


def capture(connection: Connection, hold: int, *, at: datetime = NOON) -> int:
    """Turn a hold into a redemption; return the header."""
    transaction: int = scalar(connection, "SELECT ledger_capture(%s, 'test', %s, %s)", hold, at, at)
    return transaction


def settle(connection: Connection, *holders: Holder, moment: datetime) -> int:
    """Post what is due for the members; return how many transactions it took."""
    posted: int = scalar(
        connection,
        "SELECT ledger_settle_due(%s, %s, %s, 'test')",
        *([holder.member for holder in holders], moment, moment),
    )
    return posted


def balances(connection: Connection, holder: Holder) -> dict[str, int]:
    """Return the balances of points by kind of account."""
    rows = connection.execute(
        b"SELECT kind, balance FROM members_ledgeraccount WHERE member_id = %s"
        b" AND currency_kind = 'redeemable'",
        (holder.member,),
    )
    return dict(rows.fetchall())


def _in_iso_form(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} is not for the wire")
