"""Mistakes that other systems made with rules, by their numbers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import orjson
import pytest

from campaigns.bodies import parse_purchase
from campaigns.models import Award, LimitCounter
from campaigns.services import intake
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    DAY,
    NOON,
    apply,
    basket,
    buy,
    join,
    line,
    program_file,
    rule,
    wired,
)

pytestmark = pytest.mark.django_db

ONCE = [{"per": "member", "period": "lifetime", "uses": 1}]


def fixed(code: str, points: int, **more: Any) -> dict[str, Any]:
    """Return a rule that gives some points for every purchase."""
    effect = {"kind": "earn_fixed", "currency": "points", "points": points}
    return {"code": code, "trigger": "purchase", "effects": [effect], **more}


def opened(*rules: dict[str, Any], **sections: Any) -> None:
    """Open a shop with these rules, and enroll its member."""
    apply(program_file(rules=[BASE_STATUS, *rules], **sections))
    join()


def gave(answer: dict[str, Any]) -> dict[str, int]:
    """Return the points by rule, in the order of the receipt."""
    return {row["rule"]["code"]: row["points"] for row in answer["receipt"]}


def bought(at: Any = NOON, **fields: Any) -> dict[str, Any]:
    """Return the answer about a purchase of ten euros."""
    lines = fields.pop("lines", ())
    return buy(basket(*lines, at=at, **fields), moment=max(at, NOON))


# 41: order and explanation ----------------------------------------------------------------


def test_the_order_of_rules_is_the_program_s_and_not_that_of_their_edits() -> None:
    """Edge case 41: the rule that was edited last does not win."""
    first, second = fixed("first", 5), fixed("second", 3)
    pair = {"not_together": [["first", "second"]]}
    opened(first, second, stacking=pair)
    assert gave(bought()) == {"first": 5}

    # The second is edited, and stands after the first as before.
    edited = fixed("second", 4, name="Edited")
    apply(program_file(rules=[BASE_STATUS, first, edited], stacking=pair), NOON)

    assert gave(bought(NOON + DAY)) == {"first": 5}


def test_every_point_names_its_rule_and_how_it_was_counted() -> None:
    """Edge case 41: nobody has to ask how it was calculated, and no rule is nameless."""
    opened(BASE, fixed("gift", 5, name={"en": "A gift"}))

    answer = bought()

    assert [(row["rule"], row["text"]) for row in answer["receipt"]] == [
        (
            {"code": "base", "version": 1, "name": "1 point per euro"},
            "1 point per 1.00 on 10.00, rounded down",
        ),
        ({"code": "gift", "version": 1, "name": "A gift"}, "5 points"),
    ]
    assert sum(gave(answer).values()) == answer["points"]["granted"]
    assert not Award.objects.filter(text="").exists()


# 42: eligibility, incompatibility, limits -------------------------------------------------


def test_what_one_rule_asks_for_decides_about_no_other() -> None:
    """Edge case 42: eligibility of one rule leaks to no other, either way."""
    silver = {"attr": "member.tier", "op": "eq", "value": "silver"}
    secret = {"attr": "purchase.coupon", "op": "contains", "value": "SECRET"}
    opened(fixed("silver", 7, when=silver), fixed("secret", 9, when=secret), fixed("all", 1))

    answer = bought()

    assert gave(answer) == {"all": 1}
    # A coupon that was not shown is not given away by what did not apply.
    assert [each["rule"]["code"] for each in answer["not_applied"]] == ["silver"]
    assert "SECRET" not in str(answer)
    assert gave(bought(coupons=["SECRET"])) == {"secret": 9, "all": 1}


def test_an_incompatibility_can_be_taken_away_again() -> None:
    """Edge case 42: it is a line of the program and not a closure that nobody can undo."""
    rules = [fixed("a", 1), fixed("b", 2), fixed("c", 4)]
    opened(*rules, stacking={"not_together": [["a", "b"], ["b", "c"]]})
    assert gave(bought()) == {"a": 1, "c": 4}

    apply(program_file(rules=[BASE_STATUS, *rules], stacking={"not_together": [["a", "b"]]}), NOON)
    assert gave(bought(NOON + DAY)) == {"a": 1, "c": 4}
    apply(program_file(rules=[BASE_STATUS, *rules]), NOON + 2 * DAY)

    assert gave(bought(NOON + 3 * DAY)) == {"a": 1, "b": 2, "c": 4}


def test_a_limit_does_not_count_the_purchase_that_it_judges() -> None:
    """Edge case 42: neither looking first nor asking again uses up what a member may have once."""
    opened(fixed("once", 5, limits=ONCE))
    body = basket(at=NOON)

    looked = [_look(body) for _ in range(2)]
    real = buy(body, moment=NOON)
    again = buy(body, moment=NOON + DAY)

    assert [gave(each) for each in (*looked, real, again)] == [{"once": 5}] * 4
    assert LimitCounter.objects.get().uses == 1
    assert gave(bought()) == {"once": 0}


def _look(body: dict[str, Any]) -> dict[str, Any]:
    return wired(
        intake.process_purchase(
            body=parse_purchase(orjson.dumps({**body, "external_id": str(uuid4())})),
            actor="test",
            moment=NOON,
            dry_run=True,
        )
    )


def test_a_member_s_limit_is_that_member_s() -> None:
    """Edge case 42: a limit per customer counts nobody else's purchases."""
    opened(fixed("once", 5, limits=ONCE))
    join("6011000002")

    assert gave(bought()) == {"once": 5}
    assert gave(bought(card="6011000002")) == {"once": 5}


