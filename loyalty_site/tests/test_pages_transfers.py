"""Sending points to somebody, as pages: asked, sent once, seen, taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from loyalty_site.tests import club
from loyalty_site.tests.club import DAY, NOW
from members.models import Member, PointCurrency, Program, Transfer
from members.queries.balances import balance_now
from members.services import transfer_ends

pytestmark = pytest.mark.django_db

PAGE = "/transfers"
ASK = {"action": "ask", "to": "bruno@example.com", "points": "100"}


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def member() -> Member:
    """Enroll a member with 200 points of December, and Bruno."""
    club.open_club()
    member = club.join(password=club.PASSWORD)
    club.join("Bruno")
    club.buy(member, "150.00", at=NOW - 200 * DAY)
    return member


@pytest.fixture
def browser(member: Member) -> Client:
    return club.browser_of(member)


def allow(**changes: Any) -> None:
    """Change the terms on which points are sent."""
    (currency,) = PointCurrency.objects.filter(code="points")
    currency.transfers |= changes
    currency.save()


def held_by(member: Member) -> tuple[int, int]:
    balance = balance_now(member=member.public_id, moment=NOW)
    assert balance is not None
    return balance.available, balance.held


def fields_of(page: Any, action: str) -> dict[str, str]:
    """Return what the page's form for the action would send."""
    text = page.content.decode()
    (form,) = re.findall(rf'<input[^>]*name="action" value="{action}">.*?</form>', text, re.S)
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


def sent(browser: Client, **told: str) -> Any:
    return browser.post(PAGE, fields_of(browser.post(PAGE, ASK | told), "send"), follow=True)


def test_the_question_says_what_it_takes_and_writes_nothing(
    member: Member, browser: Client
) -> None:
    allow(fee={"percent": "2.5", "fixed": 1, "rounding": "up"})

    page = browser.post(PAGE, ASK)

    quote = page.context["quote"]
    assert page.status_code == 200
    assert quote["to"] == "b…@example.com"
    # 2.5 rounded up, and 1.
    assert [quote[name].points for name in ("points", "fee", "taken", "balance_after")] == [
        *(100, 4, 104, 96)
    ]
    assert [(lot["amount"].points, str(lot["last_day"])) for lot in quote["lots"]] == [
        (104, "2026-12-31")
    ]
    assert quote["arrives_at"] == NOW + DAY
    text = page.content.decode()
    assert "until June 25, 2026, 1 p.m." in text
    assert "Where nobody can receive them there, they come back to you." in text
    assert Transfer.objects.exists() is False


def test_a_number_shows_a_masked_name(member: Member, browser: Client) -> None:
    bruno = Member.objects.get(first_name="Bruno")

    page = browser.post(PAGE, ASK | {"to": bruno.number})

    assert page.context["quote"]["to"] == f"B… D… …{bruno.number[-4:]}"
    assert b"Where nobody can receive them there" not in page.content


def test_an_address_that_nobody_has_is_asked_about_in_the_same_words(browser: Client) -> None:
    known = browser.post(PAGE, ASK).context["quote"]
    unknown = browser.post(PAGE, ASK | {"to": "bruno.costa@example.com"}).context["quote"]

    assert {**known, "key": ""} == {**unknown, "key": ""}


def test_sending_holds_the_points_and_lists_them(member: Member, browser: Client) -> None:
    page = sent(browser)

    assert page.redirect_chain == [(PAGE, 302)]
    assert "100 points are on their way to b…@example.com." in page.content.decode()
    (item,) = page.context["waiting"]
    assert (item["to"], item["points"].points, item["can_cancel"]) == ("b…@example.com", 100, True)
    assert held_by(member) == (100, 100)


def test_pressing_twice_sends_once(member: Member, browser: Client) -> None:
    form = fields_of(browser.post(PAGE, ASK), "send")

    first, second = browser.post(PAGE, form), browser.post(PAGE, form)

    assert (first.status_code, second.status_code) == (302, 302)
    assert Transfer.objects.count() == 1
    assert held_by(member) == (100, 100)


def test_a_key_serves_nothing_else(member: Member, browser: Client) -> None:
    form = fields_of(browser.post(PAGE, ASK), "send")
    browser.post(PAGE, form)

    page = browser.post(PAGE, form | {"points": "60"}, follow=True)

    assert b"This button was pressed before for something else." in page.content
    assert held_by(member) == (100, 100)


def test_taking_back_gives_everything_back_once(member: Member, browser: Client) -> None:
    allow(fee={"percent": "0", "fixed": 7, "rounding": "up"})
    form = fields_of(sent(browser), "cancel")

    first = browser.post(PAGE, form, follow=True)
    again = browser.post(PAGE, form, follow=True)

    assert b"Taken back. 107 points are yours again." in first.content
    assert b"Taken back. 107 points are yours again." in again.content
    assert [item["state_label"] for item in again.context["ended"]] == ["Taken back"]
    assert again.context["waiting"] == []
    assert held_by(member) == (200, 0)


def test_what_has_arrived_cannot_be_taken_back(member: Member, browser: Client) -> None:
    form = fields_of(sent(browser), "cancel")
    (row,) = Transfer.objects.all()
    bruno = club.browser_of(Member.objects.get(first_name="Bruno"))
    assert bruno.get(PAGE).context["ended"] == []

    with time_machine.travel(NOW + DAY, tick=False):
        transfer_ends.complete(transfer_id=row.pk, moment=NOW + DAY)
        page = browser.post(PAGE, form, follow=True)
        theirs = bruno.get(PAGE)

    assert b"The points have arrived or come back already." in page.content
    assert [item["state_label"] for item in page.context["ended"]] == ["Arrived"]
    (item,) = theirs.context["ended"]
    assert (item["state_label"], item["to"], item["can_cancel"]) == ("Received", "", False)
    assert b"example.com" not in theirs.content


