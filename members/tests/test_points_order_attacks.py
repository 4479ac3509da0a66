"""What the database refuses of orders of points, as the site's role and as the owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psycopg
import pytest

from conftest import SERVER
from members.tests import books as ledger
from members.tests.books import DAY, NOON, scalar
from members.tests.test_approvals_attacked import Stage

POINTS, PRICE = 50, "5.00"
_payments = count(1)


class Shop(Stage):
    """A stage on which points are for sale."""

    def __init__(self, connection: ledger.Connection) -> None:
        super().__init__(connection)
        ledger.open_account(connection, self.books.program, self.books.points, "sold")

    def order(self, approval: int | None = None, **columns: Any) -> int:
        """Write an order under a request of its own; return its key."""
        values = {
            "approval_id": approval or self.request(POINTS, act="points_order"),
            "program_id": self.books.program,
            "member_id": self.holder.member,
            "currency_id": self.books.points,
            "points": POINTS,
            "price": PRICE,
            "money": "EUR",
            "price_digits": 2,
            "provider": "stripe",
            "reference": f"ch_{next(_payments)}",
            "state": "paid",
            "paid_at": NOON,
            "refundable_until": NOON + 999 * DAY,
            "refund_why": "",
            **columns,
        }
        key: int = scalar(
            self.x,
            f"INSERT INTO members_pointsorder ({', '.join(values)}) VALUES"
            f" ({', '.join(['%s'] * len(values))}) RETURNING approval_id",
            *values.values(),
        )
        return key

    def change(self, order: int, **columns: Any) -> None:
        """Change an order by hand."""
        pairs = ", ".join(f"{name} = %s" for name in columns)
        self.x.execute(
            f"UPDATE members_pointsorder SET {pairs} WHERE approval_id = %s".encode(),
            (*columns.values(), order),
        )

    def sell(self) -> int:
        """Post an order whole, as it is done honestly; return its key."""
        order = self.order()
        self.post(order)
        self.credit(order, POINTS, counter="sold")
        self.change(order, transaction_id=self.posted(order, "points_order"))
        return order

    def posted(self, order: int, source: str) -> int:
        """Return the transaction of an order."""
        found: int = scalar(
            self.x,
            "SELECT t.id FROM members_ledgertransaction t JOIN members_approval p"
            " ON t.external_ref = p.public_id::text WHERE p.id = %s AND t.source = %s",
            *(order, source),
        )
        return found

    def reverse(self, order: int, **columns: Any) -> None:
        """Say that an order is refunded."""
        self.move(order, state="reversed", reversed_at=NOON, reversed_by_id=self.ann)
        told = {"refunded_at": NOON, "refunded_points": POINTS, "refunded_price": PRICE}
        self.change(order, state="refunded", **{**told, **columns})

    def take(self, order: int, points: int = POINTS, of: int | None = None, **told: Any) -> None:
        """Take points back to where paid ones come from."""
        ref = scalar(self.x, "SELECT public_id::text FROM members_approval WHERE id = %s", order)
        told = {"counter": "sold", "source": "reversal", "member": self.holder.member, **told}
        self.x.execute(
            b"SELECT * FROM ledger_adjust_debit(%s, %s, %s, 'adjust_debit', %s, %s, %s, 'test',"
            b" %s, %s, '', %s, false, 'refuse')",
            (
                *(told["member"], self.books.points, points, told["counter"], told["source"]),
                *(ref, NOON, NOON, of),
            ),
        )


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


def _posted(points: int = POINTS, **told: Any) -> Callable[[Shop], None]:
    """Return the attack that posts other points than those of an order that may be posted."""

    def attack(s: Shop) -> None:
        order = s.order()
        s.post(order)
        s.credit(order, points, **{"counter": "sold", **told})

    return attack


def _without_an_order(s: Shop) -> None:
    approval = s.request(POINTS, act="points_order")
    s.post(approval)
    s.credit(approval, POINTS, counter="sold")


def _twice(s: Shop) -> None:
    s.credit(s.sell(), POINTS, counter="sold")


def _same_payment(s: Shop) -> None:
    s.order(reference="ch_same")
    s.order(reference="ch_same")


def _changed(**columns: Any) -> Callable[[Shop], None]:
    return lambda s: s.change(s.sell(), **columns)


def _refunded(**columns: Any) -> Callable[[Shop], None]:
    return lambda s: s.reverse(s.sell(), **columns)


def _refund_of(points: int, **told: Any) -> Callable[[Shop], None]:
    def attack(s: Shop) -> None:
        ledger.earn(s.x, s.books, s.holder, 500)
        order = s.sell()
        s.reverse(order)
        s.take(order, points, s.posted(order, "points_order"), **told)

    return attack


def _of_other_lots(s: Shop) -> None:
    earned = ledger.earn(s.x, s.books, s.holder, 500)
    order = s.sell()
    s.reverse(order)
    s.take(order, POINTS, earned)


def _refunded_twice(s: Shop) -> None:
    order = s.sell()
    s.reverse(order)
    s.take(order, POINTS, s.posted(order, "points_order"))
    s.change(order, state="paid", refunded_at=None, refunded_points=None, refunded_price=None)


def _refunded_unposted(s: Shop) -> None:
    order = s.order()
    s.post(order)
    s.reverse(order)


def _taken_without_a_refund(s: Shop) -> None:
    order = s.sell()
    s.move(order, state="reversed", reversed_at=NOON, reversed_by_id=s.ann)
    s.take(order, POINTS, s.posted(order, "points_order"))


def _other_transaction(s: Shop) -> None:
    earned = ledger.earn(s.x, s.books, s.holder, 500)
    s.change(s.order(), transaction_id=earned)


ATTACKS: dict[str, Callable[[Shop], Any]] = {
    "points sold without an order": _without_an_order,
    "points of an order that nobody posted": lambda s: s.credit(s.order(), POINTS, counter="sold"),
    "more points than were paid for": _posted(POINTS + 1),
    "fewer points than were paid for": _posted(POINTS - 1),
    "points of an order from elsewhere": _posted(counter="adjusted"),
    "the points of an order twice": _twice,
    "two orders of one payment": _same_payment,
    "an order without a price": lambda s: s.order(price="0"),
    "an order for a price below zero": lambda s: s.order(price="-5"),
    "an order without a payment": lambda s: s.order(reference=""),
    "an order of other points than were asked for": lambda s: s.order(points=POINTS - 1),
    "an order of status points": lambda s: s.order(
        s.request(POINTS, act="points_order", currency_id=s.books.status),
        currency_id=s.books.status,
    ),
    "an order under another act": lambda s: s.order(s.request(POINTS)),
    "an order that is born refunded": lambda s: s.order(state="refunded"),
    "more points after the payment": _changed(points=POINTS + 1),
    "a higher price after the payment": _changed(price="50.00"),
    "a longer time for the refund": _changed(refundable_until=NOON + 99 * DAY),
    "another transaction as the order's": _other_transaction,
    "an order that is deleted": lambda s: s.x.execute(
        b"DELETE FROM members_pointsorder WHERE approval_id = %s", (s.sell(),)
    ),
    "an order that is withdrawn with its points": _changed(state="withdrawn"),
    "a refund of an act that was not reversed": _changed(
        state="refunded", refunded_at=NOON, refunded_points=POINTS, refunded_price=PRICE
    ),
    "a refund of points that never came": _refunded_unposted,
    "a refund after its time": _refunded(refunded_at=NOON + 15 * DAY),
    "a refund before the payment": _refunded(refunded_at=NOON - DAY),
    "a refund of more points than were bought": _refunded(refunded_points=POINTS + 1),
    "a refund of more money than the share": _refunded(refunded_points=25, refunded_price="2.51"),
    "a refund of no points": _refunded(refunded_points=0, refunded_price="0"),
    "a refund without a figure": _refunded(refunded_price=None),
    "a refund undone": _refunded_twice,
    "points taken back without a refund": _taken_without_a_refund,
    "more points taken back than were refunded": _refund_of(POINTS + 1),
    "points taken back that are not the order's": _of_other_lots,
    "points taken back as if they were bought": _refund_of(POINTS, source="points_order"),
}


@pytest.mark.parametrize("name", ATTACKS, ids=str)
def test_attack_on_an_order_is_refused_and_moves_nothing(name: str, shop: Shop) -> None:
    with pytest.raises(psycopg.Error) as refusal, shop.x.transaction():
        ATTACKS[name](shop)

    assert str(refusal.value.sqlstate)[:2] in {"23", "42"}
    assert (_balance(shop), scalar(shop.x, "SELECT count(*) FROM members_pointsorder")) == (0, 0)


def test_the_same_orders_are_accepted_when_they_are_honest(shop: Shop) -> None:
    order, other = shop.sell(), shop.sell()
    until = scalar(
        shop.x, "SELECT refundable_until FROM members_pointsorder WHERE approval_id = %s", order
    )
    shop.reverse(order)
    shop.take(order, POINTS, shop.posted(order, "points_order"))
    shop.change(order, refund_id=shop.posted(order, "reversal"))

    assert other != order
    assert until == NOON.replace(hour=0) + 15 * DAY
    assert _balance(shop) == POINTS


def _balance(s: Shop) -> int:
    found: int = scalar(
        s.x, "SELECT balance FROM members_ledgeraccount WHERE id = %s", s.holder.available
    )
    return found
