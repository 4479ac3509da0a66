"""Baskets and moments worth trying: those that the rules of a program themselves name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from campaigns.earning.facts import LineFacts, PurchaseFacts
from campaigns.programfile import ProgramDocument
from campaigns.programfile.rule_document import LIVE_STATUSES, CampaignSection, RuleSection

# So many kinds of goods and of amounts are tried at most; a program that names more has its first.
GOODS_MAX: Final = 6
AMOUNTS_MAX: Final = 5
MOMENTS_MAX: Final = 6
GIFT_CARD: Final = "gift-card"


@dataclass(frozen=True, slots=True)
class Goods:
    """One line that rules name; ``tags`` as they are, everything else text or None."""

    category: str | None = None
    brand: str | None = None
    sku: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Return what it is called in a step."""
        named = [each for each in (self.category, self.brand, self.sku) if each]
        return " ".join([*named, *self.tags]) or "goods"


@dataclass(frozen=True, slots=True)
class Basket:
    """One piece of some goods at a price, with every coupon that a rule names."""

    goods: Goods
    price: Decimal
    coupons: tuple[str, ...] = ()

    def facts(
        self, *, money: str, at: datetime, local: datetime, paid_off: Decimal, points: Decimal
    ) -> PurchaseFacts:
        """Return the purchase; ``paid_off`` was taken off by a voucher, ``points`` paid with it."""
        net = self.price - paid_off
        line = LineFacts(
            line_id="1",
            position=1,
            quantity=Decimal(2),
            unit_price=self.price / 2,
            net=net,
            sku=self.goods.sku,
            category=self.goods.category,
            brand=self.goods.brand,
            discount=paid_off,
            tags=self.goods.tags,
        )
        return PurchaseFacts(
            source="trial",
            occurred_at=at,
            local=local,
            currency=money,
            lines=(line,),
            net=net,
            store="1",
            channel="store",
            coupons=self.coupons,
            tenders=(("gift_card", points),) if points else (),
        )


def baskets(document: ProgramDocument) -> list[Basket]:
    """Return the baskets to try: every kind of goods at every amount that a rule names."""
    rules = list(_rules(document))
    kinds = list(dict.fromkeys([Goods(), *_goods(rules)]))[:GOODS_MAX]
    coupons = tuple(sorted(set(_values(rules, "purchase.coupon"))))
    return [Basket(kind, amount, coupons) for kind in kinds for amount in _amounts(rules)]


def sells_gift_cards(document: ProgramDocument) -> bool:
    """Return whether the program knows gift cards: as a reward, or as goods that a rule names."""
    if any(reward.kind == "gift_card" for reward in document.rewards):
        return True
    rules = list(_rules(document))
    return any("gift" in str(each) for each in _values(rules, "line.category"))


def _live(document: ProgramDocument) -> Iterator[CampaignSection]:
    return (each for each in document.campaigns if each.status in LIVE_STATUSES)


def _rules(document: ProgramDocument) -> Iterator[RuleSection]:
    yield from document.rules
    for campaign in _live(document):
        yield from campaign.rules


def _goods(rules: Iterable[RuleSection]) -> Iterator[Goods]:
    """Yield a line for each rule of lines, and one that as many of them as possible take."""
    together: dict[str, Any] = {}
    for rule in rules:
        named: dict[str, Any] = {}
        for leaf in _wanted(rule.lines) if rule.lines else ():
            attribute = leaf["attr"].removeprefix("line.")
            value = leaf.get("value")
            first = value[0] if isinstance(value, list | tuple) else value
            if leaf["op"] not in ("eq", "in", "contains") or not isinstance(first, str):
                continue
            if attribute == "tags":
                named["tags"] = (*named.get("tags", ()), first)
            elif attribute in ("category", "brand", "sku"):
                named.setdefault(attribute, first)
        if named:
            together = {**named, **together}
            yield Goods(**named)
    if together:
        yield Goods(**together)


def _wanted(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the leaves that a line has to meet; of what is excluded none."""
    for kind in ("all", "any"):
        for each in tree.get(kind, ()):
            yield from _wanted(each)
    if "attr" in tree:
        yield tree


def _leaves(rules: Iterable[RuleSection]) -> Iterator[Mapping[str, Any]]:
    for rule in rules:
        for tree in (rule.when, rule.lines):
            if tree:
                yield from _wanted(tree)


def _values(rules: Iterable[RuleSection], attribute: str) -> Iterator[str]:
    for leaf in _leaves(rules):
        if leaf["attr"] == attribute:
            value = leaf.get("value")
            yield from value if isinstance(value, list | tuple) else [str(value)]


def _amounts(rules: Iterable[RuleSection]) -> list[Decimal]:
    """Return a small and a large amount, and every minimum that a rule asks for."""
    found = {Decimal(2), Decimal(100)}
    for leaf in _leaves(rules):
        if leaf["attr"] in ("purchase.net", "line.net") and leaf["op"] in ("gte", "gt", "eq"):
            amount = Decimal(str(leaf["value"]))
            if amount > 0:
                # Of a line's two pieces one can come back, so the price is an even number of
                # the smallest unit.
                found.add((amount * 50).to_integral_value(rounding="ROUND_CEILING") / 50)
    return sorted(found)[:AMOUNTS_MAX]


def moments(document: ProgramDocument, moment: datetime) -> list[datetime]:
    """Return moments that differ in which campaigns run: now, and where others begin."""
    found = [moment]
    for campaign in _live(document):
        starts_at, ends_at = campaign.starts_at, campaign.ends_at
        is_on = starts_at is None or starts_at <= moment
        is_over = ends_at is not None and ends_at <= moment
        if starts_at is not None and (is_over or not is_on):
            found.append(starts_at + timedelta(hours=9))
    return sorted(set(found))[:MOMENTS_MAX]
