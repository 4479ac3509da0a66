"""What holds of every evaluation, whatever the rules and lines."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.earning.evaluate import evaluate
from campaigns.earning.rules import CompiledRule
from members.lots import taken_back

from .earning_examples import BASE, MEMBER, fixed, is_, line, multiply, purchase, rate, rule

GOLD = replace(MEMBER, tier="gold")
DAIRY = rule("dairy-plus", rate(3), lines=is_("line.category", "eq", "dairy"))
GOLD_X2 = rule("gold-x2", multiply("2"), when=is_("member.tier", "eq", "gold"))

LINES = st.lists(
    st.builds(
        line,
        st.decimals(0, 500, places=2).map(str),
        st.sampled_from(["dairy", "toys", "fuel"]),
    ),
    min_size=1,
    max_size=12,
)
RULES = st.lists(
    st.sampled_from(
        [
            BASE,
            DAIRY,
            GOLD_X2,
            rule("fuel", rate(7, "3.00"), lines=is_("line.category", "eq", "fuel")),
            rule("x1.25", multiply("1.25")),
            rule("dairy-x3", multiply("3"), lines=is_("line.category", "eq", "dairy")),
            rule("big", fixed(50), when=is_("purchase.net", "gte", "75")),
            rule("capped", rate(2), limits=[{"per": "member", "period": "day", "points": 40}]),
        ]
    ),
    max_size=8,
    unique_by=lambda each: each.code,
)


@settings(max_examples=150)
@given(rules=RULES, lines=LINES)
def test_attributions_always_sum_to_the_points(rules: list[CompiledRule], lines: list[Any]) -> None:
    bought = purchase(*lines)

    evaluation = evaluate(rules, bought, GOLD, {})

    for award in evaluation.awards:
        assert sum(award.attribution) == award.points
        assert len(award.attribution) == len(lines)
        assert 0 <= award.points <= award.requested
        assert min(award.attribution) >= 0


@given(lines=LINES, points=st.integers(1, 50), per=st.decimals(Decimal("0.01"), 100, places=2))
def test_a_rate_is_the_floor_of_the_exact_share(
    lines: list[Any], points: int, per: Decimal
) -> None:
    bought = purchase(*lines)

    evaluation = evaluate([rule("r", rate(points, str(per)))], bought, MEMBER, {})

    exact = Fraction(bought.net) * points / Fraction(per)
    assert evaluation.points("points") == exact.numerator // exact.denominator


@given(lines=LINES)
def test_evaluating_twice_gives_the_same(lines: list[Any]) -> None:
    bought = purchase(*lines)

    assert evaluate([BASE, DAIRY], bought, MEMBER, {}) == evaluate(
        [BASE, DAIRY], bought, MEMBER, {}
    )


@settings(max_examples=80)
@given(
    rules=RULES,
    pieces=st.lists(
        st.tuples(st.integers(1, 9), st.decimals(0, 90, places=2)), min_size=1, max_size=5
    ),
    data=st.data(),
)
def test_returning_everything_in_any_split_takes_back_exactly_what_was_given(
    rules: list[CompiledRule], pieces: list[tuple[int, Decimal]], data: st.DataObject
) -> None:
    lines = [
        line(str(price * quantity), "dairy", quantity=Decimal(quantity))
        for quantity, price in pieces
    ]
    evaluation = evaluate(rules, purchase(*lines), GOLD, {})
    order = data.draw(
        st.permutations([place for place, (count, _) in enumerate(pieces) for _ in range(count)])
    )

    taken = 0
    returned = [Decimal(0)] * len(pieces)
    for place in order:
        for award in evaluation.awards:
            taken += taken_back(
                award.attribution[place], lines[place].quantity, returned[place], Decimal(1)
            )
        returned[place] += 1

    assert taken == sum(award.points for award in evaluation.awards)
