"""A program as a file says it: typed, complete, with every default filled.

Field names are the keys of the file. Instants are in UTC; texts by language are mappings with
the program's own language where the file gave a plain text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from members import grading, lots

from .attribute_section import AttributeSection
from .claim_section import ClaimsSection
from .event_section import EventSection
from .partner_document import PartnerSection
from .pool_section import PoolSection
from .rule_document import (
    CampaignSection,
    CapSection,
    Localized,
    PendingSection,
    RuleSection,
    StackingSection,
)

SEGMENT_KINDS: Final = ("dynamic", "static")
REWARD_KINDS: Final = (
    "physical",
    "service",
    "discount_fixed",
    "discount_percent",
    "free_item",
    "free_shipping",
    "cashback",
    "gift_card",
    "donation",
    "ticket",
    "badge",
)
MEMBER_STATUSES: Final = ("active", "suspended")


@dataclass(frozen=True, slots=True)
class ProgramSection:
    """The program itself; ``claim_days`` is how long a purchase can be claimed.

    ``leap_day`` is where 29 February falls in years without one: ``feb28``, also where it is
    None, or ``mar1``.
    What makes points worth less is announced ``notice_days`` before it holds; None is at once.
    """

    code: str
    name: str
    currency: str
    timezone: str
    locale: str
    languages: tuple[str, ...]
    claim_days: int
    effective_from: datetime | None
    leap_day: str | None = None
    notice_days: int | None = None

    @property
    def zone(self) -> ZoneInfo:
        """Return the program's time zone."""
        return ZoneInfo(self.timezone)


@dataclass(frozen=True, slots=True)
class PeriodSection:
    """How long points that are earned on one tier last."""

    tier: str
    years: int
    months: int
    days: int


@dataclass(frozen=True, slots=True)
class ExpirySection:
    """How long points last; see ``lots.ExpiryPolicy``. ``month_day`` is ``MM-DD``.

    A figure that the model does not use is None. ``periods`` are those of the tiers, the lowest
    first, ``renewed_by`` the acts that renew points, ``notice_days`` how many days before the
    end of points their member is told.
    """

    model: str = "never"
    years: int | None = None
    months: int | None = None
    days: int | None = None
    round_to: str | None = None
    month_day: str | None = None
    minimum_months: int | None = None
    periods: tuple[PeriodSection, ...] | None = None
    renewed_by: tuple[str, ...] | None = None
    notice_days: tuple[int, ...] | None = None

    def policy(self) -> lots.ExpiryPolicy:
        """Return the policy with which lots are dated."""
        month_day = None
        if self.month_day is not None:
            month, day = self.month_day.split("-")
            month_day = (int(month), int(day))
        return lots.ExpiryPolicy(
            model=self.model,  # type: ignore[arg-type]  # the reader let only models through
            years=self.years or 0,
            months=self.months or 0,
            days=self.days or 0,
            round_to=self.round_to or "none",  # type: ignore[arg-type]  # as above
            month_day=month_day,
            minimum_months=self.minimum_months or 0,
            periods=tuple(
                (each.tier, lots.Period(each.years, each.months, each.days))
                for each in self.periods or ()
            ),
        )


@dataclass(frozen=True, slots=True)
class ReturnsSection:
    """What a return does when the points are gone; ``limit`` of debt, None for no limit."""

    policy: str = "into_debt"
    limit: int | None = None
    grace_days: int = 30


@dataclass(frozen=True, slots=True)
class TransferFeeSection:
    """What sending points costs on top, in points; ``percent`` is rounded as stated."""

    percent: Decimal = Decimal(0)
    fixed: int = 0
    rounding: str = "up"


@dataclass(frozen=True, slots=True)
class TransfersSection:
    """Terms of transfers between members; see ``members/transferring.py: Terms``."""

    minimum: int
    maximum: int
    daily_cap: int
    fee: TransferFeeSection
    tenure_days: int
    require_verified: bool
    cooling_hours: int
    confirm_above: int


@dataclass(frozen=True, slots=True)
class PointsSection:
    """A point currency; ``value`` is the money that one point stands for."""

    code: str
    kind: str
    names: Mapping[str, Mapping[str, str]]
    value: Decimal | None
    expiry: ExpirySection
    pending_days: int
    returns: ReturnsSection
    transfers: TransfersSection | None = None
    pending: PendingSection | None = None


@dataclass(frozen=True, slots=True)
class WindowSection:
    """The window in which qualifying points count."""

    model: str
    months: int


@dataclass(frozen=True, slots=True)
class TierPolicySection:
    """How tiers are reached, kept and lost.

    Within ``undo_upgrade_days`` a return takes back the upgrade that its purchase caused; 0 never.
    """

    currency: str
    window: WindowSection
    downgrade: str
    grace_days: int
    undo_upgrade_days: int = 0


