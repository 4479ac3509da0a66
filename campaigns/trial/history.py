"""What happened, as a replay takes it in: one member after the other, in the order of recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from campaigns.earning.facts import EventFacts, MemberFacts, PurchaseFacts
from members.grading import Standing


class Order(NamedTuple):
    """The place of a fact in the history of all members; ``row`` parts what came at once."""

    recorded_at: datetime
    kind: int
    row: int


# What belongs to one act stands in this order: points that had paid go back before points that
# were earned are taken back.
MOVED, BOUGHT, HAPPENED, RETURNED = range(4)


@dataclass(frozen=True, slots=True)
class Person:
    """A member; ``facts`` without what a replay itself brings forward (tier, purchases).

    ``lifts`` are the standings that no purchase gave: those of a merge, an import or a grant.
    """

    id: int
    number: str
    facts: MemberFacts
    enrolled_at: datetime
    lifts: tuple[Standing, ...] = ()


@dataclass(frozen=True, slots=True)
class Bought:
    """A purchase; ``comes_back`` says that some of it is returned later.

    ``is_claimed`` marks one that was credited afterwards, at the moment of its order.
    """

    order: Order
    facts: PurchaseFacts
    comes_back: bool = False
    is_claimed: bool = False


@dataclass(frozen=True, slots=True)
class Happened:
    """An event; ``purchase`` is the row of the purchase that it names, if it names one."""

    order: Order
    facts: EventFacts
    purchase: int | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """Goods that came back: (place of the line, quantity) of a purchase's row."""

    order: Order
    purchase: int
    occurred_at: datetime
    parts: tuple[tuple[int, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """Points that moved for another reason than a purchase, an event, a return or time.

    ``points`` is what the member had more, below zero what they had less. A redemption names
    the ``reward`` and how many ``pieces``; what gives points back names the ``reverses`` row.
    """

    order: Order
    currency: str
    points: int
    occurred_at: datetime
    reward: str | None = None
    pieces: int = 1
    reverses: int | None = None
    expires_at: datetime | None = None


Fact = Bought | Happened | Returned | Moved


class Story(NamedTuple):
    """One member with everything that happened to them, in order."""

    person: Person
    facts: Sequence[Fact]
