"""Points that were bought: they come once, go back exactly, lift no tier and are owed apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection

from members.models import (
    Approval,
    LedgerAccount,
    LedgerTransaction,
    Member,
    PointCurrency,
    PointLot,
    PointsOrder,
    TierMembership,
    User,
)
from members.queries.held import rows_held
from members.queries.liability import liabilities
from members.services import approvals, merging, orders, privacy, reconciliation
from members.services.adjustments import ExpiryPassed
from members.services.approvals import OwnAccount
from members.services.orders import (
    NothingToRefund,
    OrderNotPosted,
    OrderUnsuitable,
    PaymentKnown,
    QuoteChanged,
    RefundTooLate,
    Sale,
)
from members.tests import staff
from members.tests.people import DAY, NOON, debit, earn, make_member, make_program, owe


@pytest.fixture
def member(db: None) -> Member:
    """Return a member of a program in which one person may move 1,000 points at once."""
    make_program()
    staff.set_limits(1000, 5000)
    return make_member()


@pytest.fixture
def ann(member: Member) -> User:
    """Return one of the staff."""
    return staff.clerk("ann")


@pytest.fixture
def ben(member: Member) -> User:
    """Return another."""
    return staff.clerk("ben")


def sale(member: Member, points: int = 1000, price: str = "10.00", **told: Any) -> Sale:
    """Return a sale of points, paid at noon."""
    return replace(
        Sale(
            member=member,
            currency=staff.points(),
            points=points,
            price=Decimal(price),
            money="EUR",
            provider="stripe",
            reference="ch_1",
            paid_at=NOON,
        ),
        **told,
    )


def buy(member: Member, by: User, points: int = 1000, price: str = "10.00", **told: Any) -> Any:
    """Record a payment for points."""
    return orders.buy(sale=sale(member, points, price, **told), by=by, moment=NOON)


def refund(order: PointsOrder, by: User, moment: datetime = NOON + DAY, **told: Any) -> Any:
    """Give points back."""
    return orders.refund(order_id=order.pk, by=by, why="Changed their mind", moment=moment, **told)


def held(member: Member) -> dict[str, int]:
    """Return the balances of points that are not zero."""
    rows = LedgerAccount.objects.filter(member=member, currency__code="points").exclude(balance=0)
    return dict(rows.values_list("kind", "balance"))


def sold() -> int:
    """Return the sum of the account of points that were paid for."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(e.points), 0)::bigint FROM members_ledgeraccount a"
            " JOIN members_ledgerentry e ON e.account_id = a.id WHERE a.kind = 'sold'"
        )
        found: int = cursor.fetchone()[0]
    return found


def differences() -> list[str]:
    """Return the checks of the books that found something."""
    return [found.name for found in reconciliation.verify().findings if found.differences]


def test_bought_points_come_once_however_often_the_payment_is_told(
    member: Member, ann: User
) -> None:
    order = buy(member, ann)
    again = buy(member, ann)

    assert (order.pk, order.state, order.transaction_id) == (again.pk, "paid", again.transaction_id)
    assert (held(member), sold()) == ({"available": 1000}, -1000)
    assert LedgerTransaction.objects.get().source == "points_order"
    assert differences() == []


def test_a_payment_that_bought_something_else_is_refused(member: Member, ann: User) -> None:
    buy(member, ann)

    for other in (
        sale(member, 999),
        sale(member, price="9.99"),
        sale(member, money="USD"),
        sale(make_member("6011000002")),
    ):
        with pytest.raises(PaymentKnown):
            orders.buy(sale=other, by=ann, moment=NOON)

    assert sold() == -1000
    assert buy(member, ann, provider="paypal").transaction_id is not None


