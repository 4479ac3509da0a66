"""A purchase sent again: by its key, by its name, with the same or other content."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from campaigns.tests.shop import (
    Till,
    apply,
    balances,
    basket,
    join,
    line,
    program_file,
    refund,
    rule,
)
from members.models import IdempotencyRecord, Member, Purchase

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


# Idempotency ---------------------------------------------------------------------------------


def test_the_same_request_under_the_same_key_answers_the_first_bytes(
    till: Till, member: Member
) -> None:
    body = basket()

    first = till.post("purchases", body, key=KEY)
    again = till.post("purchases", body, key=KEY)

    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == first.json()
    assert Purchase.objects.count() == 1
    assert balances(member) == {"available": 10}


@pytest.mark.parametrize("path", ["purchases?currency=status", "events", "returns"])
def test_a_key_is_good_for_one_address_and_query(till: Till, path: str) -> None:
    body = basket()
    till.post("purchases", body, key=KEY)

    assert problem(till.post(path, body, key=KEY)) == (422, "idempotency_key_reused")


def test_another_body_under_the_same_key_is_422_and_posts_nothing(
    till: Till, member: Member
) -> None:
    till.post("purchases", basket(), key=KEY)

    refused = till.post("purchases", basket(), key=KEY)

    assert problem(refused) == (422, "idempotency_key_reused")
    assert Purchase.objects.count() == 1


def test_keys_of_two_clients_are_two_keys(till: Till) -> None:
    till.post("purchases", basket(), key=KEY)

    assert Till().post("purchases", basket(), key=KEY).status_code == 201


def test_a_refusal_is_not_kept_so_that_the_key_can_be_used_again(till: Till) -> None:
    body = basket(card="6011000009")
    refused = till.post("purchases", body, key=KEY)
    join("6011000009")

    again = till.post("purchases", body, key=KEY)

    assert problem(refused) == (422, "unknown_member")
    assert again.status_code == 201


# The business key ----------------------------------------------------------------------------


def test_the_same_content_under_any_key_answers_the_first_result(
    till: Till, member: Member
) -> None:
    body = basket(line(price="12.50", discount="0.00", tags=["eco"]))
    first = till.post("purchases", body)
    same = {
        **body,
        "member": {"id": str(member.public_id)},
        "occurred_at": body["occurred_at"].replace("+00:00", "Z"),
        "coupons": [],
        "lines": [line(price="12.5", quantity="1.000", tags=["eco"])],
    }

    again = till.post("purchases", same)

    assert (again.status_code, again["Idempotent-Replayed"]) == (200, "true")
    assert again.json() == first.json()
    assert Purchase.objects.count() == 1


def test_lines_are_compared_by_their_id_and_not_by_their_order(till: Till) -> None:
    body = basket(line("1"), line("2", "3.00"))
    first = till.post("purchases", body)

    again = till.post("purchases", {**body, "lines": body["lines"][::-1]})

    assert again.status_code == 200
    assert again.json() == first.json()


@pytest.mark.parametrize(
    "change",
    [
        {"member": None},
        {"store": "porto"},
        {"currency": "USD"},
        {"lines": [line(price="10.01")]},
        {"occurred_at": "2026-01-01T00:00:00Z"},
        {"coupons": ["X"]},
        {"member": {"identifier": "6011000002"}},
        {"member": {"identifier": "nobody"}},
    ],
    ids=str,
)
def test_other_content_under_the_same_name_is_409(till: Till, change: dict[str, Any]) -> None:
    join("6011000002")
    body = basket()
    till.post("purchases", body)

    refused = till.post("purchases", {**body, **change})

    assert problem(refused) == (409, "purchase_conflict")
    assert Purchase.objects.count() == 1


def test_the_first_result_is_told_for_ever_whatever_happened_since(
    till: Till, member: Member
) -> None:
    body = basket(line(price="20.00", quantity="2"))
    first = till.post("purchases", body).json()
    till.post("returns", refund(body, ("1", "1")))
    apply(program_file(rules=[rule("other", 5)]), timezone.now())

    again = till.post("purchases", body)

    assert again.status_code == 200
    assert again.json() == first


def test_a_repeat_is_kept_under_its_own_key(till: Till) -> None:
    body = basket()
    till.post("purchases", body)

    repeats = [till.post("purchases", body, key=KEY) for _ in range(2)]

    assert [each.status_code for each in repeats] == [200, 200]
    assert IdempotencyRecord.objects.filter(key=KEY).count() == 1


def test_a_repeat_for_an_erased_member_is_still_a_repeat(till: Till, member: Member) -> None:
    body = basket()
    first = till.post("purchases", body)
    member.identifiers.all().delete()
    Member.objects.filter(pk=member.pk).update(
        status=Member.Status.ERASED, erased_at=timezone.now()
    )

    assert till.post("purchases", body).json() == first.json()
