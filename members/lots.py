"""The arithmetic of point lots: when they end, which are taken first, what a return takes back.

Pure: no database and no clock. Every moment and every lot is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError

Model = Literal["fixed_after", "fixed_date", "inactivity", "by_tier", "never"]
RoundTo = Literal["none", "day_end", "month_end", "quarter_end", "year_end"]


_NEVER: Final = datetime.max.replace(tzinfo=UTC)
# When points become available that wait for something of which nobody knows when it comes. Later
# than any instant that the API takes, so that whatever compares instants finds them pending.
UNKNOWN: Final = datetime(9999, 12, 31, tzinfo=UTC)


class InsufficientPoints(DomainError):
    """The unexpired lots hold fewer points than were asked."""

    code = "insufficient_points"
    title = "Not enough points"
    cause = "The member's available points are fewer than the act needs."
    remedy = "Ask for fewer points, or wait until pending points become available."


class Period(NamedTuple):
    """How long points of one tier last, counted from the day on which they were earned."""

    years: int = 0
    months: int = 0
    days: int = 0


@dataclass(frozen=True, slots=True)
class ExpiryPolicy:
    """How long points of a currency can be used.

    ``fixed_after`` counts ``years``, ``months`` and ``days`` from the day on which they were
    earned and rounds to an end; ``fixed_date`` takes the first ``month_day`` (month, day) that
    is at least ``minimum_months`` away; ``inactivity`` counts ``months`` from the latest
    activity, see ``end_of``; ``by_tier`` is ``fixed_after`` with the period of the tier that was
    held when the points were earned, by ``periods`` of (tier, period), the lowest tier first.
    """

    model: Model = "never"
    years: int = 0
    months: int = 0
    days: int = 0
    round_to: RoundTo = "none"
    month_day: tuple[int, int] | None = None
    minimum_months: int = 0
    periods: tuple[tuple[str, Period], ...] = ()

    @property
    def renew_months(self) -> int | None:
        """Return the months by which an activity renews the lots, None where none does."""
        return self.months if self.model == "inactivity" else None

    def for_tier(self, tier: str | None) -> ExpiryPolicy:
        """Return the policy of points earned on a tier; without one, on the lowest.

        A tier that came to the ladder later, and has no period yet, has that of the lowest too.
        """
        if self.model != "by_tier":
            return self
        years, months, days = dict(self.periods).get(tier or "", self.periods[0][1])
        return replace(self, model="fixed_after", years=years, months=months, days=days, periods=())


class Lot(NamedTuple):
    """An open lot, as far as taking from it needs; ``expires_at`` None never ends."""

    id: int
    remaining: int
    expires_at: datetime | None


class Taken(NamedTuple):
    """Points taken from one lot."""

    lot_id: int
    points: int


class Settled(NamedTuple):
    """A credit divided into the part that pays debt and the part that is left."""

    paid_debt: int
    left: int


def expires_at(policy: ExpiryPolicy, occurred_at: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the UTC instant from which the points can no longer be used; None is never.

    Points last through a whole local day: they end at 00:00 of the day after the last one.

    :raises ValueError: the policy is one by tier; ask ``for_tier`` first.
    """
    if policy.model == "never":
        return None
    return calendars.end_of_day(_final_day(policy, calendars.local_day(occurred_at, zone)), zone)


def end_of(
    expires_at: datetime | None, renew_months: int | None, active_on: date | None, zone: ZoneInfo
) -> datetime | None:
    """Return when a lot ends, given the local day of its member's latest renewing act.

    ``expires_at`` and ``renew_months`` are frozen on the lot; an act only ever makes it last
    longer. ``ledger_lot_end`` computes the same in the database.
    """
    if expires_at is None or renew_months is None or active_on is None:
        return expires_at
    renewed = calendars.end_of_day(calendars.add_months(active_on, renew_months), zone)
    return max(expires_at, renewed)


def _final_day(policy: ExpiryPolicy, earned: date) -> date:
    if policy.model == "by_tier":
        raise ValueError("an expiry by tier needs the tier")
    if policy.model == "fixed_date":
        if policy.month_day is None:
            raise ValueError("an expiry on a fixed date needs its month and day")
        return next_month_day(
            calendars.add_months(earned, policy.minimum_months), *policy.month_day
        )
    moved = calendars.add_months(earned, policy.years * 12 + policy.months)
    final = moved + timedelta(days=policy.days)
    return final if policy.model == "inactivity" else _rounded(final, policy.round_to)


