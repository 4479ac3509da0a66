"""Holds captured in part: what is paid, what is free again, and that it ends once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, connections, transaction

from loyalty_site.lib.errors import DomainError
from members.models import LedgerEntry, LedgerTransaction, Member, Program
from members.services import jobs, ledger, reconciliation
from rewards.models import Redemption, Reward
from rewards.services import redemptions
from rewards.services.holds import RELEASE_HOLDS
from rewards.services.refusals import AlreadyResolved, CaptureExceedsHold
from rewards.tests.factories import (
    CALLER,
    NOW,
    balances,
    earn,
    make_member,
    make_program,
    make_reward,
    redeem,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def program(db: None) -> Program:
    """Return a program with a reward at 150 points, of ten pieces, four a member and day."""
    program = make_program()
    make_reward(program, stock=10, limit_uses=4, limit_period="day")
    return program


@pytest.fixture
def member(program: Program) -> Member:
    """Return a member with 1,000 points."""
    member = make_member(program)
    earn(member, 1000)
    return member


def capture(held: Redemption, quantity: int | None = None) -> Redemption:
    """Capture a hold at NOW."""
    return redemptions.capture(
        program=held.program,
        public_id=held.public_id,
        caller=CALLER,
        moment=NOW,
        quantity=quantity,
    )


def stock() -> int | None:
    """Return the pieces left."""
    found: int | None = Reward.objects.values_list("stock", flat=True).get()
    return found


def differences() -> list[str]:
    """Return which invariants of the books do not hold; the points of these tests have no award."""
    found = [each.name for each in reconciliation.verify().findings if each.differences]
    return [name for name in found if name != "awards_are_posted"]


@pytest.mark.parametrize(
    ("_case", "quantity", "points", "pieces", "left"),
    [
        ("all of them, by default", None, 600, 4, 6),
        ("all of them, said", 4, 600, 4, 6),
        ("a part", 3, 450, 3, 7),
        ("one", 1, 150, 1, 9),
    ],
)
def test_a_part_of_the_held_pieces_is_paid_and_the_rest_is_free(
    member: Member, _case: str, quantity: int | None, points: int, pieces: int, left: int
) -> None:
    held = redeem(member, mode="hold", quantity=4)

    found = capture(held, quantity)

    assert (found.state, found.quantity, found.held_quantity) == ("fulfilled", pieces, 4)
    assert found.points == points
    assert balances(member) == (1000 - points, 0, 0, 0)
    assert stock() == left
    assert differences() == []


def test_pieces_that_were_not_captured_do_not_count_for_the_members_limit(
    member: Member,
) -> None:
    held = redeem(member, mode="hold", quantity=4)
    capture(held, 1)

    redeem(member, quantity=3)

    assert balances(member) == (400, 0, 0, 0)
    with pytest.raises(DomainError) as refused:
        redeem(member)
    assert [each["code"] for each in refused.value.figures["reasons"]] == ["member_limit"]


def test_more_than_is_held_is_refused_and_moves_nothing(member: Member) -> None:
    held = redeem(member, mode="hold", quantity=2)

    with pytest.raises(CaptureExceedsHold) as refused:
        capture(held, 3)

    assert refused.value.figures == {"held": 2, "asked": 3}
    held.refresh_from_db()
    assert (held.state, held.quantity) == ("held", 2)
    assert balances(member) == (700, 0, 300, 0)
    assert stock() == 8


def test_a_captured_part_is_cancelled_like_any_other(member: Member) -> None:
    held = redeem(member, mode="hold", quantity=4)
    capture(held, 3)

    found = redemptions.cancel(public_id=held.public_id, caller=CALLER, moment=NOW)

    assert (found.state, found.points_given_back) == ("cancelled", 450)
    assert balances(member) == (1000, 0, 0, 0)
    assert stock() == 10
    assert differences() == []


def test_a_hold_is_captured_once_in_whatever_parts(member: Member) -> None:
    held = redeem(member, mode="hold", quantity=4)
    capture(held, 1)

    with pytest.raises(AlreadyResolved):
        capture(held, 1)

    assert LedgerTransaction.objects.filter(type="redeem").count() == 1
    assert balances(member) == (850, 0, 0, 0)


def test_the_statement_shows_one_line_of_what_was_paid(member: Member) -> None:
    held = redeem(member, mode="hold", quantity=4)
    capture(held, 1)

    lines = LedgerEntry.objects.filter(transaction__type="redeem").order_by("line")
    assert list(lines.values_list("account__kind", "points")) == [
        ("held", -600),
        ("redeemed", 150),
        ("available", 450),
    ]


@pytest.mark.parametrize(
    ("_case", "change"),
    [
        ("more given back than was paid", {"points_given_back": 601}),
        ("less than nothing given back", {"points_given_back": -1}),
        ("more pieces than were held", {"quantity": 5}),
        (
            "cancelled, and a part of the points kept",
            {"state": "cancelled", "points_given_back": 1},
        ),
    ],
)
def test_the_database_refuses_figures_that_cannot_be(
    member: Member, _case: str, change: dict[str, object]
) -> None:
    held = redeem(member, mode="hold", quantity=4)
    capture(held)

    with pytest.raises(IntegrityError), transaction.atomic():
        Redemption.objects.update(**change)


# Who comes first ------------------------------------------------------------------------------


def _race(ended: list[str], *, is_locked: bool = True) -> None:
    """Let two captures of parts, a cancellation and the sweeper meet at one hold.

    Appends how each ended. Without ``is_locked`` each looks whether the redemption is held, and
    then ends it.
    """
    program = make_program()
    make_reward(program, stock=10)
    member = make_member(program)
    earn(member, 600)
    held = redeem(member, mode="hold", quantity=4)
    start = threading.Barrier(4)

    def act(number: int) -> str:
        late = NOW + HOUR
        match number:
            case 0 | 1:
                return capture(held, number + 1).state
            case 2:
                return redemptions.cancel(public_id=held.public_id, caller=CALLER, moment=NOW).state
            case _:
                return f"expired {jobs.run(RELEASE_HOLDS, moment=late).done}"

    def run(number: int) -> None:
        try:
            is_held = is_locked or Redemption.objects.get().state == "held"
            start.wait(60)
            if is_locked:
                ended.append(act(number))
            elif is_held and Redemption.objects.update(changed_at=NOW):
                ended.append("ended")
        except DomainError as refusal:
            ended.append(refusal.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)


@pytest.mark.parametrize("attempt", range(3))
def test_a_hold_ends_exactly_once_whoever_comes_first(
    committed_database: str, attempt: int
) -> None:
    ended: list[str] = []

    _race(ended)

    won = [each for each in ended if each in {"fulfilled", "expired 1"}]
    cancelled = ended.count("cancelled")
    # A cancellation ends an open hold, or gives back what a capture has paid.
    assert len(won) + cancelled >= 1
    assert len(won) <= 1
    resolutions = LedgerTransaction.objects.filter(resolves__isnull=False)
    assert resolutions.count() == 1
    state = Redemption.objects.get()
    paid = state.points - state.points_given_back if state.debit_id else 0
    available = LedgerTransaction.objects.filter(type="redemption_reversal").count()
    assert available == (1 if cancelled and state.debit_id else 0)
    assert balances(Member.objects.get()) == (600 - paid, 0, 0, 0)
    assert stock() == 10 - (state.quantity if state.state == "fulfilled" else 0)
    assert differences() == []


def test_the_race_finds_more_than_one_end_where_nobody_locks(committed_database: str) -> None:
    # The control: whoever reads that the hold is open, and goes on, is not alone.
    ended: list[str] = []

    _race(ended, is_locked=False)

    assert ended == ["ended"] * 4


def test_the_database_ends_a_hold_once_even_without_the_service(
    program: Program, member: Member
) -> None:
    held = redeem(member, mode="hold", quantity=4)
    capture(held, 1)

    with pytest.raises(IntegrityError), transaction.atomic():
        ledger.capture(
            hold_id=held.hold_id or 0, actor="x", occurred_at=NOW, recorded_at=NOW, points=150
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM members_ledgerhold WHERE is_open")
        assert cursor.fetchone() == (0,)


def test_a_payment_that_expired_is_released_once_by_sweeper_and_by_whoever_asks(
    member: Member,
) -> None:
    """Edge case 8: the points of an expired payment come back, and not twice."""
    redeem(member, mode="hold", quantity=4)
    late = NOW + HOUR

    ledger.settle_due(member_ids=[member.pk], moment=late, recorded_at=late, actor="test")
    done = [jobs.run(RELEASE_HOLDS, moment=late + n * MINUTE).done for n in range(3)]

    assert done == [1, 0, 0]
    assert LedgerTransaction.objects.filter(type="release").count() == 1
    assert balances(member) == (1000, 0, 0, 0)
    assert stock() == 10
