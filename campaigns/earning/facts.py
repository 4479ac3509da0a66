"""The frozen facts that rules are evaluated over.

Whoever reads the database fills these once; nothing here knows a model or a clock.
Text that is not known is ``None`` or empty: conditions treat both as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from loyalty_site.lib import money


@dataclass(frozen=True, slots=True)
class LineFacts:
    """One line of a purchase; ``net`` is what was paid for it, rounded to the minor unit."""

    line_id: str
    position: int
    quantity: Decimal
    unit_price: Decimal
    net: Decimal
    sku: str | None = None
    name: str | None = None
    category: str | None = None
    brand: str | None = None
    discount: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PurchaseFacts:
    """A purchase as it was recorded; ``local`` is ``occurred_at`` in the program's time zone."""

    source: str
    occurred_at: datetime
    local: datetime
    currency: str
    lines: tuple[LineFacts, ...]
    net: Decimal
    store: str | None = None
    channel: str | None = None
    cashier: str | None = None
    device: str | None = None
    coupons: tuple[str, ...] = ()
    tenders: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class EventFacts:
    """A fact that is no purchase; ``local`` is ``occurred_at`` in the program's time zone.

    ``type`` of an occasion is the trigger of the rules that answer to it.
    """

    type: str
    occurred_at: datetime
    local: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)
    is_occasion: bool = False


@dataclass(frozen=True, slots=True)
class TagFacts:
    """A word on the member; ``expires_at`` is the first instant without it, None is for good."""

    tag: str
    tagged_at: datetime
    expires_at: datetime | None = None

    def holds_at(self, moment: datetime) -> bool:
        """Return whether the tag was on the member then."""
        return self.tagged_at <= moment and (self.expires_at is None or moment < self.expires_at)


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    """A figure about the member: a word, a number, or both."""

    text: str = ""
    value: Decimal | None = None


class IdentifierFacts(NamedTuple):
    """That the member can be recognized by a kind of identifier; never its value."""

    kind: str
    added_at: datetime
    verified_at: datetime | None = None


class ConsentFacts(NamedTuple):
    """One answer of the member about a purpose and channel, ``PURPOSE:CHANNEL``."""

    name: str
    granted: bool
    at: datetime


class BoughtFacts(NamedTuple):
    """An earlier purchase, without what came back: category, net and quantity of what is left."""

    occurred_at: datetime
    store: str
    parts: tuple[tuple[str, Decimal, Decimal], ...]


def bought_facts(
    purchase: PurchaseFacts, returned: Mapping[int, Decimal] = MappingProxyType({})
) -> BoughtFacts:
    """Return a purchase as an earlier one of its member's next.

    ``returned`` is what came back of it: quantity by the place of the line.
    """
    unit = Decimal(1).scaleb(-money.minor_digits(purchase.currency))
    parts = []
    for place, line in enumerate(purchase.lines):
        left, net = line.quantity - returned.get(place, 0), line.net
        if left != line.quantity:
            net = (net * left / line.quantity).quantize(unit, ROUND_HALF_UP)
        if left > 0:
            parts.append((line.category or "", net, left))
    return BoughtFacts(purchase.occurred_at, purchase.store or "", tuple(parts))


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """The member as they were just before the fact, whatever happened since.

    ``consents`` are in the order in which they were given; ``bought`` may hold later purchases,
    which conditions leave out by their moment.
    """

    id: str
    status: str = "active"
    tier: str | None = None
    enrolled_at: datetime | None = None
    birth_date: date | None = None
    locale: str | None = None
    source_channel: str | None = None
    segments: frozenset[str] = frozenset()
    purchases_count: int = 0
    last_purchase_at: datetime | None = None
    tags: tuple[TagFacts, ...] = ()
    scores: Mapping[str, ScoreFacts] = field(default_factory=dict)
    identifiers: tuple[IdentifierFacts, ...] = ()
    consents: tuple[ConsentFacts, ...] = ()
    bought: tuple[BoughtFacts, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
