"""Whether a member can redeem a reward, and every reason why not.

Pure: what is held and what is offered are arguments, so is the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

ReasonCode = Literal[
    "insufficient_points",
    "tier_too_low",
    "out_of_stock",
    "not_yet",
    "ended",
    "member_limit",
    "not_in_segment",
    "member_suspended",
    "in_debt",
]
RefusalCode = Literal[
    "member_suspended", "in_debt", "out_of_stock", "reward_not_available", "insufficient_points"
]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a reward asks, as of one moment.

    ``stock`` and ``limit_uses`` None are unlimited; empty ``tiers`` and no ``segment`` admit
    everyone; ``redeemable_from`` is inclusive, ``redeemable_to`` exclusive.
    """

    points_price: int
    stock: int | None = None
    tiers: tuple[str, ...] = ()
    segment: str | None = None
    limit_uses: int | None = None
    redeemable_from: datetime | None = None
    redeemable_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What the member has: points net of what is due, and uses of the reward in its period."""

    available: int
    debt: int = 0
    status: str = "active"
    tier: str | None = None
    segments: frozenset[str] = frozenset()
    uses: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason against; ``figures`` are what ``text`` is told with in other languages."""

    code: ReasonCode
    text: str
    missing_points: int | None = None
    figures: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class _Question:
    offer: Offer
    holding: Holding
    now: datetime
    quantity: int


def reasons(offer: Offer, holding: Holding, now: datetime, quantity: int = 1) -> list[Reason]:
    """Return every reason against, in the order of the contract; an empty list is eligible."""
    question = _Question(offer, holding, now, quantity)
    return [reason for check in _CHECKS if (reason := check(question)) is not None]


def first_refusal(against: Iterable[Reason]) -> RefusalCode | None:
    """Return the code with which a redemption is refused: the first that holds, by precedence.

    Every reason that has no refusal of its own is ``reward_not_available``.
    """
    refused = {_REFUSALS.get(reason.code, "reward_not_available") for reason in against}
    return next((code for code in _PRECEDENCE if code in refused), None)


_REFUSALS: Final[Mapping[str, RefusalCode]] = {
    "member_suspended": "member_suspended",
    "in_debt": "in_debt",
    "out_of_stock": "out_of_stock",
    "insufficient_points": "insufficient_points",
}
_PRECEDENCE: Final[tuple[RefusalCode, ...]] = (
    "member_suspended",
    "in_debt",
    "out_of_stock",
    "reward_not_available",
    "insufficient_points",
)


def _insufficient_points(question: _Question) -> Reason | None:
    required = question.offer.points_price * question.quantity
    missing = required - question.holding.available
    if missing <= 0:
        return None
    return Reason(
        "insufficient_points",
        f"{_points(missing)} short",
        missing,
        {"available": question.holding.available, "required": required},
    )


def _tier_too_low(question: _Question) -> Reason | None:
    tiers = question.offer.tiers
    if not tiers or question.holding.tier in tiers:
        return None
    return Reason("tier_too_low", f"Only for {' and '.join(tiers)}", figures={"tiers": list(tiers)})


def _out_of_stock(question: _Question) -> Reason | None:
    stock = question.offer.stock
    if stock is None or stock >= question.quantity:
        return None
    text = "Sold out" if stock <= 0 else f"Only {stock} left"
    return Reason("out_of_stock", text, figures={"stock": stock})


def _not_yet(question: _Question) -> Reason | None:
    start = question.offer.redeemable_from
    if start is None or start <= question.now:
        return None
    return Reason("not_yet", "Cannot be redeemed yet", figures={"redeemable_from": start})


def _ended(question: _Question) -> Reason | None:
    end = question.offer.redeemable_to
    if end is None or question.now < end:
        return None
    return Reason("ended", "Can no longer be redeemed", figures={"redeemable_to": end})


def _member_limit(question: _Question) -> Reason | None:
    limit = question.offer.limit_uses
    if limit is None or question.holding.uses + question.quantity <= limit:
        return None
    return Reason(
        "member_limit",
        f"At most {limit} per member",
        figures={"limit": limit, "uses": question.holding.uses},
    )


def _not_in_segment(question: _Question) -> Reason | None:
    segment = question.offer.segment
    if segment is None or segment in question.holding.segments:
        return None
    # The segment is not named: it may say something about those who are in it.
    return Reason("not_in_segment", "Only for some members")


def _member_suspended(question: _Question) -> Reason | None:
    if question.holding.status == "active":
        return None
    return Reason("member_suspended", "The membership is not active")


def _in_debt(question: _Question) -> Reason | None:
    if question.holding.debt <= 0:
        return None
    return Reason(
        "in_debt",
        f"{_points(question.holding.debt)} of debt come first",
        figures={"debt": question.holding.debt},
    )


def _points(number: int) -> str:
    return f"{number} point" if number == 1 else f"{number} points"


_CHECKS: Final[tuple[Callable[[_Question], Reason | None], ...]] = (
    _insufficient_points,
    _tier_too_low,
    _out_of_stock,
    _not_yet,
    _ended,
    _member_limit,
    _not_in_segment,
    _member_suspended,
    _in_debt,
)
