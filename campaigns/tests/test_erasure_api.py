"""Erasure over the API, across the apps."""

from __future__ import annotations

import time

import pytest
from django.utils import timezone

from campaigns.models import Event
from members.models import Member
from members.tests.callers import Caller, app, login_of, till
from members.tests.people import DAY, earn, make_member, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.urls("campaigns.tests.erasure_urls")]


@pytest.fixture
def member() -> Member:
    """Return a member with points and an event that says something personal."""
    program = make_program()
    now = timezone.now()
    member = make_member(first_name="Ana", moment=now - DAY)
    login_of(member)
    earn(member, 120, at=now - DAY)
    Event.objects.create(
        program=program,
        member=member,
        type="survey",
        source="app",
        external_id="E-1",
        content_key=b"",
        payload={"name": "Ana"},
        occurred_at=now,
        recorded_at=now,
    )
    return member


def recent(member: Member, seconds_ago: float = 0) -> Caller:
    """Return the app of the member, who logged in some seconds ago."""
    assert member.user is not None
    return app(member.user, authenticated_at=time.time() - seconds_ago)


def test_a_member_ends_their_membership(member: Member) -> None:
    mine = recent(member)

    response = mine.post("/me/erase", {"confirm": member.number})

    body = response.json()
    assert (response.status_code, body["status"], body["points_forfeited"]) == (200, "erased", 120)
    assert body["forfeited"] == [{"currency": "points", "points": 120}]
    assert mine.get("/me").status_code == 401
    assert Event.objects.get().payload == {}
    seen = till().get(f"/members/{member.public_id}").json()
    assert (seen["status"], seen["first_name"], seen["identifiers"]) == ("erased", None, [])


@pytest.mark.parametrize(
    ("_case", "seconds_ago", "confirm", "status", "code"),
    [
        ("an old login", 3600, None, 403, "reauthentication_required"),
        ("another number", 0, "000000000000", 400, "invalid"),
    ],
)
def test_an_erasure_is_refused_and_nothing_changes(
    member: Member, _case: str, seconds_ago: float, confirm: str | None, status: int, code: str
) -> None:
    mine = recent(member, seconds_ago)

    response = mine.post("/me/erase", {"confirm": confirm or member.number})

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert mine.get("/me").json()["first_name"] == "Ana"
    assert Event.objects.get().payload == {"name": "Ana"}


def test_a_session_that_does_not_say_since_when_is_too_old(member: Member) -> None:
    assert member.user is not None

    response = app(member.user).post("/me/erase", {"confirm": member.number})

    assert response.json()["code"] == "reauthentication_required"


def test_only_members_can_erase_themselves(member: Member) -> None:
    assert till().post("/me/erase", {"confirm": member.number}).status_code == 403
    assert Caller({}).post("/me/erase", {"confirm": member.number}).status_code == 401
