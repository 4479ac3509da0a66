"""Condition trees: every operator, missing values, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.earning import conditions
from campaigns.earning.attributes import Context
from campaigns.earning.facts import MemberFacts
from campaigns.earning.sentences import rule_sentence, sentence

from .earning_examples import LISBON, NOON, event, fixed, is_, line, multiply, purchase, rate

ALL_SCOPES = {"member", "line", "purchase", "event", "moment"}
GOLD = MemberFacts(
    id="m-1",
    tier="gold",
    enrolled_at=datetime(2026, 1, 1, 23, 30, tzinfo=UTC),
    birth_date=date(2000, 3, 2),
    locale="pt",
    segments=frozenset({"lapsed", "parents"}),
    purchases_count=3,
    last_purchase_at=datetime(2026, 2, 27, 23, 59, tzinfo=UTC),
)
NOBODY = MemberFacts(id="m-2")


def holds(tree: dict[str, Any], member: MemberFacts = GOLD, **facts: Any) -> bool:
    bought = purchase(
        line("4.00", "dairy", sku="MLK", brand="Alva", tags=("eco", "fresh")),
        line("6.00", "toys", line_id="2"),
        store="lisbon-1",
        coupons=("SPRING",),
    )
    context = Context(member, bought.local, purchase=bought)
    context.line = bought.lines[facts.get("line", 0)]
    assert conditions.validate(tree, ALL_SCOPES) == []
    return conditions.evaluate(tree, context)


@pytest.mark.parametrize(
    ("_case", "tree", "expected"),
    [
        ("eq", is_("member.tier", "eq", "gold"), True),
        ("eq is case-sensitive", is_("member.tier", "eq", "Gold"), False),
        ("ne", is_("member.tier", "ne", "silver"), True),
        ("gt by code point", is_("member.tier", "gt", "Zinc"), True),
        ("in", is_("member.tier", "in", ["silver", "gold"]), True),
        ("not_in", is_("member.tier", "not_in", ["silver", "gold"]), False),
        ("contains of a text", is_("line.sku", "contains", "LK"), True),
        ("contains of a set", is_("line.tags", "contains", "eco"), True),
        ("contains is the whole tag", is_("line.tags", "contains", "ec"), False),
        ("in of a set", is_("line.tags", "in", ["frozen", "fresh"]), True),
        ("not_in of a set", is_("line.tags", "not_in", ["frozen"]), True),
        ("segment", is_("member.segment", "contains", "lapsed"), True),
        ("number as text", is_("purchase.net", "gte", "10.00"), True),
        ("number by value", is_("purchase.net", "eq", "10.0"), True),
        ("number as integer", is_("purchase.net", "lt", 10), False),
        ("between includes the low end", is_("purchase.net", "between", ["10", "11"]), True),
        ("between includes the high end", is_("purchase.net", "between", [1, 10]), True),
        ("between is not wrapped around", is_("purchase.net", "between", [11, 1]), False),
        ("line count", is_("purchase.line_count", "eq", 2), True),
        ("store", is_("purchase.store", "eq", "lisbon-1"), True),
        ("coupon", is_("purchase.coupon", "contains", "SPRING"), True),
        ("weekday of ISO", is_("moment.weekday", "eq", 7), True),
        ("hour", is_("moment.hour", "between", [12, 13]), True),
        ("date", is_("moment.date", "eq", "2026-03-01"), True),
        ("time", is_("moment.time", "lte", "12:00"), True),
        ("calendar days, not spans", is_("member.days_since_purchase", "eq", 2), True),
        ("days since enrollment", is_("member.days_since_enrolment", "eq", 59), True),
        ("the birthday is tomorrow", is_("member.age", "eq", 25), True),
        ("earlier purchases", is_("member.purchases_count", "gte", 3), True),
        ("exists", is_("line.brand", "exists", True), True),
        ("exists not", is_("line.brand", "exists", False), False),
        ("all", {"all": [is_("member.tier", "eq", "gold"), is_("moment.hour", "eq", 1)]}, False),
        ("any", {"any": [is_("member.tier", "eq", "gold"), is_("moment.hour", "eq", 1)]}, True),
        ("not", {"not": is_("member.tier", "eq", "gold")}, False),
    ],
)
def test_operators_answer(_case: str, tree: dict[str, Any], expected: bool) -> None:
    assert holds(tree) is expected


@pytest.mark.parametrize(
    ("op", "value"),
    [
        ("eq", "gold"),
        ("ne", "gold"),
        ("gt", "a"),
        ("gte", "a"),
        ("lt", "z"),
        ("lte", "z"),
        ("in", ["gold"]),
        ("not_in", ["gold"]),
        ("contains", "g"),
        ("between", ["a", "z"]),
        ("exists", True),
    ],
)
def test_on_a_missing_value_every_operator_is_false_and_not_inverts(op: str, value: object) -> None:
    tree = is_("member.tier", op, value)

    assert holds(tree, NOBODY) is False
    assert holds({"not": tree}, NOBODY) is True
    assert holds(is_("member.tier", "exists", False), NOBODY) is True


def test_an_empty_set_is_empty_and_not_missing() -> None:
    assert holds(is_("line.tags", "not_in", ["eco"]), line=1) is True
    assert holds(is_("line.tags", "exists", True), line=1) is False


def test_text_is_compared_after_composition() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    bought = purchase(line("1.00", decomposed))
    context = Context(GOLD, bought.local, purchase=bought)
    context.line = bought.lines[0]

    assert conditions.evaluate(is_("line.category", "eq", composed), context)
    assert not conditions.evaluate(is_("line.category", "eq", "cafe"), context)


@pytest.mark.parametrize(
    ("_case", "op", "value", "expected"),
    [
        ("text", "eq", "news", True),
        ("a number is not a text", "eq", 5, False),
        ("order of other types", "gt", 5, False),
        ("ne of other types", "ne", 5, True),
        ("in", "in", ["news", 5], True),
        ("exists", "exists", True, True),
    ],
)
def test_a_payload_compares_only_with_its_own_type(
    _case: str, op: str, value: object, expected: bool
) -> None:
    fact = event("signup", topic="news")
    context = Context(GOLD, fact.local, event=fact)

    assert conditions.evaluate(is_("event.payload.topic", op, value), context) is expected


@given(
    payload=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=6,
    ),
    op=st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in", "contains"]),
    value=st.booleans() | st.integers() | st.text(),
)
def test_no_payload_makes_a_condition_fail(payload: object, op: str, value: object) -> None:
    fact = event("signup", key=payload)
    context = Context(GOLD, fact.local, event=fact)
    operand = [value] if op in ("in", "not_in") else value

    assert conditions.evaluate(is_("event.payload.key", op, operand), context) in (True, False)


@pytest.mark.parametrize(
    ("_case", "tree", "path", "expected"),
    [
        ("no mapping", [], "when", "a condition"),
        ("no condition", {}, "when", "exactly attr, op and value"),
        ("two kinds", {"all": [], "any": []}, "when", "exactly attr, op and value"),
        ("an empty list", {"all": []}, "when.all", "at least one condition"),
        ("unknown attribute", is_("member.iq", "eq", 1), "when.attr", "one of member.tier"),
        ("another scope", is_("line.sku", "eq", "A"), "when.attr", "one of member.tier"),
        ("an attribute that is no text", is_(5, "eq", 1), "when.attr", "one of"),  # type: ignore[arg-type]
        ("unknown operator", is_("member.tier", "like", "g"), "when.op", "one of eq, ne"),
        ("no order in a set", is_("member.segment", "gt", "a"), "when.op", "one of in, not_in"),
        ("a text wanted", is_("member.tier", "eq", 5), "when.value", "a text"),
        ("true is no number", is_("member.age", "eq", True), "when.value", "a whole number"),
        ("a decimal is no count", is_("member.age", "eq", "1.5"), "when.value", "a whole number"),
        ("no number", is_("purchase.net", "gte", "ten"), "when.value", "decimal in quotes"),
        ("not finite", is_("purchase.net", "gte", "NaN"), "when.value", "decimal in quotes"),
        ("beyond all amounts", is_("purchase.net", "gte", "1E+99999"), "when.value", "decimal"),
        ("a float", is_("purchase.net", "gte", 1.5), "when.value", "decimal in quotes"),
        ("in wants a list", is_("member.tier", "in", "gold"), "when.value", "a list"),
        ("between wants two", is_("member.age", "between", [1]), "when.value", "a list of two"),
        ("no date", is_("moment.date", "eq", "soon"), "when.value", "a date"),
        ("a time with offset", is_("moment.time", "eq", "09:00+01:00"), "when.value", "a time"),
        ("exists", is_("member.tier", "exists", "yes"), "when.value", "true or false"),
        (
            "the path leads to the leaf",
            {"all": [is_("member.tier", "eq", "a"), {"not": is_("member.tier", "eq", 1)}]},
            "when.all[1].not.value",
            "a text",
        ),
    ],
)
def test_a_wrong_tree_names_path_and_expectation(
    _case: str, tree: object, path: str, expected: str
) -> None:
    ((where, what),) = conditions.validate(tree, {"member", "purchase", "moment"}, "when")

    assert where == path
    assert expected in what


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just("member.tier"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["all", "any", "not", "attr"]), inner, max_size=1)
            | st.fixed_dictionaries({"attr": inner, "op": inner, "value": inner})
        ),
        max_leaves=20,
    )
)
def test_no_tree_of_values_makes_validation_fail(tree: object) -> None:
    if not conditions.validate(tree, ALL_SCOPES):
        assert isinstance(tree, dict)
        conditions.compile_tree(tree)


def test_every_mistake_of_a_tree_is_told() -> None:
    tree = {"any": [is_("member.tier", "eq", 1), is_("member.x", "eq", 1), {}]}

    paths = [path for path, _ in conditions.validate(tree, {"member"})]

    assert paths == ["any[0].value", "any[1].attr", "any[2]"]


def test_a_tree_that_is_too_deep_is_refused() -> None:
    tree: dict[str, Any] = is_("member.tier", "eq", "gold")
    for _ in range(100_000):
        tree = {"not": tree}

    ((_, expected),) = conditions.validate(tree, {"member"})

    assert expected == "at most 12 levels and 300 conditions"


def test_a_tree_that_was_not_validated_does_not_compile() -> None:
    with pytest.raises(ValueError, match="not validated"):
        conditions.compile_tree(is_("member.iq", "eq", 1))


@pytest.mark.parametrize(
    ("_case", "tree", "net"),
    [
        ("alone", is_("purchase.net", "gte", "10"), Decimal(10)),
        (
            "in an outer all",
            {"all": [is_("member.tier", "eq", "gold"), is_("purchase.net", "gte", "10")]},
            Decimal(10),
        ),
        ("one of several ways", {"any": [is_("purchase.net", "gte", "10")]}, None),
        ("another operator", is_("purchase.net", "lte", "10"), None),
    ],
)
def test_a_minimum_is_found_where_it_must_hold(
    _case: str, tree: dict[str, Any], net: Decimal | None
) -> None:
    minimum = conditions.minimum_net(tree)

    assert (minimum and minimum.net) == net


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (is_("member.tier", "eq", "gold"), "the member's tier is gold"),
        (
            is_("purchase.net", "between", ["10", "20"]),
            "the purchase's net amount is between 10 and 20",
        ),
        (is_("moment.weekday", "in", [6, 7]), "the weekday is one of Saturday, Sunday"),
        (is_("line.tags", "contains", "eco"), "the product's tags include eco"),
        (is_("line.brand", "exists", False), "the brand is not known"),
        (
            {
                "all": [
                    {"any": [is_("line.sku", "eq", "A"), is_("line.sku", "eq", "B")]},
                    {"not": is_("line.brand", "eq", "X")},
                ]
            },
            "(the product is A or the product is B) and not (the brand is X)",
        ),
    ],
)
def test_a_tree_reads_as_a_sentence(tree: dict[str, Any], text: str) -> None:
    assert sentence(tree) == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"trigger": "purchase", "effects": [rate()]}, "1 point per 1.00."),
        (
            {
                "trigger": "purchase",
                "effects": [rate(3)],
                "lines": is_("line.category", "eq", "dairy"),
                "limits": [{"per": "member", "period": "day", "points": 100}],
            },
            "3 points per 1.00 on lines where the category is dairy; "
            "at most 100 points a day per member.",
        ),
        (
            {
                "trigger": "purchase",
                "effects": [multiply("2")],
                "when": is_("member.tier", "eq", "gold"),
            },
            "Base points times 2 when the member's tier is gold.",
        ),
        (
            {
                "trigger": "event:newsletter",
                "effects": [fixed(30)],
                "limits": [{"per": "member", "period": "lifetime", "uses": 1}],
            },
            "30 points for the event newsletter; at most once in all per member.",
        ),
    ],
)
def test_a_rule_reads_as_a_sentence(rule: dict[str, Any], text: str) -> None:
    assert rule_sentence(rule) == text


def test_the_moment_is_the_program_s_and_not_that_of_utc() -> None:
    late = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    bought = purchase(line("1.00"), at=late)
    context = Context(GOLD, bought.local, purchase=bought)

    assert conditions.evaluate(is_("moment.date", "eq", "2026-07-01"), context)
    assert conditions.evaluate(is_("moment.hour", "eq", 0), context)
    assert late.astimezone(LISBON).isoweekday() == 3
    assert NOON.isoweekday() == 7
