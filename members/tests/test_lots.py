"""The arithmetic of point lots, by table and by property."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_site.lib import calendars
from members import lots
from members.lots import ExpiryPolicy, Lot, Period

LISBON = ZoneInfo("Europe/Lisbon")
# Zones that between them change their clocks at midnight, by half an hour, south and north.
ZONES = [
    "Europe/Lisbon",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Santiago",
    "America/Havana",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "UTC",
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("_case", "policy", "earned", "expected"),
    [
        ("never", ExpiryPolicy(), "2026-03-01T12:00", None),
        (
            "twelve months, then the day after",
            ExpiryPolicy("fixed_after", months=12),
            "2026-03-01T12:00",
            "2027-03-02T00:00",
        ),
        (
            "the end of the day is where every day ends",
            ExpiryPolicy("fixed_after", months=12, round_to="day_end"),
            "2026-03-01T12:00",
            "2027-03-02T00:00",
        ),
        (
            "month end is the first of the next month",
            ExpiryPolicy("fixed_after", months=12, round_to="month_end"),
            "2026-03-01T12:00",
            "2027-03-31T23:00",
        ),
        (
            "month end in winter",
            ExpiryPolicy("fixed_after", months=12, round_to="month_end"),
            "2026-01-31T12:00",
            "2027-02-01T00:00",
        ),
        (
            "quarter end",
            ExpiryPolicy("fixed_after", months=2, round_to="quarter_end"),
            "2026-02-10T12:00",
            "2026-06-30T23:00",
        ),
        (
            "year end",
            ExpiryPolicy("fixed_after", years=1, round_to="year_end"),
            "2026-02-10T12:00",
            "2028-01-01T00:00",
        ),
        (
            "31 January and a month is 28 February",
            ExpiryPolicy("fixed_after", months=1),
            "2026-01-31T12:00",
            "2026-03-01T00:00",
        ),
        (
            "29 February and a year is 28 February",
            ExpiryPolicy("fixed_after", months=12),
            "2028-02-29T12:00",
            "2029-03-01T00:00",
        ),
        (
            "days",
            ExpiryPolicy("fixed_after", days=90),
            "2026-01-01T12:00",
            "2026-04-01T23:00",
        ),
        (
            "the day is the program's, not that of UTC",
            ExpiryPolicy("fixed_after", days=1),
            "2026-07-01T23:30",
            "2026-07-03T23:00",
        ),
        (
            "a fixed date in the same year",
            ExpiryPolicy("fixed_date", month_day=(12, 31)),
            "2026-03-01T12:00",
            "2027-01-01T00:00",
        ),
        (
            "a fixed date at least six months away",
            ExpiryPolicy("fixed_date", month_day=(12, 31), minimum_months=6),
            "2026-08-01T12:00",
            "2028-01-01T00:00",
        ),
        (
            "a fixed date on the very day",
            ExpiryPolicy("fixed_date", month_day=(12, 31), minimum_months=6),
            "2026-06-30T12:00",
            "2027-01-01T00:00",
        ),
        (
            "29 February as a fixed date",
            ExpiryPolicy("fixed_date", month_day=(2, 29)),
            "2026-03-01T12:00",
            "2027-03-01T00:00",
        ),
        (
            "inactivity",
            ExpiryPolicy("inactivity", months=6),
            "2026-03-31T12:00",
            "2026-09-30T23:00",
        ),
    ],
)
def test_points_end_with_a_local_day(
    _case: str, policy: ExpiryPolicy, earned: str, expected: str | None
) -> None:
    ends = lots.expires_at(policy, at(earned), LISBON)

    assert ends == (at(expected) if expected else None)


BY_TIER = ExpiryPolicy(
    "by_tier",
    round_to="month_end",
    periods=(("bronze", Period(months=6)), ("gold", Period(years=2, days=1))),
)


@pytest.mark.parametrize(
    ("_case", "tier", "expected"),
    [
        ("the lowest tier", "bronze", "2026-09-30T23:00"),
        ("a higher tier", "gold", "2028-03-31T23:00"),
        ("before any tier as on the lowest", None, "2026-09-30T23:00"),
        ("a tier that has no period yet as on the lowest", "silver", "2026-09-30T23:00"),
    ],
)
def test_points_by_tier_last_as_long_as_those_of_their_tier(
    _case: str, tier: str | None, expected: str
) -> None:
    policy = BY_TIER.for_tier(tier)

    assert lots.expires_at(policy, at("2026-03-30T12:00"), LISBON) == at(expected)


def test_an_expiry_by_tier_is_nothing_without_the_tier() -> None:
    with pytest.raises(ValueError, match="needs the tier"):
        lots.expires_at(BY_TIER, at("2026-03-30T12:00"), LISBON)


def test_every_other_model_is_the_same_on_every_tier() -> None:
    policy = ExpiryPolicy("fixed_after", months=12)

    assert policy.for_tier("gold") is policy


@pytest.mark.parametrize(
    ("_case", "ends", "months", "active_on", "expected"),
    [
        ("renewed", "2026-09-30T23:00", 6, date(2026, 5, 31), "2026-12-01T00:00"),
        ("not renewed yet", "2026-09-30T23:00", 6, None, "2026-09-30T23:00"),
        ("not renewable", "2026-09-30T23:00", None, date(2026, 5, 31), "2026-09-30T23:00"),
        (
            "an act of before never shortens",
            "2026-09-30T23:00",
            1,
            date(2026, 5, 31),
            "2026-09-30T23:00",
        ),
        ("31 August and six months", "2026-09-30T23:00", 6, date(2026, 8, 31), "2027-03-01T00:00"),
        ("29 February and a year", "2028-03-01T00:00", 12, date(2028, 2, 29), "2029-03-01T00:00"),
    ],
)
def test_a_renewed_lot_ends_its_months_after_the_latest_act(
    _case: str, ends: str, months: int | None, active_on: date | None, expected: str
) -> None:
    assert lots.end_of(at(ends), months, active_on, LISBON) == at(expected)


def test_points_without_an_end_have_none_after_an_act() -> None:
    assert lots.end_of(None, 6, date(2026, 5, 31), LISBON) is None


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    earned=st.integers(1_262_304_000, 2_051_222_400).map(
        lambda seconds: datetime.fromtimestamp(seconds, UTC)
    ),
    months=st.integers(1, 36),
)
def test_points_last_through_their_final_day_in_every_zone(
    zone: ZoneInfo, earned: datetime, months: int
) -> None:
    ends = lots.expires_at(ExpiryPolicy("fixed_after", months=months), earned, zone)

    assert ends is not None
    final = calendars.add_months(calendars.local_day(earned, zone), months)
    assert calendars.local_day(ends, zone) > final
    # A zone that left the final day out ends the points with the day before it.
    assert calendars.local_day(ends - timedelta(microseconds=1), zone) <= final
    assert ends > earned


def test_a_fixed_date_needs_its_date() -> None:
    with pytest.raises(ValueError, match="month and day"):
        lots.expires_at(ExpiryPolicy("fixed_date"), at("2026-03-01T12:00"), LISBON)


@pytest.mark.parametrize(
    ("_case", "expiry", "grace_days", "expected"),
    [
        ("never stays never", None, 30, None),
        ("still to come stays", "2026-05-01T00:00", 30, "2026-05-01T00:00"),
        ("past gets the grace", "2026-01-01T00:00", 30, "2026-04-11T23:00"),
        ("at the very instant it has ended", "2026-03-12T10:00", 1, "2026-03-14T00:00"),
        ("no grace is the rest of the day", "2026-01-01T00:00", 0, "2026-03-13T00:00"),
    ],
)
def test_a_lot_that_had_ended_gets_its_grace_from_recording(
    _case: str, expiry: str | None, grace_days: int, expected: str | None
) -> None:
    recorded_at = at("2026-03-12T10:00")

    ends = lots.with_grace(at(expiry) if expiry else None, recorded_at, grace_days, LISBON)

    assert ends == (at(expected) if expected else None)


@pytest.mark.parametrize(
    ("_case", "points", "weights", "expected"),
    [
        ("one line", 5, [3], [5]),
        ("even", 4, [1, 1], [2, 2]),
        ("a tie goes to the earlier", 5, [1, 1], [3, 2]),
        ("the largest remainder first", 10, [1, 1, 4], [2, 2, 6]),
        ("remainders in order", 7, [2, 3, 2], [2, 3, 2]),
        ("no weight at all: the first", 7, [0, 0, 0], [7, 0, 0]),
        ("a line without weight gets nothing", 3, [0, 1, 1], [0, 2, 1]),
        ("nothing to divide", 0, [1, 2], [0, 0]),
        ("fractions", 3, [Fraction(1, 3), Fraction(2, 3)], [1, 2]),
    ],
)
def test_points_are_divided_by_largest_remainder(
    _case: str, points: int, weights: list[int | Fraction], expected: list[int]
) -> None:
    assert lots.split_by_largest_remainder(points, weights) == expected


@given(
    points=st.integers(0, 10**9),
    weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=30),
)
def test_shares_sum_to_the_points_and_are_within_one_of_the_exact_share(
    points: int, weights: list[int]
) -> None:
    shares = lots.split_by_largest_remainder(points, weights)

    assert sum(shares) == points
    total = sum(weights)
    for share, weight in zip(shares, weights, strict=True):
        assert total == 0 or abs(share - Fraction(points * weight, total)) < 1


@pytest.mark.parametrize(
    ("_case", "weights", "message"),
    [("nothing to divide over", [], "over nothing"), ("a negative weight", [2, -1], "negative")],
)
def test_an_impossible_division_is_refused(_case: str, weights: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lots.split_by_largest_remainder(5, weights)


@pytest.mark.parametrize(
    ("_case", "attributed", "bought", "before", "now", "expected"),
    [
        ("all at once", 7, "2", "0", "2", 7),
        ("the first half, rounded down", 7, "2", "0", "1", 3),
        ("the second half takes the rest", 7, "2", "1", "1", 4),
        ("part of a kilogram", 10, "1.500", "0", "0.500", 3),
        ("a line that earned nothing", 0, "3", "0", "3", 0),
    ],
)
def test_a_part_return_takes_its_share(
    _case: str, attributed: int, bought: str, before: str, now: str, expected: int
) -> None:
    taken = lots.taken_back(attributed, Decimal(bought), Decimal(before), Decimal(now))

    assert taken == expected


@given(
    attributed=st.integers(0, 10**6),
    parts=st.lists(st.decimals(Decimal("0.001"), 1000, places=3), min_size=1, max_size=12),
)
def test_any_split_of_a_full_return_takes_exactly_what_was_given(
    attributed: int, parts: list[Decimal]
) -> None:
    bought, returned, taken = sum(parts, Decimal(0)), Decimal(0), 0

    for part in parts:
        now = lots.taken_back(attributed, bought, returned, part)
        assert now >= 0
        taken += now
        returned += part

    assert taken == attributed


@pytest.mark.parametrize(
    ("_case", "before", "now"), [("too much", "1", "2"), ("less than nothing", "0", "-1")]
)
def test_an_impossible_return_is_refused(_case: str, before: str, now: str) -> None:
    with pytest.raises(ValueError, match="between nothing and what was bought"):
        lots.taken_back(5, Decimal(2), Decimal(before), Decimal(now))


JUNE, JULY = at("2026-06-01T00:00"), at("2026-07-01T00:00")


@pytest.mark.parametrize(
    ("_case", "points", "expected"),
    [
        ("part of the first", 3, [(4, 3)]),
        ("all of the first", 5, [(4, 5)]),
        ("ties by id", 12, [(4, 5), (1, 7)]),
        ("never-ending last", 32, [(4, 5), (1, 10), (3, 10), (2, 7)]),
        ("everything", 35, [(4, 5), (1, 10), (3, 10), (2, 10)]),
    ],
)
def test_points_are_taken_soonest_expiry_first(
    _case: str, points: int, expected: list[tuple[int, int]]
) -> None:
    held = [Lot(3, 10, JULY), Lot(2, 10, None), Lot(1, 10, JULY), Lot(4, 5, JUNE), Lot(5, 0, JUNE)]

    assert lots.take(held, points) == expected


def test_taking_more_than_is_held_is_refused_with_its_figures() -> None:
    with pytest.raises(lots.InsufficientPoints, match="11 points asked, 10 available") as refusal:
        lots.take([Lot(1, 10, None)], 11)

    assert refusal.value.figures == {"available": 10, "required": 11}


@pytest.mark.parametrize(
    ("_case", "points", "debt", "expected"),
    [
        ("no debt", 10, 0, (0, 10)),
        ("a small debt", 10, 4, (4, 6)),
        ("a debt beyond the credit", 10, 25, (10, 0)),
    ],
)
def test_a_credit_pays_debt_first(
    _case: str, points: int, debt: int, expected: tuple[int, int]
) -> None:
    assert lots.settle(points, debt) == expected


def test_a_fixed_date_never_comes_before_its_minimum() -> None:
    policy = ExpiryPolicy("fixed_date", month_day=(1, 31), minimum_months=3)

    ends = lots.expires_at(policy, at("2026-10-31T12:00"), LISBON)

    assert ends is not None
    assert calendars.local_day(ends, LISBON) == date(2027, 2, 1)
