"""A club that random acts are done to, and what it has to be after each of them.

A story is a number of acts upon a few members of a club with terms of its own; it depends on its
seed alone. After every act the touched members are as ``club_model`` says and as their entries add
up, no balance of their past is below zero, and nothing that has ended is left.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Sum

from campaigns.tests import shop
from campaigns.tests.club_model import Bought, Purse, Redeemed
from campaigns.tests.shop import BASE_STATUS, NOON, rule
from members.models import (
    LedgerAccount,
    LedgerEntry,
    Member,
    PointBatch,
    PointCurrency,
    Purchase,
    User,
)
from members.services import ledger
from members.tests import invariants, staff

MEMBERS = 4
PRICES = {"cup": 25, "euro": 10}
TRANSFER_FEE = 5

_NEVER = {"model": "never"}
EXPIRIES: list[dict[str, Any]] = [
    *[_NEVER] * 4,
    {"model": "fixed_after", "days": 20},
    {"model": "fixed_date", "month_day": "06-30", "minimum_months": 1},
    {"model": "inactivity", "months": 2},
    {
        "model": "by_tier",
        "periods": [
            {"tier": "bronze", "days": 10},
            {"tier": "silver", "days": 25},
            {"tier": "gold", "days": 60},
        ],
    },
]
PENDINGS: list[dict[str, Any]] = [
    {"pending_days": 0},
    {"pending_days": 3},
    {"pending": {"until": "approval"}},
]
RETURNS: list[dict[str, Any]] = [
    {"policy": "only_pending", "limit": 0},
    {"policy": "within_balance", "limit": 0},
    {"policy": "into_debt", "limit": 40},
    {"policy": "into_debt", "limit": 100_000},
]
TRANSFERS: dict[str, Any] = {
    **{"minimum": 1, "maximum": 1000, "daily_cap": 100_000, "tenure_days": 0},
    **{"fee": {"percent": "0", "fixed": TRANSFER_FEE, "rounding": "up"}, "require_verified": False},
    **{"cooling_hours": 24, "confirm_above": 1000},
}

# Points of an account of members that have ended and are still there.
_LEFT_OVER = """
SELECT l.id FROM members_pointlot l
JOIN members_ledgeraccount a ON a.id = l.account_id AND a.kind = 'available'
WHERE a.member_id = ANY (%s) AND l.remaining > 0
  AND ledger_lot_end(l.expires_at, l.renew_months, a.active_on, a.program_id) <= %s
