"""Any split and order of returns of everything nets to zero, less what was forgiven."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    DAY,
    GOLD,
    NOON,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    differences,
    join,
    line,
    negative_balances,
    program_file,
    refund,
    rule,
    spend,
)
from members.models import LedgerEntry, Member, Return
from members.services.ledger import settle_due

pytestmark = pytest.mark.django_db


def opened(points: dict[str, Any] | None = None, **sections: Any) -> Member:
    """Open the shop and enroll its member."""
    apply(program_file(points, **sections))
    return join()


# T7 ------------------------------------------------------------------------------------------

RULE_SETS = [
    [BASE, BASE_STATUS],
    [BASE, BASE_STATUS, GOLD],
    [
        {**BASE, "lines": {"attr": "line.category", "op": "eq", "value": "dairy"}},
        rule("half", 1, per="2.00"),
        BASE_STATUS,
        GOLD,
    ],
    [
        {**BASE, "limits": [{"per": "member", "period": "day", "points": 37}]},
        rule("third", 1, per="3.00"),
    ],
]
POLICIES = [
    {"policy": "only_pending", "limit": 0},
    {"policy": "within_balance", "limit": 0},
    {"policy": "into_debt", "limit": 25},
    {"policy": "into_debt", "limit": 100000},
]

quantities = st.decimals("0.001", "9", places=3).map(str)
prices = st.decimals("0.01", "99", places=2).map(str)


@st.composite
def stories(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a program, a purchase, and what happens to it until all of it came back."""
    lines = [
        line(str(n), draw(prices), quantity=draw(quantities), category=draw(CATEGORIES))
        for n in range(draw(st.integers(1, 3)))
    ]
    acts = draw(st.lists(st.sampled_from(["part", "spend", "wait", "rules"]), max_size=6))
    return {
        "rules": draw(st.sampled_from(RULE_SETS)),
        "points": {
            "pending_days": draw(st.sampled_from([0, 3])),
            "expiry": {"model": "fixed_after", "days": draw(st.sampled_from([5, 400]))},
            "returns": {**draw(st.sampled_from(POLICIES)), "grace_days": 30},
        },
        "is_gold": draw(st.booleans()),
        "lines": lines,
        "acts": [(act, draw(st.fractions(0, 1, max_denominator=5))) for act in acts],
    }


CATEGORIES = st.sampled_from(["dairy", "toys"])


@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(story=stories())
def test_all_that_comes_back_takes_exactly_what_was_given(story: dict[str, Any]) -> None:
    with transaction.atomic():
        _live(story)
        transaction.set_rollback(True)


def _live(story: dict[str, Any]) -> None:
    member = opened(story["points"], rules=story["rules"])
    now = NOON
    if story["is_gold"]:
        buy(basket(line(price="2500.00"), at=NOON - 2 * DAY), moment=NOON - 2 * DAY)
    before = {code: total(member, code) for code in ("points", "status")}
    body = basket(*story["lines"], at=now)
    given = buy(body, moment=now)["points"]["granted"]
    figures: list[dict[str, Any]] = []
    left = {each["line_id"]: Decimal(each["quantity"]) for each in story["lines"]}
    for act, share in story["acts"]:
        now += DAY
        if act == "wait":
            now += 4 * DAY
        elif act == "rules":
            apply(program_file(story["points"], rules=[rule("new", 7)]), now)
        elif act == "spend":
            spend_share(member, share, now)
        elif (part := _part(left, share)) is not None:
            figures.append(bring_back(refund(body, part, at=now), moment=now)["points"])
    now += DAY
    if any(left.values()):
        figures.append(bring_back(refund(body, at=now), moment=now)["points"])

    assert sum(each["clawed_back"] for each in figures) == given
    forgiven = sum(each["forgiven"] for each in figures)
    assert total(member, "points") - before["points"] == forgiven
    assert total(member, "status") == before["status"]
    assert differences() == []
    assert negative_balances() == []


def _part(left: dict[str, Decimal], share: Any) -> tuple[str, str] | None:
    line_id = max(left, key=lambda key: left[key])
    quantity = (left[line_id] * share.numerator / share.denominator).quantize(Decimal("0.001"))
    if not 0 < quantity <= left[line_id]:
        return None
    left[line_id] -= quantity
    return line_id, f"{quantity.normalize():f}"


def spend_share(member: Member, share: Any, now: datetime) -> None:
    """Redeem a share of what is available."""
    settle_due(member_ids=[member.pk], moment=now, recorded_at=now, actor="test")
    found = balances(member)
    points = found.get("available", 0) * share.numerator // share.denominator
    if points and "debt" not in found:
        spend(member, points, moment=now)


def total(member: Member, code: str) -> int:
    """Return what was issued to the member less what was clawed back, expired or not spent.

    Redeemed and expired points count as had: they are what the member got out of it.
    """
    entries = LedgerEntry.objects.filter(
        transaction__member=member, account__kind="issued", currency__code=code
    )
    issued = -sum(entries.values_list("points", flat=True))
    return issued - already_expired(member, code)


def already_expired(member: Member, code: str) -> int:
    """Return what returns counted as taken back because it had expired."""
    found = Return.objects.filter(purchase__member=member).values_list("points", flat=True)
    return sum(
        figures["already_expired"]
        for points in found
        for name, figures in points["by_currency"].items()
        if name == code
    )
