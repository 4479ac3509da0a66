"""Members over the API, as clients see them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from members import cards
from members.models import Identifier, Member
from members.tests.callers import Caller, app, login_of, till
from members.tests.people import DAY, NOON, debit, earn, make_member, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.urls("members.tests.urls")]

ANA: dict[str, Any] = {
    "identifiers": [
        {"kind": "email", "value": " Ana@Example.com"},
        {"kind": "card", "value": "6011000001"},
    ],
    "first_name": "Ana",
    "last_name": "Silva",
    "birth_date": "1990-02-28",
    "locale": "en",
    "timezone": "Europe/Lisbon",
    "source_channel": "pos",
    "referral_code": None,
    "consents": [{"purpose": "marketing", "channel": "email", "granted": True}],
    "enrolled_at": "2026-01-05T10:00:00Z",
}


@pytest.fixture
def client() -> Caller:
    """Return a till that may do everything, on a program."""
    make_program()
    return till()


def faults(response: Any) -> list[tuple[str, str]]:
    """Return pointer and code of each fault of a 400."""
    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    return [(error["pointer"], error["code"]) for error in response.json()["errors"]]


def test_a_person_is_enrolled_and_answered_whole(client: Caller) -> None:
    response = client.post("/members", ANA)

    body = response.json()
    member = Member.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"/api/v1/members/{member.public_id}"
    assert body == {
        "id": str(member.public_id),
        "number": member.number,
        "status": "active",
        "first_name": "Ana",
        "last_name": "Silva",
        "birth_date": "1990-02-28",
        "locale": "en",
        "timezone": "Europe/Lisbon",
        "identifiers": [
            {"kind": "card", "value": "6011000001", "verified_at": None, "primary": True},
            {"kind": "email", "value": "ana@example.com", "verified_at": None, "primary": True},
        ],
        "tier": {"code": "bronze", "name": "Bronze"},
        "enrolled_at": "2026-01-05T10:00:00Z",
        "source_channel": "pos",
        "referral_code": None,
        "attributes": {},
    }
    again = client.get(f"/members/{member.public_id}")
    assert (again.status_code, again.json(), again["ETag"]) == (200, body, response["ETag"])
    assert again["Cache-Control"] == "no-store"


def test_a_known_person_is_answered_with_200_and_keeps_their_fields(client: Caller) -> None:
    first = client.post("/members", ANA).json()

    told = {"identifiers": [ANA["identifiers"][1], {"kind": "phone", "value": "+351 912 345 678"}]}
    again = client.post("/members", {**told, "first_name": "Eve"})

    assert again.status_code == 200
    assert again.json()["first_name"] == "Ana"
    assert again.json()["id"] == first["id"]
    assert again.json()["identifiers"][-1]["value"] == "+351912345678"


def test_identifiers_of_two_members_are_a_conflict(client: Caller) -> None:
    client.post("/members", {"identifiers": [ANA["identifiers"][0]]})
    client.post("/members", {"identifiers": [ANA["identifiers"][1]]})

    response = client.post("/members", ANA)

    assert (response.status_code, response.json()["code"]) == (409, "identifier_conflict")
    assert (Member.objects.count(), Identifier.objects.count()) == (2, 2)


@pytest.mark.parametrize(
    ("_case", "change", "expected"),
    [
        ("no identifiers", {"identifiers": []}, [("/identifiers", "too_short")]),
        (
            "not an address",
            {"identifiers": [{"kind": "email", "value": "x"}]},
            [("/identifiers/0/value", "invalid_email")],
        ),
        (
            "an unknown kind",
            {"identifiers": [{"kind": "passport", "value": "x"}]},
            [("/identifiers/0/kind", "invalid_choice")],
        ),
        ("an unknown field", {"age": 3}, [("/age", "unknown_field")]),
        ("no day", {"birth_date": "1990-02-30"}, [("/birth_date", "invalid_date")]),
        ("no zone", {"timezone": "Mars/Base"}, [("/timezone", "unknown_timezone")]),
        ("no language", {"locale": "english!"}, [("/locale", "invalid_format")]),
        ("a number as name", {"first_name": 5}, [("/first_name", "invalid_type")]),
        ("a NUL", {"first_name": "a\0"}, [("/first_name", "invalid_character")]),
        (
            "before 1970",
            {"enrolled_at": "1969-12-31T23:59:59Z"},
            [("/enrolled_at", "out_of_range")],
        ),
        (
            "one question twice",
            {"consents": ANA["consents"] * 2},
            [("/consents/1", "repeated")],
        ),
    ],
)
def test_a_body_with_faults_enrolls_nobody(
    client: Caller, _case: str, change: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    response = client.post("/members", {**ANA, **change})

    assert faults(response) == expected
    assert Member.objects.count() == 0


def test_an_enrollment_may_be_five_minutes_ahead_and_no_more(client: Caller) -> None:
    soon = timezone.now() + timedelta(minutes=4)
    later = timezone.now() + timedelta(minutes=6)

    refused = client.post("/members", {**ANA, "enrolled_at": later.isoformat()})
    accepted = client.post("/members", {**ANA, "enrolled_at": soon.isoformat()})

    assert faults(refused) == [("/enrolled_at", "in_the_future")]
    assert accepted.status_code == 201
    assert accepted.json()["tier"]["code"] == "bronze"


def test_members_are_found_by_identifier_number_and_card_code(client: Caller) -> None:
    member = make_member(identifiers=[("email", "ana@example.com"), ("card", "6011000001")])
    code = cards.code(member.card_secret, member.number, timezone.now())

    for identifier in ["ANA@example.com ", "6011000001", member.number, code]:
        found = client.get("/members", identifier=identifier).json()
        assert [row["number"] for row in found["results"]] == [member.number]
        assert (found["next_cursor"], found["prev_cursor"]) == (None, None)
    assert client.get("/members", identifier="nobody").json()["results"] == []


def test_a_search_needs_an_identifier(client: Caller) -> None:
    assert faults(client.get("/members")) == [("/identifier", "required")]
    assert faults(client.get("/members", identifier="")) == [("/identifier", "invalid_length")]
    broken = client.get("/members", identifier="x", cursor="x")
    assert (broken.status_code, broken.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("path", ["", "/balance", "/tier"])
def test_unknown_and_malformed_ids_are_not_found(client: Caller, path: str) -> None:
    for member_id in [str(uuid4()), "1", "x" * 300]:
        response = client.get(f"/members/{member_id}{path}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_scopes_are_asked_for(client: Caller) -> None:
    member = make_member()
    reader, redeemer = till("members:read"), till("points:redeem")

    assert reader.get(f"/members/{member.public_id}").status_code == 200
    for refused in [
        reader.post("/members", ANA),
        reader.patch(f"/members/{member.public_id}", {}),
        redeemer.get(f"/members/{member.public_id}/balance"),
        redeemer.get("/members", identifier="x"),
    ]:
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert Caller({}).get("/members", identifier="x").status_code == 401
    mine = app(login_of(member)).get(f"/members/{member.public_id}")
    assert (mine.status_code, mine.json()["code"]) == (403, "forbidden")


def test_a_patch_changes_what_it_names(client: Caller) -> None:
    member = make_member(first_name="Ana", last_name="Silva", locale="en")
    path = f"/members/{member.public_id}"

    changed = client.patch(
        path, {"first_name": " Eva ", "last_name": None, "birth_date": "1991-01-01"}
    )

    assert changed.status_code == 200
    told = changed.json()
    assert (told["first_name"], told["last_name"], told["birth_date"], told["locale"]) == (
        "Eva",
        None,
        "1991-01-01",
        "en",
    )
    assert changed["ETag"] == client.get(path)["ETag"]


def test_a_stale_version_is_refused_and_nothing_changes(client: Caller) -> None:
    member = make_member(first_name="Ana")
    path = f"/members/{member.public_id}"
    etag = client.get(path)["ETag"]

    first = client.patch(path, {"first_name": "Eva"}, {"If-Match": etag})
    second = client.patch(path, {"first_name": "Ida"}, {"If-Match": etag})

    assert first.status_code == 200
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    assert client.get(path).json()["first_name"] == "Eva"
    unchanged = client.get(path, headers={"If-None-Match": first["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize(
    ("_case", "body", "expected"),
    [
        ("the status", {"status": "closed"}, [("/status", "unknown_field")]),
        ("born ahead", {"birth_date": "2999-01-01"}, [("/birth_date", "out_of_range")]),
        ("no zone", {"timezone": ""}, [("/timezone", "too_short")]),
        ("a list", [], [("", "invalid_type")]),
    ],
)
def test_a_patch_with_faults_changes_nothing(
    client: Caller, _case: str, body: Any, expected: list[tuple[str, str]]
) -> None:
    member = make_member(first_name="Ana")

    response = client.patch(f"/members/{member.public_id}", body)

    assert faults(response) == expected
    member.refresh_from_db()
    assert member.changed_at == NOON


def test_a_balance_is_answered_whole(client: Caller) -> None:
    member = make_member()
    earn(member, 480, expires_at=NOON + 3650 * DAY)
    debit(member, 60)

    body = client.get(f"/members/{member.public_id}/balance").json()

    as_of = datetime.fromisoformat(body.pop("as_of"))
    assert abs(timezone.now() - as_of) < timedelta(minutes=1)
    assert body == {
        "member": str(member.public_id),
        "currency": "points",
        "available": 420,
        "pending": 0,
        "held": 0,
        "debt": 0,
        "lifetime_earned": 480,
        "expiring": [{"points": 420, "expires_at": "2036-02-28T12:00:00Z"}],
        "value": {"amount": "4.20", "currency": "EUR"},
    }


def test_a_balance_of_the_past_and_its_refusals(client: Caller) -> None:
    member = make_member()
    path = f"/members/{member.public_id}/balance"
    earn(member, 100, at=NOON, recorded_at=NOON + 2 * DAY)

    then = client.get(path, as_of="2026-03-02T12:00:00Z").json()
    known = client.get(path, as_of="2026-03-02T12:00:00Z", known_at="2026-03-03T12:00:00Z").json()
    status = client.get(path, currency="status").json()

    assert (then["available"], then["as_of"]) == (100, "2026-03-02T12:00:00Z")
    assert known["available"] == 0
    assert (status["currency"], status["available"]) == ("status", 0)
    ahead = (timezone.now() + timedelta(seconds=30)).isoformat()
    assert faults(client.get(path, as_of=ahead)) == [("/as_of", "in_the_future")]
    assert faults(client.get(path, as_of="yesterday")) == [("/as_of", "invalid_instant")]
    unknown = client.get(path, currency="miles")
    assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown_currency")


def test_a_balance_keeps_its_version_until_it_changes(client: Caller) -> None:
    member = make_member()
    path = f"/members/{member.public_id}/balance"
    etag = client.get(path)["ETag"]

    same = client.get(path, headers={"If-None-Match": etag})
    earn(member, 5)
    other = client.get(path, headers={"If-None-Match": etag})

    assert same.status_code == 304
    assert (other.status_code, other.json()["available"]) == (200, 5)


def test_a_new_member_stands_on_the_lowest_rung(client: Caller) -> None:
    member = make_member(enrolled_at=NOON)
    earn(member, 120, code="status", at=timezone.now() - DAY)

    body = client.get(f"/members/{member.public_id}/tier", headers={"Accept-Language": "ru"}).json()

    window = body["qualifying"].pop("window")
    assert set(window) == {"from", "to"}
    assert body == {
        "tier": {"code": "bronze", "name": "bronze-ru"},
        "since": "2026-03-02T12:00:00Z",
        "valid_until": None,
        "qualifying": {"metric": "status", "value": 120},
        "next": {"code": "silver", "name": "silver-ru", "threshold": 500, "missing": 380},
        "keep": None,
    }
