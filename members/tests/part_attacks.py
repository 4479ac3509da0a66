"""Attacks on what is captured or given back in parts, and the same strokes made honestly."""

from __future__ import annotations

from members.tests import books as ledger
from members.tests.attacks import Attack, Scene, enter, head, lot, spend, use
from members.tests.books import DAY, NOON, Connection


def captured(
    x: Connection,
    s: Scene,
    *legs: tuple[int, int],
    back: int = 0,
    back_to: int | None = None,
    kind: str = "give_back",
) -> int:
    """End the hold of ten points by a redemption with these entries, some given back."""
    header = head(x, s, "redeem", resolves_id=s.held)
    if back:
        use(x, header, back_to or s.lot, -back if kind == "give_back" else back, kind)
    enter(x, s, header, (s.holder.held, -10), *legs)
    return header


def drained(x: Connection, s: Scene) -> None:
    """Give the parts of a redemption all back to one of the lots that it took."""
    header = head(x, s, "redeem")
    use(x, header, s.lot, 10)
    use(x, header, s.spare_lot, 10)
    enter(x, s, header, (s.holder.available, -20), (s.books.redeemed, 20))
    for _ in range(2):
        reversed_(x, s, header, 8, s.spare_lot)


def reversed_(x: Connection, s: Scene, original: int, points: int, used: int) -> int:
    """Give points of a redemption back to a lot."""
    header = head(x, s, "redemption_reversal", reverses_id=original)
    use(x, header, used, -points, "give_back")
    enter(x, s, header, (s.holder.available, points), (s.books.redeemed, -points))
    return header


def released_again(x: Connection, s: Scene) -> None:
    """Reverse a part of a capture, in a lot that the capture had given its points back to."""
    spend(x, s, 20, 20)
    rest = (s.holder.available, 6)
    captured(x, s, (s.books.redeemed, 4), rest, back=6)
    capture = ledger.scalar(x, "SELECT max(id) FROM members_ledgertransaction")
    header = head(x, s, "redemption_reversal", reverses_id=capture)
    use(x, header, s.lot, -5, "give_back")
    enter(x, s, header, (s.holder.available, 5), (s.books.redeemed, -4), (s.holder.debt, -1))


def reborn(x: Connection, s: Scene, original: int | None = None, **columns: object) -> None:
    """Give a redemption back as a new lot."""
    header = head(x, s, "redemption_reversal", reverses_id=original or s.redeemed)
    lot(x, header, s.holder.available, 5, **columns)
    enter(x, s, header, (s.holder.available, 5), (s.books.redeemed, -5))


def reborn_after_capture(x: Connection, s: Scene) -> None:
    """Release the rest of a capture as a lot without an end."""
    header = head(x, s, "redeem", resolves_id=s.held)
    lot(x, header, s.holder.available, 6)
    enter(x, s, header, (s.holder.held, -10), (s.books.redeemed, 4), (s.holder.available, 6))


def twice_with_grace(x: Connection, s: Scene) -> None:
    """Continue a lot that has ended, twice, in two parts that are too much together."""
    late = NOON + 301 * DAY
    first = spend(x, s, 5, 5)
    spend(x, s, 5, 5)
    for _ in range(2):
        header = head(x, s, "redemption_reversal", reverses_id=first, occurred_at=late)
        lot(
            x,
            header,
            s.holder.available,
            3,
            **{"earned_at": late, "available_at": late, "moved_from_id": s.lot},
        )
        enter(x, s, header, (s.holder.available, 3), (s.books.redeemed, -3))


PART_ATTACKS: dict[str, Attack] = {
    "a capture of more than is held": lambda x, s: captured(
        x, s, (s.books.redeemed, 15), (s.holder.available, -5), back=5, kind="redeem"
    ),
    "a capture that leaves points held": lambda x, s: enter(
        x,
        s,
        head(x, s, "redeem", resolves_id=s.held),
        *((s.holder.held, -4), (s.books.redeemed, 4)),
    ),
    "a capture that pays nothing": lambda x, s: captured(x, s, (s.holder.available, 10), back=10),
    "a capture that gives back without a lot": lambda x, s: captured(
        x, s, (s.books.redeemed, 4), (s.holder.available, 6)
    ),
    "a capture that gives back to another lot": lambda x, s: [
        spend(x, s, 20, 20, used_lot=s.spare_lot),
        captured(x, s, (s.books.redeemed, 4), (s.holder.available, 6), back=6, back_to=s.spare_lot),
    ],
    "a capture that opens a new lot": reborn_after_capture,
    "a capture that pays into a debt which is not there": lambda x, s: captured(
        x, s, (s.books.redeemed, 4), (s.holder.debt, 6)
    ),
    "a debit that gives back": lambda x, s: [
        spend(x, s, 20, 20, used_lot=s.spare_lot),
        _giving_debit(x, s),
    ],
    "a debit that pays a debt": lambda x, s: enter(
        x, s, head(x, s, "redeem"), (s.holder.debt, 5), (s.books.redeemed, -5)
    ),
    "parts given back to one lot of two": drained,
    "a part of a capture given back twice": released_again,
    "a redemption given back as a lot of its own": reborn,
    "a redemption given back as a lot that continues one which lasts": lambda x, s: reborn(
        x, s, moved_from_id=s.lot
    ),
    "an ended lot continued twice": twice_with_grace,
    "a capture of more points than the hold's": lambda x, s: x.execute(
        b"SELECT ledger_capture(%s, 'x', now(), now(), 11)", (s.held,)
    ),
    "a capture of no points": lambda x, s: x.execute(
        b"SELECT ledger_capture(%s, 'x', now(), now(), 0)", (s.held,)
    ),
    "more given back than was redeemed": lambda x, s: x.execute(
        b"SELECT ledger_give_back(%s, 'x', 'p1', 'x', now(), now(), '', 6)", (s.redeemed,)
    ),
    "parts that are too much together": lambda x, s: [
        x.execute(
            b"SELECT ledger_give_back(%s, 'x', %s, 'x', now(), now(), '', 3)", (s.redeemed, name)
        )
        for name in ("p1", "p2")
    ],
    "a part of a hold released": lambda x, s: x.execute(
        b"SELECT ledger_give_back(%s, 'x', 'p1', 'x', now(), now(), '', 4)", (s.held,)
    ),
}


def _giving_debit(x: Connection, s: Scene) -> int:
    header = head(x, s, "redeem")
    use(x, header, s.spare_lot, -5, "give_back")
    use(x, header, s.lot, 10)
    enter(
        x,
        s,
        header,
        *((s.holder.available, -10), (s.holder.available, 5), (s.books.redeemed, 5)),
    )
    return header


PART_HONEST: dict[str, Attack] = {
    "a capture of a part": lambda x, s: captured(
        x, s, (s.books.redeemed, 4), (s.holder.available, 6), back=6
    ),
    "a part of a redemption given back": lambda x, s: reversed_(x, s, s.redeemed, 3, s.lot),
    "parts of a redemption given back": lambda x, s: [
        reversed_(x, s, s.redeemed, part, s.lot) for part in (3, 2)
    ],
}
