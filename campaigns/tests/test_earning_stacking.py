"""Which rules apply together, who is left out, and because of whom."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.earning.evaluate import evaluate
from campaigns.earning.results import Evaluation, Used
from campaigns.earning.rules import Campaign, CompiledRule
from campaigns.earning.sentences import stacking_sentences
from campaigns.earning.stacking import Stacking, compile_stacking
from campaigns.models import Publication
from campaigns.programfile import (
    ProgramFileError,
    canonical,
    dump,
    from_canonical,
    live_definitions,
    parse,
    run_tests,
)
from campaigns.services import program
from campaigns.tests.shop import BASE as BASE_BODY
from campaigns.tests.shop import DAY, NOON, apply, basket, buy, differences, join, program_file
from campaigns.tests.shop import line as body_line

from .earning_examples import BASE, MEMBER, fixed, is_, line, multiply, purchase, rate, rule

PROMO = Campaign("promo")


def stack(**body: Any) -> Stacking:
    """Return the stacking of a program whose points are worth a cent."""
    return compile_stacking(body, {"points": Decimal("0.01"), "miles": Decimal("0.05")})


def told(evaluation: Evaluation) -> tuple[dict[str, int], list[tuple[str | None, str, str | None]]]:
    """Return the points by rule, and who was left out with the reason and because of whom."""
    points: dict[str, int] = {}
    for award in evaluation.awards:
        points[award.rule_code] = points.get(award.rule_code, 0) + award.points
    return points, [
        (each.rule_code, each.reason, each.because_of) for each in evaluation.not_applied
    ]


def judged(
    rules: list[CompiledRule], stacking: Stacking, *nets: str
) -> tuple[dict[str, int], list[tuple[str | None, str, str | None]]]:
    """Return what the rules give for lines of these nets."""
    fact = purchase(*(line(net, line_id=str(n)) for n, net in enumerate(nets or ("10.00",))))
    return told(evaluate(rules, fact, MEMBER, {}, stacking=stacking))


# Multipliers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("multipliers", "points", "left_out"),
    [
        ("sum", {"base": 10, "a": 10, "b": 20}, []),
        ("max", {"base": 10, "b": 20}, [("a", "not_combined", "b")]),
        # 10 x 2 = 20, then 20 x 3 = 60.
        ("product", {"base": 10, "a": 10, "b": 40}, []),
    ],
)
def test_multipliers_go_together_as_the_program_says(
    multipliers: str, points: dict[str, int], left_out: list[Any]
) -> None:
    rules = [BASE, rule("a", multiply("2")), rule("b", multiply("3"))]

    assert judged(rules, stack(multipliers=multipliers)) == (points, left_out)


def test_of_equal_multipliers_the_first_by_priority_counts() -> None:
    rules = [
        BASE,
        rule("late", multiply("2"), priority=2),
        rule("early", multiply("2"), priority=1),
    ]

    points, left_out = judged(rules, stack(multipliers="max"))

    assert points == {"base": 10, "early": 10}
    assert left_out == [("late", "not_combined", "early")]


def test_a_product_is_rounded_down_once_over_all_of_it() -> None:
    # 3 x 1.5 x 1.5 = 6.75: the steps are 3, then 1 (4.5), then 2 (6.75).
    rules = [BASE, rule("a", multiply("1.5")), rule("b", multiply("1.5"))]

    points, _ = judged(rules, stack(multipliers="product"), "3.00")

    assert points == {"base": 3, "a": 1, "b": 2}


def test_a_product_says_on_what_each_multiplier_acts() -> None:
    rules = [BASE, rule("a", multiply("2")), rule("b", multiply("1.5"))]

    fact = purchase(line("10.00"))
    awards = evaluate(rules, fact, MEMBER, {}, stacking=stack(multipliers="product")).awards

    assert [award.text for award in awards[1:]] == [
        "Base of 10 points times 2: 10 more, rounded down",
        "Base of 10 points, 20 by those before it, times 1.5: 10 more, rounded down",
    ]


def test_a_multiplier_of_some_lines_multiplies_in_a_product_what_is_on_them() -> None:
    dairy = is_("line.category", "eq", "dairy")
    rules = [BASE, rule("all", multiply("2")), rule("dairy", multiply("3"), lines=dairy)]
    fact = purchase(line("10.00", "dairy"), line("5.00", line_id="2"))

    evaluation = evaluate(rules, fact, MEMBER, {}, stacking=stack(multipliers="product"))

    # Dairy: 10 x 2 x 3 = 60; the rest: 5 x 2 = 10.
    assert told(evaluation)[0] == {"base": 15, "all": 15, "dairy": 40}
    assert [award.attribution for award in evaluation.awards] == [(10, 5), (10, 5), (40, 0)]


FACTORS = st.lists(st.sampled_from(["1.1", "1.25", "1.5", "2", "3"]), max_size=5)


@given(FACTORS, st.integers(0, 5000))
def test_a_product_is_exactly_that_of_its_factors(factors: list[str], cents: int) -> None:
    rules = [BASE, *(rule(f"x{n}", multiply(factor)) for n, factor in enumerate(factors))]

    points, _ = judged(rules, stack(multipliers="product"), f"{cents / 100:.2f}")

    exact = Fraction(cents // 100)
    for factor in factors:
        exact *= Fraction(factor)
    assert sum(points.values()) == int(exact)


# Groups -----------------------------------------------------------------------------------

SMALL = rule("small", fixed(5), group="g", campaign=PROMO)
LARGE = rule("large", fixed(30), group="g", campaign=PROMO)
# Fewer points, which cost more.
MILES = rule("miles", fixed(10, "miles"), group="g", campaign=PROMO)


@pytest.mark.parametrize(
    ("mode", "winner", "losers"),
    [
        ("all", None, []),
        ("first", "small", ["large", "miles"]),
        ("best_for_member", "miles", ["large", "small"]),
        ("lowest_cost", "small", ["large", "miles"]),
    ],
)
def test_a_group_chooses_by_its_mode(mode: str, winner: str | None, losers: list[str]) -> None:
    stacking = stack(groups=[{"code": "g", "mode": mode}])

    points, left_out = judged([SMALL, LARGE, MILES], stacking)

    assert left_out == [(loser, "not_combined", winner) for loser in losers]
    assert set(points) == ({winner} if winner else {"small", "large", "miles"})


def test_cost_is_money_where_it_is_known_and_points_where_they_are_equal() -> None:
    # 10 miles are 0.50, 30 points are 0.30; status has no value and costs nothing.
    status = rule("status", fixed(1000, "status"), group="g", campaign=PROMO)
    cheapest = stack(groups=[{"code": "g", "mode": "lowest_cost"}])
    best = stack(groups=[{"code": "g", "mode": "best_for_member"}])

    assert list(judged([MILES, LARGE, status], cheapest)[0]) == ["status"]
    assert list(judged([status, LARGE, MILES], best)[0]) == ["miles"]
    more = rule("more", fixed(2000, "status"), group="g", campaign=PROMO)
    assert list(judged([status, more], best)[0]) == ["more"]


@pytest.mark.parametrize("mode", ["first", "best_for_member", "lowest_cost"])
def test_ties_go_to_the_priority_and_then_to_the_order(mode: str) -> None:
    stacking = stack(groups=[{"code": "g", "mode": mode}])
    second = rule("second", fixed(5), group="g", priority=1)
    first = rule("first", fixed(5), group="g")

    assert list(judged([second, first], stacking)[0]) == ["first"]
    assert list(judged([first, rule("same", fixed(5), group="g")], stacking)[0]) == ["first"]
    assert list(judged([rule("same", fixed(5), group="g"), first], stacking)[0]) == ["same"]


def test_a_rule_that_gives_nothing_is_no_choice() -> None:
    nothing = rule("nothing", rate(1, "100.00"), group="g", campaign=PROMO)

    points, left_out = judged([nothing, SMALL], stack(groups=[{"code": "g", "mode": "first"}]))

    assert points == {"small": 5}
    assert left_out == [("nothing", "below_one_point", None)]


def test_a_rate_that_is_left_out_is_no_part_of_the_base() -> None:
    double = rule("double", rate(2), group="g")
    base = rule("base", rate(1), group="g")
    stacking = stack(groups=[{"code": "g", "mode": "best_for_member"}])

    assert judged([base, double, rule("x2", multiply("2"))], stacking) == (
        {"double": 20, "x2": 20},
        [("base", "not_combined", "double")],
    )


# Rules that do not go together ------------------------------------------------------------

A, B, C, D = (rule(code, fixed(n)) for n, code in enumerate("abcd", start=1))


@pytest.mark.parametrize(
    ("_case", "stacking", "points", "left_out"),
    [
        (
            "of an exclusive list one",
            {"exclusive": [["a", "b", "c"]]},
            "ad",
            [("b", "a"), ("c", "a")],
        ),
        (
            "its order says nothing",
            {"exclusive": [["c", "b", "a"]]},
            "ad",
            [("b", "a"), ("c", "a")],
        ),
        ("a pair", {"not_together": [["a", "b"]]}, "acd", [("b", "a")]),
        ("a pair the other way round", {"not_together": [["b", "a"]]}, "acd", [("b", "a")]),
        (
            "a pair says nothing of a third",
            {"not_together": [["a", "b"], ["b", "c"]]},
            "acd",
            [("b", "a")],
        ),
        (
            "who lost stops nobody",
            {"not_together": [["a", "b"], ["b", "c"], ["c", "d"]]},
            "ac",
            [("b", "a"), ("d", "c")],
        ),
    ],
)
def test_rules_that_do_not_go_together_leave_out_the_later(
    _case: str, stacking: dict[str, Any], points: str, left_out: list[tuple[str, str]]
) -> None:
    """Edge case 42: incompatibility is symmetric and never spreads."""
    given_, refused = judged([A, B, C, D], stack(**stacking))

    assert "".join(given_) == points
    assert refused == [(loser, "not_combined", winner) for loser, winner in left_out]


def test_priority_and_not_the_latest_edit_says_who_comes_first() -> None:
    """Edge case 41: a version made later changes nothing about the order."""
    stacking = stack(not_together=[["early", "late"]])
    late = rule("late", fixed(50))
    early = rule("early", fixed(1))

    assert list(judged([early, late], stacking)[0]) == ["early"]
    raised = rule("early", fixed(1), priority=5)
    assert list(judged([raised, late], stacking)[0]) == ["late"]


def test_a_group_takes_its_next_choice_where_the_best_does_not_go_with_an_earlier_rule() -> None:
    stacking = stack(
        groups=[{"code": "g", "mode": "best_for_member"}], not_together=[["a", "large"]]
    )

    assert judged([A, SMALL, LARGE], stacking) == (
        {"a": 1, "small": 5},
        [("large", "not_combined", "a")],
    )


def test_who_lost_in_a_group_stops_no_other_rule() -> None:
    stacking = stack(groups=[{"code": "g", "mode": "first"}], not_together=[["large", "d"]])

    assert judged([SMALL, LARGE, D], stacking) == (
        {"small": 5, "d": 4},
        [("large", "not_combined", "small")],
    )


def test_a_used_up_limit_does_not_let_the_next_rule_in() -> None:
    limits = [{"per": "member", "period": "day", "uses": 1}]
    first = rule("first", fixed(5), group="g", limits=limits)
    stacking = stack(groups=[{"code": "g", "mode": "first"}])
    rules = [first, rule("second", fixed(3), group="g")]
    fact = purchase(line("10.00"))
    once = evaluate(rules, fact, MEMBER, {}, stacking=stacking)
    counters = {use.key: Used(uses=1) for use in once.awards[0].limit_uses}

    again = evaluate(rules, fact, MEMBER, counters, stacking=stacking)

    assert told(again) == ({"first": 0}, [("second", "not_combined", "first")])


def test_a_coupon_that_loses_says_because_of_whom() -> None:
    coupon = rule("ten", fixed(10), when=is_("purchase.coupon", "contains", "TEN"))
    stacking = stack(not_together=[["a", "ten"]])
    fact = purchase(line("10.00"), coupons=("TEN",))

    evaluation = evaluate([A, coupon], fact, MEMBER, {}, stacking=stacking)

    (refused,) = evaluation.not_applied
    assert (refused.reason, refused.coupon, refused.because_of, refused.text) == (
        "coupon_not_usable",
        "TEN",
        "a",
        "Not together with a",
    )


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=2, max_size=2, unique=True),
    st.permutations(["a", "b", "c", "d"]),
)
def test_a_pair_is_symmetric_whatever_the_order(pair: list[str], order: list[str]) -> None:
    by_code = {each.code: each for each in (A, B, C, D)}
    rules = [by_code[code] for code in order]

    one = judged(rules, stack(not_together=[pair]))
    other = judged(rules, stack(not_together=[pair[::-1]]))

    assert one == other
    assert len(one[0]) == 3


# The program file -------------------------------------------------------------------------

PLUS = {"code": "plus", "trigger": "purchase", "effects": [fixed(7)], "group": "g"}
MORE = {"code": "more", "trigger": "purchase", "effects": [fixed(9)], "group": "g"}
STACKING: dict[str, Any] = {
    "multipliers": "max",
    "groups": [{"code": "g", "mode": "best_for_member"}],
    "exclusive": [],
    "not_together": [["base", "plus"]],
}


def document(**stacking: Any) -> dict[str, Any]:
    """Return a program of two rules in a group beside the base."""
    return program_file(rules=[BASE_BODY, PLUS, MORE], stacking={**STACKING, **stacking})


def test_stacking_is_kept_exported_and_told() -> None:
    read = parse(json.dumps(document()))

    assert canonical(read)["stacking"] == STACKING
    assert parse(dump(canonical(read))) == read
    assert from_canonical(canonical(read)) == read
    assert stacking_sentences(STACKING) == [
        "Of several multipliers only the one that adds most counts.",
        "Of the rules of group g only the one that gives most applies.",
        "Of base, plus only the first that applies does.",
    ]


def test_a_rule_without_a_group_is_the_version_that_it_was() -> None:
    assert "group" not in live_definitions(parse(json.dumps(program_file())))[0]


def test_embedded_tests_are_judged_by_the_stacking() -> None:
    case = {
        "name": "the larger of the two",
        "purchase": {"lines": [{"unit_price": "10.00"}]},
        "expect": {"points": 19, "awards": {"base": 10, "more": 9, "plus": 0}},
    }

    (outcome,) = run_tests(parse(json.dumps({**document(), "tests": [case]})))

    assert outcome.differences == ()


@pytest.mark.parametrize(
    ("_case", "stacking", "path"),
    [
        ("another combination", {"multipliers": "last"}, "stacking.multipliers"),
        ("another mode", {"groups": [{"code": "g", "mode": "last"}]}, "stacking.groups[0].mode"),
        ("no such group", {"groups": []}, "rules[1].group"),
        ("a group twice", {"groups": [{"code": "g", "mode": "first"}] * 2}, "stacking.groups"),
        ("one rule alone", {"exclusive": [["base"]]}, "stacking.exclusive[0]"),
        ("a rule twice", {"exclusive": [["base", "base"]]}, "stacking.exclusive[0]"),
        (
            "a pair of three",
            {"not_together": [["base", "plus", "more"]]},
            "stacking.not_together[0]",
        ),
        ("no list", {"not_together": ["base"]}, "stacking.not_together[0]"),
        ("no such rule", {"not_together": [["base", "gone"]]}, "stacking.not_together[0][1]"),
        ("an unknown key", {"order": "latest"}, "stacking.order"),
    ],
)
def test_wrong_stacking_names_its_path(_case: str, stacking: dict[str, Any], path: str) -> None:
    with pytest.raises(ProgramFileError) as refused:
        parse(json.dumps(document(**stacking)))

    assert path in [each.path for each in refused.value.problems]


# A purchase -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_purchase_is_judged_by_the_stacking_of_its_moment() -> None:
    apply(program_file(rules=[BASE_BODY, PLUS, MORE], stacking=STACKING))
    join()
    before = buy(basket(body_line(price="10.00"), at=NOON), moment=NOON)
    apply(document(groups=[{"code": "g", "mode": "all"}], not_together=[]), NOON + DAY)

    late = buy(
        basket(body_line(price="10.00"), at=NOON + timedelta(hours=1)), moment=NOON + 2 * DAY
    )
    after = buy(basket(body_line(price="10.00"), at=NOON + 2 * DAY), moment=NOON + 2 * DAY)

    assert [answer["points"]["granted"] for answer in (before, late, after)] == [19, 19, 26]
    (refused,) = before["not_applied"]
    assert (refused["rule"]["code"], refused["reason"], refused["because_of"]) == (
        "plus",
        "not_combined",
        "more",
    )
    assert differences() == []


@pytest.mark.django_db
def test_what_is_the_same_is_not_published_again() -> None:
    apply(document())
    apply(document())

    assert list(Publication.objects.values_list("stacking", flat=True)) == [STACKING]
    changed = document(multipliers="sum")
    assert [str(each) for each in program.plan(parse(json.dumps(changed)))] == [
        "~ stacking: multipliers max -> sum"
    ]


def test_a_rule_that_gives_a_voucher_alone_takes_its_turn_like_any_other() -> None:
    voucher = rule("voucher", {"kind": "voucher", "reward": "tote", "valid_days": 30})
    fact = purchase(line("10.00"))

    kept = evaluate([A, voucher], fact, MEMBER, {}, stacking=stack(not_together=[["a", "b"]]))
    lost = evaluate([A, voucher], fact, MEMBER, {}, stacking=stack(exclusive=[["a", "voucher"]]))

    assert [grant.rule_code for grant in kept.grants] == ["voucher"]
    assert lost.grants == ()
    assert told(lost) == ({"a": 1}, [("voucher", "not_combined", "a")])
