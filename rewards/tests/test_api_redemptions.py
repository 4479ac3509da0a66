"""Quotes and redemptions over the API, as the contract has them."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from loyalty_site.lib.ratelimit import buckets
from members.models import Member, Program
from rewards.models import Redemption
from rewards.tests.factories import (
    Till,
    balances,
    earn,
    make_member,
    make_program,
    make_reward,
    order,
)

# An id that no row has; the same in every process that collects the tests.
NOBODY = "00000000-0000-4000-8000-000000000001"


KEY = "0123456789abcdef"


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Start every test with full buckets."""
    cache.clear()
    buckets.clear()


@pytest.fixture
def program(db: None) -> Program:
    """Return a program with a coffee of 150 points."""
    program = make_program()
    make_reward(program)
    return program


@pytest.fixture
def member(program: Program) -> Member:
    """Return a member with 500 points."""
    member = make_member(program)
    earn(member, 500)
    return member


@pytest.fixture
def till(program: Program) -> Till:
    """Return a client with every scope."""
    return Till()


# Quotes --------------------------------------------------------------------------------------


def test_a_quote_needs_no_key_and_names_the_lots(till: Till, member: Member) -> None:
    answer = till.post("redemptions/quote", order(member, quantity=2), key=None)

    assert answer.status_code == 200
    assert answer.json() == {
        "points": 300,
        "lots": [{"points": 300, "expires_at": None}],
        "balance_after": 200,
        "eligible": True,
        "reasons": [],
        "if_cancelled": (
            "If you cancel, 300 points go back to where they came from."
            " Points that have expired by then come back for 30 days."
            " The voucher is void then; once it is used, nothing can be cancelled any more."
        ),
    }
    assert balances(member) == (500, 0, 0, 0)


# Redemptions ---------------------------------------------------------------------------------


def test_a_redemption_is_answered_and_read_again(till: Till, member: Member) -> None:
    answer = till.post("redemptions", order(member, external_id="order-1"))

    made = Redemption.objects.get()
    body = answer.json()
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    assert body == {
        "id": str(made.public_id),
        "state": "fulfilled",
        "member": str(member.public_id),
        "reward": "coffee",
        "quantity": 1,
        "held_quantity": None,
        "points": 150,
        "points_given_back": 0,
        "voucher": {
            "code": made.voucher.code,
            "expires_at": body["voucher"]["expires_at"],
        },
        "hold_expires_at": None,
        "external_id": "order-1",
        "created_at": body["created_at"],
    }
    assert body["created_at"].endswith("Z")
    read = till.get(f"redemptions/{made.public_id}")
    assert read.json() == body
    again = till.get(f"redemptions/{made.public_id}", if_none_match=read["ETag"])
    assert again.status_code == 304


def test_a_repeat_is_answered_alike_and_moves_nothing(till: Till, member: Member) -> None:
    first = till.post("redemptions", order(member), key=KEY)
    again = till.post("redemptions", order(member), key=KEY)

    assert (again.status_code, again.json()) == (201, first.json())
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert balances(member) == (350, 0, 0, 0)


def test_a_stored_refusal_is_replayed_even_when_it_would_pass_now(
    till: Till, program: Program
) -> None:
    poor = make_member(program)

    first = till.post("redemptions", order(poor), key=KEY)
    earn(poor, 500)
    again = till.post("redemptions", order(poor), key=KEY)

    assert first.status_code == again.status_code == 409
    assert again.json() == first.json()
    assert again["Content-Type"] == "application/problem+json"
    assert again["Idempotent-Replayed"] == "true"
    assert (first.json()["available"], first.json()["required"]) == (0, 150)
    assert till.post("redemptions", order(poor)).status_code == 201


