"""The policy by which the demo's members redeem: stated, deterministic and simulated.

The data set knows no redemptions. At the last visit of each calendar month every household
asks itself, by a hash of its number and the month, whether it redeems:

* one in four saves and never redeems;
* one in four treats itself: in 6 of 10 months it takes one of the three cheapest rewards that
  it can afford, donations aside, by the same hash;
* one in four collects: in 4 of 10 months it takes the dearest reward that it can afford;
* one in eight gives: in 5 of 10 months it donates, for as long as it keeps half its points;
* one in eight waits for what is scarce: the dearest reward of limited stock, when it can.

Five minutes pass between the purchase and the redemption, since the points of that purchase
may be part of it; of every twenty redemptions one is called off two minutes later. Purchases are
recorded in nightly batches, so the loader counts the five minutes from that night's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from demo.people import draw

REDEEM_AFTER = timedelta(minutes=5)
CANCEL_AFTER = timedelta(minutes=2)
CANCEL_ONE_IN = 20
TREATS_AMONG = 3
DONATION = "donation"


class Habit(StrEnum):
    """How a household uses its points."""

    SAVES = "saves"
    TREATS = "treats"
    COLLECTS = "collects"
    GIVES = "gives"
    WAITS = "waits"


# Eighths of the households, and in how many of ten months each habit redeems.
HABITS = (
    *(Habit.SAVES,) * 2,
    *(Habit.TREATS,) * 2,
    *(Habit.COLLECTS,) * 2,
    Habit.GIVES,
    Habit.WAITS,
)
MONTHS_OF_TEN = {
    Habit.SAVES: 0,
    Habit.TREATS: 6,
    Habit.COLLECTS: 4,
    Habit.GIVES: 5,
    Habit.WAITS: 10,
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A reward as the policy sees it; ``stock`` None is unlimited, no ``tiers`` is everyone.

    ``uses_max`` is how often one member may redeem it in the whole demo, None is without limit.
    """

    code: str
    kind: str
    points_price: int
    stock: int | None = None
    tiers: frozenset[str] = field(default_factory=frozenset)
    uses_max: int | None = None
    redeemable_from: datetime | None = None
    redeemable_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """The last purchase of one household in one month, and what the member holds after it."""

    household: int
    month: str
    occurred_at: datetime
    available: int
    tier: str
    in_debt: bool = False


@dataclass(frozen=True, slots=True)
class DueRedemption:
    """A simulated redemption; ``cancelled_at`` is None unless it is called off.

    ``external_id`` says that it is simulated, and is the same in every run.
    """

    household: int
    external_id: str
    reward: str
    points: int
    occurred_at: datetime
    cancelled_at: datetime | None


def redemptions_due(
    *, visits: Iterable[Visit], offers: Sequence[Offer], taken: Mapping[tuple[int, str], int]
) -> list[DueRedemption]:
    """Return what the visits of one month lead to, by moment of redemption.

    ``taken`` counts the redemptions of earlier months by household and reward code; stock is
    given out in the order of the visits and is not given back by a cancellation here, so that
    the answer never asks for more than there is.
    """
    left = {offer.code: offer.stock for offer in offers}
    due: list[DueRedemption] = []
    for visit in sorted(visits, key=lambda each: (each.occurred_at, each.household)):
        open_offers = [
            offer
            for offer in offers
            if left[offer.code] != 0
            and _is_open(offer, visit, taken.get((visit.household, offer.code), 0))
        ]
        chosen = _choice(visit, open_offers)
        if chosen is None:
            continue
        stock = left[chosen.code]
        left[chosen.code] = None if stock is None else stock - 1
        due.append(_redemption(visit, chosen))
    return due


def habit(household: int) -> Habit:
    """Return the lasting habit of a household."""
    return HABITS[draw(household, "habit", len(HABITS))]


def _is_open(offer: Offer, visit: Visit, uses: int) -> bool:
    at = visit.occurred_at + REDEEM_AFTER
    return (
        not visit.in_debt
        and offer.points_price <= visit.available
        and (not offer.tiers or visit.tier in offer.tiers)
        and (offer.uses_max is None or uses < offer.uses_max)
        and (offer.redeemable_from is None or offer.redeemable_from <= at)
        and (offer.redeemable_to is None or at < offer.redeemable_to)
    )


def _choice(visit: Visit, offers: list[Offer]) -> Offer | None:
    ways = habit(visit.household)
    if draw(visit.household, f"redeems:{visit.month}", 10) >= MONTHS_OF_TEN[ways]:
        return None
    by_price = sorted(offers, key=lambda offer: (offer.points_price, offer.code))
    if ways is Habit.GIVES:
        gifts = [offer for offer in by_price if offer.kind == DONATION]
        return gifts[0] if gifts and gifts[0].points_price * 2 <= visit.available else None
    goods = [offer for offer in by_price if offer.kind != DONATION]
    if ways is Habit.WAITS:
        goods = [offer for offer in goods if offer.stock is not None]
    if not goods:
        return None
    if ways is Habit.TREATS:
        treats = goods[:TREATS_AMONG]
        return treats[draw(visit.household, f"treat:{visit.month}", len(treats))]
    return goods[-1]


def _redemption(visit: Visit, offer: Offer) -> DueRedemption:
    at = visit.occurred_at + REDEEM_AFTER
    is_off = draw(visit.household, f"cancels:{visit.month}", CANCEL_ONE_IN) == 0
    return DueRedemption(
        household=visit.household,
        external_id=f"simulated-{visit.household}-{visit.month}",
        reward=offer.code,
        points=offer.points_price,
        occurred_at=at,
        cancelled_at=at + CANCEL_AFTER if is_off else None,
    )
