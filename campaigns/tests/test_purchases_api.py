"""Purchases over the API, sentence by sentence of the wire contract."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.models import Award
from campaigns.tests.shop import (
    BASE,
    DAY,
    Till,
    apply,
    balances,
    basket,
    differences,
    fetched_token,
    join,
    line,
    program_file,
    refund,
    rule,
    spend,
)
from loyalty_site.lib.ratelimit import buckets
from members.models import IdempotencyRecord, Member, OutboxEvent, Purchase

# An id that no row has; the same in every process that collects the tests.
NOBODY = "00000000-0000-4000-8000-000000000001"


pytestmark = pytest.mark.django_db

KEY = "a-key-of-the-till-0001"


@pytest.fixture
def member() -> Member:
    """Open the shop and enroll its member."""
    apply()
    return join()


@pytest.fixture
def till(member: Member) -> Till:
    """Give a till of that shop."""
    return Till()


def problem(response: Any) -> tuple[int, str]:
    """Return the status and the code of a refusal."""
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


# The answer ----------------------------------------------------------------------------------


def test_a_purchase_is_answered_with_points_and_their_reasons(till: Till, member: Member) -> None:
    body = basket(line(price="1.10", quantity="2"), at=timezone.now() - DAY)

    response = till.post("purchases", body)

    answer = response.json()
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    assert "Idempotent-Replayed" not in response
    assert answer["source"] == "pos"
    assert answer["external_id"] == body["external_id"]
    assert answer["state"] == "closed"
    assert answer["member"] == str(member.public_id)
    assert answer["net"] == "2.20"
    assert answer["currency"] == "EUR"
    assert answer["points"] == {"granted": 2, "available": 2, "pending": 0, "paid_debt": 0}
    (row,) = answer["receipt"]
    assert row["rule"] == {"code": "base", "version": 1, "name": "1 point per euro"}
    assert row["campaign"] is None
    assert row["line_id"] is None
    assert row["points"] == row["requested"] == 2
    assert row["state"] == "available"
    assert row["capped_by"] is None
    assert row["text"] == "1 point per 1.00 on 2.20, rounded down"
    assert row["available_at"] == answer["occurred_at"]
    assert answer["tier"] == {"before": "bronze", "after": "bronze"}
    assert balances(member) == {"available": 2}
    assert differences() == []


def test_awards_in_other_currencies_stand_apart_unless_they_are_asked_for(till: Till) -> None:
    in_points = till.post("purchases", basket()).json()
    in_status = till.post("purchases?currency=status", basket()).json()

    assert [row["rule"]["code"] for row in in_points["receipt"]] == ["base"]
    assert [row["currency"] for row in in_points["other_awards"]] == ["status"]
    assert [row["rule"]["code"] for row in in_status["receipt"]] == ["base-status"]
    assert [row["currency"] for row in in_status["other_awards"]] == ["points"]
    assert in_status["points"]["granted"] == 10


def test_an_unknown_point_currency_is_400(till: Till) -> None:
    assert problem(till.post("purchases?currency=gold", basket())) == (400, "unknown_currency")


def test_what_did_not_apply_is_told_with_what_was_missing(till: Till) -> None:
    big = {**rule("big", 1), "when": {"attr": "purchase.net", "op": "gte", "value": "17.80"}}
    apply(program_file(rules=[BASE, big]), timezone.now() - 2 * DAY)

    answer = till.post("purchases", basket()).json()

    (missed,) = answer["not_applied"]
    assert missed["rule"]["code"] == "big"
    assert missed["campaign"] is None
    assert missed["missing"] == "7.80"
    assert missed["reason"] == "below_minimum"
    assert missed["text"]


def test_a_coupon_that_nobody_knows_never_refuses_the_purchase(till: Till) -> None:
    response = till.post("purchases", basket(coupons=["SPRING"]))

    assert response.status_code == 201
    coupons = [row for row in response.json()["not_applied"] if row["coupon"]]
    assert [(row["coupon"], row["reason"]) for row in coupons] == [("SPRING", "coupon_unknown")]


def test_the_net_of_each_line_is_rounded_half_up_and_then_summed(till: Till) -> None:
    lines = [
        line("1", "0.335", quantity="3"),
        line("2", "10.00", discount="0.005"),
        line("3", "1.00", discount="5.00"),
    ]

    answer = till.post("purchases", basket(*lines)).json()

    # 1.005 -> 1.01, 9.995 -> 10.00, and nothing below zero.
    assert answer["net"] == "11.01"


def test_a_tier_that_is_reached_counts_for_later_purchases_only(till: Till, member: Member) -> None:
    at = timezone.now() - DAY

    first = till.post("purchases", basket(line(price="2000.00"), at=at)).json()
    earlier = till.post("purchases", basket(at=at - timedelta(hours=1))).json()
    later = till.post("purchases", basket(at=at + timedelta(hours=1))).json()

    assert first["tier"] == {"before": "bronze", "after": "gold"}
    assert earlier["tier"]["before"] == "bronze"
    assert earlier["points"]["granted"] == 10
    assert later["tier"] == {"before": "gold", "after": "gold"}
    assert later["points"]["granted"] == 20
    told = OutboxEvent.objects.filter(member=member, kind="tier_changed")
    assert [event.payload for event in told] == [{"before": "bronze", "after": "gold"}]


def test_points_stay_pending_for_the_days_of_their_currency(till: Till, member: Member) -> None:
    apply(program_file({"pending_days": 14}), timezone.now() - 3 * DAY)

    answer = till.post("purchases", basket(at=timezone.now() - DAY)).json()

    assert answer["points"] == {"granted": 10, "available": 0, "pending": 10, "paid_debt": 0}
    assert answer["receipt"][0]["state"] == "pending"
    assert answer["receipt"][0]["available_at"] > answer["occurred_at"]
    assert balances(member) == {"pending": 10}


def test_a_token_is_got_from_the_provider_and_good_for_a_purchase(till: Till) -> None:
    till.bearer = f"Bearer {fetched_token(till.browser, 'purchases:write')}"

    assert till.post("purchases", basket()).status_code == 201


# Order of the checks -------------------------------------------------------------------------


def test_the_token_comes_before_the_key(till: Till) -> None:
    till.bearer = "Bearer nobody"

    assert problem(till.post("purchases", b"{", key=""))[0] == 401


def test_the_scope_comes_before_the_key(member: Member) -> None:
    refused = problem(Till("members:read").post("purchases", b"{", key=""))

    assert refused == (403, "insufficient_scope")


def test_the_limit_of_requests_comes_before_the_key(till: Till, settings: Any) -> None:
    settings.API_RATE_LIMIT_PER_MINUTE = 1
    buckets.clear()

    answers = [till.post("purchases", b"{", key="") for _ in range(5)]

    assert problem(answers[-1]) == (429, "rate_limited")
    assert int(answers[-1]["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("", "idempotency_key_required"),
        ("fifteen-letters", "idempotency_key_invalid"),
        ("k" * 256, "idempotency_key_invalid"),
    ],
)
def test_the_key_comes_before_the_body(till: Till, key: str, code: str) -> None:
    assert problem(till.post("purchases", b"{", key=key)) == (400, code)


def test_what_is_kept_under_the_key_comes_before_the_body(till: Till) -> None:
    till.post("purchases", basket(), key=KEY)

    assert problem(till.post("purchases", b"{", key=KEY)) == (422, "idempotency_key_reused")
    assert problem(till.post("purchases/x/claim", {}, key=KEY)) == (422, "idempotency_key_reused")


def test_the_body_comes_before_the_business(till: Till) -> None:
    body = basket(card="nobody", currency="USD", lines=[])

    refused = till.post("purchases", body)

    assert problem(refused) == (400, "invalid")
    assert [each["pointer"] for each in refused.json()["errors"]] == ["/lines"]


# Refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"member": {"identifier": "nobody"}}, (422, "unknown_member")),
        ({"member": {"id": NOBODY}}, (422, "unknown_member")),
        ({"currency": "USD"}, (422, "currency_mismatch")),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, (422, "in_the_future")),
    ],
    ids=["identifier", "id", "currency", "future"],
)
def test_a_refused_purchase_leaves_nothing(
    till: Till, member: Member, change: dict[str, Any], refusal: tuple[int, str]
) -> None:
    assert problem(till.post("purchases", basket(**change))) == refusal
    assert Purchase.objects.count() == 0
    assert IdempotencyRecord.objects.count() == 0
    assert balances(member) == {}


def test_a_till_may_be_five_minutes_ahead(till: Till) -> None:
    ahead = timezone.now() + timedelta(minutes=4, seconds=50)
    too_far = timezone.now() + timedelta(minutes=5, seconds=10)

    assert till.post("purchases", basket(at=ahead)).status_code == 201
    assert problem(till.post("purchases", basket(at=too_far))) == (422, "in_the_future")


def test_more_points_than_can_be_counted_are_refused(till: Till, member: Member) -> None:
    apply(program_file(rules=[rule("rich", 1000, per="0.01")]), timezone.now() - 2 * DAY)
    body = basket(line(price="99999999.99", quantity="9999"))

    assert problem(till.post("purchases", body)) == (422, "too_many_points")
    assert balances(member) == {}


# Members -------------------------------------------------------------------------------------


def test_an_unidentified_sale_is_kept_and_earns_nothing(till: Till) -> None:
    answer = till.post("purchases", basket(card=None)).json()

    assert answer["member"] is None
    assert answer["points"]["granted"] == 0
    assert answer["receipt"] == []
    assert Purchase.objects.get().member is None


def test_a_member_is_named_by_id_number_or_any_identifier(till: Till, member: Member) -> None:
    named = [
        {"id": str(member.public_id)},
        {"identifier": member.number},
        {"identifier": " 6011000001 "},
    ]

    answers = [till.post("purchases", basket(member=each)).json() for each in named]

    assert {answer["member"] for answer in answers} == {str(member.public_id)}


def test_a_purchase_before_joining_is_kept_and_earns_nothing(till: Till, member: Member) -> None:
    answer = till.post("purchases", basket(at=member.enrolled_at - DAY)).json()

    assert answer["member"] == str(member.public_id)
    assert answer["points"]["granted"] == 0
    assert answer["tier"] == {"before": "bronze", "after": "bronze"}
    assert Award.objects.count() == 0


def test_a_suspended_member_goes_on_earning(till: Till, member: Member) -> None:
    Member.objects.filter(pk=member.pk).update(status=Member.Status.SUSPENDED)

    assert till.post("purchases", basket()).json()["points"]["granted"] == 10


# Dry run -------------------------------------------------------------------------------------


def test_a_dry_run_tells_the_same_and_writes_nothing(till: Till, member: Member) -> None:
    body = basket(line(price="2000.00"))

    rehearsed = till.post("purchases?dry_run=true", body, key="")
    posted = till.post("purchases", body).json()

    told = rehearsed.json()
    assert rehearsed.status_code == 200
    assert told.pop("dry_run") is True
    assert told == {**posted, "id": None}
    assert Purchase.objects.count() == 1
    assert balances(member) == {"available": 2000}


def test_a_dry_run_refuses_what_the_purchase_would_be_refused_for(till: Till) -> None:
    refused = till.post("purchases?dry_run=true", basket(card="nobody"), key="")

    assert problem(refused) == (422, "unknown_member")


def test_a_dry_run_of_a_purchase_with_limits_counts_nothing(till: Till) -> None:
    limited = {**BASE, "limits": [{"per": "member", "period": "day", "points": 15}]}
    apply(program_file(rules=[limited]), timezone.now() - 2 * DAY)

    granted = [
        till.post("purchases?dry_run=true", basket()).json()["points"]["granted"] for _ in range(3)
    ]

    assert granted == [10, 10, 10]


# Reading -------------------------------------------------------------------------------------


def test_a_purchase_is_read_with_its_lines_and_what_came_back(till: Till) -> None:
    body = basket(line("1", "2.00", quantity="3"), line("2", "4.0000", sku="MLK", tags=["eco"]))
    posted = till.post("purchases", body).json()
    till.post("returns", refund(body, ("1", "1")))

    read = till.get(f"purchases/{posted['id']}")

    found = read.json()
    assert found["state"] == "partially_returned"
    assert found["points"] == posted["points"]
    assert found["receipt"] == posted["receipt"]
    assert [(row["line_id"], row["quantity"], row["returned"]) for row in found["lines"]] == [
        ("1", "3", "1"),
        ("2", "1", "0"),
    ]
    assert found["lines"][1]["unit_price"] == "4.00"
    assert found["lines"][1]["sku"] == "MLK"
    headers = {"If-None-Match": read["ETag"]}
    assert till.get(f"purchases/{posted['id']}", **headers).status_code == 304


def test_a_purchase_that_came_back_whole_is_returned(till: Till, member: Member) -> None:
    body = basket()
    posted = till.post("purchases", body).json()

    till.post("returns", refund(body))

    assert till.get(f"purchases/{posted['id']}").json()["state"] == "returned"
    assert balances(member) == {}


@pytest.mark.parametrize("name", ["x", NOBODY])
def test_an_id_that_names_no_purchase_is_404(till: Till, name: str) -> None:
    assert problem(till.get(f"purchases/{name}")) == (404, "not_found")


# Debt ----------------------------------------------------------------------------------------


def test_debt_is_paid_by_the_next_points(till: Till, member: Member) -> None:
    body = basket(line(price="100.00"))
    till.post("purchases", body)
    spend(member, 100, moment=timezone.now())
    till.post("returns", refund(body))
    assert balances(member) == {"debt": -100}

    first = till.post("purchases", basket(line(price="60.00"), at=timezone.now())).json()
    second = till.post("purchases", basket(line(price="60.00"), at=timezone.now())).json()

    assert first["points"] == {"granted": 60, "available": 0, "pending": 0, "paid_debt": 60}
    assert second["points"] == {"granted": 60, "available": 20, "pending": 0, "paid_debt": 40}
    assert balances(member) == {"available": 20}
    assert differences() == []