@pytest.mark.parametrize(
    ("_case", "change", "status", "code"),
    [
        ("an unknown reward", {"reward": "tea"}, 422, "unknown_reward"),
        ("an unknown id", {"member": {"id": NOBODY}}, 422, "unknown_member"),
        ("an unknown card", {"member": {"identifier": "nobody"}}, 422, "unknown_member"),
        ("no member", {"member": None}, 400, "invalid"),
        ("both names of a member", {"member": {"id": NOBODY, "identifier": "x"}}, 400, None),
        ("an unknown field", {"note": "x"}, 400, "invalid"),
        ("no piece", {"quantity": 0}, 400, "invalid"),
        ("a broken piece", {"quantity": 1.5}, 400, "invalid"),
        ("an hour too long", {"mode": "hold", "hold_minutes": 10081}, 400, "invalid"),
        ("no time", {"mode": "hold", "hold_minutes": 0}, 400, "invalid"),
        ("another mode", {"mode": "later"}, 400, "invalid"),
        ("a NUL", {"external_id": "a\x00b"}, 400, "invalid"),
    ],
)
def test_what_is_no_order_is_refused_and_not_stored(
    till: Till, member: Member, _case: str, change: dict[str, Any], status: int, code: str | None
) -> None:
    answer = till.post("redemptions", order(member) | change, key=KEY)

    assert answer.status_code == status
    assert code is None or answer.json()["code"] == code
    assert balances(member) == (500, 0, 0, 0)
    assert till.post("redemptions", order(member), key=KEY).status_code == 201


@pytest.mark.parametrize(
    ("_case", "key", "code"),
    [
        ("none", None, "idempotency_key_required"),
        ("too short", "short", "idempotency_key_invalid"),
    ],
)
@pytest.mark.parametrize(
    "path",
    ["redemptions", f"redemptions/{NOBODY}/capture", "vouchers/use", "redemptions/x/cancel"],
)
def test_a_key_is_asked_for_before_the_body(
    till: Till, _case: str, key: str | None, code: str, path: str
) -> None:
    answer = till.post(path, {"nonsense": 1}, key=key)

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_the_key_is_bound_to_the_request(till: Till, member: Member) -> None:
    till.post("redemptions", order(member), key=KEY)

    answer = till.post("redemptions", order(member, quantity=2), key=KEY)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_a_dry_run_answers_and_writes_nothing(till: Till, member: Member) -> None:
    answer = till.post("redemptions?dry_run=true", order(member), key=None)

    body = answer.json()
    assert answer.status_code == 200
    assert (body["dry_run"], body["id"], body["state"], body["points"]) == (
        True,
        None,
        "fulfilled",
        150,
    )
    assert body["voucher"]["code"] is None
    assert Redemption.objects.exists() is False
    assert balances(member) == (500, 0, 0, 0)
    refused = till.post("redemptions?dry_run=true", order(member, quantity=9), key=None)
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_points")
    held = till.post("redemptions?dry_run=true", order(member, mode="hold"), key=None).json()
    assert (held["state"], held["voucher"]) == ("held", None)


def test_a_hold_is_captured_and_cancelled_over_the_api(till: Till, member: Member) -> None:
    held = till.post("redemptions", order(member, mode="hold", hold_minutes=5)).json()
    captured = till.post(f"redemptions/{held['id']}/capture")
    again = till.post(f"redemptions/{held['id']}/capture", key=KEY)
    cancelled = till.post(f"redemptions/{held['id']}/cancel", {"reason": "wrong size"})
    last = till.post(f"redemptions/{held['id']}/cancel", {})

    assert (held["state"], held["voucher"]) == ("held", None)
    assert (captured.status_code, captured.json()["state"]) == (200, "fulfilled")
    assert captured.json()["voucher"]["code"]
    assert (again.status_code, again.json()["code"], again.json()["state"]) == (
        409,
        "already_resolved",
        "fulfilled",
    )
    assert till.post(f"redemptions/{held['id']}/capture", key=KEY)["Idempotent-Replayed"] == "true"
    assert (cancelled.status_code, cancelled.json()["state"], cancelled.json()["voucher"]) == (
        200,
        "cancelled",
        None,
    )
    assert (last.status_code, last.json()["state"]) == (409, "cancelled")
    assert balances(member) == (500, 0, 0, 0)


@pytest.mark.parametrize("path", ["", "/capture", "/cancel"])
@pytest.mark.parametrize("redemption_id", ["x", NOBODY])
def test_an_unknown_redemption_is_not_found(till: Till, path: str, redemption_id: str) -> None:
    send = till.post if path else till.get

    answer = send(f"redemptions/{redemption_id}{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_label_is_a_conflict_the_second_time(till: Till, member: Member) -> None:
    first = till.post("redemptions", order(member, external_id="o-1")).json()

    answer = till.post("redemptions", order(member, external_id="o-1"))

    assert (answer.status_code, answer.json()["code"], answer.json()["redemption"]) == (
        409,
        "redemption_conflict",
        first["id"],
    )
