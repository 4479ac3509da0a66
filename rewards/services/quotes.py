"""What a redemption would take, told before anything is taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from members.models import Program
from rewards.queries.standing import Lot, lots_taken
from rewards.services import payers
from rewards.services.decisions import Decision, decide
from rewards.services.transactions import read_only


@dataclass(frozen=True, slots=True)
class Quote:
    """A decision with the lots that it would take.

    Where the points do not suffice nothing is taken: ``lots`` is empty and
    ``balance_after`` is what the member has.
    """

    decision: Decision
    lots: tuple[Lot, ...]
    balance_after: int


def quote(
    *,
    program: Program,
    member_id: int,
    reward_code: str,
    quantity: int,
    moment: datetime,
    with_pool: bool = False,
) -> Quote:
    """Return what redeeming would take from which lots; the database refuses it any write.

    ``with_pool`` takes the points of the pool that the member is in.

    :raises UnknownReward: the catalog has no such reward.
    :raises NotInAPool: the member is in none.
    :raises PoolRefused: the member's role may not redeem its points.
    """
    with read_only():
        decision = decide(
            program=program,
            member_id=member_id,
            reward_code=reward_code,
            quantity=quantity,
            moment=moment,
            payer_id=payers.of_pool(member_id=member_id) if with_pool else None,
        )
        available = decision.standing.available
        if available < decision.points:
            return Quote(decision, (), available)
        lots = lots_taken(decision.standing, decision.points, moment)
    return Quote(decision, tuple(lots), available - decision.points)
