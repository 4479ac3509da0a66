"""The decision of a redemption, read only: what it would cost and every reason against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from loyalty_site.lib.errors import DomainError
from members.models import PointCurrency, Program
from members.queries.program import point_currency
from rewards import wording
from rewards.eligibility import Reason, first_refusal
from rewards.models import Reward
from rewards.queries.catalog import against, names_tiers, rewards_of, tier_names
from rewards.queries.standing import Standing, standing_of
from rewards.services.refusals import BY_CODE, UnknownReward


@dataclass(frozen=True, slots=True)
class Decision:
    """What redeeming ``quantity`` of a reward would cost a member at the moment."""

    program: Program
    reward: Reward
    currency: PointCurrency
    standing: Standing
    quantity: int
    points: int
    reasons: tuple[Reason, ...]
    moment: datetime

    @property
    def is_eligible(self) -> bool:
        return not self.reasons

    def refuse(self, reasons: Sequence[Reason] | None = None) -> DomainError:
        """Return the refusal that the reasons amount to: the first by precedence."""
        found = self.reasons if reasons is None else reasons
        code = first_refusal(found)
        told = self.told(found)
        figures: dict[str, Any] = {"reasons": told}
        if code == "insufficient_points":
            figures |= {"available": self.standing.available, "required": self.points}
        deciding = [first_refusal([reason]) for reason in found].index(code)
        return BY_CODE[code or "reward_not_available"](told[deciding]["text"], **figures)

    def told(self, reasons: Sequence[Reason]) -> list[dict[str, Any]]:
        """Return reasons as answers show them, in the active language."""
        names = tier_names(self.program) if names_tiers(reasons) else {}
        zone = ZoneInfo(self.program.timezone)
        return [wording.told(reason, zone=zone, tier_names=names) for reason in reasons]


def decide(
    *,
    program: Program,
    member_id: int,
    reward_code: str,
    quantity: int,
    moment: datetime,
    payer_id: int | None = None,
) -> Decision:
    """Return the decision from fresh reads; the points are those of ``payer_id``, if one pays.

    Who goes on to post has locked the member and settled what is due before.

    :raises UnknownReward: the catalog has no such reward.
    """
    reward = rewards_of(program).filter(code=reward_code).first()
    if reward is None:
        raise UnknownReward(f"There is no reward {reward_code!r}.")
    currency = point_currency(program)
    standing = standing_of(member_id=member_id, currency_id=currency.pk, moment=moment)
    if payer_id is not None:
        # Tier, segments and limits are the person's; the points are the pool's.
        purse = standing_of(member_id=payer_id, currency_id=currency.pk, moment=moment)
        standing = replace(
            standing,
            account_id=purse.account_id,
            available=purse.available,
            debt=purse.debt,
            fresh=purse.fresh,
            expired=purse.expired,
        )
    found = against(
        reward=reward,
        standing=standing,
        zone=ZoneInfo(program.timezone),
        moment=moment,
        quantity=quantity,
    )
    return Decision(
        program=program,
        reward=reward,
        currency=currency,
        standing=standing,
        quantity=quantity,
        points=reward.points_price * quantity,
        reasons=tuple(found),
        moment=moment,
    )
