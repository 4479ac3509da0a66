"""The statement: every transaction once, with what was held after it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from members.models import Member, PointCurrency, Purchase
from members.queries.balances import balance_now
from members.queries.statement import BalanceAfter, StatementRow, statement_rows
from members.tests.people import DAY, NOON, debit, earn, make_member, make_program, owe, settle

pytestmark = pytest.mark.django_db


def read(
    member: Member,
    *,
    limit: int = 100,
    after: StatementRow | None = None,
    before: StatementRow | None = None,
    code: str = "points",
) -> list[StatementRow]:
    """Return the member's rows."""
    return statement_rows(
        member_id=member.pk,
        currency_id=PointCurrency.objects.get(code=code).pk,
        after=None if after is None else after.key,
        before=None if before is None else before.key,
        limit=limit,
    )


def make_history(member: Member) -> None:
    """Earn, hold, release, redeem, expire: something on every account."""
    earn(member, 100, at=NOON, expires_at=NOON + 9 * DAY)
    earn(member, 50, at=NOON + DAY, available_at=NOON + 5 * DAY)
    debit(member, 30, at=NOON + 2 * DAY, kind="hold", hold_expires_at=NOON + 3 * DAY)
    debit(member, 20, at=NOON + 2 * DAY)
    settle(member, NOON + 4 * DAY)
    settle(member, NOON + 10 * DAY)


def test_every_transaction_is_one_row_with_what_was_held_after_it() -> None:
    make_program()
    member = make_member()
    make_history(member)

    rows = read(member)

    assert [(row.type, row.points, row.moved) for row in rows] == [
        ("expire", -80, 80),
        ("activate", 0, 50),
        ("release", 0, 30),
        ("redeem", -20, 20),
        ("hold", 0, 30),
        ("earn", 50, 50),
        ("earn", 100, 100),
    ]
    assert [row.balance_after for row in rows] == [
        BalanceAfter(50, 0, 0, 0),
        BalanceAfter(130, 0, 0, 0),
        BalanceAfter(80, 50, 0, 0),
        BalanceAfter(50, 50, 30, 0),
        BalanceAfter(70, 50, 30, 0),
        BalanceAfter(100, 50, 0, 0),
        BalanceAfter(100, 0, 0, 0),
    ]
    found = balance_now(member=member.public_id, moment=NOON + 10 * DAY)
    assert found is not None
    assert rows[0].balance_after.available == found.available


def test_debt_is_positive_after_a_clawback() -> None:
    make_program()
    member = make_member()
    owe(member, 40)

    assert read(member)[0].balance_after == BalanceAfter(0, 0, 0, 40)
    assert [row.points for row in read(member)] == [-40, -40, 40]


def test_pages_in_both_directions_have_the_balances_of_the_whole() -> None:
    make_program()
    member = make_member()
    make_history(member)
    whole = read(member)

    first = read(member, limit=3)
    second = read(member, limit=3, after=first[-1])
    third = read(member, limit=3, after=second[-1])
    back = read(member, limit=2, before=third[-1])

    assert [*first, *second, *third] == whole
    assert list(reversed(back)) == whole[-3:-1]


def test_rows_of_other_currencies_and_members_stay_out() -> None:
    make_program()
    member, other = make_member("A-1"), make_member("B-1")
    earn(member, 10)
    earn(member, 5, code="status")
    earn(other, 7)

    assert [row.points for row in read(member)] == [10]
    assert [row.points for row in read(member, code="status")] == [5]


def test_a_row_names_its_purchase() -> None:
    program = make_program()
    member = make_member()
    purchase = Purchase.objects.create(
        program=program,
        source="pos",
        external_id="R-1001",
        content_key=b"",
        member=member,
        occurred_at=NOON,
        recorded_at=NOON,
        store="lisbon-1",
        currency="EUR",
        net=Decimal("10.00"),
    )
    earn(member, 10, source="purchase", ref=str(purchase.public_id))
    earn(member, 5, source="purchase", ref="no id", recorded_at=NOON + timedelta(seconds=1))

    stray, row = read(member)

    assert (row.source, row.source_id, row.source_external_id, row.store) == (
        "purchase",
        purchase.public_id,
        "R-1001",
        "lisbon-1",
    )
    assert (stray.source_id, stray.source_external_id) == (None, None)


def test_an_empty_statement_has_no_rows() -> None:
    make_program()

    assert read(make_member()) == []
