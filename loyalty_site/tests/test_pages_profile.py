"""Who a member is to the program, as pages: details, consents, their data, leaving."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from loyalty_site.tests import club
from loyalty_site.tests.club import NOW
from members.models import ConsentRecord, DataExport, LedgerTransaction, Member, User
from members.queries.attributes import answers_of
from members.services import attributes

pytestmark = pytest.mark.django_db

DETAILS = {
    "action": "details",
    "first_name": "Anna",
    "last_name": "Duarte",
    "birth_date": "1990-02-28",
    "locale": "en",
    "timezone": "Asia/Tokyo",
}
CONSENT = {"action": "consent", "purpose": "marketing", "channel": "email"}


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def member() -> Member:
    club.open_club()
    return club.join(password=club.PASSWORD)


@pytest.fixture
def browser(member: Member) -> Client:
    return club.browser_of(member)


def erased(browser: Client, confirm: str) -> Any:
    """Ask to be erased, say the password when asked for it, and return what comes then."""
    asked = browser.post("/profile", {"action": "erase", "confirm": confirm})
    return browser.post(asked["Location"], {"password": club.PASSWORD}, follow=True)


def test_details_are_saved(member: Member, browser: Client) -> None:
    answer = browser.post("/profile", DETAILS, follow=True)

    member.refresh_from_db()
    assert b"Your details are saved." in answer.content
    assert member.first_name == "Anna"
    assert str(member.birth_date) == "1990-02-28"
    assert member.timezone == "Asia/Tokyo"


def test_a_member_answers_what_the_program_asks(member: Member, browser: Client) -> None:
    choices = [{"code": each, "name": {"en": each.title()}} for each in ("green", "black")]
    asked = [
        {"code": "size", "kind": "number", "choices": [], "member_editable": True},
        {"code": "vegan", "kind": "bool", "choices": [], "member_editable": True},
        {"code": "teas", "kind": "multi", "choices": choices, "member_editable": True},
        {"code": "hidden", "kind": "text", "choices": [], "member_editable": False},
    ]
    rows = [{**each, "name": {"en": f"Your {each['code']}"}, "pii": False} for each in asked]
    attributes.apply_definitions(program=member.program, rows=rows)
    said = {"answer-size": "12.5", "answer-vegan": "false", "answer-teas": ["black", "green"]}

    page = browser.get("/profile").content.decode()
    browser.post("/profile", {**DETAILS, **said, "answer-hidden": "x"})
    first = {each.definition.code: each.told for each in answers_of(member)}
    again = browser.get("/profile").content.decode()
    browser.post("/profile", {**DETAILS, "answer-size": "12.5", "answer-vegan": ""})
    second = {each.definition.code: each.told for each in answers_of(member)}

    assert "Your size" in page
    assert "Your hidden" not in page
    assert first == {"size": "12.5", "vegan": False, "teas": ["green", "black"], "hidden": None}
    assert 'value="12.5"' in again
    assert second == {"size": "12.5", "vegan": None, "teas": None, "hidden": None}


def test_a_date_of_birth_that_is_set_cannot_be_changed_on_the_page(
    member: Member, browser: Client
) -> None:
    browser.post("/profile", DETAILS)

    page = browser.get("/profile").content.decode()
    browser.post("/profile", {**DETAILS, "birth_date": "1991-01-01", "first_name": "Eva"})

    member.refresh_from_db()
    assert "It is set. If it is wrong, ask in the shop" in page
    assert (str(member.birth_date), member.first_name) == ("1990-02-28", "Eva")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("birth_date", "1824-01-01", "Nobody is born on that day."),
        ("birth_date", "2026-07-01", "Nobody is born on that day."),
        ("timezone", "Mars/Olympus", "Select a valid choice."),
        ("first_name", "x" * 101, "at most 100 characters"),
    ],
)
def test_details_that_cannot_be_are_told_and_not_saved(
    member: Member, browser: Client, field: str, value: str, told: str
) -> None:
    answer = browser.post("/profile", DETAILS | {field: value})

    member.refresh_from_db()
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert member.first_name == "Ana"


def test_every_change_of_mind_is_a_record_of_its_own(member: Member, browser: Client) -> None:
    for granted in ("true", "true", "false"):
        browser.post("/profile", CONSENT | {"granted": granted})

    records = ConsentRecord.objects.filter(member=member).order_by("pk")
    assert [(row.purpose, row.channel, row.granted) for row in records] == [
        ("marketing", "email", True),
        ("marketing", "email", False),
    ]
    assert records[0].source == "profile"


def test_a_consent_that_was_never_asked_is_not_recorded(member: Member, browser: Client) -> None:
    browser.post("/profile", CONSENT | {"purpose": "everything", "granted": "true"})

    assert ConsentRecord.objects.exists() is False


def test_an_unknown_action_changes_nothing(member: Member, browser: Client) -> None:
    assert browser.post("/profile", {"action": "promote"}).status_code == 200


def test_a_member_gets_their_data_and_nobody_elses(member: Member, browser: Client) -> None:
    browser.post("/profile", {"action": "export"})
    path = f"/profile/export/{DataExport.objects.get().public_id}"

    answer = browser.get(path)
    stranger = club.browser_of(club.join("Bruno"))

    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert answer["Content-Type"] == "application/zip"
    assert "json/members.member.json" in names
    assert path.encode() in browser.get("/profile").content
    assert stranger.get(path).status_code == 404


def test_erasing_asks_for_a_recent_login(member: Member, browser: Client) -> None:
    answer = browser.post("/profile", {"action": "erase", "confirm": member.number})

    assert answer["Location"].startswith("/accounts/reauthenticate/")
    member.refresh_from_db()
    assert member.status == "active"


def test_erasing_without_a_password_asks_to_log_in_anew(member: Member) -> None:
    other = club.join("Bruno")

    answer = club.browser_of(other).post(
        "/profile", {"action": "erase", "confirm": other.number}, follow=True
    )

    other.refresh_from_db()
    assert b"Please log out and in again first" in answer.content
    assert other.status == "active"


def test_erasing_with_another_number_changes_nothing(member: Member, browser: Client) -> None:
    answer = erased(browser, "123")

    assert b"That was not your member number. Nothing was erased." in answer.content
    member.refresh_from_db()
    assert member.status == "active"


def test_erasing_ends_the_membership_and_keeps_the_books(member: Member, browser: Client) -> None:
    club.buy(member)

    answer = erased(browser, member.number)

    assert b"Your account is erased." in answer.content
    member.refresh_from_db()
    assert (member.status, member.first_name) == ("erased", "")
    assert User.objects.exists() is False
    assert LedgerTransaction.objects.filter(member=member, type="earn").count() == 2
    assert browser.get("/home")["Location"].startswith("/accounts/login/")
