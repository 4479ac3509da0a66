"""Batches: what the same purchases sent singly in that order would give, at most 250 a commit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import LimitCounter
from campaigns.services import posting, run
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    DAY,
    GOLD,
    NOON,
    Till,
    apply,
    balances,
    basket,
    bring_back,
    buy,
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
from members.models import Purchase

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
