"""Quotes name exactly the lots that a redemption then takes, and write nothing."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from members.models import LotUse, Member, PointLot, Program
from members.services import ledger
from rewards.eligibility import Reason
from rewards.queries.standing import Lot, standing_of
from rewards.services.quotes import Quote, quote
from rewards.tests.factories import (
    LONG_AGO,
    NOW,
    balances,
    earn,
    make_member,
    make_program,
    make_reward,
    owe,
    points_of,
    redeem,
)

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def program(db: None) -> Program:
    """Return a program with one reward of 150 points."""
    program = make_program()
    make_reward(program)
    return program


def quoted(member: Member, *, quantity: int = 1, at: datetime = NOW) -> Quote:
    """Quote the reward."""
    return quote(
        program=member.program,
        member_id=member.pk,
        reward_code="coffee",
        quantity=quantity,
        moment=at,
    )


def ends(found: Quote) -> list[tuple[int, datetime | None]]:
    """Return points and end of each lot."""
    return [(lot.points, lot.expires_at) for lot in found.lots]


def test_a_quote_names_the_lots_soonest_end_first(program: Program) -> None:
    member = make_member(program)
    earn(member, 100)
    earn(member, 100, expires_at=NOW + 2 * DAY)
    earn(member, 30, expires_at=NOW + DAY)

    found = quoted(member)

    assert ends(found) == [(30, NOW + DAY), (100, NOW + 2 * DAY), (20, None)]
    assert (found.decision.points, found.balance_after) == (150, 80)
    assert found.decision.is_eligible is True


def test_a_quote_without_enough_points_takes_nothing(program: Program) -> None:
    member = make_member(program)
    earn(member, 149)

    found = quoted(member)

    assert (found.lots, found.balance_after) == ((), 149)
    assert found.decision.reasons == (
        Reason(
            "insufficient_points",
            "1 point short",
            1,
            {"available": 149, "required": 150},
        ),
    )


def test_what_is_due_is_counted_without_being_written(program: Program) -> None:
    member = make_member(program)
    earn(member, 70, expires_at=NOW)
    earn(member, 50, expires_at=NOW + DAY)
    earn(member, 40, at=NOW - DAY, available_at=NOW)
    earn(member, 90, at=NOW - DAY, available_at=NOW + MINUTE)
    earn(member, 60)
    before = balances(member)

    found = quoted(member)

    assert ends(found) == [(50, NOW + DAY), (60, None), (40, None)]
    assert found.balance_after == 0
    assert balances(member) == before == (180, 130, 0, 0)
    assert LotUse.objects.exists() is False


def test_points_of_a_lapsed_hold_are_back_in_their_lots(program: Program) -> None:
    member = make_member(program)
    earn(member, 100, expires_at=NOW + DAY)
    earn(member, 100)
    redeem(member, mode="hold")
    before = balances(member)

    found = quoted(member, at=NOW + 15 * MINUTE)

    assert ends(found) == [(100, NOW + DAY), (50, None)]
    assert found.balance_after == 50
    assert balances(member) == before == (50, 0, 150, 0)


def test_points_that_expired_in_a_hold_have_days_of_grace(program: Program) -> None:
    member = make_member(program)
    earn(member, 150, expires_at=NOW + MINUTE)
    redeem(member, mode="hold")

    found = quoted(member, at=NOW + 15 * MINUTE)

    assert ends(found) == [(150, datetime(2026, 4, 9, 23, tzinfo=UTC))]


def test_points_that_become_available_pay_debt_first(program: Program) -> None:
    member = make_member(program)
    owe(member, 40)
    earn(member, 190, at=NOW - DAY, available_at=NOW)

    found = quoted(member)

    assert found.decision.is_eligible is True
    assert ends(found) == [(150, None)]
    assert found.balance_after == 0


def test_a_database_transaction_of_a_quote_can_write_nothing(committed_database: str) -> None:
    program = make_program()
    make_reward(program)
    member = make_member(program)
    earn(member, 70, expires_at=NOW)
    earn(member, 150)

    def write(*_arguments: Any) -> Any:
        Member.objects.update(first_name="X")

    with connection.execute_wrapper(_Spy(write)), pytest.raises(Exception, match="read-only"):
        quoted(member)
    found = quoted(member)

    assert ends(found) == [(150, None)]


class _Spy:
    """Writes before the first look at the rewards."""

    def __init__(self, write: Any) -> None:
        self.write = write
        self.is_armed = True

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        if self.is_armed and "rewards_reward" in sql:
            self.is_armed = False
            self.write()
        return execute(sql, *rest)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_quoted_is_what_settling_and_redeeming_then_do(program: Program, seed: int) -> None:
    chance = random.Random(seed)
    member = make_member(program)
    start = NOW - 10 * DAY
    if chance.random() < 0.5:
        owe(member, chance.randint(1, 200))
    for _ in range(chance.randint(3, 9)):
        at = start + chance.randint(0, 5) * DAY
        expires = chance.choice([None, chance.randint(6, 14)])
        earn(
            member,
            chance.randint(1, 120),
            at=at,
            available_at=chance.choice([None, at + chance.randint(1, 8) * DAY]),
            expires_at=None if expires is None else at + (expires + 4) * DAY,
        )
    for _ in range(2):
        held_at = start + chance.randint(5, 9) * DAY
        if standing(member, held_at).available >= 150 and not standing(member, held_at).debt:
            redeem(member, mode="hold", hold_minutes=chance.choice([30, 1440, 2880]), at=held_at)

    told = standing(member, NOW)
    found = quoted(member)
    ledger.settle_due(member_ids=[member.pk], moment=NOW, recorded_at=NOW, actor="test")
    available, _pending, _held, debt = balances(member)

    assert (told.available, told.debt) == (available, -debt)
    if found.decision.is_eligible:
        made = redeem(member)
        uses = LotUse.objects.filter(transaction=made.debit_id).order_by(
            "lot__expires_at", "lot_id"
        )
        assert ends(found) == list(uses.values_list("points", "lot__expires_at"))
        assert balances(member)[0] == found.balance_after


def standing(member: Member, at: datetime) -> Any:
    """Return how the member stands."""
    return standing_of(member_id=member.pk, currency_id=points_of(member.program).pk, moment=at)


def test_no_more_lots_are_read_than_the_points_need(program: Program) -> None:
    member = make_member(program)
    for _ in range(30):
        earn(member, 100, at=LONG_AGO, expires_at=NOW + DAY)

    found = quoted(member)

    assert found.lots == (
        Lot(100, NOW + DAY, found.lots[0].id),
        Lot(50, NOW + DAY, found.lots[1].id),
    )
    assert PointLot.objects.count() == 30
