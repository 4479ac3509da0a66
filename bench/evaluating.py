"""How many purchases a second the evaluator judges, without a database and without a network.

One purchase of eight lines against 30 live rules of every sort: rates, multipliers, promotions of
a category, hours, coupons, limits and a group. Printed beside the others and held to no goal; a
replay of a history does nothing else a million times.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from bench.rows import Row
from campaigns.earning.evaluate import evaluate
from campaigns.earning.facts import LineFacts, MemberFacts, PurchaseFacts
from campaigns.earning.rules import CompiledRule, compile_definition
from campaigns.earning.stacking import Stacking, compile_stacking

RULES: Final = 30
SECONDS: Final = 0.5
CATEGORIES: Final = ("dairy", "bread", "wine", "fruit", "meat", "fish", "tea", "soap")
# A Friday, within the hours of the happy ones.
FRIDAY: Final = datetime(2026, 3, 6, 17, 30, tzinfo=UTC)


def evaluations(rounds: int) -> Row:
    """Return the row of evaluations a second, one thread."""
    rules, stacking = live_rules(), group()
    fact, member = basket(), MemberFacts(id="m-1", tier="gold", enrolled_at=FRIDAY)
    given = evaluate(rules, fact, member, {}, stacking=stacking)
    rates = []
    for _ in range(rounds):
        done, started = 0, time.perf_counter()
        while (passed := time.perf_counter() - started) < SECONDS:
            evaluate(rules, fact, member, {}, stacking=stacking)
            done += 1
        rates.append(done / passed)
    detail = (
        f"{len(rules)} live rules, {len(fact.lines)} lines: {len(given.awards)} awards,"
        f" {len(given.not_applied)} that did not apply; {min(rates):,.0f} to {max(rates):,.0f}"
    )
    rate = f"{statistics.median(rates):,.0f}/s"
    return Row("-", "evaluations of one purchase, pure Python", "none", rate, detail)


def live_rules() -> list[CompiledRule]:
    """Return the rules, each of the six sorts five times."""
    return [
        compile_definition({"trigger": "purchase", **_rule(number), "code": f"rule-{number}"}, 1)
        for number in range(RULES)
    ]


def group() -> Stacking:
    """Return that the best of a few rules applies."""
    groups = [{"code": "g", "mode": "best_for_member"}]
    return compile_stacking({"groups": groups}, {"points": Decimal("0.01")})


def basket() -> PurchaseFacts:
    """Return a purchase with a line of each category."""
    lines = tuple(
        LineFacts(
            line_id=str(place),
            position=place,
            quantity=Decimal(1),
            unit_price=Decimal("3.49"),
            net=Decimal("3.49"),
            category=category,
        )
        for place, category in enumerate(CATEGORIES)
    )
    return PurchaseFacts(
        source="bench",
        occurred_at=FRIDAY,
        local=FRIDAY.astimezone(ZoneInfo("Europe/Lisbon")),
        currency="EUR",
        lines=lines,
        net=sum((line.net for line in lines), Decimal(0)),
        store="north",
    )


def _rule(number: int) -> Mapping[str, Any]:
    category = CATEGORIES[number % len(CATEGORIES)]
    of_category = {"attr": "line.category", "op": "eq", "value": category}
    rate = {"kind": "earn_rate", "currency": "points", "points": 1, "per": "1.00"}
    sorts: tuple[Mapping[str, Any], ...] = (
        {"effects": [rate], "lines": of_category},
        {
            "effects": [{"kind": "multiply_base", "currency": "points", "factor": "1.5"}],
            "when": {"attr": "member.tier", "op": "in", "value": ["gold", "silver"]},
        },
        {
            "effects": [rate],
            "lines": of_category,
            "campaign": {"code": f"c-{number}", "budget_points": 1_000_000},
            "limits": [{"per": "member", "period": "day", "points": 100}],
        },
        {
            "effects": [{"kind": "earn_fixed", "currency": "points", "points": 5}],
            "campaign": {
                "code": f"h-{number}",
                "schedule": {
                    "rrule": f"FREQ=WEEKLY;BYDAY={'FR' if number % 4 == 3 else 'MO'}",
                    "starts": "17:00",
                    "minutes": 120,
                },
            },
        },
        {
            "effects": [{"kind": "earn_fixed", "currency": "points", "points": 10}],
            "when": {"attr": "purchase.coupon", "op": "contains", "value": f"CODE{number}"},
        },
        {
            "effects": [{"kind": "earn_fixed", "currency": "points", "points": number}],
            "when": {"attr": "purchase.net", "op": "gte", "value": "20.00"},
            "group": "g",
        },
    )
    return sorts[number % len(sorts)]
