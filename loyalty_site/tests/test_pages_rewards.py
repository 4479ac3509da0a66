"""Choosing a reward, redeeming it once, showing its code and cancelling it, as pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from loyalty_site.tests import club
from loyalty_site.tests.club import DAY, NOW
from members.models import LedgerTransaction, Member
from members.queries.balances import balance_now
from rewards.models import Redemption, Voucher

pytestmark = pytest.mark.django_db

REDEEM = "/rewards/coffee/redeem"


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def member() -> Member:
    """Enroll a member with 200 points of December: 150, and the 50 of a big shop."""
    club.open_club()
    member = club.join()
    club.buy(member, "150.00", at=NOW - 200 * DAY)
    return member


@pytest.fixture
def browser(member: Member) -> Client:
    return club.browser_of(member)


def available(member: Member) -> int:
    balance = balance_now(member=member.public_id, moment=NOW)
    assert balance is not None
    return balance.available


def key_on(page: Any) -> str:
    found = re.search(rb'name="key" value="([^"]+)"', page.content)
    assert found is not None
    return found[1].decode()


def redeemed(browser: Client, path: str = REDEEM) -> Any:
    return browser.post(path, {"key": key_on(browser.get(path))})


def test_the_catalog_says_what_stands_against_each_reward(browser: Client) -> None:
    cards = {card["code"]: card for card in browser.get("/rewards").context["rewards"]}

    assert [code for code, card in cards.items() if card["eligible"]] == ["food-bank", "coffee"]
    assert [reason["text"] for reason in cards["tote"]["reasons"]] == [
        "700 points to go",
        "Only for members in Silver or Gold.",
    ]
    assert cards["tote"]["stock_left"] == 40
    assert cards["loaf"]["progress"] == 80


@pytest.mark.parametrize(
    ("chosen", "codes"),
    [
        ("affordable", ["food-bank", "coffee"]),
        ("savings", ["delivery", "five-euros", "twenty-euros"]),
        ("giving", ["food-bank"]),
    ],
)
def test_filters_narrow_the_catalog(browser: Client, chosen: str, codes: list[str]) -> None:
    context = browser.get(f"/rewards?show={chosen}").context

    assert [card["code"] for card in context["rewards"]] == codes
    (current,) = [row for row in context["filters"] if row["is_current"]]
    assert current["count"] == len(codes)


def test_an_unknown_filter_shows_all(browser: Client) -> None:
    assert len(browser.get("/rewards?show=<script>").context["rewards"]) == 8


def test_the_question_names_lots_and_the_balance_after(browser: Client) -> None:
    context = browser.get(REDEEM).context

    quote = context["quote"]
    assert [(lot["amount"].text, str(lot["last_day"])) for lot in quote["lots"]] == [
        ("150 points", "2026-12-31")
    ]
    assert quote["balance_before"].text == "200 points"
    assert quote["balance_after"].text == "50 points"


def test_redeeming_shows_the_code_on_a_page_that_can_be_reloaded(
    member: Member, browser: Client
) -> None:
    answer = redeemed(browser)

    made = Redemption.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/codes/{made.public_id}"
    page = browser.get(answer["Location"])
    assert made.voucher.code.encode() in page.content
    assert b"July 24, 2026" in page.content
    assert b"50 points" in page.content
    assert available(member) == 50


def test_pressing_twice_gives_one_redemption(member: Member, browser: Client) -> None:
    key = key_on(browser.get(REDEEM))

    first = browser.post(REDEEM, {"key": key})
    second = browser.post(REDEEM, {"key": key})

    assert first["Location"] == second["Location"]
    assert Redemption.objects.count() == 1
    assert available(member) == 50


def test_htmx_gets_question_and_code_as_sheets(browser: Client) -> None:
    sheet = {"HX-Request": "true"}
    question = browser.get(REDEEM, headers=sheet)
    done = browser.post(REDEEM, {"key": key_on(question)}, headers=sheet)

    assert b"<html" not in question.content
    assert done.status_code == 200
    assert b"<html" not in done.content
    assert Voucher.objects.get().code.encode() in done.content


def test_a_reward_that_cannot_be_had_says_why_and_what_to_do(
    member: Member, browser: Client
) -> None:
    page = browser.get("/rewards/tote/redeem").content.decode()

    assert "700 points to go" in page
    assert "Show your card with your next purchases to earn the rest." in page
    assert "Your home page shows what is missing to the next tier." in page
    assert 'name="key"' not in page


def test_a_refusal_says_why_and_what_to_do_and_moves_nothing(
    member: Member, browser: Client
) -> None:
    key = key_on(browser.get(REDEEM))
    club.redeem(member, "food-bank")

    answer = browser.post(REDEEM, {"key": key})

    assert answer.status_code == 409
    page = answer.content.decode()
    assert "You have 100 points and need 50 points more." in page
    assert "Show your card with your next purchases to earn the rest." in page
    assert available(member) == 100
    assert Redemption.objects.count() == 1


def test_a_key_of_another_form_is_refused(member: Member, browser: Client) -> None:
    key = key_on(browser.get(REDEEM))
    browser.post("/rewards/food-bank/redeem", {"key": key})

    answer = browser.post(REDEEM, {"key": key})

    assert answer.status_code == 409
    assert b"This button was pressed before for something else." in answer.content
    assert available(member) == 100


def test_a_reward_that_is_not_offered_is_not_found(browser: Client) -> None:
    assert browser.get("/rewards/moon/redeem").status_code == 404
    assert browser.post("/rewards/moon/redeem", {"key": "k" * 20}).status_code == 404


def test_a_redemption_without_a_form_token_is_refused(member: Member) -> None:
    forged = club.browser_of(member, enforce_csrf_checks=True)

    assert forged.post(REDEEM, {"key": "k" * 20}).status_code == 403
    assert available(member) == 200


def test_cancelling_gives_the_points_back_once(member: Member, browser: Client) -> None:
    redeemed(browser)
    page = browser.get("/codes")
    form = {"redemption": str(Redemption.objects.get().public_id), "key": key_on(page)}

    answer = browser.post("/codes", form, follow=True)
    again = browser.post("/codes", form, follow=True)

    assert b"Cancelled. 150 points are back." in answer.content
    assert b"Cancelled. 150 points are back." in again.content
    assert answer.context["active"] == []
    assert [item["state"] for item in answer.context["closed"]] == ["cancelled"]
    assert available(member) == 200
    reversals = LedgerTransaction.objects.filter(type="redemption_reversal")
    assert reversals.count() == 1


def test_a_used_code_cannot_be_cancelled(member: Member, browser: Client) -> None:
    redeemed(browser)
    form = {
        "redemption": str(Redemption.objects.get().public_id),
        "key": key_on(browser.get("/codes")),
    }
    Voucher.objects.update(state="used", used_at=NOW)

    answer = browser.post("/codes", form, follow=True)

    assert b"The code was used at a till." in answer.content
    assert [item["state"] for item in answer.context["used"]] == ["used"]
    assert available(member) == 50


def test_nobody_sees_or_cancels_anothers_redemption(member: Member, browser: Client) -> None:
    redeemed(browser)
    public_id = Redemption.objects.get().public_id
    other = club.browser_of(club.join("Bruno"))

    assert other.get(f"/codes/{public_id}").status_code == 404
    forged = other.post("/codes", {"redemption": str(public_id), "key": "k" * 20})
    assert forged.status_code == 404
    assert other.post("/codes", {"redemption": "1 OR 1=1"}).status_code == 404
    assert available(member) == 50


def test_a_donation_is_done_without_a_code(browser: Client) -> None:
    page = browser.get(redeemed(browser, "/rewards/food-bank/redeem")["Location"])

    assert b"It is done. Thank you." in page.content
    assert [item["state"] for item in browser.get("/codes").context["used"]] == ["fulfilled"]
