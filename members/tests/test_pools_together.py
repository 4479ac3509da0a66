"""Many at once in one household: no point is given or spent twice, and nobody waits in a ring."""

from __future__ import annotations

import random
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import IntegrityError, OperationalError, transaction

from loyalty_site.lib.errors import DomainError
from members.models import Member, Pool, PoolMembership, Program
from members.services import ledger, pool_ends, pool_jobs, pool_points, pools, reconciliation
from members.services.jobs import Trouble
from members.tests.people import earn, make_member, make_program
from members.tests.test_pools import TERMS, THEN, has, redeem
from members.tests.test_transfers_together import at_once

CLIENTS = 16
ACTS = 12
ROUNDS_MAX = 20
DEADLOCK = "40P01"


@pytest.fixture
def home(committed_database: str) -> Pool:
    """Return a household of four with 100 points each, of whom each shares 50 %."""
    make_program()
    Program.objects.update(pools={"household": TERMS | {"members_max": 6, "share_pct": 50}})
    # The pool's row is between its members', so that an order by anything else would show.
    owner = make_member("6011000001")
    first = pools.found(member_id=owner.pk, kind="household", name="", actor="test", moment=THEN)
    members = [owner, *(make_member(f"601100000{number}") for number in (2, 3, 4))]
    for member in members[1:]:
        _let_in(owner, member)
    for member in members:
        earn(member, 100)
    return first


def _let_in(owner: Member, member: Member) -> None:
    _row, code = pools.invite(member_id=owner.pk, role="adult", actor="test", moment=THEN)
    pools.join(member_id=member.pk, code=code, actor="test", moment=THEN)


def test_the_last_points_of_a_pool_are_redeemed_once(home: Pool) -> None:
    """Sixteen redemptions of all that is there: one of them has it."""
    owner = PoolMembership.objects.get(role="owner").member
    pool_points.contribute(member_id=owner.pk, points=60, ref="1", actor="test", moment=THEN)

    def take(number: int) -> str:
        try:
            with transaction.atomic():
                redeem(home, 60, moment=THEN + timedelta(minutes=number))
        except IntegrityError:
            return "refused"
        return "redeemed"

    assert at_once(take, CLIENTS) == {"redeemed": 1, "refused": CLIENTS - 1}
    assert has(home.holder, THEN + timedelta(days=1)) == 0
    assert reconciliation.verify(
        [each for each in reconciliation.checks() if each.name[0].isdigit()]
    ).is_proved


def _random_acts(number: int) -> str:
    choose = random.Random(number)
    for act in range(ACTS):
        member = choose.choice(list(Member.objects.exclude(status="pool").order_by("pk")))
        try:
            _act(choose, member, f"{number}-{act}")
        except DomainError:
            continue
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") == DEADLOCK:
                return DEADLOCK
            raise
    return "done"


def _act(choose: random.Random, member: Member, ref: str) -> None:
    moment = THEN + timedelta(hours=choose.randrange(48))
    kind = choose.choice(["give", "give", "earn", "share", "leave", "settle", "sweep"])
    if kind == "give":
        pool_points.contribute(
            member_id=member.pk, points=choose.randrange(1, 9), ref=ref, actor="test", moment=moment
        )
    elif kind == "earn":
        with transaction.atomic():
            ledger.lock(member_ids=[member.pk])
            earn(member, 6, at=moment)
    elif kind == "share":
        pool_points.share_of_member(member_id=member.pk, moment=moment)
    elif kind == "leave" and choose.random() < 0.3:
        pool_ends.leave(member_id=member.pk, actor="test", moment=THEN + timedelta(days=3))
    elif kind == "sweep":
        pool_jobs.sweep_chunk(moment, Trouble())
    else:
        everybody = Member.objects.order_by("pk").values_list("pk", flat=True)
        with transaction.atomic():
            ledger.settle_due(
                member_ids=list(everybody), moment=moment, recorded_at=moment, actor="test"
            )


def test_a_household_never_waits_for_itself_in_a_ring(home: Pool) -> None:
    outcomes = at_once(_random_acts, CLIENTS)

    assert outcomes == {"done": CLIENTS}
    own = [check for check in reconciliation.checks() if check.name[0].isdigit()]
    assert reconciliation.verify(own).is_proved


def test_control_a_member_and_the_pool_locked_in_any_order_do_wait_in_a_ring(home: Pool) -> None:
    owner = PoolMembership.objects.get(role="owner").member_id

    def locks(number: int) -> str:
        first, second = (owner, home.holder_id) if number % 2 else (home.holder_id, owner)
        try:
            for _ in range(ACTS):
                with transaction.atomic():
                    ledger.lock(member_ids=[first])
                    ledger.lock(member_ids=[second])
        except OperationalError as error:
            return str(getattr(error.__cause__, "sqlstate", ""))
        return "done"

    found = (at_once(locks, CLIENTS)[DEADLOCK] for _ in range(ROUNDS_MAX))
    assert any(found)


def test_control_a_pool_that_is_read_before_the_lock_is_spent_twice(home: Pool) -> None:
    owner = PoolMembership.objects.get(role="owner").member
    pool_points.contribute(member_id=owner.pk, points=60, ref="1", actor="test", moment=THEN)
    gate = Barrier(CLIENTS)

    def naive(_number: int) -> str:
        found = has(home.holder)
        gate.wait(60)
        return "redeemed" if found >= 60 else "refused"

    assert at_once(naive, CLIENTS)["redeemed"] > 1
