"""Replays one member under one document, through the evaluator that posts purchases."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from campaigns.earning import evaluate
from campaigns.earning.facts import (
    BoughtFacts,
    EventFacts,
    MemberFacts,
    PurchaseFacts,
    bought_facts,
)
from campaigns.earning.results import (
    AwardDraft,
    Evaluation,
    GrantDraft,
    LimitKey,
    Pending,
    Used,
    used_back,
)
from loyalty_site.lib import calendars
from members import grading, lots

from .book import Book, Coin
from .climb import Climb
from .history import BOUGHT, Bought, Fact, Happened, Moved, Order, Person, Returned
from .holding import Holding, Lot, Taken
from .shared import Counters, Rooms, Use, is_shared
from .tally import Tally, add

NOTHING: Final = Evaluation((), ())


@dataclass(slots=True)
class Receipt:
    """What is kept of a purchase that comes back: its awards, and how much came back so far."""

    facts: PurchaseFacts
    awards: Sequence[AwardDraft]
    taken: list[int]
    returned: dict[int, Decimal] = field(default_factory=dict)
    returned_unclaimed: Mapping[int, Decimal] = field(default_factory=dict)


class Judging:
    """Which rules hold for the fact at hand, remembered for the next run that meets it."""

    __slots__ = ("_fact", "_judged", "_member")

    def __init__(self) -> None:
        self._fact: PurchaseFacts | EventFacts | None = None
        self._member: MemberFacts | None = None
        self._judged: evaluate.Judged = {}

    def of(self, fact: PurchaseFacts | EventFacts, member: MemberFacts) -> evaluate.Judged:
        """Return what is known of the fact, or nothing where fact or member is another."""
        if self._fact is not fact or self._member != member:
            self._fact, self._member, self._judged = fact, member, {}
        return self._judged


class Run:
    """One member under one document; every fact brings them forward."""

    def __init__(self, book: Book, person: Person, rooms: Rooms | None = None) -> None:
        self.book = book
        self.person = person
        self.rooms = rooms or {}
        # What two runs of one member share, as long as the member is the same in both.
        self.judging = Judging()
        # Every fact with what it gave, where somebody compares them one by one.
        self.keeps_awards = False
        self.awards: list[tuple[Order, Evaluation]] = []
        self.tally = Tally()
        self.holdings = {
            code: Holding(coin, book.zone)
            for code, coin in book.coins.items()
            if coin.is_redeemable
        }
        self.climb = _climb(book, person)
        self.counters = Counters()
        self.uses: list[Use] = []
        self.history: list[datetime] = []
        self.bought: dict[int, BoughtFacts] = {}
        self.receipts: dict[int, Receipt] = {}
        self.debits: dict[int, Taken] = {}
        self._early: dict[int, dict[int, Decimal]] = {}
        self._lost_before = dict.fromkeys(self.holdings, (0, 0))

    def fork(self, book: Book, rooms: Rooms | None = None) -> Run:
        """Return the member as they are now, to go on under another document."""
        other = Run(book, self.person, rooms)
        other.judging = self.judging
        copies: dict[int, Lot] = {}
        for code, holding in self.holdings.items():
            coin = book.coins.get(code, holding.coin)
            other.holdings[code] = holding.fork(coin, copies)
        if other.climb is not None and self.climb is not None and book.grading is not None:
            other.climb = self.climb.fork(book.grading)
        other.counters.update(self.counters)
        other.uses = list(self.uses)
        other.history = list(self.history)
        other.bought = dict(self.bought)
        other.receipts = {
            row: replace(each, taken=list(each.taken), returned=dict(each.returned))
            for row, each in self.receipts.items()
        }
        other.debits = {
            row: Taken(
                each.asked, each.points, [(copies[id(lot)], part) for lot, part in each.parts]
            )
            for row, each in self.debits.items()
        }
        other._early = {row: dict(parts) for row, parts in self._early.items()}
        return other

    def begin(self) -> None:
        """Count from here on: what happened before belongs to no figure."""
        self.tally = Tally()
        self._lost_before = {
            code: (each.expired, each.forgiven) for code, each in self.holdings.items()
        }

    def expired(self, code: str) -> int:
        """Return the points that expired since the beginning of the figures."""
        return self.holdings[code].expired - self._lost_before.get(code, (0, 0))[0]

    def forgiven(self, code: str) -> int:
        """Return what returns could not take back since the beginning of the figures."""
        return self.holdings[code].forgiven - self._lost_before.get(code, (0, 0))[1]

    @property
    def tier(self) -> str:
        """Return the tier held now, empty in a program without tiers."""
        return self.climb.tier if self.climb else ""

    def due(self, moment: datetime) -> None:
        """Do what is due by a moment: activations, expiry, and the comparison of the tier."""
        for holding in self.holdings.values():
            holding.settle(moment)
        if self.climb is not None:
            self.climb.bring(moment)

    def meet(self, fact: Fact) -> Evaluation:
        """Let one fact happen; return what it gave."""
        self.due(fact.order.recorded_at)
        if isinstance(fact, Bought):
            return self._buy(fact)
        if isinstance(fact, Happened):
            return self._happen(fact)
        if isinstance(fact, Returned):
            self._bring_back(fact)
        else:
            self._move(fact)
        return NOTHING

    # Purchases and events ---------------------------------------------------------------------

    def _buy(self, fact: Bought) -> Evaluation:
        at = fact.facts.occurred_at
        evaluation = NOTHING
        if fact.is_claimed or at >= self.person.enrolled_at:
            evaluation = self._judge(fact.facts, fact.order, attributed=fact.comes_back)
            self._renew("purchase", at)
        insort(self.history, at)
        self.tally.purchases += 1
        self.tally.net += fact.facts.net
        row = fact.order.row
        early = self._early.pop(row, {})
        if self.book.windows:
            self.bought[row] = bought_facts(fact.facts, early)
        if fact.comes_back:
            self.receipts[row] = Receipt(
                fact.facts,
                evaluation.awards,
                [0] * len(evaluation.awards),
                dict(early),
                early if fact.is_claimed else {},
            )
        if self.keeps_awards:
            self.awards.append((fact.order, evaluation))
        return evaluation

    def _happen(self, fact: Happened) -> Evaluation:
        evaluation = self._judge(fact.facts, fact.order, attributed=False)
        act = f"event:{fact.facts.type}"
        self._renew(act, fact.facts.occurred_at)
        if fact.purchase is not None:
            for holding in self.holdings.values():
                holding.release((BOUGHT, fact.purchase), act)
        if self.keeps_awards:
            self.awards.append((fact.order, evaluation))
        return evaluation

    def _judge(
        self, facts: PurchaseFacts | EventFacts, order: Order, *, attributed: bool
    ) -> Evaluation:
        book, at = self.book, facts.occurred_at
        rules = book.rules_for(facts)
        if not rules:
            return NOTHING
        member = self._member(at)
        self.counters.left = self.rooms.get(order, {})
        judged = self.judging.of(facts, member)
        asked = evaluate.ask(rules, facts, member, stacking=book.stacking, judged=judged)
        evaluation = evaluate.grant(asked, self.counters, book.caps, attributed=attributed)
        totals: dict[tuple[str, Pending], int] = {}
        month = f"{facts.local:%Y-%m}"
        for award in evaluation.awards:
            self._count(award, month)
            pending = award.pending or book.coins[award.currency].pending
            part = (award.currency, pending)
            totals[part] = totals.get(part, 0) + award.points
        # Before the member's own counters move, which is what it would have found.
        self.uses += [
            Use(order, self.person.id, key, points, uses, at)
            for key, (points, uses) in self._wanted(asked, evaluation).items()
        ]
        self._use(evaluation)
        for grant in evaluation.grants:
            self._grant(grant)
        for (code, pending), points in totals.items():
            if points:
                self._credit(order, book.coins[code], pending, points, at, member.tier)
        return evaluation

    def _member(self, at: datetime) -> MemberFacts:
        earlier = bisect_left(self.history, at)
        return replace(
            self.person.facts,
            tier=self.climb.tier_at(at) if self.climb else None,
            purchases_count=earlier,
            last_purchase_at=self.history[earlier - 1] if earlier else None,
            bought=tuple(self.bought.values()),
        )

    def _count(self, award: AwardDraft, month: str) -> None:
        tally = self.tally
        add(tally.given, award.currency, award.points)
        by_rule = (award.rule_code, award.currency)
        tally.by_rule[by_rule] = tally.by_rule.get(by_rule, 0) + award.points
        if award.currency == self.book.default:
            add(tally.by_month, month, award.points)

    def _use(self, evaluation: Evaluation) -> None:
        for key, points, uses in evaluation.limit_uses:
            if not is_shared(key):
                used = self.counters.get(key)
                self.counters[key] = Used(used.points + points, used.uses + uses)

    def _grant(self, grant: GrantDraft) -> None:
        """Count what a rule gives beside points; a voucher is worth what its reward is."""
        tally = self.tally
        add(tally.grants, f"{grant.rule_code} {grant.kind}", 1)
        price = self.book.prices.get(str(grant.body.get("reward", "")))
        if price is not None:
            tally.worth += price.value or 0
            tally.cost += price.cost or 0

    def _wanted(
        self, asked: evaluate.Requests, evaluation: Evaluation
    ) -> dict[LimitKey, tuple[int, int]]:
        """Return what the fact wants of each shared counter, were that one not used up."""
        left = self.counters.left
        wanted = _shared_uses(evaluation)
        for key in left:
            self.counters.left = {other: each for other, each in left.items() if other != key}
            free = evaluate.grant(asked, self.counters, self.book.caps, attributed=False)
            wanted.pop(key, None)
            if key in (uses := _shared_uses(free)):
                wanted[key] = uses[key]
        return wanted

    def _credit(
        self,
        order: Order,
        coin: Coin,
        pending: Pending,
        points: int,
        at: datetime,
        tier: str | None,
    ) -> None:
        recorded_at, zone = order.recorded_at, self.book.zone
        if not coin.is_redeemable:
            if self.climb is not None and coin.code == self.book.graded:
                self.climb.gain(at, points, recorded_at)
            return
        available_at = at
        if pending.days is None:
            available_at = lots.UNKNOWN
        elif pending.days:
            available_at = calendars.add_days_to_instant(at, pending.days, zone)
        usable_from = recorded_at if pending.days is None else max(recorded_at, available_at)
        policy = coin.expiry.for_tier(tier)
        end = lots.with_grace(lots.expires_at(policy, at, zone), usable_from, coin.grace_days, zone)
        lot = Lot(
            (order.kind, order.row), points, points, at, available_at, end, policy.renew_months
        )
        lot.waits_for = pending.waits_for
        self.holdings[coin.code].add(lot, recorded_at)

    def _renew(self, act: str, at: datetime) -> None:
        for holding in self.holdings.values():
            if holding.coin.renewed_by and holding.coin.is_renewed_by(act):
                holding.renew(at)

    # Returns ----------------------------------------------------------------------------------

    def _bring_back(self, fact: Returned) -> None:
        receipt = self.receipts.get(fact.purchase)
        if receipt is None:
            early = self._early.setdefault(fact.purchase, {})
            for place, quantity in fact.parts:
                early[place] = early.get(place, Decimal(0)) + quantity
            return
        lost: dict[str, int] = {}
        shared: dict[LimitKey, tuple[int, int]] = {}
        for number, award in enumerate(receipt.awards):
            points = sum(
                _taken_back(receipt, award, place, quantity) for place, quantity in fact.parts
            )
            if points:
                receipt.taken[number] += points
                add(lost, award.currency, points)
                self._release(award, points, receipt.taken[number] == award.points, shared)
        for place, quantity in fact.parts:
            receipt.returned[place] = receipt.returned.get(place, Decimal(0)) + quantity
        if fact.purchase in self.bought:
            self.bought[fact.purchase] = bought_facts(receipt.facts, receipt.returned)
        at = receipt.facts.occurred_at
        self.uses += [
            Use(fact.order, self.person.id, key, -points, -uses, fact.occurred_at)
            for key, (points, uses) in shared.items()
        ]
        for code, points in lost.items():
            add(self.tally.taken_back, code, points)
            if code in self.holdings:
                self.holdings[code].claw_back((BOUGHT, fact.purchase), points)
            elif self.climb is not None and code == self.book.graded:
                self.climb.lose(at, points)
        if self.climb is not None and lost:
            self.climb.undo_upgrade(at, max(fact.occurred_at, at), self.book.undo_upgrade_days)

    def _release(
        self,
        award: AwardDraft,
        points: int,
        is_gone: bool,
        shared: dict[LimitKey, tuple[int, int]],
    ) -> None:
        for key, used, uses in award.limit_uses:
            back = (used_back(used, award.points, points), uses if is_gone else 0)
            if is_shared(key):
                before = shared.get(key, (0, 0))
                shared[key] = (before[0] + back[0], before[1] + back[1])
            else:
                now = self.counters.get(key)
                self.counters[key] = Used(max(now.points - back[0], 0), max(now.uses - back[1], 0))

    # Points that moved ------------------------------------------------------------------------

    def _move(self, fact: Moved) -> None:
        holding = self.holdings.get(fact.currency)
        if holding is None:
            return
        if fact.points >= 0:
            self._gain(holding, fact)
        elif fact.reward is not None:
            self._redeem(holding, fact)
        else:
            taken = holding.take(-fact.points, min(-fact.points, holding.available))
            self.debits[fact.order.row] = taken
        if holding.coin.renewed_by and fact.reward is not None:
            self._renew("redemption", fact.occurred_at)

    def _gain(self, holding: Holding, fact: Moved) -> None:
        debit = self.debits.get(fact.reverses) if fact.reverses is not None else None
        recorded_at = fact.order.recorded_at
        if debit is not None:
            holding.give_back(debit, fact.points, recorded_at)
            return
        at = fact.occurred_at
        holding.add(
            Lot(
                (fact.order.kind, fact.order.row), fact.points, fact.points, at, at, fact.expires_at
            ),
            recorded_at,
        )

    def _redeem(self, holding: Holding, fact: Moved) -> None:
        """Redeem as many pieces as happened, or as the balance buys at the book's prices."""
        tally = self.tally
        dearer = self.book.repriced.get(fact.reward or "", Fraction(1))
        asked = -fact.points
        each = -(-asked * dearer.numerator // (dearer.denominator * fact.pieces))
        # Whoever owes points cannot redeem, and a reward that is gone cannot be had.
        balance = 0 if holding.debt or not each else holding.available
        pieces = min(fact.pieces, balance // each) if each else 0
        points = min(pieces * each, balance)
        self.debits[fact.order.row] = holding.take(asked, points)
        tally.redeemed += points
        tally.pieces += pieces
        tally.missed += fact.pieces - pieces
        price = self.book.prices.get(fact.reward or "")
        worth = None if price is None else price.value
        tally.worth += points * holding.coin.value if worth is None else pieces * worth
        if price is not None and price.cost is not None:
            tally.cost += pieces * price.cost


def _shared_uses(evaluation: Evaluation) -> dict[LimitKey, tuple[int, int]]:
    shared: dict[LimitKey, tuple[int, int]] = {}
    for key, points, uses in evaluation.limit_uses:
        if is_shared(key):
            before = shared.get(key, (0, 0))
            shared[key] = (before[0] + points, before[1] + uses)
    return shared


def _climb(book: Book, person: Person) -> Climb | None:
    if book.grading is None:
        return None
    codes = {rung.code for rung in book.grading.ladder.rungs}
    first = grading.enrolled(book.grading.ladder, person.enrolled_at)
    lifts = [each for each in person.lifts if each.tier in codes]
    return Climb(
        book.grading, [first, *(each for each in lifts if each.starts_at > first.starts_at)]
    )


def _taken_back(receipt: Receipt, award: AwardDraft, place: int, quantity: Decimal) -> int:
    attributed = award.attribution[place] if award.attribution else 0
    unclaimed = receipt.returned_unclaimed.get(place, Decimal(0))
    bought = receipt.facts.lines[place].quantity - unclaimed
    before = receipt.returned.get(place, Decimal(0)) - unclaimed
    if not attributed or bought <= 0:
        return 0
    return lots.taken_back(attributed, bought, before, min(quantity, bought - before))
