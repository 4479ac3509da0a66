"""The job that releases lapsed holds: all that is due, once, whoever else was there first."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.db import connections

from members.models import JobRun, LedgerHold, LedgerTransaction, Member, Program
from members.services import jobs, ledger, reconciliation
from rewards.models import Redemption
from rewards.services.holds import RELEASE_HOLDS
from rewards.tasks import release_holds
from rewards.tests.factories import (
    NOW,
    balances,
    earn,
    make_member,
    make_program,
    make_reward,
    redeem,
)

END = NOW + timedelta(minutes=15)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def program(db: None) -> Program:
    """Return a program with a reward of ten pieces."""
    program = make_program()
    make_reward(program, stock=10)
    return program


def rich_member(program: Program) -> Member:
    """Return a member with 500 points."""
    member = make_member(program)
    earn(member, 500)
    return member


def run(at: object = END) -> int:
    """Run the job at a moment."""
    return jobs.run(RELEASE_HOLDS, moment=at).done  # type: ignore[arg-type]


def stock() -> int | None:
    """Return the pieces left."""
    found: int | None = Redemption.objects.select_related("reward").get().reward.stock
    return found


def test_a_lapsed_hold_gives_back_points_and_pieces(program: Program) -> None:
    member = rich_member(program)
    redeem(member, mode="hold", quantity=2)

    assert run(END - MINUTE) == 0
    assert run() == 1

    assert Redemption.objects.get().state == "expired"
    assert balances(member) == (500, 0, 0, 0)
    assert stock() == 10
    released = LedgerTransaction.objects.get(type="release")
    assert (released.occurred_at, released.reason_code) == (END, "lapsed")


def test_books_are_proved_before_the_job_has_called_a_released_hold_expired(
    program: Program,
) -> None:
    member = rich_member(program)
    redeem(member, mode="hold")

    ledger.settle_due(member_ids=[member.pk], moment=END, recorded_at=END, actor="test")

    assert Redemption.objects.get().state == "held"
    assert LedgerTransaction.objects.filter(type="release").count() == 1
    (check,) = [c for c in reconciliation.checks() if c.name == "redemptions_are_paid"]
    assert reconciliation.verify([check]).is_proved


def test_a_repeat_releases_nothing(program: Program) -> None:
    redeem(rich_member(program), mode="hold")
    run()

    assert run() == 0
    assert stock() == 10
    assert LedgerTransaction.objects.filter(type="release").count() == 1


def test_points_that_were_released_before_leave_the_piece_to_the_job(program: Program) -> None:
    member = rich_member(program)
    redeem(member, mode="hold")
    ledger.settle_due(member_ids=[member.pk], moment=END, recorded_at=END, actor="test")

    assert run() == 1
    assert Redemption.objects.get().state == "expired"
    assert stock() == 10


def test_a_hold_whose_piece_was_taken_is_released_in_the_books(program: Program) -> None:
    first, second = rich_member(program), rich_member(program)
    held = redeem(first, mode="hold", quantity=3)
    redeem(second, quantity=3, at=END)
    held.refresh_from_db()
    assert (held.state, balances(first)) == ("expired", (50, 0, 450, 0))

    assert run() == 0

    assert balances(first) == (500, 0, 0, 0)
    assert LedgerHold.objects.filter(is_open=True).exists() is False


def test_the_job_is_a_task_and_a_command(program: Program) -> None:
    redeem(rich_member(program), mode="hold")
    redeem(rich_member(program), mode="hold")

    with time_machine.travel(END, tick=False):
        done = release_holds()
        call_command("release_holds")

    assert done == 2
    assert JobRun.objects.filter(name="release_holds", done=2).count() == 1


def test_two_runs_at_once_release_each_hold_once(committed_database: str) -> None:
    program = make_program()
    make_reward(program, stock=20)
    for _ in range(20):
        redeem(rich_member(program), mode="hold")
    start = threading.Barrier(4)
    done: list[int] = []

    def work() -> None:
        start.wait(20)
        done.append(run())
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(done) == 20
    assert Redemption.objects.filter(state="expired").count() == 20
    assert Redemption.objects.all()[0].reward.stock == 20
    assert LedgerTransaction.objects.filter(type="release").count() == 20
