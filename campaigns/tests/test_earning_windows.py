"""Conditions on who the member is beside their profile, and on what they bought before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.earning.conditions import validate
from campaigns.earning.evaluate import evaluate
from campaigns.earning.facts import BoughtFacts, ConsentFacts, IdentifierFacts, MemberFacts
from campaigns.earning.sentences import sentence, trace_sentence
from campaigns.programfile import parse, run_tests
from campaigns.tests.shop import (
    BASE_STATUS,
    CARD,
    DAY,
    apply,
    basket,
    bring_back,
    buy,
    claim,
    join,
    program_file,
    refund,
    send,
)
from campaigns.tests.shop import NOON as MONDAY
from campaigns.tests.shop import line as body_line
from members.models import Member
from members.services.consents import Answer, record_answers

from .earning_examples import LISBON, NOON, fixed, is_, line, purchase, rule

SCOPES = {"member", "history", "purchase", "moment"}


def holds(
    condition: dict[str, Any], member: MemberFacts, at: datetime = NOON, **facts: Any
) -> bool:
    """Return whether a rule with the condition gives something, by the evaluator."""
    assert validate(condition, SCOPES) == []
    plus = rule("plus", fixed(1), when=condition)
    return bool(evaluate([plus], purchase(line("10.00"), at=at, **facts), member, {}).awards)


# The member -------------------------------------------------------------------------------

EARLIER, LATER = NOON - DAY, NOON + DAY
KNOWN = MemberFacts(
    id="m-1",
    identifiers=(
        IdentifierFacts("email", EARLIER, EARLIER),
        IdentifierFacts("phone", EARLIER, LATER),
        IdentifierFacts("card", LATER),
    ),
    consents=(
        ConsentFacts("marketing:email", True, EARLIER - DAY),
        ConsentFacts("marketing:sms", True, EARLIER - DAY),
        ConsentFacts("marketing:sms", False, EARLIER),
        ConsentFacts("profiling:any", True, LATER),
    ),
)


@pytest.mark.parametrize(
    ("attr", "value", "expected"),
    [
        ("member.identifier", "email", True),
        ("member.identifier", "phone", True),
        ("member.identifier", "card", False),
        ("member.identifier_verified", "email", True),
        ("member.identifier_verified", "phone", False),
        ("member.consent", "marketing:email", True),
        ("member.consent", "marketing:sms", False),
        ("member.consent", "profiling:any", False),
    ],
)
def test_identifiers_and_consents_are_those_of_the_moment(
    attr: str, value: str, expected: bool
) -> None:
    assert holds(is_(attr, "contains", value), KNOWN) is expected
    assert holds({"not": is_(attr, "contains", value)}, KNOWN) is not expected


@pytest.mark.parametrize(
    "attr", ["member.identifier", "member.identifier_verified", "member.consent"]
)
def test_what_is_known_of_the_member_is_not_told_by_a_trace(attr: str) -> None:
    said = trace_sentence(is_(attr, "contains", "email"))

    assert "email" not in said
    assert said.startswith("the condition on the member's")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (is_("purchase.device", "eq", "till-1"), True),
        (is_("purchase.cashier", "in", ["ana", "rui"]), True),
        (is_("purchase.tender", "contains", "card"), True),
        (is_("purchase.tender", "contains", "cash"), False),
        (is_("purchase.tender", "not_in", ["points", "voucher"]), True),
    ],
)
def test_a_rule_can_ask_how_it_was_paid_and_where(
    condition: dict[str, Any], expected: bool
) -> None:
    facts: dict[str, Any] = {
        "device": "till-1",
        "cashier": "ana",
        "tenders": (("card", Decimal(10)),),
    }

    assert holds(condition, KNOWN, **facts) is expected


# What was bought before -------------------------------------------------------------------


def bought(at: datetime, *parts: tuple[str, str, str], store: str = "") -> BoughtFacts:
    """Return an earlier purchase of (category, net, quantity)."""
    return BoughtFacts(
        at, store, tuple((of, Decimal(net), Decimal(many)) for of, net, many in parts)
    )


def ago(days: int, hour: int = 12) -> datetime:
    """Return a moment of Lisbon, days before the purchase of 1 March 2026."""
    return datetime(2026, 3, 1, hour, tzinfo=LISBON) - timedelta(days=days)


HISTORY = MemberFacts(
    id="m-1",
    bought=(
        bought(ago(40), ("dairy", "100.00", "10")),
        bought(ago(29, 0), ("dairy", "30.00", "3"), ("bread", "5.00", "2"), store="north"),
        bought(ago(28), ("bread", "7.50", "1")),
        bought(ago(0, 9), ("dairy", "2.50", "0.5"), store="south"),
        # At the very moment, and after it.
        bought(NOON, ("dairy", "1000.00", "100")),
        bought(NOON + DAY, ("dairy", "1000.00", "100")),
    ),
)


def over(attr: str, value: object, **window: Any) -> dict[str, Any]:
    """Return a condition that the figure of the window is exactly ``value``."""
    return {"attr": f"history.{attr}", "op": "eq", "value": value, **window}


@pytest.mark.parametrize(
    ("_case", "condition"),
    [
        ("all of it", over("purchases", 4, days=365)),
        ("its money", over("net", "145.00", days=365)),
        ("its quantity", over("quantity", "16.5", days=365)),
        ("30 days begin with the day 29 days ago", over("purchases", 3, days=30)),
        ("29 days do not", over("purchases", 2, days=29)),
        ("one day is the day of the purchase", over("net", "2.50", days=1)),
        # 1 March less one month is 1 February, so that the window begins on 2 February.
        ("a month", over("purchases", 1, months=1)),
        ("two months", over("purchases", 4, months=2)),
        ("of a category", over("net", "32.50", days=30, category="dairy")),
        ("its purchases", over("purchases", 2, days=30, category="bread")),
        ("in a store", over("net", "35.00", days=30, store="north")),
        (
            "of a category in a store",
            over("quantity", "3", days=30, store="north", category="dairy"),
        ),
        ("none", over("purchases", 0, days=30, category="wine")),
        ("no money", over("net", "0", days=30, store="west")),
    ],
)
def test_a_window_counts_what_was_bought_in_it(_case: str, condition: dict[str, Any]) -> None:
    assert holds(condition, HISTORY)
    assert not holds({"not": condition}, HISTORY)


def test_a_window_that_ends_on_a_short_month_is_clamped() -> None:
    # 31 March less one month is 28 February: the window begins on 1 March.
    member = MemberFacts(
        id="m-1",
        bought=(
            bought(datetime(2026, 2, 28, 23, tzinfo=LISBON), ("", "1.00", "1")),
            bought(datetime(2026, 3, 1, 0, tzinfo=LISBON), ("", "2.00", "1")),
        ),
    )

    assert holds(over("net", "2.00", months=1), member, datetime(2026, 3, 31, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("_case", "change", "path"),
    [
        ("no window", {}, "days"),
        ("two windows", {"days": 1, "months": 1}, "days"),
        ("no day", {"days": 0}, "days"),
        ("too many days", {"days": 3661}, "days"),
        ("no whole number", {"days": "30"}, "days"),
        ("yes", {"days": True}, "days"),
        ("too many months", {"months": 121}, "months"),
        ("no category", {"days": 1, "category": ""}, "category"),
        ("a number for a store", {"days": 1, "store": 7}, "store"),
        ("another value", {"days": 1, "value": "many"}, "value"),
        ("another operator", {"days": 1, "op": "contains"}, "op"),
        ("an unknown key", {"days": 1, "channel": "web"}, ""),
    ],
)
def test_a_wrong_window_names_its_path(_case: str, change: dict[str, Any], path: str) -> None:
    tree = {"attr": "history.purchases", "op": "gte", "value": 1, **change}

    assert [where for where, _ in validate(tree, SCOPES)] == [path]


def test_a_window_belongs_to_history_alone_and_history_to_rules_alone() -> None:
    with_window = {**is_("purchase.net", "gte", 5), "days": 30}
    history = over("purchases", 1, days=30)

    assert [path for path, _ in validate(with_window, SCOPES)] == [""]
    assert [path for path, _ in validate(history, {"member"})] == ["attr"]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (
            over("purchases", 3, days=30),
            "the number of earlier purchases in the last 30 days is 3",
        ),
        (
            over("net", "5", months=1, category="dairy", store="north"),
            "the net of earlier purchases of dairy in north in the last month is 5",
        ),
    ],
)
def test_a_window_is_told_as_a_sentence(condition: dict[str, Any], words: str) -> None:
    assert sentence(condition) == words


# A shop -----------------------------------------------------------------------------------


def shop(*conditions: dict[str, Any]) -> Member:
    """Open a shop that gives a point for each condition that holds, and one in any case."""
    rules = [
        {"code": f"r{n}", "trigger": "purchase", "when": each, "effects": [fixed(1)]}
        for n, each in enumerate(conditions)
    ]
    apply(program_file(rules=[BASE_STATUS, *rules]))
    return join()


def gave(answer: dict[str, Any]) -> list[str]:
    """Return the rules that gave something."""
    return [row["rule"]["code"] for row in answer["receipt"]]


@pytest.mark.django_db
def test_a_purchase_is_judged_by_what_came_before_it_net_of_returns() -> None:
    shop(
        {"attr": "history.net", "op": "gte", "value": "30.00", "days": 30},
        {"attr": "history.purchases", "op": "gte", "value": 2, "days": 30, "category": "dairy"},
    )
    first = basket(body_line("1", "20.00", category="dairy"), body_line("2", "5.00"), at=MONDAY)
    assert gave(buy(first, moment=MONDAY)) == []
    second = basket(body_line("1", "10.00", category="dairy"), at=MONDAY + DAY)
    assert gave(buy(second, moment=MONDAY + DAY)) == []

    third = buy(basket(at=MONDAY + 2 * DAY), moment=MONDAY + 2 * DAY)
    bring_back(refund(first, ("1", "1"), at=MONDAY + 2 * DAY), moment=MONDAY + 2 * DAY)
    fourth = buy(basket(at=MONDAY + 3 * DAY), moment=MONDAY + 3 * DAY)

    assert gave(third) == ["r0", "r1"]
    # 35.00 less 20.00 that came back, with the third's 10.00: only one of dairy is left.
    assert gave(fourth) == []


@pytest.mark.django_db
def test_a_late_purchase_is_judged_by_its_own_past() -> None:
    shop({"attr": "history.purchases", "op": "gte", "value": 1, "days": 30})
    buy(basket(at=MONDAY + DAY), moment=MONDAY + 2 * DAY)

    late = buy(basket(at=MONDAY), moment=MONDAY + 2 * DAY)
    after = buy(basket(at=MONDAY + DAY + timedelta(hours=1)), moment=MONDAY + 2 * DAY)

    assert (gave(late), gave(after)) == ([], ["r0"])


@pytest.mark.django_db
def test_a_batch_gives_what_its_purchases_sent_singly_would() -> None:
    shop({"attr": "history.quantity", "op": "gte", "value": 2, "days": 7})
    bodies = [basket(at=MONDAY + n * timedelta(hours=1)) for n in range(4)]

    send(bodies, moment=MONDAY + DAY)

    # A repeat tells the first answer.
    again = [buy(body, moment=MONDAY + DAY) for body in bodies]
    assert [gave(answer) for answer in again] == [[], [], ["r0"], ["r0"]]


@pytest.mark.django_db
def test_a_claim_is_judged_by_what_its_member_bought_before() -> None:
    shop({"attr": "history.purchases", "op": "gte", "value": 1, "days": 7})
    unknown = buy(basket(card=None, at=MONDAY), moment=MONDAY)
    buy(basket(at=MONDAY - DAY), moment=MONDAY)

    assert gave(claim(unknown["id"], CARD, moment=MONDAY)) == ["r0"]


@pytest.mark.django_db
def test_a_consent_and_a_verified_identifier_are_read_where_a_rule_asks() -> None:
    member = shop(
        is_("member.consent", "contains", "marketing:email"),
        is_("member.identifier", "contains", "card"),
        is_("member.identifier_verified", "contains", "email"),
    )
    assert gave(buy(basket(at=MONDAY), moment=MONDAY)) == ["r1"]

    answers = [Answer("marketing", "email", True)]
    record_answers(member=member, answers=answers, source="test", moment=MONDAY + DAY)

    assert gave(buy(basket(at=MONDAY + 2 * DAY), moment=MONDAY + 2 * DAY)) == ["r0", "r1"]
    # What occurred before the answer is judged without it.
    assert gave(buy(basket(at=MONDAY), moment=MONDAY + 2 * DAY)) == ["r1"]


@pytest.mark.django_db
@pytest.mark.parametrize("asks", [False, True], ids=["nobody_asks", "a_rule_asks"])
def test_history_costs_no_call_more_and_is_read_only_where_a_rule_asks(asks: bool) -> None:
    window = [{"attr": "history.net", "op": "gte", "value": "1.00", "days": 30}]
    shop(*(window if asks else [is_("purchase.net", "gte", "1.00")]))
    buy(basket(at=MONDAY), moment=MONDAY)

    with CaptureQueriesContext(connection) as queries:
        buy(basket(at=MONDAY), moment=MONDAY)

    calls = [each["sql"] for each in queries if "SELECT intake" in each["sql"]]
    assert len(calls) == 2
    assert ("bought_since" in calls[0]) is asks


def test_an_embedded_test_can_say_who_the_member_is() -> None:
    asked = {
        "tag": is_("member.tag", "contains", "vip"),
        "known": is_("member.identifier_verified", "contains", "email"),
        "agreed": is_("member.consent", "contains", "marketing:email"),
        "bought": {"attr": "history.purchases", "op": "eq", "value": 0, "days": 30},
    }
    rules = [
        {"code": code, "trigger": "purchase", "when": when, "effects": [fixed(1)]}
        for code, when in asked.items()
    ]
    told = {"tags": ["vip"], "identifiers": ["email"], "consents": ["marketing:email"]}
    cases = [
        {
            "name": name,
            "at": "2026-03-02T12:00",
            "member": member,
            "purchase": {"lines": [{"unit_price": "1.00"}]},
            "expect": {"points": points},
        }
        for name, member, points in (("known", told, 4), ("a stranger", {}, 1))
    ]

    outcomes = run_tests(parse(json.dumps(program_file(rules=rules, tests=cases))))

    assert [outcome.differences for outcome in outcomes] == [(), ()]
