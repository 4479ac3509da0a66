"""What the database refuses of expired points that are given back, as the site and as the owner."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from conftest import SERVER
from members.tests import books as ledger
from members.tests.books import DAY, NOON, Connection, Holder, scalar
from members.tests.test_approvals_attacked import Stage

LATE = NOON + 12 * DAY
ENDS = LATE + 30 * DAY


@dataclass(frozen=True)
class Gone:
    """A lot of 100 points that expired, and the transaction by which it did."""

    lot: int
    expiry: int


class Shop(Stage):
    """Two expiries of the member, one of somebody else, and people of the staff."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        connection.execute(
            b"UPDATE members_approvalpolicy SET points_alone = 1000, points_daily = 9000"
        )
        self.first = self.expire(self.holder, 10)
        self.second = self.expire(self.holder, 11)
        self.stranger = ledger.enroll(connection, self.books)
        self.theirs = self.expire(self.stranger, 10)

    def expire(self, holder: Holder, days: int) -> Gone:
        """Let 100 points expire after so many days."""
        earned = ledger.earn(self.x, self.books, holder, 100, expires_at=NOON + days * DAY)
        ledger.settle(self.x, holder, moment=NOON + days * DAY)
        lot = scalar(self.x, "SELECT id FROM members_pointlot WHERE transaction_id = %s", earned)
        return Gone(
            lot,
            scalar(self.x, "SELECT max(transaction_id) FROM members_lotuse WHERE lot_id = %s", lot),
        )

    def ask(self, points: int = 100, expiry: int | None = None, **columns: Any) -> int:
        """Write a request for points of an expiry, and say that it is done."""
        approval = self.request(points, act="reinstatement", **columns)
        self.x.execute(
            b"INSERT INTO members_reinstatement (approval_id, expiry_id, reason_id, note)"
            b" SELECT %s, %s, min(id), '' FROM members_adjustmentreason",
            (approval, expiry or self.first.expiry),
        )
        self.post(approval)
        return approval

    def give(self, approval: int | None, points: int = 100, **told: Any) -> None:
        """Post points as given back, with whatever the attack wants to be different."""
        told = {"lot": self.first.lot, "ends": ENDS, "at": LATE, "source": "reinstatement", **told}
        ref = scalar(self.x, "SELECT public_id::text FROM members_approval WHERE id = %s", approval)
        holder: Holder = told.get("holder", self.holder)
        lots = [
            {
                **{"h": 0, "account": holder.available, "points": points, "earned_at": LATE},
                **{"available_at": LATE, "expires_at": told["ends"], "moved_from": told["lot"]},
            }
        ]
        legs = told.get("legs") or [(self.books.expired, -points), (holder.available, points)]
        header = {
            **ledger.header(self.books, holder, "reinstate"),
            **{"source": told["source"], "ref": ref or "none", "occurred_at": told["at"]},
            **told.get("header", {}),
        }
        document = {
            "headers": [header],
            "lots": told.get("lots", lots),
            "uses": [],
            "entries": [{"h": 0, "account": account, "points": n} for account, n in legs],
        }
        ledger.post(self.x, self.books, document, moment=LATE)


@pytest.fixture(scope="module")
def urls(django_db_setup: None) -> Iterator[dict[str, str]]:
    """Clone a database for all attacks; gives its logins."""
    name = SERVER.next_name()
    SERVER.clone(name)
    yield SERVER.urls(name)
    SERVER.drop(name)


@pytest.fixture(params=["site", "owner"])
def shop(request: pytest.FixtureRequest, urls: dict[str, str]) -> Iterator[Shop]:
    """Log in as each of the roles; what the test leaves is rolled back."""
    with psycopg.connect(urls[request.param]) as opened:
        yield Shop(opened)
        opened.rollback()


def _in_two_parts(s: Shop) -> None:
    for _ in range(2):
        s.give(s.ask(60), 60)


def _same_approval_twice(s: Shop) -> None:
    approval = s.ask(50)
    s.give(approval, 50)
    s.give(approval, 50)


def _as_credit(s: Shop) -> None:
    s.credit(s.ask(), 100)


def _under_an_adjustment(s: Shop) -> None:
    approval = s.request()
    s.post(approval)
    s.give(approval, 50, source="adjustment")


def _alive(s: Shop) -> None:
    earned = ledger.earn(s.x, s.books, s.holder, 100, at=LATE, expires_at=ENDS)
    lot = scalar(s.x, "SELECT id FROM members_pointlot WHERE transaction_id = %s", earned)
    s.give(s.ask(), lot=lot)


