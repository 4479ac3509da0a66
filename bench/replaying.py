"""How many purchases a second a backtest replays, without a database and without a network.

A year of weekly purchases of eight lines for a few members, some of them returned, under 30 live
rules and under a draft with one more, side by side: evaluator, lots, expiry and tiers. Reading the
history comes on top; a backtest of a real database tells its own rate.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Final

from bench.evaluating import FRIDAY, basket, group, live_rules
from bench.rows import Row
from campaigns.earning.facts import MemberFacts
from campaigns.earning.results import Pending
from campaigns.earning.rules import CompiledRule, compile_definition
from campaigns.trial.book import Book, Coin
from campaigns.trial.compare import Plan
from campaigns.trial.history import BOUGHT, RETURNED, Bought, Fact, Order, Person, Returned, Story
from campaigns.trial.rounds import NO_ROOMS, replay_part
from members.lots import ExpiryPolicy

MEMBERS: Final = 10
WEEKS: Final = 52
# The goal: a million purchases in ten minutes on two cores.
GOAL: Final = 1_000_000 / 600 / 2


def replays(rounds: int) -> Row:
    """Return the row of purchases a second that one process replays under both programs."""
    rules = live_rules()
    plan = Plan.of(
        _book(rules),
        _book([*rules, _more()]),
        starts_at=None,
        ends_at=FRIDAY + timedelta(weeks=WEEKS + 1),
    )
    stories = [_story(number) for number in range(MEMBERS)]
    rates = []
    for _ in range(rounds):
        started = time.perf_counter()
        part = replay_part(plan, stories, NO_ROOMS)
        rates.append(part.comparison.purchases / (time.perf_counter() - started))
    rate = statistics.median(rates)
    detail = (
        f"30 live rules against 31, 8 lines, one in ten returned; {min(rates):,.0f} to"
        f" {max(rates):,.0f}; two processes replay a million in"
        f" {1_000_000 / rate / 2 / 60:.1f} minutes"
    )
    return Row(
        "-", "replay of purchases under two programs", f"{GOAL:,.0f}/s", f"{rate:,.0f}/s", detail
    )


def _book(rules: Iterable[CompiledRule]) -> Book:
    coin = Coin(
        code="points",
        is_redeemable=True,
        value=Decimal("0.01"),
        expiry=ExpiryPolicy(model="fixed_after", months=6),
        pending=Pending(0),
        returns_policy="into_debt",
        debt_limit=100_000,
        grace_days=30,
        renewed_by=frozenset(),
    )
    fact = basket()
    return Book(
        zone=fact.local.tzinfo,  # type: ignore[arg-type]  # the basket's is a zone
        money=fact.currency,
        minor_digits=2,
        coins={"points": coin},
        default="points",
        by_trigger={"purchase": tuple(rules)},
        caps=(),
        grading=None,
        graded="",
        undo_upgrade_days=0,
        prices={},
        stacking=group(),
    )


def _more() -> CompiledRule:
    effect = {"kind": "multiply_base", "currency": "points", "factor": "2"}
    lines = {"attr": "line.category", "op": "eq", "value": "dairy"}
    body = {"code": "double-dairy", "trigger": "purchase", "effects": [effect], "lines": lines}
    return compile_definition(body, 1)


def _story(number: int) -> Story:
    joined = FRIDAY - timedelta(days=1)
    member = Person(number, str(number), MemberFacts(str(number), enrolled_at=joined), joined)
    facts: list[Fact] = []
    bought = basket()
    for week in range(WEEKS):
        at = FRIDAY + timedelta(weeks=week, minutes=number)
        row = number * WEEKS + week
        comes_back = week % 10 == 0
        purchase = replace(bought, occurred_at=at, local=at.astimezone(bought.local.tzinfo))
        facts.append(Bought(Order(at, BOUGHT, row), purchase, comes_back))
        if comes_back:
            later = at + timedelta(days=1)
            parts = ((0, Decimal(1)),)
            facts.append(Returned(Order(later, RETURNED, row), row, later, parts))
    return Story(member, facts)
