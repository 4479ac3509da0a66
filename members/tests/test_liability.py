"""What is owed is counted by currency and by the month in which points can last be used."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from members.queries.liability import liabilities
from members.tests.people import DAY, NOON, debit, earn, make_member, make_program

pytestmark = pytest.mark.django_db


def test_months_are_those_of_the_program_and_of_the_last_day() -> None:
    make_program(timezone="Asia/Shanghai")
    member = make_member()
    # 00:00 of 1 May in Shanghai: the last day of use is 30 April.
    earn(member, 100, expires_at=datetime(2026, 4, 30, 16, tzinfo=UTC))
    earn(member, 30, expires_at=datetime(2026, 5, 1, 16, tzinfo=UTC))
    earn(member, 7)
    earn(member, 50, available_at=NOON + DAY, expires_at=datetime(2026, 5, 30, tzinfo=UTC))

    (points,) = liabilities()

    assert [(row.month, row.available, row.pending, row.value) for row in points.months] == [
        (date(2026, 4, 1), 100, 0, Decimal("1.00")),
        (date(2026, 5, 1), 30, 50, Decimal("0.80")),
        (None, 7, 0, Decimal("0.07")),
    ]
    assert points.months[0].until == datetime(2026, 4, 30, 16, tzinfo=UTC)
    assert (points.points, points.value) == (187, Decimal("1.87"))


def test_what_is_held_is_still_owed() -> None:
    make_program()
    member = make_member()
    earn(member, 100)
    debit(member, 40, kind="hold", hold_expires_at=NOON + DAY)
    debit(member, 10)

    (points,) = liabilities()

    assert (points.held, points.points, points.debt) == (40, 90, 0)
