"""The pool over the API: founded, joined, given to, left, and closed to everybody else."""

from __future__ import annotations

import pytest
from django.utils import timezone

from members.models import Member, Pool, PoolMembership
from members.tests.callers import Caller, app, login_of, till
from members.tests.people import DAY, earn, make_member, make_program
from members.tests.test_pools import allow

pytestmark = [pytest.mark.django_db, pytest.mark.urls("members.tests.urls")]


@pytest.fixture
def ana() -> Member:
    """Return a member of long ago with 200 points."""
    make_program()
    allow()
    member = make_member("6011000001", moment=timezone.now() - 100 * DAY, first_name="Ana")
    earn(member, 200, at=timezone.now() - 99 * DAY)
    return member


@pytest.fixture
def mine(ana: Member) -> Caller:
    """Return the app of the member."""
    return app(login_of(ana))


@pytest.fixture
def bea(ana: Member) -> Caller:
    """Return the app of another member."""
    other = make_member("6011000002", moment=timezone.now() - 100 * DAY, first_name="Bea")
    return app(login_of(other, "bea@example.com"))


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": f"{name}-of-a-test-0001"}


def test_a_pool_is_founded_joined_given_to_and_left(mine: Caller, bea: Caller) -> None:
    founded = mine.post("/me/pool", {"kind": "household", "name": "At home"})
    invited = mine.post("/me/pool/invitations", {"role": "child"})
    joined = bea.post("/me/pool/join", {"code": invited.json()["code"]})
    given = mine.post("/me/pool/contributions", {"points": 120}, key("give"))
    again = mine.post("/me/pool/contributions", {"points": 120}, key("give"))

    assert [each.status_code for each in (founded, invited, joined, given, again)] == [
        *(201, 201, 200, 201, 201)
    ]
    assert again["Idempotent-Replayed"] == "true"
    seen = bea.get("/me/pool").json()
    assert (seen["name"], seen["role"], seen["available"], seen["own_points"]) == (
        *("At home", "child", 120, 0),
    )
    assert [(each["name"], each["role"], each["points"]) for each in seen["members"]] == [
        ("Ana", "owner", 120),
        ("Bea", "child", 0),
    ]
    assert mine.patch("/me/pool", {"share_pct": 30}).json()["share_pct"] == 30
    assert mine.post("/me/pool/leave", None, key("leave")).json() == {"points": 120}
    assert mine.get("/me/pool").json()["code"] == "not_in_a_pool"
    assert mine.get("/me/balance").json()["available"] == 200


def test_what_stands_against_is_a_problem_with_reasons(mine: Caller, bea: Caller) -> None:
    mine.post("/me/pool", {"kind": "household"})

    much = mine.post("/me/pool/contributions", {"points": 201}, key("much"))
    twice = mine.post("/me/pool", {"kind": "household"})
    wrong = bea.post("/me/pool/join", {"code": "AAAA-BBBB-CCCC"})
    nobody = bea.post("/me/pool/contributions", {"points": 1}, key("nobody"))

    assert (much.status_code, much.json()["reasons"][0]["code"]) == (409, "insufficient_points")
    assert (twice.status_code, twice.json()["reasons"][0]["code"]) == (409, "in_a_pool")
    assert (wrong.status_code, wrong.json()["code"]) == (409, "invite_unknown")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "not_in_a_pool")


def test_only_the_owner_removes_somebody(mine: Caller, bea: Caller) -> None:
    mine.post("/me/pool", {"kind": "household"})
    code = mine.post("/me/pool/invitations", {}).json()["code"]
    bea.post("/me/pool/join", {"code": code})
    members = mine.get("/me/pool").json()["members"]
    ana_id, bea_id = (each["id"] for each in members)

    refused = bea.post(f"/me/pool/members/{ana_id}/remove", None, key("no"))
    removed = mine.post(f"/me/pool/members/{bea_id}/remove", None, key("yes"))

    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_pool")
    assert [each["name"] for each in removed.json()["members"]] == ["Ana"]
    assert PoolMembership.objects.filter(ending="removed").count() == 1


def test_the_row_that_holds_a_pool_is_nobody_to_clients(mine: Caller) -> None:
    mine.post("/me/pool", {"kind": "household"})
    holder = Pool.objects.get().holder
    client = till()

    assert client.get(f"/members/{holder.public_id}").status_code == 404
    body = {"identifier": {"kind": "card", "value": "6011000009"}, "id": str(holder.public_id)}
    assert client.patch(f"/members/{holder.public_id}", body).status_code == 404
