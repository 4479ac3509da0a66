"""Sending points over the API: quoted, sent once, listed, taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from members.models import Identifier, Member, Transfer
from members.services import transfer_ends
from members.tests.callers import Caller, app, login_of
from members.tests.people import DAY, earn, make_member, make_program
from members.tests.test_transfers import allow

pytestmark = [pytest.mark.django_db, pytest.mark.urls("members.tests.urls")]

TO = {"to": "6011000002", "points": 100}


@pytest.fixture
def ana() -> Member:
    """Return a member of long ago with 200 points, beside another one."""
    make_program()
    allow()
    long_ago = timezone.now() - 100 * DAY
    member = make_member("6011000001", moment=long_ago)
    make_member("6011000002", moment=long_ago, first_name="Bea", last_name="Costa")
    Identifier.objects.update(verified_at=long_ago)
    earn(member, 200, at=long_ago)
    return member


@pytest.fixture
def mine(ana: Member) -> Caller:
    """Return the app of the member."""
    return app(login_of(ana))


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": f"{name}-of-a-test-0001"}


def test_a_quote_names_the_lots_and_writes_nothing(mine: Caller) -> None:
    told = mine.post("/me/transfers/quote", TO).json()

    assert (told["eligible"], told["reasons"], told["balance_after"]) == (True, [], 100)
    assert told["lots"] == [{"points": 100, "expires_at": None}]
    assert told["to"].startswith("B")
    assert Transfer.objects.exists() is False


def test_one_key_sends_once(mine: Caller) -> None:
    first = mine.post("/me/transfers", TO, key("send"))
    again = mine.post("/me/transfers", TO, key("send"))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert Transfer.objects.count() == 1
    assert mine.get("/me/balance").json()["held"] == 100


def test_what_stands_against_is_a_problem_with_reasons(mine: Caller) -> None:
    refused = mine.post("/me/transfers", {**TO, "points": 201}, key("much"))

    assert (refused.status_code, refused.json()["code"]) == (409, "transfer_refused")
    assert [each["code"] for each in refused.json()["reasons"]] == ["insufficient_points"]
    unknown = mine.post("/me/transfers", {**TO, "to": "6011999999"}, key("nobody"))
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_member")


def test_many_points_need_a_recent_login(mine: Caller, ana: Member) -> None:
    allow(confirm_above=99)

    refused = mine.post("/me/transfers", TO, key("old"))
    sent = mine.post("/me/transfers", {**TO, "points": 99}, key("few"))

    assert (refused.status_code, refused.json()["code"]) == (403, "reauthentication_required")
    assert sent.status_code == 201


def test_the_sender_takes_points_back_and_nobody_else(mine: Caller, ana: Member) -> None:
    sent = mine.post("/me/transfers", TO, key("send")).json()
    bea = Member.objects.get(first_name="Bea")
    theirs = app(login_of(bea, "bea@example.com"))
    path = f"/me/transfers/{sent['id']}/cancel"

    stranger = theirs.post(path, None, key("theirs"))
    cancelled = mine.post(path, None, key("mine"))
    twice = mine.post(path, None, key("twice"))

    assert stranger.status_code == 404
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (twice.status_code, twice.json()["code"]) == (409, "transfer_ended")
    assert mine.get("/me/balance").json()["available"] == 200


@pytest.mark.parametrize(
    ("_case", "told", "status"),
    [
        ("no points", {"points": 0}, 400),
        ("more than a number of points", {"points": 10**18}, 400),
        ("an unknown currency", {"currency": "gold"}, 400),
        ("a currency with a null", {"currency": "\x00"}, 400),
        ("a recipient with a null", {"to": "\x00"}, 400),
        ("points that lift tiers", {"currency": "status"}, 409),
    ],
)
def test_what_cannot_be_meant_is_refused(
    _case: str, told: dict[str, Any], status: int, mine: Caller
) -> None:
    assert mine.post("/me/transfers", TO | told, key("odd")).status_code == status
    assert mine.post("/me/transfers/quote", TO | told).status_code == (
        200 if status == 409 else status
    )


def listed(caller: Caller) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = caller.get("/me/transfers").json()["results"]
    return found


def test_the_recipient_sees_what_has_arrived(mine: Caller, ana: Member) -> None:
    mine.post("/me/transfers", TO, key("send"))
    bea = Member.objects.get(first_name="Bea")
    theirs = app(login_of(bea, "bea@example.com"))
    assert listed(theirs) == []
    assert [(row["direction"], row["can_cancel"]) for row in listed(mine)] == [("sent", True)]

    row = Transfer.objects.get()
    transfer_ends.complete(transfer_id=row.pk, moment=row.completes_at + timedelta(seconds=1))

    (got,) = listed(theirs)
    assert (got["direction"], got["to"], got["points"]) == ("received", None, 100)
    assert [(row["state"], row["can_cancel"]) for row in listed(mine)] == [("completed", False)]