@pytest.mark.parametrize(
    ("_case", "told"),
    [
        ("no points", {"points": 0}),
        ("no price", {"price": Decimal(0)}),
        ("a price below zero", {"price": Decimal(-1)}),
        ("a tenth of a cent", {"price": Decimal("1.001")}),
        ("a half of a yen", {"price": Decimal("1.50"), "money": "JPY"}),
        ("no number", {"price": Decimal("NaN")}),
        ("no such money", {"money": "EEE"}),
        ("nobody took it", {"provider": ""}),
        ("no payment", {"reference": ""}),
        ("paid tomorrow", {"paid_at": NOON + DAY}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_sold_is_refused(
    _case: str, told: dict[str, Any], member: Member, ann: User
) -> None:
    with pytest.raises(OrderUnsuitable):
        orders.buy(sale=replace(sale(member), **told), by=ann, moment=NOON)

    assert not PointsOrder.objects.exists()


def test_status_points_are_not_for_sale_and_bought_points_lift_no_tier(
    member: Member, ann: User
) -> None:
    """A program that is graded on status points: silver from 500, which money cannot buy."""
    with pytest.raises(OrderUnsuitable):
        buy(member, ann, currency=PointCurrency.objects.get(code="status"))

    buy(member, ann)

    assert list(TierMembership.objects.values_list("tier__code", flat=True)) == ["bronze"]
    assert not LedgerTransaction.objects.filter(currency__code="status").exists()


def test_a_large_order_waits_for_a_second_person_and_one_that_was_rejected_can_be_told_anew(
    member: Member, ann: User, ben: User
) -> None:
    order = buy(member, ann, 4000, "40.00")
    assert (order.transaction_id, held(member)) == (None, {})
    with pytest.raises(OrderNotPosted):
        refund(order, ben)

    approvals.reject(approval_id=order.pk, by=ben, answer="Too many", moment=NOON)
    anew = buy(member, ann, 3000, "40.00")
    approvals.approve(approval_id=anew.pk, by=ben, moment=NOON)

    assert held(member) == {"available": 3000}
    assert list(PointsOrder.objects.order_by("pk").values_list("state", flat=True)) == [
        "withdrawn",
        "paid",
    ]
    assert differences() == []


def test_nobody_buys_points_for_an_account_of_their_own(member: Member, ann: User) -> None:
    member.user = ann
    member.save()

    with pytest.raises(OwnAccount):
        buy(member, ann)

    assert sold() == 0


def test_a_refund_takes_back_what_is_left_of_its_own_lots_and_their_exact_share(
    member: Member, ann: User
) -> None:
    """1,000 points for 10.00, of which 301 are used: 699 go back, and 6.99 is returned."""
    earn(member, 500, expires_at=NOON + 400 * DAY)
    order = buy(member, ann, expires_at=NOON + 100 * DAY)
    debit(member, 301)

    quote = orders.quote(order=order, moment=NOON)
    done = refund(order, ann, expected=699)
    again = refund(order, ann, expected=1)

    assert (quote.points, quote.price) == (699, Decimal("6.99"))
    assert (done.state, done.refunded_points, done.refunded_price) == (
        *("refunded", 699, Decimal("6.99")),
    )
    assert again.refund_id == done.refund_id
    assert (held(member), sold()) == ({"available": 500}, -301)
    assert Approval.objects.get().state == "reversed"
    assert differences() == []


@pytest.mark.parametrize(
    ("_case", "price", "money", "used", "returned"),
    [
        ("all", "10.00", "EUR", 0, "10.00"),
        ("one third", "10.00", "EUR", 2, "3.33"),
        ("two thirds", "10.00", "EUR", 1, "6.67"),
        ("less than a cent", "0.01", "EUR", 2, "0.00"),
        ("yen have no minor unit", "100", "JPY", 1, "67"),
        ("dinars have three digits", "10.000", "KWD", 2, "3.333"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_share_is_the_exact_fraction_half_up(
    _case: str, price: str, money: str, used: int, returned: str, member: Member, ann: User
) -> None:
    order = buy(member, ann, 3, price, money=money)
    if used:
        debit(member, used)

    assert refund(order, ann).refunded_price == Decimal(returned)


def test_a_half_cent_is_returned_as_a_whole_one(member: Member, ann: User) -> None:
    order = buy(member, ann, 2, "0.05")
    debit(member, 1)

    assert refund(order, ann).refunded_price == Decimal("0.03")


def test_points_can_be_given_back_until_the_end_of_the_fourteenth_day_of_the_program(
    db: None,
) -> None:
    """Paid at 23:30 of 15 March in New York, after the clocks changed: through 29 March there."""
    make_program(timezone="America/New_York")
    member, ann = make_member(), staff.clerk("ann")
    paid = datetime(2026, 3, 16, 3, 30, tzinfo=UTC)
    first, second = (
        orders.buy(sale=sale(member, 10, "1.00", reference=name, paid_at=paid), by=ann, moment=paid)
        for name in ("a", "b")
    )
    end = datetime(2026, 3, 30, 4, tzinfo=UTC)

    assert first.refundable_until == end
    assert refund(first, ann, end - DAY / 86400).state == "refunded"
    with pytest.raises(RefundTooLate):
        refund(second, ann, end)
    assert held(member) == {"available": 10}


def test_what_is_used_or_paid_a_debt_is_not_given_back(member: Member, ann: User) -> None:
    owe(member, 100)
    order = buy(member, ann, 100, "1.00")
    other = buy(member, ann, 50, "0.50", reference="ch_2")
    debit(member, 50, kind="hold", hold_expires_at=NOON + 30 * DAY)

    for each in (order, other):
        with pytest.raises(NothingToRefund):
            refund(each, ann)

    assert held(member) == {"held": 50}
    assert list(PointsOrder.objects.values_list("state", flat=True)) == ["paid", "paid"]


def test_a_quote_that_is_no_longer_true_is_not_carried_out(member: Member, ann: User) -> None:
    order = buy(member, ann)
    quote = orders.quote(order=order, moment=NOON)
    debit(member, 1)

    with pytest.raises(QuoteChanged, match="999 points are left, not 1000"):
        refund(order, ann, expected=quote.points)

    assert held(member) == {"available": 999}


def test_bought_points_last_at_least_as_long_as_they_can_be_given_back(
    member: Member, ann: User
) -> None:
    order = buy(member, ann, expires_at=NOON + DAY)

    assert PointLot.objects.get().expires_at == order.refundable_until
    assert refund(order, ann, NOON + 10 * DAY).refunded_points == 1000


def test_an_order_that_waited_for_longer_than_its_points_last_gives_none(
    member: Member, ann: User, ben: User
) -> None:
    order = buy(member, ann, 4000, "40.00", expires_at=NOON + 20 * DAY)

    with pytest.raises(ExpiryPassed):
        approvals.approve(approval_id=order.pk, by=ben, moment=NOON + 20 * DAY)

    assert sold() == 0


def test_points_of_a_member_who_was_merged_are_given_back_by_the_survivor(
    member: Member, ann: User
) -> None:
    order = buy(member, ann)
    survivor = make_member("6011000002")
    merging.merge(
        wanted=merging.Wanted(survivor_id=survivor.pk, merged_id=member.pk, reason="same_person"),
        by=ann,
        moment=NOON,
    )
    survivor.refresh_from_db()

    again = buy(survivor, ann)
    done = refund(order, ann)

    assert again.pk == order.pk
    assert (done.refunded_points, held(survivor), sold()) == (1000, {}, 0)
    assert differences() == []


def test_what_was_bought_is_owed_apart_through_whatever_moved_it(member: Member, ann: User) -> None:
    earn(member, 200)
    buy(member, ann, 100, "1.00", expires_at=NOON + 30 * DAY)
    refund(buy(member, ann, 70, "0.70", reference="ch_2"), ann)
    debit(member, 40)

    (before,) = liabilities()
    survivor = make_member("6011000002")
    merging.merge(
        wanted=merging.Wanted(survivor_id=survivor.pk, merged_id=member.pk, reason="same_person"),
        by=ann,
        moment=NOON,
    )
    (after,) = liabilities()

    assert (before.points, before.purchased, before.purchased_value) == (260, 60, Decimal("0.60"))
    assert [month.purchased for month in before.months] == [60, 0]
    assert (after.points, after.purchased) == (260, 60)


def test_an_order_is_in_the_copy_of_the_data_and_its_words_are_erased(
    member: Member, ann: User
) -> None:
    buy(member, ann, 400, "4.00", why="At the desk")
    refund(buy(member, ann, 100, "1.00", reference="ch_2"), ann)

    told = rows_held(member)["members.pointsorder"]
    privacy.erase(member=member, confirm=member.number, actor="test", moment=NOON + 2 * DAY)

    assert [(row["reference"], row["price"]) for row in told] == [
        ("ch_1", Decimal("4.0000")),
        ("ch_2", Decimal("1.0000")),
    ]
    assert set(PointsOrder.objects.values_list("refund_why", flat=True)) == {""}
    assert set(Approval.objects.values_list("why", flat=True)) == {""}
    assert (sold(), differences()) == (-400, [])
    with pytest.raises(NothingToRefund):
        refund(PointsOrder.objects.get(state="paid"), ann, NOON + 2 * DAY)


@pytest.mark.parametrize(
    ("_case", "damage"),
    [
        ("an order of more points", "UPDATE members_pointsorder SET points = points + 1"),
        ("an order that is gone", "DELETE FROM members_pointsorder WHERE refund_id IS NULL"),
        (
            "a refund of fewer points",
            "UPDATE members_pointsorder SET refunded_points = 1 WHERE refund_id IS NOT NULL",
        ),
        ("a refund that is gone", "UPDATE members_pointsorder SET refund_id = NULL"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_proof_finds_what_the_orders_do_not_say(
    _case: str, damage: str, database_urls: dict[str, str], committed_database: str
) -> None:
    make_program()
    member, ann = make_member(), staff.clerk("ann")
    buy(member, ann, 400, "4.00")
    refund(buy(member, ann, 100, "1.00", reference="ch_2"), ann)
    (check,) = (each for each in reconciliation.checks() if each.name == "21_sold_as_ordered")

    with psycopg.connect(database_urls["superuser"]) as opened:
        sound = opened.execute(check.sql.encode()).rowcount
        opened.execute(b"SET session_replication_role = replica")
        opened.execute(b"ALTER TABLE members_pointsorder DROP CONSTRAINT members_pointsorder_share")
        opened.execute(damage.encode())
        found = opened.execute(check.sql.encode()).rowcount
        opened.rollback()

    assert (sound, found > 0) == (0, True)
