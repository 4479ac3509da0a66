"""What a member holds, now and then, net of what is due."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from members.models import LedgerAccount, Member
from members.netting import Arrival, Net, OpenLot, Position, net
from members.queries.balances import balance_as_of, balance_now
from members.queries.program import UnknownCurrency
from members.tests.people import (
    DAY,
    NOON,
    debit,
    earn,
    make_member,
    make_program,
    owe,
    settle,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def figures(member: Member, moment: datetime, **asked: Any) -> tuple[int, ...]:
    """Return available, pending, held, debt and lifetime earned."""
    if "as_of" in asked or "known_at" in asked:
        asked = {"as_of": moment, "known_at": moment, **asked}
        found = balance_as_of(member=member.public_id, **asked)
    else:
        found = balance_now(member=member.public_id, moment=moment, **asked)
    assert found is not None
    return (found.available, found.pending, found.held, found.debt, found.lifetime_earned)


def test_a_balance_has_every_figure() -> None:
    make_program()
    member = make_member()
    earn(member, 300, expires_at=NOON + 30 * DAY)
    earn(member, 80, expires_at=NOON + 30 * DAY)
    earn(member, 40, expires_at=NOON + 10 * DAY)
    earn(member, 7)
    earn(member, 50, available_at=NOON + 5 * DAY, expires_at=NOON + 40 * DAY)
    debit(member, 60, kind="hold", hold_expires_at=NOON + DAY)

    with CaptureQueriesContext(connection) as queries:
        found = balance_now(member=member.public_id, moment=NOON + HOUR)

    assert found is not None
    assert len(queries) == 1
    assert (found.available, found.pending, found.held, found.debt) == (367, 50, 60, 0)
    assert found.lifetime_earned == 477
    assert found.expiring == (OpenLot(360, NOON + 30 * DAY),)
    assert (found.member, found.currency, found.money) == (member.public_id, "points", "EUR")
    assert (str(found.worth), found.as_of) == ("0.010000", NOON + HOUR)


def test_a_new_member_holds_nothing() -> None:
    make_program()

    assert figures(make_member(), NOON) == (0, 0, 0, 0, 0)


def test_qualifying_points_have_a_balance_too() -> None:
    make_program()
    member = make_member()
    earn(member, 12, code="status")

    assert figures(member, NOON, currency="status") == (12, 0, 0, 0, 12)


def test_nobody_has_no_balance_and_an_unknown_currency_is_refused() -> None:
    make_program()
    member = make_member()

    assert balance_now(member=uuid4(), moment=NOON) is None
    with pytest.raises(UnknownCurrency):
        balance_now(member=member.public_id, moment=NOON, currency="miles")
    with pytest.raises(UnknownCurrency):
        balance_as_of(member=member.public_id, as_of=NOON, known_at=NOON, currency="miles")


@pytest.mark.parametrize(
    ("_case", "moment", "expected"),
    [
        ("before anything is due", NOON + HOUR, (70, 50, 30, 0, 150)),
        ("the hold lapsed", NOON + DAY, (100, 50, 0, 0, 150)),
        ("pending became available", NOON + 5 * DAY, (150, 0, 0, 0, 150)),
        ("the first points expired", NOON + 10 * DAY, (50, 0, 0, 0, 150)),
        ("all expired", NOON + 40 * DAY, (0, 0, 0, 0, 150)),
    ],
)
def test_what_is_due_is_netted_and_not_written(
    _case: str, moment: datetime, expected: tuple[int, ...]
) -> None:
    make_program()
    member = make_member()
    earn(member, 100, expires_at=NOON + 10 * DAY)
    earn(member, 50, available_at=NOON + 5 * DAY, expires_at=NOON + 40 * DAY)
    debit(member, 30, kind="hold", hold_expires_at=NOON + DAY)

    assert figures(member, moment) == expected
    assert LedgerAccount.objects.get(member=member, kind="held").balance == 30

    settle(member, moment)
    assert figures(member, moment) == expected


def test_points_that_expired_while_held_come_back_with_grace() -> None:
    make_program()
    member = make_member()
    earn(member, 100, expires_at=NOON + DAY)
    debit(member, 40, kind="hold", hold_expires_at=NOON + 2 * DAY)
    moment = NOON + 3 * DAY

    before = balance_now(member=member.public_id, moment=moment)
    settle(member, moment)
    after = balance_now(member=member.public_id, moment=moment)

    assert before == after
    assert before is not None
    midnight = (NOON + 33 * DAY).replace(hour=0)
    assert (before.available, before.expiring) == (40, (OpenLot(40, midnight),))


def test_debt_is_positive_and_pending_points_pay_it_when_they_are_due() -> None:
    make_program()
    member = make_member()
    owe(member, 80)
    earn(member, 100, available_at=NOON + DAY, expires_at=NOON + 9 * DAY)

    assert figures(member, NOON + HOUR) == (0, 100, 0, 80, 180)
    assert figures(member, NOON + DAY) == (20, 0, 0, 0, 180)


def test_the_past_is_answered_by_occurrence_and_narrowed_by_recording() -> None:
    make_program()
    member = make_member()
    earn(member, 100, at=NOON)
    earn(member, 10, at=NOON + DAY, recorded_at=NOON + 3 * DAY)
    debit(member, 30, at=NOON + 4 * DAY)
    now = NOON + 5 * DAY

    assert figures(member, now, as_of=NOON - HOUR) == (0, 0, 0, 0, 0)
    assert figures(member, now, as_of=NOON) == (100, 0, 0, 0, 100)
    assert figures(member, now, as_of=NOON + DAY) == (110, 0, 0, 0, 110)
    known_at = NOON + 2 * DAY
    assert figures(member, now, as_of=NOON + DAY, known_at=known_at) == (100, 0, 0, 0, 100)
    assert figures(member, now, as_of=now) == figures(member, now) == (80, 0, 0, 0, 110)


def test_the_past_is_net_of_what_was_due_then_whenever_that_was_posted() -> None:
    make_program()
    member = make_member()
    earn(member, 100, expires_at=NOON + 2 * DAY)
    earn(member, 50, available_at=NOON + DAY)
    now = NOON + 9 * DAY
    instants = [NOON, NOON + DAY, NOON + 2 * DAY, NOON + 3 * DAY]

    before = [figures(member, now, as_of=instant) for instant in instants]
    settle(member, now)
    after = [figures(member, now, as_of=instant) for instant in instants]
    known_then = [figures(member, now, as_of=instant, known_at=NOON + HOUR) for instant in instants]

    assert before == after == known_then
    assert [held[:2] for held in before] == [(100, 50), (150, 0), (50, 0), (50, 0)]


def test_a_hold_of_the_past_is_held_until_it_was_captured() -> None:
    make_program()
    member = make_member()
    earn(member, 100)
    hold = debit(member, 40, at=NOON + DAY, kind="hold", hold_expires_at=NOON + 5 * DAY)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_capture(%s::bigint, 'test', %s::timestamptz, %s::timestamptz)",
            [hold, NOON + 2 * DAY, NOON + 2 * DAY],
        )
    now = NOON + 9 * DAY

    assert figures(member, now, as_of=NOON + DAY)[:3] == (60, 0, 40)
    assert figures(member, now, as_of=NOON + 2 * DAY)[:3] == (60, 0, 0)
    assert figures(member, now, as_of=now)[:3] == (60, 0, 0)


@pytest.mark.parametrize("seed", range(12))
def test_netting_foretells_what_settling_posts(seed: int) -> None:
    chance = random.Random(seed)
    make_program()
    member = make_member()
    if chance.random() < 0.5:
        owe(member, chance.randint(1, 120))
    for _ in range(chance.randint(2, 6)):
        ready = NOON + chance.randint(0, 4) * DAY
        end = None if chance.random() < 0.2 else ready + chance.randint(1, 6) * DAY
        earn(member, chance.randint(1, 90), available_at=ready, expires_at=end)
    available = figures(member, NOON)[0]
    if available and figures(member, NOON)[3] == 0:
        held = chance.randint(1, available)
        debit(member, held, kind="hold", hold_expires_at=NOON + chance.randint(1, 5) * DAY)

    for days in range(1, 9):
        moment = NOON + days * DAY
        foretold = balance_now(member=member.public_id, moment=moment)
        then = balance_as_of(member=member.public_id, as_of=moment, known_at=moment)
        if chance.random() < 0.4:
            settle(member, moment)
        posted = balance_now(member=member.public_id, moment=moment)

        assert foretold == posted == then


def test_netting_pays_debt_in_the_order_of_the_instants() -> None:
    position = Position(
        pending=30,
        held=20,
        debt=25,
        arrivals=(
            Arrival(30, NOON + DAY, None, lot=1),
            Arrival(20, NOON, NOON + 2 * DAY, lot=2, hold=9),
        ),
    )

    assert net(position, NOON + DAY) == Net(available=25, pending=0, held=0, debt=0)