def next_month_day(earliest: date, month: int, day: int) -> date:
    """Return the first such day from ``earliest`` on; 29 February is the 28th in common years."""
    this_year = _clamped(earliest.year, month, day)
    return this_year if this_year >= earliest else _clamped(earliest.year + 1, month, day)


def _clamped(year: int, month: int, day: int) -> date:
    """Return the date, or the month's last day: 29 February is the 28th in a common year."""
    first = date(year, month, 1)
    return min(first + timedelta(days=day - 1), _month_end(first))


def _rounded(day: date, round_to: RoundTo) -> date:
    if round_to == "month_end":
        return _month_end(day)
    if round_to == "quarter_end":
        return _month_end(day.replace(day=1, month=(day.month - 1) // 3 * 3 + 3))
    if round_to == "year_end":
        return day.replace(month=12, day=31)
    return day


def _month_end(day: date) -> date:
    return calendars.add_months(day.replace(day=1), 1) - timedelta(days=1)


def with_grace(
    expiry: datetime | None, recorded_at: datetime, grace_days: int, zone: ZoneInfo
) -> datetime | None:
    """Return ``expiry``, or the end of the grace where the lot had ended when it was recorded.

    The grace is at least ``grace_days`` whole days: it ends at 00:00 local of the day after.
    """
    if expiry is None or expiry > recorded_at:
        return expiry
    final = calendars.local_day(recorded_at, zone) + timedelta(days=grace_days)
    return calendars.end_of_day(final, zone)


def split_by_largest_remainder(points: int, weights: Sequence[int | Fraction]) -> list[int]:
    """Return ``points`` divided in proportion to ``weights``, in whole points that sum to it.

    What rounding down leaves goes to the largest remainders, ties to the earlier; where every
    weight is zero, all goes to the first.

    :raises ValueError: there is nothing to divide over, or a weight is negative.

    Source: the largest remainder method (Hamilton's) of apportionment.
    """
    if not weights:
        raise ValueError("points cannot be divided over nothing")
    total = sum(weights)
    if total == 0:
        return [points] + [0] * (len(weights) - 1)
    if min(weights) < 0:
        raise ValueError("a weight cannot be negative")
    # Floor division of a fraction by a fraction is an int, so every share is whole.
    shares = [points * weight // total for weight in weights]
    left = points - sum(shares)
    if left:
        remainders = [points * weight % total for weight in weights]
        order = sorted(range(len(weights)), key=remainders.__getitem__, reverse=True)
        for index in order[:left]:
            shares[index] += 1
    return shares


def taken_back(
    attributed: int, bought: Decimal, returned_before: Decimal, returned_now: Decimal
) -> int:
    """Return the points that this return takes back of those that a line earned.

    Every return takes the floor of what all returns so far together take, less what the
    earlier ones took, so that any split of a full return takes exactly ``attributed``.

    :raises ValueError: more is returned than was bought.
    """
    returned = returned_before + returned_now
    if bought <= 0 or returned > bought or returned_before < 0 or returned_now < 0:
        raise ValueError("a return is between nothing and what was bought")
    return _floor(attributed, returned, bought) - _floor(attributed, returned_before, bought)


def _floor(points: int, part: Decimal, whole: Decimal) -> int:
    share = points * Fraction(part) / Fraction(whole)
    return share.numerator // share.denominator


def take(lots: Iterable[Lot], points: int) -> list[Taken]:
    """Return which lots give ``points``: earliest expiry first, never-ending last, then id.

    :raises InsufficientPoints: the lots hold fewer than ``points``.
    """
    taken: list[Taken] = []
    missing = points
    for lot in sorted(lots, key=_first_to_end):
        if missing <= 0:
            break
        part = min(missing, lot.remaining)
        if part > 0:
            taken.append(Taken(lot.id, part))
            missing -= part
    if missing > 0:
        raise InsufficientPoints(
            f"{points} points asked, {points - missing} available.",
            available=points - missing,
            required=points,
        )
    return taken


def _first_to_end(lot: Lot) -> tuple[bool, datetime, int]:
    return lot.expires_at is None, lot.expires_at or _NEVER, lot.id


def settle(points: int, debt: int) -> Settled:
    """Return how a credit of ``points`` is divided: debt (zero or positive) is paid first."""
    paid = min(points, max(debt, 0))
    return Settled(paid, points - paid)
