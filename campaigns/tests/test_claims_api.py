"""Claims over the API, sentence by sentence of the wire contract."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from campaigns.tests.shop import (
    BASE,
    CARD,
    DAY,
    Till,
    apply,
    balances,
    basket,
    differences,
    join,
    line,
    program_file,
    refund,
    rule,
)
from members.models import Member, Purchase

# An id that no row has; the same in every process that collects the tests.
NOBODY = "00000000-0000-4000-8000-000000000001"


pytestmark = pytest.mark.django_db

MINE = {"member": {"identifier": CARD}}


@pytest.fixture
def member() -> Member:
    """Open the shop and enroll its member."""
    apply()
    return join()


@pytest.fixture
def till(member: Member) -> Till:
    """Give a till of that shop."""
    return Till()


def unidentified(till: Till, *, days_ago: int = 1) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a purchase of nobody and its answer."""
    body = basket(line(price="30.00", quantity="2"), card=None, at=ago(days_ago))
    return body, till.post("purchases", body).json()


def ago(days: int) -> datetime:
    """Return the instant so many days before now."""
    return timezone.now() - days * DAY


def code(response: Any) -> tuple[int, str]:
    """Return the status and code of a refusal."""
    return response.status_code, response.json()["code"]


def test_a_claim_gives_the_purchase_to_the_member(till: Till, member: Member) -> None:
    _, posted = unidentified(till)

    response = till.post(f"purchases/{posted['id']}/claim", MINE)

    answer = response.json()
    assert response.status_code == 200
    assert answer["member"] == str(member.public_id)
    assert answer["points"]["granted"] == 60
    assert answer["receipt"][0]["rule"]["code"] == "base"
    assert [row["returned"] for row in answer["lines"]] == ["0"]
    assert balances(member) == {"available": 60}
    assert till.get(f"purchases/{posted['id']}").json() == answer
    assert differences() == []


def test_a_claim_is_answered_again_under_its_key(till: Till, member: Member) -> None:
    _, posted = unidentified(till)
    path, key = f"purchases/{posted['id']}/claim", str(uuid4())

    first, again = (till.post(path, MINE, key=key) for _ in range(2))

    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert balances(member) == {"available": 60}


def test_a_purchase_is_claimed_once(till: Till, member: Member) -> None:
    join("6011000002")
    _, posted = unidentified(till)
    path = f"purchases/{posted['id']}/claim"
    till.post(path, MINE)

    other = {"member": {"identifier": "6011000002"}}
    assert code(till.post(path, MINE)) == (409, "already_claimed")
    assert code(till.post(path, other)) == (409, "already_claimed")
    assert balances(member) == {"available": 60}


def test_an_identified_purchase_cannot_be_claimed(till: Till) -> None:
    posted = till.post("purchases", basket()).json()

    assert code(till.post(f"purchases/{posted['id']}/claim", MINE)) == (409, "already_claimed")


def test_a_claim_has_to_come_in_time(till: Till, member: Member) -> None:
    _, in_time = unidentified(till, days_ago=29)
    _, too_late = unidentified(till, days_ago=32)

    assert till.post(f"purchases/{in_time['id']}/claim", MINE).status_code == 200
    refused = till.post(f"purchases/{too_late['id']}/claim", MINE)
    assert code(refused) == (409, "claim_too_late")
    assert refused.json()["claim_days"] == 30
    assert balances(member) == {"available": 60}


def test_the_rules_of_the_purchase_count_and_not_those_of_the_claim(
    till: Till, member: Member
) -> None:
    _, posted = unidentified(till, days_ago=3)
    apply(program_file(rules=[rule("other", 9)]), timezone.now())

    answer = till.post(f"purchases/{posted['id']}/claim", MINE).json()

    assert [row["rule"]["code"] for row in answer["receipt"]] == ["base"]


def test_lines_that_came_back_before_earn_nothing(till: Till, member: Member) -> None:
    body, posted = unidentified(till)
    till.post("returns", refund(body, ("1", "1")))

    answer = till.post(f"purchases/{posted['id']}/claim", MINE).json()

    assert answer["points"]["granted"] == 30
    assert answer["state"] == "partially_returned"
    back = till.post("returns", refund(body)).json()
    assert back["points"]["clawed_back"] == 30
    assert balances(member) == {}


def test_a_purchase_before_joining_earns_by_the_claim_of_its_member(
    till: Till, member: Member
) -> None:
    late = join("6011000003", at=ago(1))
    posted = till.post("purchases", basket(card="6011000003", at=ago(2))).json()
    path = f"purchases/{posted['id']}/claim"

    stranger = till.post(path, MINE)
    own = till.post(path, {"member": {"id": str(late.public_id)}})

    assert posted["points"]["granted"] == 0
    assert code(stranger) == (409, "already_claimed")
    assert own.json()["points"]["granted"] == 10


def test_a_repeat_of_the_claimed_purchase_is_told_what_was_told_first(till: Till) -> None:
    body, posted = unidentified(till)
    till.post(f"purchases/{posted['id']}/claim", MINE)

    again = till.post("purchases", body)

    assert (again.status_code, again.json()) == (200, posted)


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("x", MINE, (404, "not_found")),
        (NOBODY, MINE, (404, "not_found")),
        (None, {"member": {"identifier": "nobody"}}, (422, "unknown_member")),
        (None, {"member": None}, (400, "invalid")),
        (None, {}, (400, "invalid")),
    ],
    ids=["no-id", "unknown-id", "unknown-member", "no-member", "empty"],
)
def test_what_is_wrong_with_a_claim_is_told(
    till: Till, path: str | None, body: Any, refusal: tuple[int, str]
) -> None:
    _, posted = unidentified(till)

    assert code(till.post(f"purchases/{path or posted['id']}/claim", body)) == refusal
    assert Purchase.objects.get().member is None


def test_a_claim_needs_a_key(till: Till) -> None:
    _, posted = unidentified(till)

    refused = till.post(f"purchases/{posted['id']}/claim", MINE, key="")

    assert code(refused) == (400, "idempotency_key_required")


def test_a_claimed_purchase_that_would_have_expired_gets_the_grace(
    till: Till, member: Member
) -> None:
    expiry = {"model": "fixed_after", "days": 5}
    apply(program_file({"expiry": expiry}, rules=[BASE]), timezone.now() - timedelta(days=60))
    _, posted = unidentified(till, days_ago=20)

    answer = till.post(f"purchases/{posted['id']}/claim", MINE).json()

    ends = datetime.fromisoformat(answer["receipt"][0]["expires_at"])
    assert timezone.now() + 30 * DAY < ends < timezone.now() + 32 * DAY
    assert balances(member) == {"available": 60}
