"""What members read and change of themselves, over the API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from members.models import ConsentRecord, Member, Message
from members.queries.lookup import find_member
from members.services.consents import Answer
from members.services.enrolment import enrol
from members.tests.callers import Caller, app, login_of, till
from members.tests.people import DAY, NOON, earn, make_member, make_program
from members.tests.test_logins import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("members.tests.urls")]

ADDRESSES = ["", "/balance", "/tier", "/card", "/consents", "/messages"]


@pytest.fixture
def member() -> Member:
    """Return a member on a program."""
    make_program()
    return make_member(first_name="Ana", identifiers=[("email", "ana@example.com")])


@pytest.fixture
def mine(member: Member) -> Caller:
    """Return the app of the member."""
    return app(login_of(member))


def test_members_read_themselves_as_clients_do(member: Member, mine: Caller) -> None:
    earn(member, 40)
    client = till()

    for own, clients in [("", ""), ("/balance", "/balance"), ("/tier", "/tier")]:
        told = mine.get(f"/me{own}").json()
        seen = client.get(f"/members/{member.public_id}{clients}").json()
        for moving in ["as_of", "qualifying"]:
            told.pop(moving, None), seen.pop(moving, None)
        assert told == seen


@pytest.mark.parametrize("path", ADDRESSES)
def test_only_members_have_a_membership(path: str, member: Member) -> None:
    staff = app(make_user("boss@example.com", is_staff=True))

    anonymous, client = Caller({}).get(f"/me{path}"), till().get(f"/me{path}")
    boss = staff.get(f"/me{path}")

    assert (anonymous.status_code, anonymous.json()["code"]) == (401, "not_authenticated")
    assert (client.status_code, client.json()["code"]) == (403, "member_required")
    assert (boss.status_code, boss.json()["code"]) == (404, "not_a_member")


def test_members_change_themselves(member: Member, mine: Caller) -> None:
    etag = mine.get("/me")["ETag"]

    changed = mine.patch("/me", {"first_name": "Eva", "locale": "ru"}, {"If-Match": etag})
    stale = mine.patch("/me", {"first_name": "Ida"}, {"If-Match": etag})

    assert (changed.status_code, changed.json()["first_name"]) == (200, "Eva")
    assert changed.json()["tier"]["name"] == "bronze-ru"
    assert stale.status_code == 412
    assert mine.patch("/me", {"number": "1"}).status_code == 400


def test_the_card_changes_and_a_till_finds_the_member_by_it(member: Member, mine: Caller) -> None:
    body = mine.get("/me/card").json()

    assert body["number"] == member.number
    assert timezone.now() < datetime.fromisoformat(body["valid_until"])
    assert find_member(member.program, body["qr"], timezone.now()) == member
    assert find_member(member.program, body["qr"], timezone.now() + timedelta(minutes=2)) is None
    forged = body["qr"][:-1] + ("A" if body["qr"][-1] != "A" else "B")
    assert find_member(member.program, forged, timezone.now()) is None


def test_consents_are_added_and_nothing_is_overwritten(mine: Caller, member: Member) -> None:
    yes = {"purpose": "marketing", "channel": "email", "granted": True}
    push = {"purpose": "marketing", "channel": "push", "granted": False}
    assert mine.get("/me/consents").json() == []

    first = mine.put("/me/consents", [yes, push]).json()
    again = mine.put("/me/consents", [yes]).json()
    withdrawn = mine.put("/me/consents", [{**yes, "granted": False}]).json()

    assert [(row["channel"], row["granted"]) for row in first] == [("email", True), ("push", False)]
    assert {"at", "text_version"} < set(first[0])
    assert again == first
    assert [row["granted"] for row in withdrawn] == [False, False]
    assert mine.get("/me/consents").json() == withdrawn
    rows = ConsentRecord.objects.filter(member=member, channel="email").order_by("pk")
    assert list(rows.values_list("granted", "source")) == [(True, "member"), (False, "member")]


@pytest.mark.parametrize(
    ("_case", "body", "pointer", "code"),
    [
        ("no list", {}, "", "invalid_type"),
        ("no answer", [{"purpose": "a", "channel": "b"}], "/0/granted", "required"),
        (
            "a text",
            [{"purpose": "a", "channel": "b", "granted": "yes"}],
            "/0/granted",
            "invalid_type",
        ),
        (
            "free text",
            [{"purpose": "Call me", "channel": "b", "granted": True}],
            "/0/purpose",
            "invalid_format",
        ),
        (
            "one question twice",
            [{"purpose": "a", "channel": "b", "granted": True}] * 2,
            "/1",
            "repeated",
        ),
    ],
)
def test_consents_with_faults_are_refused_and_none_is_written(
    mine: Caller, _case: str, body: Any, pointer: str, code: str
) -> None:
    response = mine.put("/me/consents", body)

    assert response.status_code == 400
    errors = response.json()["errors"]
    assert [(error["pointer"], error["code"]) for error in errors] == [(pointer, code)]
    assert ConsentRecord.objects.count() == 0


def test_answers_at_enrollment_are_the_first_consents(member: Member) -> None:
    other = enrol(
        identifiers=[("card", "C-1")],
        consents=[Answer("marketing", "sms", granted=True)],
        source_channel="kiosk",
        moment=NOON,
        actor="client:1",
    ).member

    row = ConsentRecord.objects.get(member=other)
    assert (row.source, row.at) == ("client", NOON)


def test_the_inbox_is_newest_first_and_messages_are_read_once(member: Member, mine: Caller) -> None:
    other = make_member("other")
    for day, owner in enumerate([member, member, other]):
        Message.objects.create(
            member=owner,
            kind="points_earned",
            title=f"T{day}",
            dedupe_key=str(day),
            sent_at=NOON + day * DAY,
        )

    inbox = mine.get("/me/messages").json()["results"]
    path = f"/me/messages/{inbox[0]['id']}/read"
    read, again = mine.post(path).json(), mine.post(path).json()

    assert [(row["title"], row["read_at"]) for row in inbox] == [("T1", None), ("T0", None)]
    assert read["read_at"] is not None
    assert again == read
    page = mine.get("/me/messages", limit=1).json()
    assert [row["title"] for row in page["results"]] == ["T1"]
    foreign = Message.objects.get(member=other)
    for message_id in [foreign.public_id, uuid4(), "x"]:
        refused = mine.post(f"/me/messages/{message_id}/read")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    foreign.refresh_from_db()
    assert foreign.read_at is None
