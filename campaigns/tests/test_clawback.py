"""Where the points that a return takes back come from; no database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campaigns.clawback import Clawback, OpenLot, Take, claw_back

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def lot(number: int, remaining: int, *, is_pending: bool = False) -> OpenLot:
    """Return an open lot."""
    return OpenLot(number, remaining, NOON, is_pending)


@pytest.mark.parametrize(
    ("_case", "lots", "policy", "room", "figures"),
    [
        ("pending first", [lot(1, 5), lot(2, 9, is_pending=True)], "into_debt", 99, (9, 1, 0, 0)),
        ("then own", [lot(1, 7)], "into_debt", 99, (0, 10, 0, 0)),
        ("then the others", [lot(1, 1)], "within_balance", 0, (0, 4, 0, 6)),
        ("then debt", [], "into_debt", 99, (0, 3, 7, 0)),
        ("to its limit", [], "into_debt", 2, (0, 3, 2, 5)),
        ("only pending", [lot(1, 9), lot(2, 4, is_pending=True)], "only_pending", 99, (4, 0, 0, 6)),
    ],
)
def test_points_come_from_pending_own_others_and_debt_in_this_order(
    _case: str, lots: list[OpenLot], policy: str, room: int, figures: tuple[int, int, int, int]
) -> None:
    plan = claw_back(
        10, own=lots, others=[lot(8, 2), lot(9, 1)], expired=0, policy=policy, debt_room=room
    )

    assert (plan.from_pending, plan.from_available, plan.to_debt, plan.forgiven) == figures
    assert plan.points == 10
    assert sum(take.points for take in plan.takes) == plan.from_pending + plan.from_available


def test_what_expired_counts_before_others_are_touched() -> None:
    plan = claw_back(
        10, own=[lot(1, 4)], others=[lot(2, 9)], expired=5, policy="into_debt", debt_room=99
    )

    assert plan == Clawback(
        takes=(Take(1, 4, NOON, is_pending=False), Take(2, 1, NOON, is_pending=False)),
        from_available=5,
        already_expired=5,
    )


def test_a_lot_is_never_taken_beyond_what_is_left_of_it() -> None:
    plan = claw_back(
        3, own=[lot(1, 2), lot(2, 9)], others=[], expired=0, policy="into_debt", debt_room=0
    )

    assert [(take.lot, take.points) for take in plan.takes] == [(1, 2), (2, 1)]
