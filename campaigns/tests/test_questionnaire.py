"""Questionnaires as text, and the answers that fit."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.questionnaire import NotAQuestionnaire, Question, cleaned, parse, summary

TEXT = """
How often do you cook at home?
- daily
- once a week

What do you buy most? (optional)
* vegetables
* bread
* fish
How likely is it that you recommend us?
0-10
What is missing in our shop? (optional)
"""
ONE, MANY, SCALE, FREE = parse(TEXT)


def test_a_text_is_read_as_its_questions() -> None:
    assert Question("q1", "How often do you cook at home?", "one", ("daily", "once a week")) == ONE
    assert (MANY.kind, MANY.choices) == ("many", ("vegetables", "bread", "fish"))
    assert (SCALE.low, SCALE.high, SCALE.is_recommendation) == (0, 10, True)
    assert (FREE.kind, FREE.is_optional, FREE.text) == (
        "text",
        True,
        "What is missing in our shop?",
    )


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        pytest.param("", 1, "between 1 and 30 questions", id="nothing"),
        pytest.param("- daily", 1, "a question before its answers", id="no question"),
        pytest.param("One?\n- a", 1, "at least two choices", id="one choice"),
        pytest.param("One?\n- a\n* b", 3, "choices that all begin with -", id="two signs"),
        pytest.param("One?\n- a\n- a", 3, "a choice of its own", id="a choice twice"),
        pytest.param("One?\n-", 2, "a choice of its own", id="an empty choice"),
        pytest.param("One?\n- a\n0-10", 3, "either choices or one scale", id="both"),
        pytest.param("One?\n5-5", 2, "a scale that rises", id="a flat scale"),
        pytest.param("One?\n0-11", 2, "ends at 10 or below", id="a long scale"),
        pytest.param("x" * 301, 1, "at most 300 characters", id="a long line"),
        pytest.param("One?\n" * 31, 1, "between 1 and 30 questions", id="too many"),
    ],
)
def test_a_line_that_does_not_belong_is_named(text: str, line: int, expected: str) -> None:
    with pytest.raises(NotAQuestionnaire) as refused:
        parse(text)

    assert refused.value.line == line
    assert expected in refused.value.expected


@pytest.mark.parametrize(
    ("answers", "kept", "wrong"),
    [
        pytest.param(
            {"q1": "daily", "q2": ["fish", "bread"], "q3": 9, "q4": " Tea "},
            {"q1": "daily", "q2": ["bread", "fish"], "q3": 9, "q4": "Tea"},
            {},
            id="all",
        ),
        pytest.param({"q1": "daily", "q3": "10"}, {"q1": "daily", "q3": 10}, {}, id="needed only"),
        pytest.param({"q3": 0}, {"q3": 0}, {"q1": "required"}, id="zero is an answer"),
        pytest.param(
            {"q1": "never", "q2": "meat", "q3": 11, "q4": "x" * 501},
            {},
            {"q1": "invalid", "q2": "invalid", "q3": "invalid", "q4": "invalid"},
            id="none of the answers",
        ),
        pytest.param(
            {"q1": ["daily"], "q3": True},
            {},
            {"q1": "invalid", "q3": "invalid"},
            id="of another type",
        ),
        pytest.param(
            {"q1": "daily", "q3": 1, "q9": "x"},
            {"q1": "daily", "q3": 1},
            {"q9": "unknown"},
            id="no such question",
        ),
    ],
)
def test_answers_are_kept_in_one_form(
    answers: dict[str, Any], kept: dict[str, Any], wrong: dict[str, str]
) -> None:
    assert cleaned((ONE, MANY, SCALE, FREE), answers) == (kept, wrong)


@pytest.mark.parametrize(
    ("figures", "mean", "score"),
    [
        pytest.param([10, 9, 8, 6], "8.25", 25, id="two promoters and a detractor"),
        pytest.param([0, 0, 10], "3.33", -33, id="below zero"),
        pytest.param([9, 9, 9, 9, 9, 9, 9, 6], "8.63", 75, id="a mean of a half"),
        pytest.param([10] + [8] * 7, "8.25", 13, id="12.5 rounds away from zero"),
        pytest.param([0] + [8] * 7, "7.00", -13, id="and below it too"),
        pytest.param([7, 8], "7.50", 0, id="passives"),
    ],
)
def test_a_scale_is_summed_exactly(figures: list[int], mean: str, score: int) -> None:
    found = summary(SCALE, [{"q3": each} for each in figures])

    assert (found.mean, found.score) == (mean, score)
    assert sum(count for _, count in found.counts) == len(figures)


def test_choices_are_counted_in_the_order_of_the_question() -> None:
    answers: list[dict[str, Any]] = [{"q2": ["bread", "fish"]}, {"q2": ["bread"]}, {"q1": "daily"}]

    assert summary(MANY, answers).counts == (("vegetables", 0), ("bread", 2), ("fish", 1))
    assert summary(MANY, answers).answered == 2
    assert summary(FREE, [{"q4": "Tea"}] * 30).texts == ("Tea",) * 20
