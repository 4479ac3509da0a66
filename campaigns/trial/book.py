"""A program document made ready to be replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from campaigns.earning.results import LimitKey, Pending, pending_of
from campaigns.earning.rules import (
    Bound,
    Cap,
    CompiledRule,
    Fact,
    budget_of,
    compile_caps,
    compile_definition,
    limit_of,
    trigger_of,
)
from campaigns.earning.stacking import EVERYTHING, Stacking, compile_stacking
from campaigns.earning.windows import Window, asked_by
from campaigns.programfile import (
    ProgramDocument,
    canonical,
    caps_of,
    live_definitions,
    stacking_of,
)
from campaigns.programfile.document import PointsSection
from loyalty_site.lib import money
from members.grading import Grading
from members.lots import ExpiryPolicy

# The depth of a debt without a limit.
NO_LIMIT = 10**12


@dataclass(frozen=True, slots=True)
class Coin:
    """A point currency with its policies; ``value`` is the money that one point stands for."""

    code: str
    is_redeemable: bool
    value: Decimal
    expiry: ExpiryPolicy
    pending: Pending
    returns_policy: str
    debt_limit: int
    grace_days: int
    renewed_by: frozenset[str]

    def is_renewed_by(self, act: str) -> bool:
        """Return whether the act renews the points; any event is ``event`` as well."""
        return act in self.renewed_by or (act.startswith("event:") and "event" in self.renewed_by)


class Price(NamedTuple):
    """What a reward asks, what it is worth to the member, and what it costs; None is unknown."""

    points: int
    value: Decimal | None
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Book:
    """Everything of a document that a replay asks; ``graded`` is the qualifying currency."""

    zone: ZoneInfo
    money: str
    minor_digits: int
    coins: Mapping[str, Coin]
    default: str
    by_trigger: Mapping[str, tuple[CompiledRule, ...]]
    caps: tuple[Cap, ...]
    grading: Grading | None
    graded: str
    undo_upgrade_days: int
    prices: Mapping[str, Price]
    stacking: Stacking = EVERYTHING
    windows: frozenset[Window] = frozenset()
    # How much dearer a reward is than when members redeemed it.
    repriced: Mapping[str, Fraction] = field(default_factory=dict)

    def rules_for(self, fact: Fact) -> tuple[CompiledRule, ...]:
        """Return the rules that answer to this kind of fact."""
        return self.by_trigger.get(trigger_of(fact), ())

    def bound(self, key: LimitKey) -> Bound:
        """Return what a counter may reach."""
        if key.scope == "program":
            for cap in self.caps:
                if (cap.per, cap.period, cap.currency) == (key.per, key.period, key.currency):
                    return Bound(cap.points)
        for rules in self.by_trigger.values():
            for rule in rules:
                if key.scope == "campaign":
                    if rule.campaign is not None and rule.campaign.code == key.code:
                        return budget_of(rule.campaign, key)
                elif rule.code == key.code:
                    return limit_of(rule, key)
        return Bound()


def make_book(document: ProgramDocument, *, always_on: frozenset[str] = frozenset()) -> Book:
    """Return the document ready to be replayed.

    The campaigns of ``always_on`` run all the time: one that is to begin next week would give
    nothing on the history of last year.
    """
    running = replace(
        document,
        campaigns=tuple(
            replace(each, status="active", starts_at=None, ends_at=None)
            if each.code in always_on
            else each
            for each in document.campaigns
        ),
    )
    grouped: dict[str, list[CompiledRule]] = {}
    bodies = live_definitions(running)
    for body in bodies:
        rule = _compiled(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
        grouped.setdefault(rule.trigger, []).append(rule)
    tiers = document.tiers
    return Book(
        zone=document.program.zone,
        money=document.program.currency,
        minor_digits=money.minor_digits(document.program.currency),
        coins={each.code: _coin(each, row) for each, row in _points(document)},
        default=document.default_currency,
        by_trigger={
            trigger: tuple(sorted(rules, key=lambda rule: rule.priority))
            for trigger, rules in grouped.items()
        },
        caps=compile_caps(caps_of(document)),
        grading=tiers.grading(document.program.zone) if tiers else None,
        graded=tiers.policy.currency if tiers else "",
        undo_upgrade_days=tiers.policy.undo_upgrade_days if tiers else 0,
        prices={
            each.code: Price(
                each.points_price,
                None if each.kind == "discount_percent" else each.value,
                each.cost,
            )
            for each in document.rewards
        },
        stacking=compile_stacking(
            stacking_of(document), {each.code: each.value for each in document.points}
        ),
        windows=asked_by(bodies),
    )


# Rules that two documents have in common are one object, so that a replay judges them once.
@lru_cache(maxsize=1024)
def _compiled(body: bytes) -> CompiledRule:
    return compile_definition(orjson.loads(body), 1)


def _points(document: ProgramDocument) -> list[tuple[PointsSection, Mapping[str, Any]]]:
    return list(zip(document.points, canonical(document)["points"], strict=True))


def _coin(section: PointsSection, row: Mapping[str, Any]) -> Coin:
    limit = section.returns.limit
    return Coin(
        code=section.code,
        is_redeemable=section.kind == "redeemable",
        value=section.value or Decimal(0),
        expiry=section.expiry.policy(),
        pending=pending_of(row.get("pending")) or Pending(section.pending_days),
        returns_policy=section.returns.policy,
        debt_limit=NO_LIMIT if limit is None else limit,
        grace_days=section.returns.grace_days,
        renewed_by=frozenset(section.expiry.renewed_by or ()),
    )


def repriced(book: Book, before: Book) -> Book:
    """Return the book with what its rewards ask, in proportion to what they asked ``before``."""
    changed = {
        code: Fraction(price.points, before.prices[code].points)
        for code, price in book.prices.items()
        if code in before.prices and before.prices[code].points != price.points
    }
    gone = {code: Fraction(0) for code in before.prices if code not in book.prices}
    return replace(book, repriced={**changed, **gone})


def differing(live: ProgramDocument, draft: ProgramDocument) -> frozenset[str]:
    """Return the campaigns of the draft that are not live in just this form."""
    known = {each.code: each for each in live.campaigns}
    return frozenset(each.code for each in draft.campaigns if known.get(each.code) != each)
