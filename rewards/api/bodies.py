"""The bodies that these operations read, and the shapes that they answer with."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from loyalty_site.lib.reading import Body, MemberRef, Text64, Text128
from loyalty_site.lib.schema import (
    COUNT,
    FLAG,
    ID,
    INSTANT,
    POINTS,
    TEXT,
    array,
    choice,
    listing,
    nullable,
    record,
)
from rewards.models import Redemption, Reward, Voucher

# More than any member redeems at a time, and far from what a bigint of points can hold.
QUANTITY_MAX = 10_000
HOLD_MINUTES_MAX = 7 * 24 * 60

Pieces = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]
Minutes = Annotated[int, Meta(ge=1, le=HOLD_MINUTES_MAX)]


class OwnQuoteBody(Body, frozen=True):
    """What the member might redeem; ``pool`` with the points of their pool."""

    reward: Text64
    quantity: Pieces = 1
    pool: bool = False


class QuoteBody(Body, frozen=True):
    """What a member might redeem."""

    member: MemberRef
    reward: Text64
    quantity: Pieces = 1


class OwnRedemptionBody(Body, frozen=True):
    """What the member redeems, at once or held for a while; ``pool`` pays from their pool."""

    reward: Text64
    quantity: Pieces = 1
    mode: Literal["capture", "hold"] = "capture"
    hold_minutes: Minutes = 15
    external_id: Text128 | None = None
    pool: bool = False


class RedemptionBody(Body, frozen=True):
    """What a member redeems, at once or held for a while."""

    member: MemberRef
    reward: Text64
    quantity: Pieces = 1
    mode: Literal["capture", "hold"] = "capture"
    hold_minutes: Minutes = 15
    external_id: Text128 | None = None


class CaptureBody(Body, frozen=True):
    """How many of the held pieces are captured; all of them without ``quantity``."""

    quantity: Pieces | None = None


class CancelBody(Body, frozen=True):
    """Why the redemption is cancelled."""

    reason: Annotated[str, Meta(max_length=200)] | None = None


class LookupBody(Body, frozen=True):
    """The code as the member shows it."""

    code: Text64


class PurchaseRef(Body, frozen=True):
    """The purchase that the voucher is used for."""

    source: Text64
    external_id: Text128


class UseBody(LookupBody, frozen=True):
    """The code as the member shows it, and what it is used for."""

    purchase: PurchaseRef | None = None


REASON = record(
    code=choice(
        *("insufficient_points", "tier_too_low", "out_of_stock", "not_yet", "ended"),
        *("member_limit", "not_in_segment", "member_suspended", "in_debt"),
    ),
    text=TEXT,
    missing_points=nullable(POINTS),
)
REWARD = record(
    id=ID,
    code=TEXT,
    kind=choice(*Reward.Kind.values),
    name=TEXT,
    description=TEXT,
    points_price=POINTS,
    stock=nullable(COUNT),
    tiers=array(TEXT),
    redeemable_from=nullable(INSTANT),
    redeemable_to=nullable(INSTANT),
    eligible=nullable(FLAG),
    reasons=array(REASON),
)
REWARDS = listing(REWARD)
QUOTE = record(
    points=POINTS,
    lots=array(record(points=POINTS, expires_at=nullable(INSTANT))),
    balance_after=POINTS,
    eligible=FLAG,
    reasons=array(REASON),
    if_cancelled=TEXT,
)
REDEMPTION = record(
    ("dry_run", "pool"),
    id=nullable(ID),
    state=choice(*Redemption.State.values),
    member=ID,
    reward=TEXT,
    quantity=COUNT,
    held_quantity=nullable(COUNT),
    points=POINTS,
    points_given_back=POINTS,
    voucher=nullable(record(code=nullable(TEXT), expires_at=nullable(INSTANT))),
    hold_expires_at=nullable(INSTANT),
    external_id=nullable(TEXT),
    created_at=INSTANT,
    pool=FLAG,
    dry_run=FLAG,
)
VOUCHER = record(
    code=TEXT,
    state=choice(*Voucher.State.values),
    reward=TEXT,
    redemption=ID,
    expires_at=nullable(INSTANT),
)
