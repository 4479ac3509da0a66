"""The simulated redemptions of the demo: who redeems what, and never too much."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from demo.people import draw
from demo.policy import Habit, Offer, Visit, habit, redemptions_due

NOON = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
MONTH = "2026-03"
COFFEE = Offer("coffee", "service", 150)
LOAF = Offer("loaf", "free_item", 250)
DELIVERY = Offer("delivery", "free_shipping", 300)
VOUCHER = Offer("five-euros", "discount_fixed", 500)
MEAL = Offer("food-bank", "donation", 100)
TOTE = Offer("tote", "physical", 900, stock=1, tiers=frozenset({"gold"}), uses_max=1)
OFFERS = (COFFEE, LOAF, DELIVERY, VOUCHER, MEAL, TOTE)


def _household(wanted: Habit, *, after: int = 0) -> int:
    """Return the first household above ``after`` that redeems this month in that habit."""
    return next(
        household
        for household in range(after + 1, 2500)
        if habit(household) is wanted
        and draw(household, f"redeems:{MONTH}", 10) < 4
        and draw(household, f"cancels:{MONTH}", 20) != 0
    )


def _visit(household: int, available: int, tier: str = "gold", minutes: int = 0) -> Visit:
    return Visit(household, MONTH, NOON + timedelta(minutes=minutes), available, tier)


def _rewards(visit: Visit, **taken: int) -> list[str]:
    counted = {(visit.household, code): uses for code, uses in taken.items()}
    due = redemptions_due(visits=[visit], offers=OFFERS, taken=counted)
    return [each.reward for each in due]


@pytest.mark.parametrize(
    ("_case", "wanted", "available", "expected"),
    [
        ("a collector takes the dearest", Habit.COLLECTS, 899, ["five-euros"]),
        ("a collector in reach of the bag", Habit.COLLECTS, 900, ["tote"]),
        ("a collector one point short of anything", Habit.COLLECTS, 149, []),
        ("exactly the price is enough", Habit.COLLECTS, 150, ["coffee"]),
        ("a treat is what it can afford", Habit.TREATS, 200, ["coffee"]),
        ("a giver keeps half", Habit.GIVES, 200, ["food-bank"]),
        ("a giver with less than twice", Habit.GIVES, 199, []),
        ("a saver never", Habit.SAVES, 100_000, []),
        ("whoever waits takes nothing common", Habit.WAITS, 899, []),
        ("whoever waits takes what is scarce", Habit.WAITS, 900, ["tote"]),
    ],
)
def test_a_habit_decides_what_is_redeemed(
    _case: str, wanted: Habit, available: int, expected: list[str]
) -> None:
    household = _household(wanted) if wanted is not Habit.SAVES else _saver()

    assert _rewards(_visit(household, available)) == expected


def _saver() -> int:
    return next(household for household in range(1, 2500) if habit(household) is Habit.SAVES)


def test_tiers_and_limits_close_a_reward() -> None:
    household = _household(Habit.WAITS)

    assert _rewards(_visit(household, 900, tier="silver")) == []
    assert _rewards(_visit(household, 900), tote=1) == []


def test_a_window_is_open_from_its_first_moment_until_before_its_last() -> None:
    household = _household(Habit.COLLECTS)
    at = NOON + timedelta(minutes=5)
    opening = Offer("a", "ticket", 10, redeemable_from=at)
    closing = Offer("b", "ticket", 10, redeemable_to=at)

    due = redemptions_due(visits=[_visit(household, 10)], offers=[opening, closing], taken={})

    assert [each.reward for each in due] == ["a"]


def test_whoever_is_in_debt_redeems_nothing() -> None:
    household = _household(Habit.COLLECTS)
    visit = Visit(household, MONTH, NOON, 900, "gold", in_debt=True)

    assert _rewards(visit) == []


def test_the_last_piece_goes_to_the_earlier_visit() -> None:
    first = _household(Habit.WAITS)
    second = _household(Habit.WAITS, after=first)
    visits = [_visit(first, 900, minutes=1), _visit(second, 900)]

    due = redemptions_due(visits=visits, offers=OFFERS, taken={})

    assert [(each.household, each.reward) for each in due] == [(second, "tote")]


def test_a_redemption_follows_its_purchase_by_five_minutes() -> None:
    household = _household(Habit.COLLECTS)

    due = redemptions_due(visits=[_visit(household, 500)], offers=OFFERS, taken={})

    assert due[0].occurred_at == NOON + timedelta(minutes=5)
    assert (due[0].points, due[0].cancelled_at) == (500, None)
    assert due[0].external_id == f"simulated-{household}-2026-03"


def test_one_redemption_in_twenty_is_called_off() -> None:
    visits = [_visit(household, 10_000) for household in range(1, 2470)]

    due = redemptions_due(visits=visits, offers=[COFFEE, LOAF, MEAL], taken={})

    called_off = [each for each in due if each.cancelled_at]
    assert 0.03 < len(called_off) / len(due) < 0.07
    assert {each.cancelled_at - each.occurred_at for each in called_off if each.cancelled_at} == {
        timedelta(minutes=2)
    }


def test_habits_are_shared_out_in_eighths() -> None:
    counts = Counter(habit(household) for household in range(1, 8001))

    assert 900 < counts[Habit.GIVES] < 1100
    assert 900 < counts[Habit.WAITS] < 1100
    assert 1850 < counts[Habit.SAVES] < 2150
