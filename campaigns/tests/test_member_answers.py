"""What members answered: in conditions, in segments, given by rules and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.earning.conditions import compile_tree, validate
from campaigns.models import RuleGrantReversal
from campaigns.programfile import ProgramFileError, parse
from campaigns.queries.segments import members_of
from campaigns.services.program import live_document
from campaigns.services.reasons import contexts
from campaigns.tests.shop import (
    BASE,
    DAY,
    NOON,
    apply,
    basket,
    bring_back,
    buy,
    differences,
    join,
    program_file,
    refund,
)
from loyalty_site.lib.wire import dumps
from members.models import AttributeChange, Member, Program
from members.queries.attributes import answers_of
from members.services import attributes

pytestmark = pytest.mark.django_db

TEAS = [{"code": each, "name": each} for each in ("green", "black")]
ASKED: list[dict[str, Any]] = [
    {"code": "size", "name": "Size", "kind": "number", "member_editable": True},
    {"code": "town", "name": "Town", "kind": "text"},
    {"code": "since", "name": "Since", "kind": "date"},
    {"code": "vegan", "name": "Vegan", "kind": "bool"},
    {"code": "tea", "name": "Tea", "kind": "choice", "choices": TEAS},
    {"code": "teas", "name": "Teas", "kind": "multi", "choices": TEAS},
    {"code": "illness", "name": "Illness", "kind": "text", "pii": True},
]


def opened(*rules: dict[str, Any]) -> Member:
    """Open a shop that asks its members, and enroll one."""
    apply(program_file(rules=[BASE, *rules], attributes=ASKED))
    return join()


def say(member: Member, **values: Any) -> None:
    """Answer as staff."""
    attributes.change(member=member, values=values, actor="staff", moment=NOON - DAY)


def told(member: Member) -> dict[str, Any]:
    """Return the answers."""
    return {each.definition.code: each.told for each in answers_of(member) if each.told is not None}


def leaf(code: str, op: str, value: Any) -> dict[str, Any]:
    return {"attr": f"member.attribute.{code}", "op": op, "value": value}


SAID = {
    "size": "12.50",
    "town": "Évora",
    "since": "2026-02-28",
    "vegan": False,
    "tea": "green",
    "teas": ["green", "black"],
}
CASES = [
    (leaf("size", "eq", "12.5"), True),
    (leaf("size", "gt", 12), True),
    (leaf("size", "gt", "12.50"), False),
    (leaf("size", "between", [12, 13]), True),
    (leaf("size", "in", [1, "12.50", "x"]), True),
    (leaf("size", "eq", "twelve"), False),
    (leaf("size", "ne", "twelve"), True),
    (leaf("size", "not_in", [1, 2]), True),
    (leaf("town", "eq", "E\u0301vora"), True),
    (leaf("town", "contains", "vor"), True),
    (leaf("town", "lt", "Z"), False),
    (leaf("town", "eq", 5), False),
    (leaf("since", "gte", "2026-02-01"), True),
    (leaf("since", "lt", "2026-02-01"), False),
    (leaf("vegan", "eq", False), True),
    (leaf("vegan", "ne", True), True),
    (leaf("vegan", "exists", True), True),
    (leaf("tea", "in", ["green", "white"]), True),
    (leaf("teas", "contains", "black"), True),
    (leaf("teas", "contains", "white"), False),
    (leaf("teas", "eq", "black"), False),
    (leaf("teas", "ne", "black"), True),
    (leaf("illness", "exists", False), True),
    (leaf("illness", "ne", "x"), False),
    (leaf("illness", "not_in", ["x"]), False),
    ({"not": leaf("illness", "eq", "x")}, True),
]


def test_a_condition_on_an_answer_holds_in_python_and_in_sql_alike() -> None:
    member = opened()
    say(member, **SAID)
    silent = join("6011000002")

    for tree, expected in CASES:
        assert validate(tree, {"member"}) == [], tree
        found = contexts(members=[member.pk, silent.pk], moment=NOON)
        test = compile_tree(tree)
        in_python = {pk for pk, context in found.items() if test(context)}
        in_sql = members_of(program=Program.objects.get(), where=tree, moment=NOON)
        assert in_sql == in_python, tree
        assert (member.pk in in_python) is expected, tree


def test_a_purchase_is_judged_by_what_its_member_answered() -> None:
    thanks = {"kind": "earn_fixed", "currency": "points", "points": 7}
    rule = {"code": "vegans", "trigger": "purchase", "when": leaf("vegan", "eq", True)}
    member = opened({**rule, "effects": [thanks]})

    before = buy(basket(at=NOON), moment=NOON)
    say(member, vegan=True)
    after = buy(basket(at=NOON + DAY), moment=NOON + DAY)

    assert (before["points"]["granted"], after["points"]["granted"]) == (10, 17)
    assert [each["text"] for each in before["not_applied"]] == [
        "Applies when the condition on the member's vegan holds"
    ]


GIVES = {
    "code": "tea-time",
    "trigger": "purchase",
    "effects": [{"kind": "attribute", "attribute": "tea", "value": "black"}],
}


@pytest.mark.parametrize(
    ("_case", "before", "since", "outcome", "after"),
    [
        ("nothing before", None, None, "taken_back", None),
        ("another answer before", "green", None, "taken_back", "green"),
        ("changed since", "green", "green", "changed", "green"),
    ],
    ids=["nothing", "before", "since"],
)
def test_what_a_rule_sets_goes_back_to_what_it_was(
    _case: str, before: str | None, since: str | None, outcome: str, after: str | None
) -> None:
    member = opened(GIVES)
    if before:
        say(member, tea=before)
    body = basket(at=NOON)
    answer = buy(body, moment=NOON)
    given = told(member)
    if since:
        attributes.change(member=member, values={"tea": since}, actor="staff", moment=NOON)

    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    assert [each["text"] for each in answer["grants"]] == ["Tea set to black"]
    assert given["tea"] == "black"
    assert told(member).get("tea") == after
    assert RuleGrantReversal.objects.get().outcome == outcome
    assert AttributeChange.objects.latest("pk").after == after
    assert differences() == []


def test_a_value_that_fits_no_more_stops_no_purchase() -> None:
    member = opened(
        {**GIVES, "effects": [{"kind": "attribute", "attribute": "size", "value": "many"}]}
    )

    answer = buy(basket(at=NOON), moment=NOON)

    assert answer["points"]["granted"] == 10
    assert told(member) == {}


@pytest.mark.parametrize(
    ("_case", "sections", "path"),
    [
        (
            "a condition on nothing that is asked",
            {"rules": [{**GIVES, "when": leaf("shoe", "eq", 1)}]},
            "rules[0].when.attr",
        ),
        (
            "a rule that writes something personal",
            {
                "rules": [
                    {
                        **GIVES,
                        "effects": [{"kind": "attribute", "attribute": "illness", "value": "x"}],
                    }
                ]
            },
            "rules[0].effects[0].attribute",
        ),
        (
            "a choice without choices",
            {"attributes": [{"code": "tea", "name": "Tea", "kind": "choice"}]},
            "attributes[0].choices",
        ),
        (
            "choices of a text",
            {"attributes": [{"code": "tea", "name": "Tea", "kind": "text", "choices": TEAS}]},
            "attributes[0].choices",
        ),
        (
            "a kind that there is not",
            {"attributes": [{"code": "tea", "name": "Tea", "kind": "float"}]},
            "attributes[0].kind",
        ),
        ("asked twice", {"attributes": [ASKED[0], ASKED[0]]}, "attributes[1].code"),
    ],
    ids=["condition", "personal", "choices", "text", "kind", "twice"],
)
def test_a_file_says_what_is_wrong_with_a_question(
    _case: str, sections: dict[str, Any], path: str
) -> None:
    document = {**program_file(rules=[BASE], attributes=ASKED), **sections}

    with pytest.raises(ProgramFileError) as refused:
        parse(dumps(document).decode())

    assert path in [each.path for each in refused.value.problems]


def test_questions_are_kept_with_the_program() -> None:
    opened()

    kept = (live_document() or {})["attributes"]

    assert [each["code"] for each in kept] == [each["code"] for each in ASKED]
    assert kept[4]["choices"] == [
        {"code": "green", "name": {"en": "green"}},
        {"code": "black", "name": {"en": "black"}},
    ]
