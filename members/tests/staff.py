"""People of the staff and what they may do, for tests of acts by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from members.models import Adjustment, AdjustmentReason, ApprovalPolicy, Member, PointCurrency, User
from members.services import adjustments
from members.services.adjustments import Wish
from members.tests.people import DAY, NOON


def clerk(name: str = "ann") -> User:
    """Return somebody of the staff."""
    return User.objects.create_user(f"{name}@example.com", None, is_staff=True)


def points() -> PointCurrency:
    """Return the currency that buys rewards."""
    return PointCurrency.objects.get(code="points")


def set_limits(alone: int, daily: int) -> None:
    """Let one person move so many points at once and in a day."""
    ApprovalPolicy.objects.update_or_create(
        currency=points(), defaults={"points_alone": alone, "points_daily": daily}
    )


def wish(member: Member, number: int, **told: Any) -> Wish:
    """Return a wish to give or take points of a member."""
    told = {"expires_at": NOON + 365 * DAY, "reason": "correction", "why": "Called us", **told}
    reason = AdjustmentReason.objects.get(code=told.pop("reason"))
    currency = told.pop("currency", None) or points()
    return Wish(member_id=member.pk, currency=currency, points=number, reason=reason, **told)


def adjust(
    member: Member, number: int, by: User, moment: datetime = NOON, **told: Any
) -> Adjustment:
    """Give a member points by hand, or take some."""
    return adjustments.adjust(wish=wish(member, number, **told), by=by, moment=moment)