def _status_points(s: Shop) -> None:
    approval = s.ask(5)
    legs = [(s.books.status_issued, -5), (s.holder.status, 5)]
    s.give(approval, 5, lots=[], legs=legs, header={"currency": s.books.status})


def _changed(column: str) -> Callable[[Shop], None]:
    def attack(s: Shop) -> None:
        s.ask()
        s.x.execute(f"UPDATE members_reinstatement SET {column}".encode())

    return attack


ATTACKS: dict[str, Callable[[Shop], None]] = {
    "without an approval": lambda s: s.give(None),
    "before the approval is posted": lambda s: s.give(s.request(100, act="reinstatement")),
    "more than the approval says": lambda s: s.give(s.ask(99)),
    "more than expired of the lot": lambda s: s.give(s.ask(101), 101),
    "more than expired of the lot in two parts": _in_two_parts,
    "an approval used twice": _same_approval_twice,
    "an approval to reinstate used as an adjustment": _as_credit,
    "an approval to adjust used to reinstate": _under_an_adjustment,
    "points without an end": lambda s: s.give(s.ask(), ends=None),
    "points of no lot": lambda s: s.give(s.ask(), lot=None),
    "points of a lot that did not expire": _alive,
    "points of somebody else's lot": lambda s: s.give(s.ask(), lot=s.theirs.lot),
    "points to somebody else": lambda s: s.give(s.ask(), holder=s.stranger, lot=s.theirs.lot),
    "points of another expiry than was approved": lambda s: s.give(s.ask(), lot=s.second.lot),
    "points given back before they expired": lambda s: s.give(s.ask(), at=NOON + 9 * DAY),
    "points of the program's other account": lambda s: s.give(
        s.ask(), legs=[(s.books.issued, -100), (s.holder.available, 100)]
    ),
    "points that lift tiers": _status_points,
    "a request for somebody else's expiry": lambda s: _ignore(s.ask(expiry=s.theirs.expiry)),
    "a request for what is no expiry": lambda s: _ignore(
        s.ask(expiry=scalar(s.x, "SELECT min(id) FROM members_ledgertransaction"))
    ),
    "another expiry after the request": lambda s: _changed(f"expiry_id = {s.second.expiry}")(s),
    "another end after the request": _changed("expires_at = now() + interval '1 day'"),
    "another note after the request": _changed("note = 'Different'"),
    "a request that is deleted": lambda s: _ignore(
        [s.ask(), s.x.execute(b"DELETE FROM members_reinstatement")]
    ),
}


def _ignore(_result: object) -> None:
    """Let a lambda return nothing."""


@pytest.mark.parametrize("name", ATTACKS, ids=str)
def test_attack_on_what_expired_is_refused_and_gives_nothing(name: str, shop: Shop) -> None:
    begun = _given(shop)

    with pytest.raises(psycopg.Error) as refusal, shop.x.transaction():
        ATTACKS[name](shop)

    assert str(refusal.value.sqlstate)[:2] in {"23", "42"}
    assert _given(shop) == begun == (0, 0, 0)


def test_the_same_strokes_are_accepted_when_they_are_honest(shop: Shop) -> None:
    shop.give(shop.ask(60), 60)
    shop.give(shop.ask(40), 40)
    shop.give(shop.ask(100, shop.second.expiry), lot=shop.second.lot)

    assert _given(shop) == (200, 0, 3)


def _given(shop: Shop) -> tuple[int, int, int]:
    balances = [
        ledger.balances(shop.x, holder)["available"] for holder in (shop.holder, shop.stranger)
    ]
    lots = scalar(shop.x, "SELECT count(*) FROM members_pointlot WHERE moved_from_id IS NOT NULL")
    return balances[0], balances[1], lots


def test_two_that_give_the_same_lot_back_at_once_wait_for_each_other(urls: dict[str, str]) -> None:
    """Without the queue on the lot each would see none of the other: 120 of 100 points."""
    with psycopg.connect(urls["site"]) as one, psycopg.connect(urls["site"]) as two:
        shop = Shop(one)
        approvals = [shop.ask(60), shop.ask(60)]
        one.commit()
        shop.give(approvals[0], 60)
        refused: list[str] = []

        def give() -> None:
            shop.x = two
            try:
                shop.give(approvals[1], 60)
                two.commit()
            except psycopg.errors.CheckViolation as refusal:
                refused.append(refusal.diag.constraint_name or "")

        other = threading.Thread(target=give)
        other.start()
        other.join(0.5)
        waited = other.is_alive()
        one.commit()
        other.join(10)
        two.rollback()
        balance = ledger.balances(one, shop.holder)["available"]

    assert (waited, refused, balance) == (True, ["members_reinstatement_within"], 60)
