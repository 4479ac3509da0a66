"""The strokes of which attacks on the books are made, and the scene that they are tried on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

import psycopg

from members.tests.books import DAY, NOON, Books, Connection, Holder, scalar

_references = count(1)


@dataclass(frozen=True)
class Scene:
    """What the attacks are tried on: a member with 100 points, of an earn and with a hold."""

    books: Books
    holder: Holder
    other: Holder
    owing: Holder
    earned: int
    lot: int
    spare_lot: int
    other_lot: int
    held: int
    captured: int
    redeemed: int
    other_earned: int


Attack = Callable[[Connection, Scene], Any]


def head(x: Connection, s: Scene, kind: str = "earn", **columns: Any) -> int:
    """Write a header of points for the member, with whatever columns the attack wants."""
    values = {
        "program_id": s.books.program,
        "currency_id": s.books.points,
        "member_id": s.holder.member,
        "type": kind,
        "source": "attack",
        "external_ref": f"a-{next(_references)}",
        "actor": "attack",
        "occurred_at": NOON,
        "recorded_at": NOON,
        "reason_code": "",
        **columns,
    }
    header: int = scalar(
        x,
        f"INSERT INTO members_ledgertransaction (public_id, {', '.join(values)})"
        f" VALUES (gen_random_uuid(){', %s' * len(values)}) RETURNING id",
        *values.values(),
    )
    return header


def lot(x: Connection, header: int, account: int, points: int, **columns: Any) -> None:
    """Open a lot."""
    values = {
        "remaining": points,
        "earned_at": NOON,
        "available_at": NOON,
        "expires_at": None,
        **columns,
    }
    x.execute(
        f"INSERT INTO members_pointlot (transaction_id, account_id, points, {', '.join(values)})"
        f" VALUES (%s, %s, %s{', %s' * len(values)})".encode(),
        (header, account, points, *values.values()),
    )


def use(x: Connection, header: int, used: int, points: int, kind: str = "redeem") -> None:
    """Use a lot."""
    x.execute(
        b"INSERT INTO members_lotuse (transaction_id, lot_id, kind, points)"
        b" VALUES (%s, %s, %s, %s)",
        (header, used, kind, points),
    )


def enter(
    x: Connection,
    s: Scene,
    header: int,
    *legs: tuple[int, int],
    start: int = 1,
    currency: int | None = None,
) -> None:
    """Write entries in one statement."""
    rows = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(legs))
    currency = currency or s.books.points
    values = [
        value
        for line, (account, points) in enumerate(legs, start)
        for value in (header, line, account, s.books.program, currency, points)
    ]
    x.execute(
        "INSERT INTO members_ledgerentry (transaction_id, line, account_id, program_id,"
        f" currency_id, points) VALUES {rows}".encode(),
        values,
    )


def earn(x: Connection, s: Scene, *legs: tuple[int, int], points: int = 0, **columns: Any) -> int:
    """Write an earn with a lot of so many points and these entries."""
    header = head(x, s, **columns)
    if points:
        lot(x, header, s.holder.available, points)
    enter(x, s, header, *legs)
    return header


def spend(
    x: Connection,
    s: Scene,
    points: int,
    used: int,
    kind: str = "redeem",
    used_lot: int | None = None,
    **columns: Any,
) -> int:
    """Write a debit that takes points from the member's account and so many from a lot."""
    header = head(x, s, kind, **columns)
    use(x, header, used_lot or s.lot, used, kind)
    enter(x, s, header, (s.holder.available, -points), (s.books.redeemed, points))
    return header


def claw(x: Connection, s: Scene, points: int, spare: int = 0, **columns: Any) -> int:
    """Write a reversal of the earn that takes so many points from the spare lot."""
    header = head(x, s, "clawback", **{"reverses_id": s.earned, **columns})
    for used_lot, used in ((s.lot, points - spare), (s.spare_lot, spare)):
        if used:
            use(x, header, used_lot, used, "clawback")
    enter(x, s, header, (s.holder.available, -points), (s.books.issued, points))
    return header


def expire(x: Connection, s: Scene, points: int, at: datetime) -> None:
    """Write an expiry of the lot."""
    header = head(x, s, "expire", occurred_at=at)
    use(x, header, s.lot, points, "expire")
    enter(x, s, header, (s.holder.available, -points), (s.books.expired, points))


