"""What a rate counts of an order that points have paid a part of: the program decides."""

from __future__ import annotations

from decimal import Decimal

import pytest

from campaigns.earning.evaluate import evaluate
from campaigns.earning.rules import CompiledRule
from campaigns.programfile import ProgramFileError, parse, run_tests
from campaigns.tests.shop import BASE, program_file
from loyalty_site.lib.wire import dumps

from .earning_examples import MEMBER, line, multiply, purchase, rate, rule


def counted(basis: str, points: int = 1) -> CompiledRule:
    """Return a rule that counts so."""
    return rule("base", {**rate(points), "basis": basis})


@pytest.mark.parametrize(
    ("_case", "paid", "basis", "points"),
    [
        ("nothing paid with points", "0.00", "net_of_points", 20),
        ("net counts all that was bought", "5.00", "net", 20),
        ("net of points counts the rest", "5.00", "net_of_points", 15),
        ("rounded once, down", "0.01", "net_of_points", 19),
        ("all of it paid with points", "20.00", "net_of_points", 0),
        ("more paid than it cost", "25.00", "net_of_points", 0),
    ],
)
def test_a_rate_counts_what_its_basis_says(_case: str, paid: str, basis: str, points: int) -> None:
    """Edge case 32: whether what points paid earns is the program's choice."""
    bought = purchase(line("20.00"), tenders=(("card", Decimal(9)), ("points", Decimal(paid))))

    awards = evaluate([counted(basis)], bought, MEMBER, {}).awards

    assert [award.points for award in awards] == ([points] if points else [])


def test_each_line_bears_its_share_of_what_points_paid() -> None:
    bought = purchase(line("30.00"), line("10.00"), tenders=(("points", Decimal(4)),))

    (award,) = evaluate([counted("net_of_points")], bought, MEMBER, {}).awards

    assert (award.points, award.attribution) == (36, (27, 9))
    assert award.text == "1 point per 1.00 on 36.00 not paid with points, rounded down"


def test_a_rule_with_lines_counts_the_rest_of_its_lines() -> None:
    toys = rule(
        "toys",
        {**rate(), "basis": "net_of_points"},
        lines={"attr": "line.category", "op": "eq", "value": "toys"},
    )
    bought = purchase(line("30.00", "toys"), line("10.00"), tenders=(("points", Decimal(4)),))

    (award,) = evaluate([toys], bought, MEMBER, {}).awards

    assert (award.points, award.attribution) == (27, (27, 0))


def test_a_multiplier_acts_on_the_base_that_was_counted() -> None:
    bought = purchase(line("30.00"), line("10.00"), tenders=(("points", Decimal(4)),))

    awards = evaluate(
        [counted("net_of_points"), rule("x2", multiply("2"))], bought, MEMBER, {}
    ).awards

    assert [award.points for award in awards] == [36, 36]
    assert awards[1].attribution == (27, 9)


def test_money_off_and_free_lines_earn_nothing_by_either_basis() -> None:
    """Edge cases 31, 34: what a line cost is what counts, so that a discount earns nothing."""
    free = line("0.00")
    bought = purchase(line("10.00"), free, tenders=(("points", Decimal("10.00")),))

    net, rest = (
        evaluate([counted(basis)], bought, MEMBER, {}).awards for basis in ("net", "net_of_points")
    )

    assert [award.attribution for award in net] == [(10, 0)]
    assert rest == ()


def test_an_embedded_test_says_what_points_paid() -> None:
    effect = {**BASE["effects"][0], "basis": "net_of_points"}
    case = {
        "name": "the rest earns",
        "purchase": {"lines": [{"unit_price": "10.00"}], "points_paid": "4.00"},
        "expect": {"points": 6},
    }
    document = parse(
        dumps(program_file(rules=[{**BASE, "effects": [effect]}], tests=[case])).decode()
    )

    assert [outcome.report for outcome in run_tests(document)] == ["ok    the rest earns"]


def test_another_basis_is_refused_by_its_path() -> None:
    effect = {**BASE["effects"][0], "basis": "gross"}

    with pytest.raises(ProgramFileError) as refused:
        parse(dumps(program_file(rules=[{**BASE, "effects": [effect]}])).decode())

    assert [each.path for each in refused.value.problems] == ["rules[0].effects[0].basis"]
