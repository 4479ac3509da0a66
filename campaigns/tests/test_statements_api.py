"""Statements over the API."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest

from members.models import Member, Program, Purchase
from members.tests.callers import Caller, app, login_of, till
from members.tests.people import DAY, NOON, debit, earn, make_member, make_program, settle
from rewards.models import Redemption, Reward

pytestmark = [pytest.mark.django_db, pytest.mark.urls("campaigns.tests.statement_urls")]


@pytest.fixture
def member() -> Member:
    """Return a member who bought, redeemed and let points expire."""
    program = make_program()
    member = make_member(locale="en")
    purchase = Purchase.objects.create(
        program=program,
        source="pos",
        external_id="R-1001",
        content_key=b"",
        member=member,
        occurred_at=NOON,
        recorded_at=NOON,
        store="lisbon-1",
        currency="EUR",
        net=Decimal("10.00"),
    )
    earn(
        member,
        100,
        source="purchase",
        ref=str(purchase.public_id),
        expires_at=NOON + 5 * DAY,
    )
    redeem(program, member, 30)
    settle(member, NOON + 6 * DAY)
    return member


def redeem(program: Program, member: Member, points: int) -> None:
    """Redeem a coffee."""
    reward = Reward.objects.create(
        program=program,
        code="coffee",
        kind="service",
        name={"en": "Coffee"},
        points_price=points,
        changed_at=NOON,
    )
    public_id = uuid4()
    transaction = debit(member, points, at=NOON + DAY, ref=str(public_id))
    Redemption.objects.create(
        program=program,
        public_id=public_id,
        member=member,
        reward=reward,
        quantity=1,
        points=points,
        state="fulfilled",
        caller="client:till",
        external_id="T-7",
        debit_id=transaction,
        created_at=NOON + DAY,
        changed_at=NOON + DAY,
    )


def test_every_line_says_what_it_is(member: Member) -> None:
    body = till("members:read").get(f"/members/{member.public_id}/entries").json()

    told = [
        (row["type"], row["points"], row["description"], row["source"]["external_id"])
        for row in body["results"]
    ]
    assert told == [
        ("expire", -70, "Points expired", None),
        ("redeem", -30, "Redeemed: Coffee", "T-7"),
        ("earn", 100, "Purchase R-1001 at lisbon-1", "R-1001"),
    ]
    assert [row["balance_after"]["available"] for row in body["results"]] == [0, 70, 100]
    assert (body["next_cursor"], body["prev_cursor"]) == (None, None)
    first = body["results"][-1]
    assert set(first) == {
        *("id", "type", "points", "occurred_at", "recorded_at", "description", "source"),
        *("receipt", "balance_after"),
    }
    assert first["source"]["kind"] == "purchase"
    assert first["receipt"] == []


def test_pages_follow_each_other_in_both_directions(member: Member) -> None:
    client = till("members:read")
    path = f"/members/{member.public_id}/entries"

    whole = client.get(path).json()["results"]
    first = client.get(path, limit=2).json()
    second = client.get(path, limit=2, cursor=first["next_cursor"]).json()
    back = client.get(path, limit=2, cursor=second["prev_cursor"]).json()

    assert [*first["results"], *second["results"]] == whole
    assert back["results"] == first["results"]
    assert second["next_cursor"] is None


def test_members_see_their_own_statement(member: Member) -> None:
    mine = app(login_of(member)).get("/me/entries").json()

    assert [row["type"] for row in mine["results"]] == ["expire", "redeem", "earn"]


def test_refusals(member: Member) -> None:
    client = till("members:read")
    path = f"/members/{member.public_id}/entries"
    cursor = client.get(path, limit=1).json()["next_cursor"]

    for query, code in [
        ({"limit": "0"}, "invalid"),
        ({"cursor": "x"}, "invalid_cursor"),
        ({"currency": "miles"}, "unknown_currency"),
        ({"currency": "status", "cursor": cursor}, "invalid_cursor"),
    ]:
        refused = client.get(path, **query)
        assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert client.get(f"/members/{uuid4()}/entries").status_code == 404
    assert till("rewards:read").get(path).status_code == 403
    assert Caller({}).get("/me/entries").status_code == 401
    assert client.get("/me/entries").json()["code"] == "member_required"