def hold(x: Connection, s: Scene, points: int) -> None:
    """Write a hold."""
    header = head(x, s, "hold", hold_expires_at=NOON + DAY)
    use(x, header, s.lot, points, "hold")
    enter(x, s, header, (s.holder.available, -points), (s.holder.held, points))


def release(x: Connection, s: Scene, points: int, hold: int, used: int | None = None) -> int:
    """Write the end of a hold that gives points back to a lot."""
    header = head(x, s, "release", resolves_id=hold)
    use(x, header, used or s.lot, -points, "give_back")
    enter(x, s, header, (s.holder.held, -points), (s.holder.available, points))
    return header


def run(sql: str, *fields: str) -> Attack:
    """Return the attack that runs the statement with figures of the scene."""

    def attack(x: Connection, s: Scene) -> None:
        values = []
        for name in fields:
            value: Any = s
            for part in name.split("."):
                value = getattr(value, part)
            values.append(value)
        x.execute(sql.encode(), values)

    return attack


def twice(x: Connection, s: Scene) -> None:
    """End the same hold twice in one transaction."""
    release(x, s, 10, s.held)
    release(x, s, 10, s.held)


def lapse(x: Connection, s: Scene) -> None:
    """Pretend that a hold lapsed, by writing another beside it and ending that."""
    x.execute(
        b"INSERT INTO members_ledgerhold (transaction_id, account_id, points, expires_at, is_open)"
        b" VALUES (%s, %s, 10, %s, true)",
        (s.earned, s.holder.held, NOON - DAY),
    )


def swap_lots(x: Connection, s: Scene) -> None:
    """Move points of a member to a lot that ends later, with entries that have nothing to do."""
    header = head(x, s)
    use(x, header, s.lot, 5, "redeem")
    use(x, header, s.spare_lot, -5, "give_back")
    lot(x, header, s.holder.available, 1)
    enter(x, s, header, (s.holder.available, 1), (s.books.issued, -1))


def swap_in_reversal(x: Connection, s: Scene) -> None:
    """Give a redemption's points back to a lot that they were not taken from."""
    spend(x, s, 20, 20, used_lot=s.spare_lot)
    header = head(x, s, "redemption_reversal", reverses_id=s.redeemed)
    use(x, header, s.spare_lot, -5, "give_back")
    enter(x, s, header, (s.holder.available, 5), (s.books.redeemed, -5))


def swap_in_release(x: Connection, s: Scene) -> None:
    """Give a hold's points back to a lot that they were not taken from."""
    spend(x, s, 20, 20, used_lot=s.spare_lot)
    release(x, s, 10, s.held, s.spare_lot)


def steal_use(x: Connection, s: Scene) -> None:
    """Pay with another member's lot."""
    header = head(x, s, "redeem")
    use(x, header, s.other_lot, 5)
    enter(x, s, header, (s.holder.available, -5), (s.books.redeemed, 5))


def shuffle_other(x: Connection, s: Scene) -> None:
    """Use another member's lot for nothing, beside a debit of one's own."""
    header = head(x, s, "redeem")
    use(x, header, s.other_lot, 5)
    use(x, header, s.other_lot, -5, "give_back")
    use(x, header, s.lot, 5)
    enter(x, s, header, (s.holder.available, -5), (s.books.redeemed, 5))


def refresh_lot(x: Connection, s: Scene) -> None:
    """Take more from an old lot than a debit needs, and open a lot without end for the rest."""
    header = head(x, s, "redeem")
    use(x, header, s.lot, 50)
    lot(x, header, s.holder.available, 49)
    enter(x, s, header, (s.holder.available, -1), (s.books.redeemed, 1))


def loot_hold(x: Connection, s: Scene) -> None:
    """Take held points without ending their hold."""
    header = head(x, s)
    lot(x, header, s.holder.available, 5)
    enter(x, s, header, (s.holder.held, -5), (s.holder.available, 5))


def empty_hold(x: Connection, s: Scene) -> None:
    """Reserve nothing, and move available points to pending."""
    header = head(x, s, "hold", hold_expires_at=NOON + DAY)
    use(x, header, s.lot, 5, "hold")
    lot(x, header, s.holder.pending, 5, available_at=NOON + DAY)
    enter(x, s, header, (s.holder.available, -5), (s.holder.pending, 5))


