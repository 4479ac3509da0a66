"""What a fact gives in one currency: when it can be used, until when, and which debt it pays.

No database and no clock, as in ``judging``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from campaigns.earning.results import Pending
from campaigns.queries.rulebook import Currency, Rulebook
from loyalty_site.lib import calendars
from members import lots


class Owing(Protocol):
    """A member, as far as what they owe goes."""

    def owed(self, currency: Currency) -> int:
        """Return the debt in points, not negative."""

    def owed_since(self, currency: Currency) -> datetime | None:
        """Return when the latest part of the debt was made."""

    def settle(self, currency: Currency, points: int) -> None:
        """Lower the debt by ``points``."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What one fact gave in one currency, as far as it becomes available together.

    With ``is_settled`` the points are posted as pending and made available in the same
    transaction, at an instant after the fact: that of their activation, or that of the debt
    that they pay. ``waits_for`` makes pending points available before ``available_at``, which is
    ``lots.UNKNOWN`` where nothing else does.
    """

    currency: Currency
    points: int
    available_at: datetime
    expires_at: datetime | None
    is_pending: bool = False
    is_settled: bool = False
    paid_debt: int = 0
    renew_months: int | None = None
    waits_for: str = ""

    @property
    def known_available_at(self) -> datetime | None:
        """Return when the points become available, None where nobody can say."""
        return None if self.available_at == lots.UNKNOWN else self.available_at


# A point currency by its code, and how its points wait.
Part = tuple[str, Pending]


def grant(
    *,
    book: Rulebook,
    owing: Owing,
    part: Part,
    points: int,
    at: datetime,
    recorded_at: datetime,
    tier: str | None,
) -> Granted:
    """Return how points of a fact at ``at`` become available and end; debt is lowered by them.

    ``tier`` is the one held before the fact, which decides how long points by tier last.
    """
    code, pending = part
    currency = book.currencies[code]
    if not currency.is_redeemable:
        return Granted(currency, points, at, None)
    available_at = at
    if pending.days is None:
        available_at = lots.UNKNOWN
    elif pending.days:
        available_at = calendars.add_days_to_instant(at, pending.days, book.zone)
    # Points that would end before they can be used get the grace, counted from then.
    usable_from = recorded_at if pending.days is None else max(recorded_at, available_at)
    policy = currency.expiry.for_tier(tier)
    expires_at = lots.with_grace(
        lots.expires_at(policy, at, book.zone), usable_from, currency.grace_days, book.zone
    )
    granted = Granted(currency, points, available_at, expires_at, renew_months=policy.renew_months)
    if available_at > recorded_at:
        return replace(granted, is_pending=True, waits_for=pending.waits_for)
    paid_debt = min(points, owing.owed(currency))
    is_settled = available_at > at
    if paid_debt:
        # Paid before it was made, a debt of the past would be less than none.
        owed_since = owing.owed_since(currency)
        is_settled = is_settled or (owed_since is not None and at < owed_since)
        owing.settle(currency, paid_debt)
    return replace(granted, is_settled=is_settled, paid_debt=paid_debt)