"""
_TAKEN_EARLY = """
SELECT l.id FROM members_lotuse u
JOIN members_ledgertransaction t ON t.id = u.transaction_id
JOIN members_pointlot l ON l.id = u.lot_id
WHERE u.kind = 'expire' AND t.member_id = ANY (%s) AND t.occurred_at < l.expires_at
"""


@dataclass
class Person:
    """A row of a member; ``into`` is the number of the person whom it was merged into."""

    number: int
    pk: int
    card: str
    purse: Purse = field(default_factory=Purse)
    is_erased: bool = False
    into: int | None = None
    expired: int = 0

    @property
    def is_there(self) -> bool:
        """Return whether anything can be done by this person."""
        return not self.is_erased and self.into is None


@dataclass
class Sent:
    """A transfer on its way."""

    pk: int
    sender: int
    recipient: int
    points: int
    name: str


class Club:
    """The club, and the model that is told the same; ``now`` only goes on."""

    purse_class: type[Purse] = Purse

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        self.now: datetime = NOON
        self.terms: dict[str, Any] = {
            "expiry": self.chance.choice(EXPIRIES),
            "returns": {**self.chance.choice(RETURNS), "grace_days": 30},
            "transfers": TRANSFERS,
            **self.chance.choice(PENDINGS),
        }
        self.rates: list[tuple[datetime, int]] = []
        self.people: list[Person] = []
        self.bought: dict[str, Bought] = {}
        self.bodies: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.redeemed: dict[str, Redeemed] = {}
        self.sent: list[Sent] = []
        self.adjusted: dict[int, int] = {}
        self.batches: list[PointBatch] = []
        self.rows: dict[int, str] = {}
        self.merges: list[tuple[int, int, int]] = []
        self.trace: list[str] = []
        self.apply(1)
        staff.set_limits(100, 300)
        self.ann, self.ben = (staff.clerk(name) for name in ("ann", "ben"))
        for _ in range(MEMBERS):
            self.join()

    # What the club is --------------------------------------------------------------------

    @property
    def is_exact(self) -> bool:
        """Return whether the model knows every figure: nothing ends."""
        return bool(self.terms["expiry"] == _NEVER)

    @property
    def policy(self) -> str:
        """Return the policy of returns."""
        return str(self.terms["returns"]["policy"])

    @property
    def debt_limit(self) -> int:
        """Return how much may be owed."""
        return int(self.terms["returns"]["limit"])

    @property
    def points(self) -> PointCurrency:
        """Return the currency of rewards."""
        return PointCurrency.objects.get(code="points")

    def apply(self, rate: int) -> None:
        """Let purchases give another rate from now on; milk products give a point more."""
        milk = {"attr": "line.category", "op": "eq", "value": "dairy"}
        rewards = [
            {"code": code, "kind": "discount_fixed", "name": code, "points_price": price}
            | {"value": "1"}
            for code, price in PRICES.items()
        ]
        document = shop.program_file(
            self.terms,
            rules=[rule("base", rate), rule("milk", 1, lines=milk), BASE_STATUS],
            rewards=rewards,
        )
        shop.apply(document, self.now if self.rates else shop.JOINED)
        self.rates.append((self.now if self.rates else shop.JOINED, rate))

    def rate_at(self, at: datetime) -> int:
        """Return the rate of purchases made then."""
        return [rate for since, rate in self.rates if since <= at][-1]

    def join(self) -> Person:
        """Enroll somebody."""
        number = len(self.people)
        member = shop.join(f"60110{number:05d}")
        person = Person(number, member.pk, f"60110{number:05d}", self.purse_class())
        self.people.append(person)
        return person

    def there(self) -> list[Person]:
        """Return who can act."""
        return [person for person in self.people if person.is_there]

    def anybody(self) -> Person:
        """Return somebody who can act."""
        return self.chance.choice(self.there())

    def holder(self, number: int) -> Person:
        """Return who has what came to a row: the one it was merged into, at the end."""
        person = self.people[number]
        while person.into is not None:
            person = self.people[person.into]
        return person

    def purse(self, number: int) -> Purse:
        """Return the points of who has what came to a row."""
        return self.holder(number).purse

    def name_of(self, purchase_id: str) -> str:
        """Return the till's name for a purchase."""
        return Purchase.objects.get(public_id=purchase_id).external_id

    def member(self, person: Person) -> Member:
        """Return the row as it is."""
        return Member.objects.select_related("program").get(pk=person.pk)

    # What has to hold ----------------------------------------------------------------------

    def settle(self, *people: Person) -> None:
        """Let the model do what is due for them."""
        for person in people:
            person.purse.settle(self.now)

    def compare(self, people: Iterable[Person], *, is_settled: bool = False) -> None:
        """Hold the books of the people against the model and against themselves."""
        touched = {person.number: person for person in people}
        touched |= {held.number: held for n in touched for held in [self.holder(n)]}
        rows = [touched[number] for number in sorted(touched)]
        keys = [person.pk for person in rows]
        if not is_settled:
            ledger.settle_due(member_ids=keys, moment=self.now, recorded_at=self.now, actor="test")
        self.settle(*rows)
        for person in rows:
            self._compare(person)
        with connection.cursor() as cursor:
            looks: list[tuple[str, list[Any]]] = [
                (invariants.NEGATIVE_ONCE, [keys]),
                (_LEFT_OVER, [keys, self.now]),
                (_TAKEN_EARLY, [keys]),
            ]
            for sql, parameters in looks:
                cursor.execute(sql, parameters)
                assert cursor.fetchall() == [], sql

    def _compare(self, person: Person) -> None:
        with connection.cursor() as cursor:
            cursor.execute(invariants.TOUCHED, {"member": person.pk})
            kept = cursor.fetchone()
        assert all(each is not False for each in kept), kept
        accounts = LedgerAccount.objects.filter(member=person.pk)
        found = {(account.currency_kind, account.kind): account.balance for account in accounts}
        posted = {kind: found["redeemable", kind] for kind in ("available", "pending", "held")}
        posted["debt"] = -found["redeemable", "debt"]
        purse = person.purse
        assert found["qualifying", "available"] == purse.status, "status"
        expired = self.expired(person)
        purse.available -= expired - person.expired
        person.expired = expired
        assert posted["held"] == purse.held, "held"
        if self.is_exact:
            said = {name: getattr(purse, name) for name in posted}
            assert posted == said
            return
        worth = posted["available"] + posted["pending"] + posted["held"] - posted["debt"]
        assert worth == purse.worth, f"worth of {person.number}, into {person.into}"
        purse.adopt(**{name: posted[name] for name in ("available", "pending", "debt")})

    def expired(self, person: Person) -> int:
        """Return how many points of the person have expired."""
        entries = LedgerEntry.objects.filter(transaction__member=person.pk, account__kind="expired")
        return entries.aggregate(points=Sum("points"))["points"] or 0


def clerks(club: Club) -> tuple[User, User]:
    """Return two of the staff, in any order."""
    return (club.ann, club.ben) if club.chance.random() < 0.5 else (club.ben, club.ann)