@pytest.mark.parametrize(
    ("_case", "minutes", "expected"),
    [
        ("a minute before it starts", -1, {}),
        ("when it starts", 0, {"plus": 5}),
        ("the last minute", 59, {"plus": 5}),
        ("when it ends", 60, {}),
    ],
)
def test_a_campaign_gives_from_its_start_until_its_end(
    _case: str, minutes: int, expected: dict[str, int]
) -> None:
    """Edge case 42: a promotion has a start, to the minute and in the program's zone."""
    window = {"starts_at": "2026-03-02T13:00", "ends_at": "2026-03-02T14:00"}
    campaign = {"code": "c", "name": "C", "status": "active", "rules": [fixed("plus", 5)], **window}
    opened(campaigns=[campaign])

    assert gave(bought(NOON + timedelta(minutes=60 + minutes))) == expected


# 43: limits without a code, several gifts -------------------------------------------------


def test_a_promotion_without_a_code_is_held_to_its_limit() -> None:
    """Edge case 43: whether a rule asks for a code says nothing about its limit."""
    ten = {"attr": "purchase.coupon", "op": "contains", "value": "TEN"}
    opened(fixed("plain", 1, limits=ONCE), fixed("coupon", 2, when=ten, limits=ONCE))

    assert [gave(bought(coupons=["TEN"])) for _ in range(2)] == [
        {"plain": 1, "coupon": 2},
        {"plain": 0, "coupon": 0},
    ]


def test_a_purchase_can_have_several_gifts() -> None:
    """Edge case 43: a second gift is not left out for the first."""
    voucher = {"kind": "voucher", "reward": "cup", "valid_days": 30}
    cup = {"code": "cup", "kind": "free_item", "name": "Cup", "points_price": 30}
    gifts = [{"code": code, "trigger": "purchase", "effects": [voucher]} for code in ("one", "two")]
    opened(*gifts, rewards=[cup])

    answer = bought()

    assert [each["rule"]["code"] for each in answer["grants"]] == ["one", "two"]


# 28 and 29: arithmetic --------------------------------------------------------------------


def test_multipliers_leave_no_residue_of_fractions() -> None:
    """Edge case 28: a third of a point is never rounded up by binary fractions."""
    factors = [
        {
            "code": f"x{number}",
            "trigger": "purchase",
            "effects": [{"kind": "multiply_base", "currency": "points", "factor": factor}],
        }
        for number, factor in enumerate(("1.1", "1.2", "1.7"))
    ]
    opened(BASE, *factors)

    answer = bought(lines=[line(price="30.00")])

    # 30 x 0.1, 30 x 0.2 and 30 x 0.7 are whole; as binary fractions 30 x 0.7 is 20.999...
    assert gave(answer) == {"base": 30, "x0": 3, "x1": 6, "x2": 21}


def test_a_rate_on_the_smallest_amount_is_exact() -> None:
    """Edge case 28: 0.1 + 0.2 is 0.3, and three tenths of a point are none."""
    opened(rule("tenth", 1, per="0.30"))

    answer = bought(lines=[line("1", "0.10"), line("2", "0.20")])

    assert gave(answer) == {"tenth": 1}
    assert Decimal(answer["net"]) == Decimal("0.30")
