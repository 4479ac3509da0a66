"""Many transfers at once: no point is sent twice, and nobody waits for each other in a ring."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from django.db import OperationalError, connection, transaction

from loyalty_site.lib.errors import DomainError
from members.models import Member, Transfer
from members.queries.balances import balance_now
from members.services import ledger, reconciliation, transfer_ends, transfers
from members.tests.people import DAY, earn, make_member, make_program
from members.tests.test_transfers import THEN, allow, verify

GIFTS = 20
CLIENTS = 16
ACTS = 25
ROUNDS_MAX = 20
DEADLOCK = "40P01"


@pytest.fixture
def club(committed_database: str) -> list[Member]:
    """Return four members with 100 points each."""
    make_program()
    allow(daily_cap=1000, minimum=1)
    members = [make_member(f"601100000{number}") for number in range(1, 5)]
    for member in members:
        verify(member)
        earn(member, 100)
    return members


def at_once(act: Callable[[int], str], count: int) -> Counter[str]:
    """Act in so many threads at the same moment; count what came of it."""
    gate = Barrier(count)

    def work(number: int) -> Counter[str]:
        try:
            gate.wait(60)
            return Counter([act(number)])
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(work, range(count)), Counter())


def available(member: Member, moment: datetime = THEN) -> int:
    found = balance_now(member=member.public_id, moment=moment)
    assert found is not None
    return found.available


def test_twenty_gifts_at_once_send_a_hundred_points_once(club: list[Member]) -> None:
    """Edge case 14: 20 parallel gifts turned 100 points into 2,000 (fushengqian/fuint#71)."""
    ana, bea = club[:2]

    def give(_number: int) -> str:
        try:
            transfers.request(sender=ana, to="6011000002", points=100, actor="test", moment=THEN)
        except transfers.TransferRefused as refused:
            return str(refused.figures["reasons"][0]["code"])
        return "sent"

    outcomes = at_once(give, GIFTS)

    assert outcomes == {"sent": 1, "insufficient_points": GIFTS - 1}
    transfer_ends.complete(transfer_id=Transfer.objects.get().pk, moment=THEN + DAY)
    assert (available(ana, THEN + DAY), available(bea, THEN + DAY)) == (0, 200)
    assert reconciliation.verify().is_proved


def test_control_points_read_before_the_lock_are_sent_twenty_times(club: list[Member]) -> None:
    """The same harness finds the fault in a gift that decides before it waits."""
    ana = club[0]
    gate = Barrier(GIFTS)
    given: list[int] = []

    def naive(_number: int) -> str:
        found = available(ana)
        gate.wait(60)
        if found < 100:
            return "insufficient_points"
        given.append(100)
        return "sent"

    assert at_once(naive, GIFTS)["sent"] > 1
    assert sum(given) > 100


def test_the_cap_of_a_day_holds_for_transfers_at_once(club: list[Member]) -> None:
    allow(daily_cap=30, minimum=1)
    ana = club[0]

    def give(_number: int) -> str:
        try:
            transfers.request(sender=ana, to="6011000002", points=10, actor="test", moment=THEN)
        except transfers.TransferRefused as refused:
            return str(refused.figures["reasons"][0]["code"])
        return "sent"

    assert at_once(give, 8) == {"sent": 3, "daily_cap": 5}


def test_completing_and_cancelling_at_once_end_a_transfer_once(club: list[Member]) -> None:
    ana, bea = club[:2]
    row = transfers.request(sender=ana, to="6011000002", points=40, actor="test", moment=THEN)

    def end(number: int) -> str:
        if number % 2:
            return f"{transfer_ends.complete(transfer_id=row.pk, moment=THEN + DAY).state} seen"
        try:
            # Staff may cancel until the points have arrived.
            found = transfer_ends.cancel(
                public_id=row.public_id, actor="staff:1", moment=THEN + DAY
            )
        except transfer_ends.TransferEnded:
            return "ended before"
        return found.state

    outcomes = at_once(end, 8)

    row.refresh_from_db()
    arrived = 40 if row.state == "completed" else 0
    assert outcomes["cancelled"] == (0 if arrived else 1)
    after = THEN + DAY
    assert (available(ana, after), available(bea, after)) == (100 - arrived, 100 + arrived)
    assert reconciliation.verify().is_proved


def _random_acts(club: list[Member], number: int) -> str:
    choose = random.Random(number)
    for _ in range(ACTS):
        moment = THEN + timedelta(hours=choose.randrange(60))
        sender, other = choose.sample(club, 2)
        try:
            _act(choose, sender, other, moment)
        except DomainError:
            continue
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") == DEADLOCK:
                return DEADLOCK
            raise
    return "done"


def _act(choose: random.Random, sender: Member, other: Member, moment: datetime) -> None:
    kind = choose.choice(["send", "send", "complete", "cancel", "settle", "earn"])
    found = Transfer.objects.filter(state="requested", sender=sender).order_by("?").first()
    if kind == "send":
        transfers.request(
            sender=sender,
            to=other.number,
            points=choose.randrange(1, 20),
            actor="test",
            moment=moment,
        )
    elif kind == "settle":
        with transaction.atomic():
            ledger.settle_due(
                member_ids=[sender.pk, other.pk], moment=moment, recorded_at=moment, actor="test"
            )
    elif kind == "earn":
        with transaction.atomic():
            ledger.lock(member_ids=[other.pk])
            earn(other, 5, at=moment)
    elif found is not None and kind == "complete":
        transfer_ends.complete(transfer_id=found.pk, moment=moment)
    elif found is not None:
        transfer_ends.cancel(public_id=found.public_id, actor="test", moment=moment)


def test_random_transfers_never_wait_for_each_other_in_a_ring(club: list[Member]) -> None:
    outcomes = at_once(lambda number: _random_acts(club, number), CLIENTS)

    assert outcomes == {"done": CLIENTS}
    assert reconciliation.verify().is_proved
    assert Transfer.objects.filter(state="completed").exists()


def test_control_members_locked_in_any_order_do_wait_in_a_ring(club: list[Member]) -> None:
    def locks(number: int) -> str:
        first, second = (club[0], club[1]) if number % 2 else (club[1], club[0])
        try:
            for _ in range(ACTS):
                with transaction.atomic():
                    ledger.lock(member_ids=[first.pk])
                    ledger.lock(member_ids=[second.pk])
        except OperationalError as error:
            return str(getattr(error.__cause__, "sqlstate", ""))
        return "done"

    found = (at_once(locks, CLIENTS)[DEADLOCK] for _ in range(ROUNDS_MAX))
    assert any(found)
