"""The scene that attacks on the books are tried on, written through the site's own functions."""

from __future__ import annotations

from members.tests import books as ledger
from members.tests.attacks import Scene
from members.tests.books import DAY, NOON, Books, Connection, Holder, scalar


def set_scene(site: Connection) -> Scene:
    """Write the books that the attacks are tried on; the login is the site's."""
    books = ledger.open_books(site)
    holder, other, owing = (ledger.enroll(site, books) for _ in range(3))
    earned = ledger.earn(site, books, holder, 100, expires_at=NOON + 300 * DAY)
    ledger.earn(site, books, holder, 80, expires_at=NOON + 600 * DAY)
    other_earned = ledger.earn(site, books, other, 70)
    held = ledger.debit(site, books, holder, 10, kind="hold", hold_expires_at=NOON + DAY)
    captured = ledger.debit(site, books, holder, 10, kind="hold", hold_expires_at=NOON + DAY)
    ledger.capture(site, captured)
    redeemed = ledger.debit(site, books, holder, 5)
    owing_earn = ledger.earn(site, books, owing, 50)
    ledger.debit(site, books, owing, 50)
    _claw_into_debt(site, books, owing, owing_earn)
    lots = [
        scalar(site, "SELECT min(id) FROM members_pointlot WHERE account_id = %s", account)
        for account in (holder.available, other.available)
    ]
    spare = scalar(
        site, "SELECT max(id) FROM members_pointlot WHERE account_id = %s", holder.available
    )
    return Scene(
        books=books,
        holder=holder,
        other=other,
        owing=owing,
        earned=earned,
        lot=lots[0],
        spare_lot=spare,
        other_lot=lots[1],
        held=held,
        captured=captured,
        redeemed=redeemed,
        other_earned=other_earned,
    )


def _claw_into_debt(site: Connection, books: Books, holder: Holder, earned: int) -> None:
    header = ledger.header(books, holder, "clawback", reverses=earned)
    entries = [
        {"h": 0, "account": holder.debt, "points": -50},
        {"h": 0, "account": books.issued, "points": 50},
    ]
    ledger.post(site, books, {"headers": [header], "lots": [], "uses": [], "entries": entries})
