"""Batches: what the same purchases sent singly in that order would give, at most 250 a commit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from campaigns.bodies import parse_purchase
from campaigns.models import Award, LimitCounter
from campaigns.services import intake, posting, run
from campaigns.services.keys import Key, Outcome
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    CARD,
    DAY,
    GOLD,
    NOON,
    Till,
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


def post(till: Till, *rows: Any) -> Any:
    """Post rows as a batch, without a key."""
    return till.post("purchases/batch", {"purchases": list(rows)}, key="")


def test_each_row_is_answered_in_the_order_sent() -> None:
    apply()
    member = join()
    bodies = [basket(line(price=f"{n}.00")) for n in (3, 1, 2)]

    response = post(Till(), *bodies)

    results = response.json()["results"]
    assert response.status_code == 200
    assert [row["index"] for row in results] == [0, 1, 2]
    assert [row["external_id"] for row in results] == [each["external_id"] for each in bodies]
    assert [row["status"] for row in results] == ["created"] * 3
    assert [row["points"] for row in results] == [3, 1, 2]
    assert {row["id"] for row in results} == {str(p.public_id) for p in Purchase.objects.all()}
    assert [row["problem"] for row in results] == [None] * 3
    assert balances(member) == {"available": 6}


def test_a_repeat_answers_the_first_result() -> None:
    apply()
    member = join()
    till, bodies = Till(), [basket(), basket()]
    first = post(till, *bodies).json()["results"]

    again = post(till, *bodies).json()["results"]

    assert again == [{**row, "status": "duplicate"} for row in first]
    assert balances(member) == {"available": 20}


def test_a_name_that_comes_twice_in_a_batch_is_a_duplicate_or_a_conflict() -> None:
    apply()
    join()
    body = basket()

    results = post(Till(), body, body, {**body, "store": "other"}, basket()).json()["results"]

    assert [row["status"] for row in results] == ["created", "duplicate", "error", "created"]
    assert results[1]["id"] == results[0]["id"]
    assert results[2]["problem"]["code"] == "purchase_conflict"


def test_a_bad_row_never_stops_the_others() -> None:
    apply()
    member = join()
    bad = [
        {**basket(), "extra": 1},
        {"external_id": "R"},
        "no purchase",
        basket(card="nobody"),
        basket(currency="USD"),
        basket(occurred_at="2999-01-01T00:00:00Z"),
        basket(line(quantity="0")),
    ]

    results = post(Till(), basket(), *bad, basket()).json()["results"]

    assert [row["status"] for row in results] == ["created", *["error"] * len(bad), "created"]
    problems = [row["problem"] for row in results[1:-1]]
    assert [each["code"] for each in problems] == [
        *["invalid"] * 3,
        "unknown_member",
        "currency_mismatch",
        "in_the_future",
        "invalid",
    ]
    assert all(
        {"type", "title", "status", "detail", "request_id"} <= set(each) for each in problems
    )
    assert problems[0]["errors"][0]["pointer"] == "/extra"
    assert [row["points"] for row in results[1:-1]] == [None] * len(bad)
    assert balances(member) == {"available": 20}


def test_a_row_that_gives_too_much_does_not_stop_the_others() -> None:
    apply(program_file(rules=[rule("rich", 1000, per="0.01")]))
    join()
    rows = [basket(line(price="1.00")), basket(line(price="99999999", quantity="9999"))]

    outcomes = send([*rows, basket(line(price="1.00"))], moment=NOON + 500 * DAY)

    assert [row.status for row in outcomes] == ["created", "error", "created"]


@pytest.mark.parametrize("count", [0, 1001])
def test_no_row_and_more_than_a_thousand_are_refused(count: int) -> None:
    apply()

    assert post(Till(), *[{}] * count).status_code == 400


def test_a_batch_needs_no_key_and_ignores_one() -> None:
    apply()
    join()
    till = Till()

    statuses = [
        till.post("purchases/batch", {"purchases": [basket()]}, key=key).status_code
        for key in ("", "short", "a-key-of-the-till-0001", "a-key-of-the-till-0001")
    ]

    assert statuses == [200] * 4


def test_at_most_250_rows_are_committed_together() -> None:
    apply()
    join()
    bodies = [basket(line(price="1.00"), at=NOON) for _ in range(501)]

    with CaptureQueriesContext(connection) as captured:
        outcomes = send(bodies, moment=NOON)

    posts = [each for each in captured.captured_queries if "intake_post" in each["sql"]]
    assert len(posts) == 3
    assert {row.status for row in outcomes} == {"created"}


def test_a_chunk_that_fails_is_repeated_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    apply()
    join()
    bodies = [basket(at=NOON) for _ in range(3)]
    real = posting.write

    def failing(document: Any, *rest: Any, **more: Any) -> None:
        real(document, *rest, **more)
        if any(row["external_id"] == bodies[1]["external_id"] for row in document.purchases):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")

    monkeypatch.setattr(run, "write", failing)
    outcomes = send(bodies, moment=NOON)

    assert [row.status for row in outcomes] == ["created", "error", "created"]
    assert outcomes[1].problem is not None
    assert outcomes[1].problem.status == 500
    assert Purchase.objects.count() == 2


def test_a_tier_reached_in_a_batch_counts_for_its_later_rows() -> None:
    apply(program_file(rules=[BASE, BASE_STATUS, GOLD]))
    member = join()
    bodies = [
        basket(line(price="2000.00"), at=NOON),
        basket(at=NOON + timedelta(hours=1)),
        basket(at=NOON - timedelta(hours=1)),
    ]

    outcomes = send(bodies, moment=NOON + DAY)

    assert [row.points for row in outcomes] == [2000, 20, 10]
    assert [tier for tier, _ in standings(member)] == ["bronze", "gold"]


def test_limits_count_within_a_batch() -> None:
    limited = {**BASE, "limits": [{"per": "member", "period": "day", "points": 25}]}
    apply(program_file(rules=[limited]))
    join()

    outcomes = send([basket(at=NOON) for _ in range(4)], moment=NOON)

    assert [row.points for row in outcomes] == [10, 10, 5, 0]
    assert LimitCounter.objects.get().points == 25


def test_late_rows_pay_a_debt_in_the_order_sent() -> None:
    apply()
    member = join()
    first = basket(line(price="100.00"), at=NOON)
    buy(first, moment=NOON)
    spend(member, 100, moment=NOON + DAY)
    bring_back(refund(first, at=NOON + 9 * DAY), moment=NOON + 9 * DAY)
    bodies = [basket(line(price="60.00"), at=NOON + n * DAY) for n in (5, 3, 12)]

    send(bodies, moment=NOON + 12 * DAY)

    paid = [p.evaluation["points"]["points"]["paid_debt"] for p in Purchase.objects.order_by("pk")]
    assert paid == [0, 60, 40, 0]
    assert balances(member) == {"available": 80}
    assert negative_balances() == []


# Batch and singles ---------------------------------------------------------------------------

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
