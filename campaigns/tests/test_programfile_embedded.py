"""Embedded tests run through the evaluator and say what differs."""

from __future__ import annotations

import pytest

from campaigns.programfile import ProgramFileError, parse, run_tests

from .test_programfile import CONTRACT, DEMO, SMALLEST


def with_test(test: str) -> str:
    return CONTRACT[: CONTRACT.index("tests:")] + f"tests:\n  - {test}\n"


def test_the_contract_s_example_passes() -> None:
    (outcome,) = run_tests(parse(CONTRACT))

    assert outcome.passed
    assert outcome.report == "ok    gold doubles"


def test_the_demo_s_program_passes() -> None:
    outcomes = run_tests(parse(DEMO.read_text(encoding="utf-8")))

    assert len(outcomes) >= 10
    assert [outcome.report for outcome in outcomes if not outcome.passed] == []


BOUGHT = 'purchase: {lines: [{category: dairy, unit_price: "600.00"}]}'


@pytest.mark.parametrize(
    ("_case", "test"),
    [
        (
            "currencies, awards and the tier after",
            f"{{name: t, at: 2026-03-02T12:00, {BOUGHT}, expect: "
            "{points: 700, status: 600, awards: {base: 600, dairy-plus: 100}, tier: silver}}",
        ),
        (
            "a tier that stays",
            f"{{name: t, at: 2026-02-02T12:00, member: {{tier: gold}}, {BOUGHT}, "
            "expect: {points: 1200, tier: gold}}",
        ),
        (
            "nothing given is zero",
            "{name: t, at: 2026-02-02T12:00, event: {type: news, payload: {a: 1}}, "
            "expect: {points: 0, tier: bronze}}",
        ),
        (
            "the window ends in the program's time zone",
            f"{{name: t, at: 2026-03-07T23:59, {BOUGHT}, expect: {{awards: {{dairy-plus: 100}}}}}}",
        ),
        (
            "and not a moment later",
            f"{{name: t, at: 2026-03-08T00:00, {BOUGHT}, expect: {{awards: {{dairy-plus: 0}}}}}}",
        ),
    ],
)
def test_only_what_a_test_names_is_compared(_case: str, test: str) -> None:
    (outcome,) = run_tests(parse(with_test(test)))

    assert outcome.report == "ok    t"


def test_a_test_that_fails_tells_the_figures_and_the_trace() -> None:
    test = f"{{name: too much, at: 2026-03-02T12:00, {BOUGHT}, expect: {{points: 5, tier: gold}}}}"

    (outcome,) = run_tests(parse(with_test(test)))

    assert not outcome.passed
    assert outcome.report.splitlines() == [
        "FAIL  too much",
        "  - points 5",
        "  + points 700",
        "  - tier gold",
        "  + tier silver",
        "    What gave points:",
        "         600 points   base: 1 point per 1.00 on 600.00, rounded down",
        "         600 status   base-status: 1 point per 1.00 on 600.00, rounded down",
        "         100 points   dairy-plus: 3 points per 1.00 on 600.00, rounded down; "
        "at most 100 points a day per member",
        "    What did not apply:",
        "      gold-x2: condition_not_met, Applies when the member's tier is gold",
    ]


def test_a_rule_that_gave_other_points_than_expected_is_marked_with_why() -> None:
    test = (
        f"{{name: t, at: 2026-03-08T00:00, {BOUGHT}, "
        "expect: {awards: {base: 500, gold-x2: 600, dairy-plus: 100}}}"
    )

    (outcome,) = run_tests(parse(with_test(test)))

    assert outcome.report.splitlines() == [
        "FAIL  t",
        "  - awards.base 500",
        "  + awards.base 600",
        "  - awards.gold-x2 600",
        "  + awards.gold-x2 0",
        "  - awards.dairy-plus 100",
        "  + awards.dairy-plus 0",
        "    What gave points:",
        "  !      600 points   base: 1 point per 1.00 on 600.00, rounded down (expected 500)",
        "         600 status   base-status: 1 point per 1.00 on 600.00, rounded down",
        "    What did not apply:",
        "  !   gold-x2: condition_not_met, Applies when the member's tier is gold",
        "    What was not asked:",
        "  !   dairy-plus: campaign dairy-days ended on 2026-03-08 00:00",
    ]


@pytest.mark.parametrize(
    ("_case", "more", "problem"),
    [
        ("a reason", "expect: {not_applied: {gold-x2: condition_not_met}}", None),
        (
            "another reason",
            "expect: {not_applied: {gold-x2: below_minimum}}",
            "not_applied.gold-x2: expected below_minimum, got condition_not_met",
        ),
        (
            "a rule that did give",
            "expect: {not_applied: {base: below_minimum}}",
            "not_applied.base: expected below_minimum, got applied",
        ),
        (
            "half of it comes back",
            'returned: {"1": "0.5"}, expect: {points: 700, taken_back: {points: 350, status: 300}}',
            None,
        ),
        (
            "all of it comes back",
            'returned: {"1": 1}, expect: {taken_back: {points: 699, status: 600}}',
            "taken_back.points: expected 699, got 700",
        ),
    ],
)
def test_reasons_and_returns_are_compared_too(_case: str, more: str, problem: str | None) -> None:
    (outcome,) = run_tests(parse(with_test(f"{{name: t, at: 2026-03-02T12:00, {BOUGHT}, {more}}}")))

    assert [str(each) for each in outcome.differences] == ([problem] if problem else [])


@pytest.mark.parametrize(
    ("_case", "more", "path"),
    [
        ("a line that was not bought", 'returned: {"2": 1}, expect: {points: 1}', "returned.2"),
        ("more than was bought", 'returned: {"1": 2}, expect: {points: 1}', "returned.1"),
        ("nothing comes back", "expect: {taken_back: {points: 1}}", "returned"),
        ("an unknown rule", "expect: {not_applied: {nobody: x}}", "expect.not_applied.nobody"),
        (
            "an unknown currency",
            'returned: {"1": 1}, expect: {taken_back: {gems: 1}}',
            "expect.taken_back.gems",
        ),
    ],
)
def test_a_mistake_about_returns_and_reasons_is_named_by_its_path(
    _case: str, more: str, path: str
) -> None:
    text = with_test(f"{{name: t, at: 2026-03-02T12:00, {BOUGHT}, {more}}}")

    with pytest.raises(ProgramFileError) as caught:
        parse(text)

    assert [each.path for each in caught.value.problems] == [f"tests[0].{path}"]


def test_each_test_starts_from_an_empty_history() -> None:
    twice = f"{{name: a, at: 2026-03-02T12:00, {BOUGHT}, expect: {{points: 700}}}}"
    text = with_test(twice) + "  - " + twice.replace("name: a", "name: b") + "\n"

    assert [outcome.passed for outcome in run_tests(parse(text))] == [True, True]


def test_a_test_needs_no_moment_where_nothing_depends_on_it() -> None:
    text = (
        SMALLEST
        + "rules: [{code: a, trigger: purchase,"
        + " effects: [{kind: earn_fixed, currency: points, points: 5}]}]\n"
        + "tests: [{name: t, purchase: {lines: [{unit_price: 1}]}, expect: {points: 5}}]\n"
    )

    assert [outcome.passed for outcome in run_tests(parse(text))] == [True]
