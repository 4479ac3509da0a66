"""What rules give, how it is divided over the lines, and what did not apply."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from campaigns.earning.evaluate import evaluate
from campaigns.earning.results import Evaluation
from campaigns.earning.rules import Campaign, CompiledRule, compile_definition, compile_rule
from campaigns.earning.stacking import Stacking

from .earning_examples import (
    BASE,
    MEMBER,
    NOON,
    event,
    fixed,
    is_,
    line,
    multiply,
    purchase,
    rate,
    rule,
)

GOLD = replace(MEMBER, tier="gold")
GOLD_X2 = rule("gold-x2", multiply("2"), when=is_("member.tier", "eq", "gold"))
WEEK = Campaign("dairy-days", NOON, NOON + timedelta(days=7))
DAIRY = rule("dairy-plus", rate(3), lines=is_("line.category", "eq", "dairy"), campaign=WEEK)


def given_by(evaluation: Evaluation) -> list[tuple[str, int]]:
    return [(award.rule_code, award.points) for award in evaluation.awards]


def refused(evaluation: Evaluation) -> list[tuple[str | None, str, str | None]]:
    return [(each.rule_code, each.reason, each.missing) for each in evaluation.not_applied]


def test_the_contract_s_example_gives_two_points_with_its_sentence() -> None:
    evaluation = evaluate([BASE], purchase(line("2.20", "dairy")), MEMBER, {})

    (award,) = evaluation.awards
    assert (award.rule_code, award.rule_version, award.rule_name) == ("base", 1, "1 point per euro")
    assert (award.requested, award.points, award.capped_by) == (2, 2, None)
    assert award.text == "1 point per 1.00 on 2.20, rounded down"
    assert award.trace == {"kind": "earn_rate", "points": 1, "per": "1.00", "net": "2.20"}
    assert (award.line_id, award.campaign, award.limit_uses) == (None, None, ())


@pytest.mark.parametrize(
    ("_case", "rules", "lines", "expected"),
    [
        (
            "rounded once for the purchase, not for each line",
            [BASE],
            [line("0.60"), line("0.60")],
            [("base", 1)],
        ),
        (
            "a multiplier adds to the base",
            [BASE, GOLD_X2],
            [line("10.00")],
            [("base", 10), ("gold-x2", 10)],
        ),
        (
            "the multiplied base is the rounded one",
            [BASE, rule("x1.5", multiply("1.5"))],
            [line("3.99")],
            [("base", 3), ("x1.5", 1)],
        ),
        (
            "a multiplier before its base",
            [rule("x3", multiply("3"), priority=0), rule("late-base", rate(), priority=5)],
            [line("4.00")],
            [("x3", 8), ("late-base", 4)],
        ),
        (
            "several multipliers each act on the same base",
            [BASE, rule("x2", multiply("2")), rule("x3", multiply("3"))],
            [line("10.00")],
            [("base", 10), ("x2", 10), ("x3", 20)],
        ),
        (
            "campaign rates are on top and not multiplied",
            [BASE, GOLD_X2, DAIRY],
            [line("2.00", "dairy"), line("8.00", "toys")],
            [("base", 10), ("gold-x2", 10), ("dairy-plus", 6)],
        ),
        (
            "fixed points of a standing rule are no base",
            [BASE, rule("extra", fixed(50)), GOLD_X2],
            [line("10.00")],
            [("base", 10), ("extra", 50), ("gold-x2", 10)],
        ),
        (
            "two base rates are one base",
            [
                rule("food", rate(1), lines=is_("line.category", "eq", "food")),
                rule("fuel", rate(1, "2.00"), lines=is_("line.category", "eq", "fuel")),
                rule("x1.5", multiply("1.5")),
            ],
            [line("3.50", "food"), line("7.00", "fuel")],
            [("food", 3), ("fuel", 3), ("x1.5", 3)],
        ),
        (
            "a multiplier of some lines takes their part of the base",
            [BASE, rule("dairy-x3", multiply("3"), lines=is_("line.category", "eq", "dairy"))],
            [line("6.00", "toys"), line("4.00", "dairy")],
            [("base", 10), ("dairy-x3", 8)],
        ),
        (
            "priority comes first, then the order given",
            [rule("b", fixed(1), priority=2), rule("c", fixed(1)), rule("a", fixed(1), priority=2)],
            [line("1.00")],
            [("c", 1), ("b", 1), ("a", 1)],
        ),
        (
            "a multiplier acts in its own currency",
            [BASE, rule("st", rate(currency="status")), rule("x2", multiply("2", "status"))],
            [line("10.00")],
            [("base", 10), ("st", 10), ("x2", 10)],
        ),
    ],
)
def test_rules_stack_as_the_contract_says(
    _case: str, rules: list[CompiledRule], lines: list[Any], expected: list[tuple[str, int]]
) -> None:
    evaluation = evaluate(rules, purchase(*lines), GOLD, {})

    assert given_by(evaluation) == expected


def test_only_the_largest_multiplier_applies_where_the_program_says_so() -> None:
    rules = [
        BASE,
        rule("x2", multiply("2")),
        rule("x3", multiply("3")),
        rule("also-x3", multiply("3")),
    ]

    evaluation = evaluate(
        rules, purchase(line("10.00")), MEMBER, {}, stacking=Stacking(multipliers="max")
    )

    assert given_by(evaluation) == [("base", 10), ("x3", 20)]
    assert refused(evaluation) == [("x2", "not_combined", None), ("also-x3", "not_combined", None)]


@pytest.mark.parametrize(
    ("_case", "rules", "nets", "expected"),
    [
        ("a basket by net", [BASE], ["2.50", "2.50", "5.00"], (3, 2, 5)),
        ("a fixed award by net", [rule("f", fixed(7))], ["1.00", "1.00"], (4, 3)),
        ("no net at all: the first line", [rule("f", fixed(7))], ["0.00", "0.00"], (7, 0)),
        ("a free line gets nothing", [BASE], ["0.00", "3.00"], (0, 3)),
    ],
)
def test_an_award_is_divided_over_its_lines(
    _case: str, rules: list[CompiledRule], nets: list[str], expected: tuple[int, ...]
) -> None:
    lines = [line(net, line_id=str(place)) for place, net in enumerate(nets)]

    evaluation = evaluate(rules, purchase(*lines), MEMBER, {})

    assert evaluation.awards[0].attribution == expected


def test_a_multiplier_is_divided_by_what_each_line_gave_to_the_base() -> None:
    rules = [
        rule("food", rate(1), lines=is_("line.category", "eq", "food")),
        rule("fuel", rate(1, "2.00"), lines=is_("line.category", "eq", "fuel")),
        rule("x3", multiply("3")),
    ]
    bought = purchase(line("4.00", "food"), line("4.00", "fuel"), line("9.00", "tobacco"))

    evaluation = evaluate(rules, bought, MEMBER, {})

    assert evaluation.awards[2].points == 12
    assert evaluation.awards[2].attribution == (8, 4, 0)


def test_an_award_of_one_line_names_it() -> None:
    bought = purchase(line("1.00", "toys"), line("2.00", "dairy", line_id="7"))

    evaluation = evaluate([DAIRY], bought, MEMBER, {})

    assert evaluation.awards[0].line_id == "7"
    assert evaluation.awards[0].attribution == (0, 6)


@pytest.mark.parametrize(
    ("_case", "seconds", "applies"),
    [
        ("just before", -1, False),
        ("at the start", 0, True),
        ("just before the end", 7 * 86_400 - 1, True),
        ("at the end", 7 * 86_400, False),
    ],
)
def test_a_campaign_s_window_is_half_open(_case: str, seconds: int, applies: bool) -> None:
    bought = purchase(line("1.00", "dairy"), at=NOON + timedelta(seconds=seconds))

    evaluation = evaluate([DAIRY], bought, MEMBER, {})

    assert bool(evaluation.awards) is applies
    assert evaluation.not_applied == ()


@pytest.mark.parametrize(
    ("_case", "rules", "bought", "expected"),
    [
        (
            "below a minimum, with what is missing",
            [rule("big", fixed(50), when=is_("purchase.net", "gte", "10.00"))],
            purchase(line("2.20")),
            [("big", "below_minimum", "7.80")],
        ),
        (
            "the minimum and another condition",
            [
                rule(
                    "big",
                    fixed(50),
                    when={
                        "all": [is_("purchase.net", "gte", 10), is_("member.tier", "eq", "gold")]
                    },
                )
            ],
            purchase(line("2.20")),
            [("big", "condition_not_met", None)],
        ),
        (
            "another condition",
            [GOLD_X2],
            purchase(line("5.00")),
            [("gold-x2", "condition_not_met", None)],
        ),
        (
            "no line",
            [DAIRY],
            purchase(line("5.00", "toys")),
            [("dairy-plus", "no_matching_line", None)],
        ),
        ("no whole point", [BASE], purchase(line("0.40")), [("base", "below_one_point", "0.60")]),
        (
            "no whole point at a rate of cents",
            [rule("third", rate(3, "10.00"))],
            purchase(line("3.33")),
            [("third", "below_one_point", "0.01")],
        ),
        ("no base", [rule("x2", multiply("2"))], purchase(line("5.00")), [("x2", "no_base", None)]),
        ("yen", [BASE], purchase(line("0"), currency="JPY"), [("base", "below_one_point", "1")]),
    ],
)
def test_what_did_not_apply_says_why(
    _case: str, rules: list[CompiledRule], bought: Any, expected: list[Any]
) -> None:
    evaluation = evaluate(rules, bought, MEMBER, {})

    assert evaluation.awards == ()
    assert refused(evaluation) == expected


def test_a_trace_names_a_personal_attribute_without_its_value() -> None:
    when = {"all": [is_("member.age", "gte", 60), is_("member.tier", "eq", "gold")]}
    senior = rule("senior", fixed(5), when=when)

    (refusal,) = evaluate([senior], purchase(line("5.00")), MEMBER, {}).not_applied

    assert refusal.text == (
        "Applies when the condition on the member's age holds and the member's tier is gold"
    )


SPRING = rule("spring", fixed(20), when=is_("purchase.coupon", "contains", "SPRING"))
SPRING_BIG = rule(
    "spring-big",
    fixed(20),
    when={"all": [is_("purchase.coupon", "in", ["SPRING"]), is_("purchase.net", "gte", "50")]},
)
ENDED = Campaign("old", None, NOON - timedelta(days=1))


@pytest.mark.parametrize(
    ("_case", "rules", "coupons", "points", "expected"),
    [
        ("a coupon that gives", [SPRING], ("SPRING",), 20, []),
        ("an unknown coupon", [SPRING], ("AUTUMN",), 0, [("AUTUMN", "coupon_unknown", None)]),
        ("told once", [], ("X", "X"), 0, [("X", "coupon_unknown", None)]),
        (
            "a coupon below its minimum",
            [SPRING_BIG],
            ("SPRING",),
            0,
            [("SPRING", "coupon_not_usable", "40.00")],
        ),
        (
            "a coupon of a campaign that is over",
            [rule("old", fixed(5), when=is_("purchase.coupon", "contains", "OLD"), campaign=ENDED)],
            ("OLD",),
            0,
            [("OLD", "coupon_not_usable", None)],
        ),
        ("one rule of the coupon gives, the other not", [SPRING, SPRING_BIG], ("SPRING",), 20, []),
        ("a rule whose coupon was not shown keeps its secret", [SPRING], (), 0, []),
    ],
)
def test_coupons_never_refuse_a_purchase_but_are_told(
    _case: str,
    rules: list[CompiledRule],
    coupons: tuple[str, ...],
    points: int,
    expected: list[Any],
) -> None:
    evaluation = evaluate(rules, purchase(line("10.00"), coupons=coupons), MEMBER, {})

    assert evaluation.points("points") == points
    assert [(each.coupon, each.reason, each.missing) for each in evaluation.not_applied] == expected


def test_an_event_gives_what_its_type_and_payload_ask_for() -> None:
    body = {
        "code": "app",
        "trigger": "event:app_installed",
        "when": is_("event.payload.platform", "eq", "ios"),
        "effects": [fixed(50)],
    }
    app = compile_rule(body, version=3)

    installed = evaluate([app, BASE], event("app_installed", platform="ios"), MEMBER, {})
    elsewhere = evaluate([app, BASE], event("app_installed", platform="web"), MEMBER, {})
    unknown = evaluate([app, BASE], event("nobody_asked"), MEMBER, {})

    assert [(a.points, a.attribution, a.text) for a in installed.awards] == [(50, (), "50 points")]
    assert refused(elsewhere) == [("app", "condition_not_met", None)]
    assert unknown == Evaluation((), ())


def test_a_stored_definition_brings_its_campaign_along() -> None:
    stored = {
        "code": "dairy-plus",
        "name": {"en": "Dairy plus", "pt": "Mais leite"},
        "trigger": "purchase",
        "effects": [rate(3)],
        "campaign": {
            "code": "dairy-days",
            "starts_at": "2026-03-01T12:00:00+00:00",
            "ends_at": None,
            "budget_points": 10,
        },
    }

    (award,) = evaluate([compile_definition(stored, 4)], purchase(line("5.00")), MEMBER, {}).awards

    assert (award.rule_name, award.rule_version, award.campaign) == ("Dairy plus", 4, "dairy-days")
    assert (award.requested, award.points, award.capped_by) == (15, 10, "budget")