def test_a_stranger_takes_nothing_back(member: Member, browser: Client) -> None:
    form = fields_of(sent(browser), "cancel")
    bruno = club.browser_of(Member.objects.get(first_name="Bruno"))

    assert bruno.post(PAGE, form).status_code == 404
    assert browser.post(PAGE, form | {"transfer": "1 OR 1=1"}).status_code == 404
    assert held_by(member) == (100, 100)


def test_many_points_ask_once_more_who_it_is(member: Member, browser: Client) -> None:
    allow(confirm_above=99)
    form = fields_of(browser.post(PAGE, ASK), "send")

    asked = browser.post(PAGE, form)
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert held_by(member) == (200, 0)
    page = browser.post(asked["Location"], {"password": club.PASSWORD}, follow=True)

    assert b"100 points are on their way" in page.content
    assert held_by(member) == (100, 100)


AGAINST: list[tuple[str, dict[str, Any], dict[str, str], str]] = [
    ("nobody's card", {}, {"to": "6011999999"}, "No member has this number or card. Look at it"),
    ("nobody at all", {}, {"to": " "}, "This field is required."),
    ("no points", {}, {"points": "0"}, "greater than or equal to 1"),
    ("not a number", {}, {"points": "many"}, "Enter a whole number."),
    ("a null", {}, {"to": "a\x00b"}, "Null characters are not allowed."),
    ("oneself", {}, {"to": "ana@example.com"}, "These points are yours already. Name somebody"),
    ("too few", {}, {"points": "49"}, "At least 50 points can be sent. Send more."),
    ("too many", {"maximum": 60}, {}, "At most 60 points can be sent at a time. Send fewer."),
    ("the day", {"daily_cap": 99}, {}, "in a day. Send fewer, or come back tomorrow."),
    ("too new", {"tenure_days": 400}, {}, "400 days after joining. Come back then."),
    ("more than held", {}, {"points": "201"}, "It takes 201 points, and 200 can be sent"),
]


@pytest.mark.parametrize(("_case", "terms", "told", "text"), AGAINST)
def test_every_refusal_says_why_and_what_to_do_and_keeps_what_was_written(
    _case: str,
    terms: dict[str, Any],
    told: dict[str, str],
    text: str,
    member: Member,
    browser: Client,
) -> None:
    allow(**terms)

    page = browser.post(PAGE, ASK | told)
    forced = browser.post(PAGE, ASK | told | {"action": "send", "fee": "0", "key": "k" * 24})

    assert page.status_code == 422
    assert text in page.content.decode()
    assert page.context["form"]["points"].value() == (ASK | told)["points"]
    assert forced.status_code in {409, 422}
    assert text in forced.content.decode()
    assert Transfer.objects.exists() is False
    assert held_by(member) == (200, 0)


def test_a_fee_that_was_not_shown_is_not_taken(member: Member, browser: Client) -> None:
    form = fields_of(browser.post(PAGE, ASK), "send")
    allow(fee={"percent": "10", "fixed": 0, "rounding": "up"})

    page = browser.post(PAGE, form)

    assert page.status_code == 409
    assert b"The fee is another one now." in page.content
    assert page.context["quote"]["fee"].points == 10
    assert held_by(member) == (200, 0)


def test_points_are_not_sent_without_a_form_token(member: Member) -> None:
    forged = club.browser_of(member, enforce_csrf_checks=True)

    assert forged.post(PAGE, ASK | {"action": "send", "fee": "0"}).status_code == 403
    assert held_by(member) == (200, 0)


def switch_off() -> None:
    program = Program.objects.get()
    program.document["points"][0]["transfers"] = None
    program.save()
    PointCurrency.objects.update(transfers={})


def test_a_program_without_transfers_has_no_page_and_no_link(
    member: Member, browser: Client
) -> None:
    assert f'href="{PAGE}"' in browser.get("/home").content.decode()
    assert f'href="{PAGE}"' in browser.get("/profile").content.decode()

    switch_off()

    assert f'href="{PAGE}"' not in browser.get("/home").content.decode()
    assert f'href="{PAGE}"' not in browser.get("/profile").content.decode()
    assert browser.get(PAGE).status_code == 404
    assert "Members can send each other" not in browser.get("/how-it-works").content.decode()


def test_what_is_on_its_way_can_be_taken_back_after_the_switch(
    member: Member, browser: Client
) -> None:
    sent(browser)
    switch_off()

    page = browser.get(PAGE)
    browser.post(PAGE, fields_of(page, "cancel"))

    assert b"Points cannot be sent any more." in page.content
    assert held_by(member) == (200, 0)


def test_the_program_states_the_terms_in_sentences(member: Member) -> None:
    page = Client().get("/how-it-works").content.decode()

    assert (
        "Members can send each other 50 to 1,000 points at a time. In a day it is at most"
        " 1,500 points. It is free. They arrive after 24 hours; until then the sender can take"
        " them back. The points keep the day on which they expire, and never count for a tier."
        " You can send points from 30 days after joining. Both of you must have confirmed an"
        " email address or a telephone number. Above 500 points we ask once more who you are."
    ) in page


def test_a_page_of_transfers_takes_few_queries(
    member: Member, browser: Client, django_assert_max_num_queries: Any
) -> None:
    sent(browser)
    sent(browser, points="60")

    with django_assert_max_num_queries(8):
        page = browser.get(PAGE)

    assert len(page.context["waiting"]) == 2