@dataclass(frozen=True, slots=True)
class RungSection:
    """One tier of the ladder."""

    code: str
    name: Localized
    threshold: int
    benefits: tuple[Localized, ...]


@dataclass(frozen=True, slots=True)
class TiersSection:
    """The ladder and its policy."""

    policy: TierPolicySection
    ladder: tuple[RungSection, ...]

    def grading(self, zone: ZoneInfo) -> grading.Grading:
        """Return the rules by which members are graded."""
        rungs = tuple(grading.Rung(rung.code, rung.threshold) for rung in self.ladder)
        return grading.Grading(
            grading.Ladder(rungs),
            grading.Policy(
                self.policy.window.months,
                self.policy.downgrade,  # type: ignore[arg-type]  # the reader let only these through
                self.policy.grace_days,
            ),
            zone,
        )


@dataclass(frozen=True, slots=True)
class SegmentSection:
    """A segment; ``where`` is a condition over the member.

    One of ``kind`` static is kept by hand and has none; None is one with a condition.
    """

    code: str
    name: Localized
    where: Mapping[str, Any] | None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class RewardLimitSection:
    """At most ``uses`` redemptions per member and program-local period."""

    per: str
    period: str
    uses: int


@dataclass(frozen=True, slots=True)
class VoucherSection:
    """The voucher that a redemption gives; ``valid_days`` None never ends."""

    valid_days: int | None


@dataclass(frozen=True, slots=True)
class DonationSection:
    """What a cause gets: money for one point, None for the point's worth, and what is added."""

    rate: Decimal | None = None
    match_percent: Decimal = Decimal(0)
    target: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RewardSection:
    """What points buy; ``value`` is money, for ``discount_percent`` a percentage."""

    code: str
    kind: str
    name: Localized
    description: Localized
    points_price: int
    stock: int | None
    tiers: tuple[str, ...]
    segment: str | None
    limit: RewardLimitSection | None
    voucher: VoucherSection | None
    redeemable_from: datetime | None
    redeemable_to: datetime | None
    value: Decimal | None
    cost: Decimal | None
    donation: DonationSection | None = None


@dataclass(frozen=True, slots=True)
class CaseMember:
    """The member of an embedded test, with an empty history.

    ``identifiers`` are the kinds that are verified, ``consents`` are ``PURPOSE:CHANNEL``.
    """

    tier: str | None = None
    status: str = "active"
    birth_date: date | None = None
    locale: str | None = None
    source_channel: str | None = None
    segments: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    stage: str | None = None
    rfm: str | None = None
    enrolled_at: datetime | None = None
    identifiers: tuple[str, ...] = ()
    consents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One line of a test's purchase."""

    line_id: str
    sku: str | None
    name: str | None
    category: str | None
    brand: str | None
    quantity: Decimal
    unit_price: Decimal
    discount: Decimal
    tax: Decimal
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CasePurchase:
    """The purchase of a test; ``points_paid`` is the money that points paid of it."""

    lines: tuple[CaseLine, ...]
    store: str | None
    channel: str | None
    cashier: str | None
    device: str | None
    coupons: tuple[str, ...]
    points_paid: Decimal


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """The event of a test."""

    type: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a test expects; only what it names is compared.

    ``points`` are of the program's first redeemable currency, ``currencies`` by code,
    ``awards`` by rule code, ``tier`` is the one after the fact. ``not_applied`` has reasons by
    rule code, ``taken_back`` points by currency of what the test's return takes.
    """

    points: int | None = None
    currencies: Mapping[str, int] = field(default_factory=dict)
    awards: Mapping[str, int] = field(default_factory=dict)
    tier: str | None = None
    not_applied: Mapping[str, str] = field(default_factory=dict)
    taken_back: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CaseSection:
    """An embedded test: one fact of one member, and what it should give.

    ``returned`` is how much of each line of the purchase comes back afterwards.
    """

    name: str
    at: datetime | None
    member: CaseMember
    purchase: CasePurchase | None
    event: CaseEvent | None
    expect: Expectation
    returned: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProgramDocument:
    """A whole program."""

    program: ProgramSection
    points: tuple[PointsSection, ...]
    tiers: TiersSection | None
    rules: tuple[RuleSection, ...]
    caps: tuple[CapSection, ...]
    campaigns: tuple[CampaignSection, ...]
    segments: tuple[SegmentSection, ...]
    rewards: tuple[RewardSection, ...]
    tests: tuple[CaseSection, ...]
    partners: tuple[PartnerSection, ...] = ()
    stacking: StackingSection | None = None
    pools: tuple[PoolSection, ...] = ()
    attributes: tuple[AttributeSection, ...] = ()
    claims: ClaimsSection | None = None
    events: tuple[EventSection, ...] = ()

    @property
    def default_currency(self) -> str:
        """Return the code of the first redeemable currency, of which answers speak."""
        return next(each.code for each in self.points if each.kind == "redeemable")
