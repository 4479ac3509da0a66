"""The terms on which members send points to each other, and every reason against a transfer.

Pure: no database and no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

# Far above any sensible program's maximum, and far from what a bigint of points can hold.
POINTS_MAX: Final = 10**9
# From the gravest to the one that waiting or a smaller amount mends.
REASONS: Final[tuple[str, ...]] = (
    "transfers_off",
    "member_suspended",
    "to_oneself",
    "not_verified",
    "too_new",
    "in_debt",
    "below_minimum",
    "above_maximum",
    "daily_cap",
    "insufficient_points",
)


@dataclass(frozen=True, slots=True)
class Fee:
    """What sending costs on top of the points sent: a percentage, or a fixed number of points.

    ``rounding`` of the percentage is ``up``, ``down`` or ``half_up``.
    """

    percent: Decimal = Decimal(0)
    fixed: int = 0
    rounding: str = "up"

    def of(self, points: int) -> int:
        """Return the fee, in whole points, for sending ``points``."""
        numerator, denominator = (self.percent / 100).as_integer_ratio()
        product = points * numerator
        if self.rounding == "up":
            share = -(-product // denominator)
        elif self.rounding == "down":
            share = product // denominator
        else:
            share = (2 * product + denominator) // (2 * denominator)
        return share + self.fixed


@dataclass(frozen=True, slots=True)
class Terms:
    """What the program file says of transfers of one currency; all figures are points.

    ``daily_cap`` is what one member may send in a day of the program's calendar. Above
    ``confirm_above`` a recent login is asked for.
    """

    minimum: int
    maximum: int
    daily_cap: int
    fee: Fee
    tenure_days: int
    require_verified: bool
    cooling_hours: int
    confirm_above: int

    @property
    def cooling(self) -> timedelta:
        """Return how long the sender can change their mind."""
        return timedelta(hours=self.cooling_hours)


def terms_of(stored: Mapping[str, Any]) -> Terms | None:
    """Return the terms in the form in which a currency keeps them, None where it is off."""
    if not stored:
        return None
    fee = stored["fee"]
    return Terms(
        minimum=stored["minimum"],
        maximum=stored["maximum"],
        daily_cap=stored["daily_cap"],
        fee=Fee(Decimal(fee["percent"]), fee["fixed"], fee["rounding"]),
        tenure_days=stored["tenure_days"],
        require_verified=stored["require_verified"],
        cooling_hours=stored["cooling_hours"],
        confirm_above=stored["confirm_above"],
    )


@dataclass(frozen=True, slots=True)
class Sender:
    """What decides whether a member may send points.

    ``sendable`` are available points that do not end before they arrive; ``sent_today`` were
    sent, or are on their way, since the program's midnight.
    """

    status: str
    enrolled_at: datetime
    is_verified: bool
    sendable: int
    debt: int
    sent_today: int


def reasons_against(
    terms: Terms | None, sender: Sender, *, points: int, to_oneself: bool, moment: datetime
) -> list[str]:
    """Return every reason against sending ``points``, in the order of ``REASONS``."""
    if terms is None:
        return ["transfers_off"]
    tenure = timedelta(days=terms.tenure_days)
    against = {
        "member_suspended": sender.status != "active",
        "to_oneself": to_oneself,
        "not_verified": terms.require_verified and not sender.is_verified,
        "too_new": moment < sender.enrolled_at + tenure,
        "in_debt": sender.debt > 0,
        "below_minimum": points < terms.minimum,
        "above_maximum": points > terms.maximum,
        "daily_cap": sender.sent_today + points > terms.daily_cap,
        "insufficient_points": points + terms.fee.of(points) > sender.sendable,
    }
    return [reason for reason in REASONS if against.get(reason)]


def masked(kind: str, value: str) -> str:
    """Return a way to recognize somebody so that only who knows it recognizes it."""
    if kind == "email":
        local, _, domain = value.partition("@")
        return f"{local[:1]}\N{HORIZONTAL ELLIPSIS}@{domain}"
    return f"\N{HORIZONTAL ELLIPSIS}{value[-4:]}" if len(value) > 6 else "\N{HORIZONTAL ELLIPSIS}"


def masked_name(first_name: str, last_name: str) -> str:
    """Return a name by its first letters, empty where there is none."""
    initials = [f"{name[:1]}\N{HORIZONTAL ELLIPSIS}" for name in (first_name, last_name) if name]
    return " ".join(initials)
