"""Somebody who tries to get value from nothing: what they hold, what they did, and every next act.

All of it goes through the evaluator and the lots of a replay; nothing is a model of the program
beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from campaigns.earning.facts import EventFacts, MemberFacts
from campaigns.earning.rules import CompiledRule
from members.transferring import Terms

from .baskets import GIFT_CARD, Basket, Goods
from .book import Book
from .history import (
    BOUGHT,
    HAPPENED,
    MOVED,
    RETURNED,
    Bought,
    Happened,
    Moved,
    Order,
    Person,
    Returned,
)
from .run import Run

ME, FRIEND = 1, 2
CARD_PRICE: Final = Decimal(100)
WAITS: Final = (timedelta(days=1), timedelta(days=31), timedelta(days=400))
# A third friend would do what the second does.
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Stakes:
    """What a program lets people do, and what its points are worth at best.

    ``best`` is the money that a point brings in the best reward, or its own worth: so that
    redeeming a reward never looks like a gain. ``margin`` is the part of the price of goods that
    the shop can give away. ``terms`` are those of transfers, None where there are none.
    """

    book: Book
    baskets: tuple[Basket, ...]
    best: Decimal
    margin: Decimal
    rewards: tuple[tuple[str, str], ...]
    gifts: tuple[CompiledRule, ...]
    terms: Terms | None
    has_gift_cards: bool


@dataclass(frozen=True, slots=True)
class Voucher:
    """What a redemption or a rule gave; ``row`` names the debit or the purchase it came from."""

    reward: str
    worth: Decimal
    row: int
    is_granted: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A purchase of which something can still come back."""

    row: int
    at: datetime
    price: Decimal
    cash: Decimal
    pieces: int


