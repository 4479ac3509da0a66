"""A batch, a group and singles give the same for any purchases, drawn at random."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from campaigns.bodies import parse_purchase
from campaigns.models import Award, LimitCounter
from campaigns.services import intake
from campaigns.services.keys import Key, Outcome
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    CARD,
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
    send,
    spend,
    standings,
)
from loyalty_site.lib.errors import DomainError
from members.models import LedgerEntry, Member, PointLot, Purchase, Return

pytestmark = pytest.mark.django_db

RULES = [
    BASE,
    BASE_STATUS,
    GOLD,
    {
        **rule("dairy", 3),
        "lines": {"attr": "line.category", "op": "eq", "value": "dairy"},
        "limits": [{"per": "member", "period": "day", "points": 120}],
    },
    {
        **rule("regulars", 1, per="5.00"),
        "when": {"attr": "member.purchases_count", "op": "gte", "value": 3},
        "limits": [{"per": "member", "period": "lifetime", "uses": 2}],
    },
]
CAMPAIGN = {
    "code": "spring",
    "name": "Spring",
    "status": "active",
    "starts_at": "2026-03-01T00:00",
    "budget_points": 300,
    "rules": [rule("spring-plus", 2)],
}
CARDS = [CARD, "6011000002", None, "nobody"]


@st.composite
def days(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a program, purchases of a few members, and returns that come before them."""
    rows = [
        basket(
            line("1", draw(PRICES), category=draw(st.sampled_from(["dairy", "toys"]))),
            line("2", draw(PRICES)),
            card=draw(st.sampled_from(CARDS)),
            at=NOON + timedelta(hours=draw(st.integers(-24 * 20, 24 * 20))),
        )
        for _ in range(draw(st.integers(1, 9)))
    ]
    again = draw(st.lists(st.sampled_from(range(len(rows))), max_size=2))
    early = draw(st.lists(st.sampled_from(range(len(rows))), max_size=3))
    return {
        "points": {"pending_days": draw(st.sampled_from([0, 0, 10]))},
        "owes": draw(st.booleans()),
        "rows": [*rows, *(rows[n] for n in again)],
        "early": [
            refund(rows[n], ("1", draw(st.sampled_from(["0.5", "1", "2"]))), at=NOON) for n in early
        ],
    }


PRICES = st.sampled_from(["0.99", "7.50", "33.33", "410.00", "1999.00"])


@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(day=days())
def test_a_batch_and_a_group_give_what_the_same_purchases_sent_singly_would_give(
    day: dict[str, Any],
) -> None:
    moment = NOON + 21 * DAY

    together = _told(day, lambda rows: [_row(each) for each in send(rows, moment=moment)])
    joined = _told(day, lambda rows: _joined(rows, moment))
    singly = _told(day, lambda rows: [_single(row, moment) for row in rows])

    assert together == singly
    assert joined == singly


def _told(day: dict[str, Any], act: Any) -> dict[str, Any]:
    with transaction.atomic():
        apply(program_file(day["points"], rules=RULES, campaigns=[CAMPAIGN]))
        members = [join(card) for card in CARDS[:2] if card]
        if day["owes"]:
            _owe(members[0])
        for each in day["early"]:
            bring_back(each, moment=NOON)
        found = {"answers": act(day["rows"]), **_everything(members)}
        assert differences() == []
        assert negative_balances() == []
        transaction.set_rollback(True)
    return found


def _owe(member: Member) -> None:
    body = basket(line(price="300.00"), at=NOON - 9 * DAY, external_id="owed")
    moment = NOON + DAY
    buy(body, moment=moment)
    spend(member, balances(member)["available"], moment=moment)
    bring_back(refund(body, at=moment, external_id="owed"), moment=moment)


def _row(outcome: intake.RowOutcome) -> tuple[str, int]:
    return (outcome.problem.code if outcome.problem else "", outcome.points)


def _single(row: dict[str, Any], moment: Any) -> tuple[str, int]:
    try:
        with transaction.atomic():
            return "", buy(row, moment=moment)["points"]["granted"]
    except DomainError as refusal:
        return refusal.code, 0


def _joined(rows: list[dict[str, Any]], moment: Any) -> list[tuple[str, int]]:
    """Post the rows in groups, in each as many as have names of their own."""
    found: list[tuple[str, int]] = []
    while len(found) < len(rows):
        left = rows[len(found) :]
        names = [each["external_id"] for each in left]
        group = next((left[:n] for n in range(1, len(left)) if names[n] in names[:n]), left)
        asked = [
            intake.Asked(parse_purchase(orjson.dumps(each)), "test", moment, "points", _key())
            for each in group
        ]
        for row, each in zip(group, intake.process_group(asked), strict=True):
            if isinstance(each, DomainError):
                found.append((each.code, 0))
            elif each is None:
                found.append(_single(row, moment))
            else:
                assert isinstance(each, Outcome)
                found.append(("", each.body["points"]["granted"]))
    return found


def _key() -> Key:
    return Key("test", str(uuid4()), b"f" * 32)


def _everything(members: list[Member]) -> dict[str, Any]:
    """Return what is known of the members, without ids that differ from run to run."""
    entries = LedgerEntry.objects.filter(transaction__member__in=members)
    return {
        "balances": [(balances(member), balances(member, "status")) for member in members],
        "standings": [standings(member) for member in members],
        # What becomes available at one instant is one transaction, or several.
        "entries": sorted(
            entries.values_list(
                "transaction__type",
                "transaction__occurred_at",
                "currency__code",
                "account__kind",
            ).annotate(Sum("points"))
        ),
        "lots": sorted(
            PointLot.objects.values_list("points", "remaining", "earned_at", "available_at")
        ),
        "awards": sorted(
            Award.objects.values_list(
                "purchase__external_id",
                "position",
                "rule_version__rule__code",
                "requested",
                "points",
                "taken_back",
                "capped_by",
            )
        ),
        "told": dict(Purchase.objects.values_list("external_id", "evaluation__points")),
        "returns": sorted(
            Return.objects.values_list("external_id", "state", "points"), key=lambda row: row[0]
        ),
        # A batch may have looked at a counter that a later row did not need after all.
        "counters": sorted(
            LimitCounter.objects.exclude(points=0, uses=0).values_list(
                "code", "period_start", "points", "uses"
            )
        ),
    }