def split_hold(x: Connection, s: Scene) -> None:
    """Reserve in two lines, of which one could be ended."""
    header = head(x, s, "hold", hold_expires_at=NOON + DAY)
    use(x, header, s.lot, 6, "hold")
    enter(x, s, header, (s.holder.available, -6), (s.holder.held, 3), (s.holder.held, 3))


def other_claw(x: Connection, s: Scene) -> None:
    """Let a member pay for another member's return."""
    header = head(x, s, "clawback", reverses_id=s.other_earned)
    use(x, header, s.lot, 20, "clawback")
    enter(x, s, header, (s.holder.available, -20), (s.books.issued, 20))


def copy_in(x: Connection, s: Scene) -> None:
    """Bring entries in by COPY."""
    header = head(x, s)
    text = f"{header}\t1\t{s.holder.available}\t{s.books.program}\t{s.books.points}\t50\n"
    columns = b"(transaction_id, line, account_id, program_id, currency_id, points)"
    with x.cursor().copy(b"COPY members_ledgerentry " + columns + b" FROM STDIN") as copy:
        copy.write(text)


def merge_in(x: Connection, s: Scene) -> None:
    """Bring entries in by MERGE."""
    header = head(x, s)
    x.execute(
        b"MERGE INTO members_ledgerentry e USING (VALUES (%s::bigint)) v(t) ON e.transaction_id ="
        b" v.t WHEN NOT MATCHED THEN INSERT (transaction_id, line, account_id, program_id,"
        b" currency_id, points) VALUES (v.t, 1, %s, %s, %s, 50)",
        (header, s.holder.available, s.books.program, s.books.points),
    )


def shadow(x: Connection, s: Scene) -> None:
    """Put a table of the same name before the real one."""
    x.execute(
        b"CREATE TEMP TABLE members_ledgerentry (LIKE public.members_ledgerentry INCLUDING ALL)"
    )
    earn(x, s, (s.holder.available, 5), (s.books.issued, -5), points=5)


def shadow_accounts(x: Connection, s: Scene) -> None:
    """Put accounts without rules before the real ones, for the trigger to read."""
    x.execute(b"CREATE TEMP TABLE members_ledgeraccount (LIKE public.members_ledgeraccount)")
    x.execute(b"INSERT INTO members_ledgeraccount SELECT * FROM public.members_ledgeraccount")
    x.execute(b"SET search_path = pg_temp, public")
    earn(x, s, (s.holder.available, 5), (s.other.available, -5), points=5)


def in_one_statement(x: Connection, s: Scene) -> None:
    """Write a lot and entries of the same header in one statement."""
    header = head(x, s)
    x.execute(
        b"WITH e AS (INSERT INTO members_ledgerentry (transaction_id, line, account_id,"
        b" program_id, currency_id, points) VALUES (%(h)s, 1, %(i)s, %(p)s, %(c)s, -5),"
        b" (%(h)s, 2, %(a)s, %(p)s, %(c)s, 5) RETURNING 1)"
        b" INSERT INTO members_pointlot (transaction_id, account_id, points, remaining,"
        b" earned_at, available_at) SELECT %(h)s, %(a)s, 500, 500, now(), now() FROM e LIMIT 1",
        {
            **{"h": header, "i": s.books.issued, "a": s.holder.available},
            **{"p": s.books.program, "c": s.books.points},
        },
    )


def in_snapshot(x: Connection, s: Scene) -> None:
    """Reverse in a snapshot that misses what others reversed."""
    x.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    claw(x, s, 10)


def check_early(x: Connection, s: Scene) -> None:
    """Have the deferred checks done before the header that breaks them."""
    earn(x, s, (s.holder.available, 1), (s.books.issued, -1), points=1)
    x.execute(b"SET CONSTRAINTS ALL IMMEDIATE")
    head(x, s)
    x.execute(b"SET CONSTRAINTS ALL DEFERRED")


def e(*legs: tuple[str, int], points: int = 0, **columns: Any) -> Attack:
    """Return the attack of an earn whose accounts are named by their place in the scene."""

    def attack(x: Connection, s: Scene) -> None:
        earn(x, s, *((_account(s, name), p) for name, p in legs), points=points, **columns)

    return attack


def _account(s: Scene, name: str) -> int:
    holder, _, kind = name.rpartition(".")
    source: Any = getattr(s, holder) if holder else s.holder
    return int(getattr(s.books if hasattr(s.books, kind) and not holder else source, kind))
