"""What a rule can answer to, and how that is told."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.earning import triggers
from campaigns.earning.sentences import rule_sentence
from campaigns.programfile import parse, run_tests
from campaigns.tests.shop import PROGRAM
from loyalty_site.lib.wire import dumps


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("purchase", True),
        ("event:review", True),
        ("event:", False),
        ("return", True),
        ("birthday", True),
        ("anniversary", True),
        ("tier_changed", True),
        ("points_expiring", True),
        ("schedule", True),
        ("schedule:other", False),
        ("segment_entered:vip", True),
        ("segment_left:vip", True),
        ("segment_left:", False),
        ("silent:7", True),
        ("silent:3650", True),
        ("silent:3651", False),
        ("silent:0", False),
        ("silent:07", False),
        ("silent:-1", False),
        ("silent:٣", False),
        ("silent", False),
        ("Birthday", False),
        ("", False),
    ],
)
def test_a_rule_answers_to_what_is_known(text: str, is_one: bool) -> None:
    assert triggers.is_trigger(text) is is_one


@pytest.mark.parametrize("value", [None, 7, True, ["birthday"]], ids=repr)
def test_a_trigger_is_a_text(value: object) -> None:
    assert triggers.is_trigger(value) is False


@pytest.mark.parametrize(
    ("trigger", "sentence"),
    [
        ("purchase", "5 points."),
        ("event:review", "5 points for the event review."),
        ("return", "5 points when goods of theirs came back."),
        ("birthday", "5 points on the member's birthday."),
        ("anniversary", "5 points on each anniversary of the membership."),
        ("tier_changed", "5 points when the tier changes."),
        ("points_expiring", "5 points when points are about to expire."),
        ("segment_entered:vip", "5 points on entering the segment vip."),
        ("segment_left:vip", "5 points on leaving the segment vip."),
        ("silent:90", "5 points after 90 days without a purchase."),
        ("silent:1", "5 points after 1 day without a purchase."),
    ],
)
def test_a_rule_says_when_it_is_asked(trigger: str, sentence: str) -> None:
    effects = [{"kind": "earn_fixed", "currency": "points", "points": 5}]

    assert rule_sentence({"trigger": trigger, "effects": effects}) == sentence


@pytest.mark.parametrize(
    ("occasion", "expected"),
    [
        ("birthday", {"birthday": 5}),
        ("silent:90", {"silence": 5}),
        ("schedule:friday", {"friday": 5}),
        ("schedule:monday", {}),
        ("review", {"review": 5}),
    ],
)
def test_a_test_of_a_file_names_an_occasion_as_its_trigger_does(
    occasion: str, expected: dict[str, int]
) -> None:
    gift = {"kind": "earn_fixed", "currency": "points", "points": 5}
    friday = {"trigger": "schedule", "schedule": {"rrule": "FREQ=WEEKLY;BYDAY=FR"}}
    told: dict[str, dict[str, Any]] = {
        "birthday": {"trigger": "birthday"},
        "silence": {"trigger": "silent:90"},
        "friday": friday,
        "review": {"trigger": "event:review"},
    }
    rules = [{"code": code, "effects": [gift], **rule} for code, rule in told.items()]
    case = {"name": "it", "event": {"type": occasion}, "expect": {"points": sum(expected.values())}}
    document = parse(dumps({**PROGRAM, "rules": rules, "tests": [case]}).decode())

    (outcome,) = run_tests(document)

    assert outcome.passed
    assert {each.rule_code: each.points for each in outcome.evaluation.awards} == expected