@dataclass
class Schemer:
    """One state of the search; every act gives another one."""

    stakes: Stakes
    moment: datetime
    me: Run
    friend: Run | None = None
    friend_since: datetime | None = None
    vouchers: tuple[Voucher, ...] = ()
    cards: Decimal = Decimal(0)
    goods: Decimal = Decimal(0)
    money: Decimal = Decimal(0)
    gifts: Decimal = Decimal(0)
    kept: tuple[Kept, ...] = ()
    steps: tuple[str, ...] = ()
    row: int = 0
    seen: frozenset[str] = field(default_factory=frozenset)

    @property
    def gain(self) -> Decimal:
        """Return what is held beyond what the margin of the goods and the welcome pay for."""
        points = sum(each.outstanding - each.debt for each in self.me.holdings.values())
        held = points * self.stakes.best + sum((each.worth for each in self.vouchers), self.cards)
        kept = self.goods * (1 - self.stakes.margin)
        return held + kept - self.money - self.gifts

    @property
    def key(self) -> tuple[object, ...]:
        """Return what tells two states apart, whichever way led there."""
        runs = [self.me, self.friend] if self.friend else [self.me]
        return (
            self.moment,
            tuple(
                (each.available, each.outstanding, each.debt)
                for run in runs
                for each in run.holdings.values()
            ),
            self.me.tier,
            tuple(sorted((each.reward, each.worth) for each in self.vouchers)),
            self.cards,
            self.goods,
            self.money,
            tuple((each.at, each.price, each.pieces) for each in self.kept),
        )

    def acts(self) -> Iterator[Schemer]:
        """Yield every state that one more act leads to."""
        for basket in self.stakes.baskets:
            yield self._buy(basket, None)
        for voucher in dict.fromkeys(self.vouchers):
            for basket in self.stakes.baskets:
                if basket.price >= voucher.worth > 0:
                    yield self._buy(basket, voucher)
                    break
        for kept in self.kept:
            yield self._bring_back(kept, kept.pieces)
            if kept.pieces > 1:
                yield self._bring_back(kept, 1)
        yield from self._redemptions()
        yield from self._cancellations()
        if self.stakes.has_gift_cards:
            yield self._buy_card(with_card=False)
            if self.cards >= CARD_PRICE:
                yield self._buy_card(with_card=True)
        yield from self._friends()
        for wait in WAITS:
            yield self._wait(wait)

    def welcome(self) -> None:
        """Take what every member is given once; it is the program's own, and no gain."""
        given = self._take_gifts(self.me)
        self.gifts += given * self.stakes.best

    # Acts --------------------------------------------------------------------------------------

    def _next(self, step: str) -> Schemer:
        """Return a copy to act on, an hour later."""
        stamp = f"{self.moment.astimezone(self.stakes.book.zone):%Y-%m-%d %H:%M}"
        return replace(
            self,
            me=self.me.fork(self.me.book),
            friend=self.friend.fork(self.friend.book) if self.friend else None,
            steps=(*self.steps, f"{stamp}  {step}"),
            row=self.row + 1,
            moment=self.moment + timedelta(hours=1),
        )

    def _order(self, kind: int) -> Order:
        return Order(self.moment, kind, self.row)

    def _bought(self, basket: Basket, *, off: Decimal = Decimal(0), card: bool = False) -> Bought:
        zone = self.stakes.book.zone
        facts = basket.facts(
            money=self.stakes.book.money,
            at=self.moment,
            local=self.moment.astimezone(zone),
            paid_off=off,
            points=basket.price if card else Decimal(0),
        )
        return Bought(self._order(BOUGHT), facts, comes_back=True)

    def _buy(self, basket: Basket, voucher: Voucher | None) -> Schemer:
        paid_by = f", {voucher.worth} of it by the voucher of {voucher.reward}" if voucher else ""
        after = self._next(f"buy {basket.goods.words} for {basket.price}{paid_by}")
        off = voucher.worth if voucher else Decimal(0)
        evaluation = after.me.meet(after._bought(basket, off=off))
        cash = basket.price - off
        after.goods += basket.price
        after.money += cash
        if voucher is not None:
            after._drop(voucher)
        for grant in evaluation.grants:
            price = self.stakes.book.prices.get(str(grant.body.get("reward", "")))
            if grant.kind == "voucher" and price is not None and price.value:
                given = Voucher(str(grant.body["reward"]), price.value, after.row, is_granted=True)
                after.vouchers = (*after.vouchers, given)
        kept = Kept(after.row, after.moment, basket.price, cash, 2)
        after.kept = (*after.kept, kept)
        return after._told(evaluation.points(self.stakes.book.default))

    def _told(self, points: int) -> Schemer:
        self.steps = (*self.steps[:-1], f"{self.steps[-1]}: {points} points")
        return self

    def _drop(self, voucher: Voucher) -> None:
        listed = list(self.vouchers)
        listed.remove(voucher)
        self.vouchers = tuple(listed)

    def _bring_back(self, kept: Kept, pieces: int) -> Schemer:
        part = "all that is left" if pieces == kept.pieces else "half"
        after = self._next(f"bring {part} of the purchase for {kept.price} back")
        order = after._order(RETURNED)
        parts = ((0, Decimal(pieces)),)
        after.me.meet(Returned(order, kept.row, after.moment, parts))
        after.goods -= kept.price * pieces / 2
        after.money -= kept.cash * pieces / 2
        left = replace(kept, pieces=kept.pieces - pieces)
        after.kept = tuple(
            each
            for each in (left if each.row == kept.row else each for each in after.kept)
            if each.pieces
        )
        if not left.pieces:
            # What a rule gave for the purchase goes with it, unless it has been used.
            after.vouchers = tuple(
                each for each in after.vouchers if not (each.is_granted and each.row == kept.row)
            )
        return after

    def _redemptions(self) -> Iterator[Schemer]:
        code = self.stakes.book.default
        holding = self.me.holdings[code]
        for reward, _ in self.stakes.rewards:
            price = self.stakes.book.prices[reward]
            if holding.debt or holding.available < price.points:
                continue
            after = self._next(f"redeem {reward} for {price.points} points")
            worth = price.value or price.points * holding.coin.value
            moved = Moved(after._order(MOVED), code, -price.points, after.moment, reward=reward)
            after.me.meet(moved)
            given = Voucher(reward, worth, after.row)
            if reward_is_card(self.stakes, reward):
                after.cards += worth
            else:
                after.vouchers = (*after.vouchers, given)
            yield after

    def _cancellations(self) -> Iterator[Schemer]:
        for voucher in self.vouchers:
            if voucher.is_granted:
                continue
            after = self._next(f"cancel the redemption of {voucher.reward}")
            code = self.stakes.book.default
            points = after.me.debits[voucher.row].asked
            moved = Moved(after._order(MOVED), code, points, after.moment, reverses=voucher.row)
            after.me.meet(moved)
            after._drop(voucher)
            yield after

    def _buy_card(self, *, with_card: bool) -> Schemer:
        by = "with the gift card" if with_card else "with money"
        after = self._next(f"buy a gift card of {CARD_PRICE} {by}")
        basket = Basket(Goods(category=GIFT_CARD), CARD_PRICE)
        bought = replace(after._bought(basket, card=with_card), comes_back=False)
        evaluation = after.me.meet(bought)
        if with_card:
            after.cards -= CARD_PRICE
        else:
            after.money += CARD_PRICE
        after.cards += CARD_PRICE
        return after._told(evaluation.points(self.stakes.book.default))

    def _friends(self) -> Iterator[Schemer]:
        terms = self.stakes.terms
        # A person who has to be verified is somebody else, and no second self.
        if terms is None or terms.require_verified:
            return
        if self.friend is None:
            after = self._next("enroll a second member, who takes every welcome")
            after.friend = Run(self.stakes.book, person(FRIEND, after.moment))
            after.friend_since = after.moment
            yield after._told(after._take_gifts(after.friend))
            return
        holding = self.friend.holdings[self.stakes.book.default]
        sent = min(holding.available, terms.maximum, terms.daily_cap)
        sent -= terms.fee.of(sent)
        tenure = timedelta(days=terms.tenure_days)
        is_free = self.friend_since is not None and self.moment - self.friend_since >= tenure
        if is_free and sent >= max(terms.minimum, 1):
            after = self._next(f"transfer {sent} points of the second member to the first")
            after._transfer(sent, terms.fee.of(sent))
            yield after

    def _transfer(self, sent: int, fee: int) -> None:
        code, at = self.stakes.book.default, self.moment + self.stakes.terms.cooling  # type: ignore[union-attr]  # only with terms
        assert self.friend is not None
        self.friend.meet(Moved(self._order(MOVED), code, -(sent + fee), at))
        end = self.moment + timedelta(days=365)
        self.me.meet(Moved(self._order(MOVED), code, sent, at, expires_at=end))
        self.moment = at

    def _wait(self, wait: timedelta) -> Schemer:
        after = self._next(f"wait {wait.days} day{'s' if wait.days > 1 else ''}")
        after.moment = self.moment + wait
        for run in (after.me, after.friend):
            if run is not None:
                run.due(after.moment)
        return after

    def _take_gifts(self, run: Run) -> int:
        """Let a member do everything that is rewarded once; return the points."""
        points = 0
        for number, rule in enumerate(self.stakes.gifts):
            kind = rule.trigger.removeprefix("event:")
            at = self.moment
            event = EventFacts(kind, at, at.astimezone(self.stakes.book.zone))
            order = Order(at, HAPPENED, -self.row * 100 - number - 1)
            given = run.meet(Happened(order, event))
            points += given.points(self.stakes.book.default)
        return points


def person(row: int, at: datetime) -> Person:
    """Return a member who has just joined."""
    facts = MemberFacts(id=str(row), enrolled_at=at)
    return Person(id=row, number=str(row), facts=facts, enrolled_at=at)


def reward_is_card(stakes: Stakes, reward: str) -> bool:
    """Return whether a reward is a gift card, which pays like money."""
    return (reward, "gift_card") in stakes.rewards
