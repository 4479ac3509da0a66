"""What rules gave beside points, as members read it: with the codes, and with the points."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client

from campaigns.programfile import from_canonical
from campaigns.queries import rulebook
from campaigns.services import program as program_service
from loyalty_site.tests import club
from loyalty_site.tests.club import DAY, JOINED, NOW
from members.models import Member
from rewards.models import Voucher

pytestmark = pytest.mark.django_db

RULE = {
    "code": "next-coffee",
    "name": "A coffee for next time",
    "trigger": "purchase",
    "effects": [{"kind": "voucher", "reward": "coffee", "valid_days": 30}],
}


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def member() -> Member:
    """Enroll a member of a club one of whose rules gives a coffee with every purchase."""
    club.open_club()
    document = program_service.live_document() or {}
    rewards = [{**each, "stock": None} for each in document["rewards"]]
    changed = {**document, "rules": [*document["rules"], RULE], "rewards": rewards}
    program_service.apply(document=from_canonical(changed), moment=JOINED)
    rulebook.forget()
    return club.join()


@pytest.fixture
def browser(member: Member) -> Client:
    return club.browser_of(member)


def test_a_code_that_a_rule_gave_says_why_and_cannot_be_given_back(
    member: Member, browser: Client
) -> None:
    club.buy(member)

    page = browser.get("/codes").content.decode()

    assert Voucher.objects.get().code in page
    assert "Given to you: A coffee for next time" in page
    assert "Yes, cancel it" not in page


def test_the_page_that_explains_points_says_what_was_given_with_them(
    member: Member, browser: Client
) -> None:
    purchase = club.buy(member)
    posted = club.latest(member, "earn")
    before = club.why(browser, posted)

    club.bring_back(purchase, at=NOW + DAY)

    assert "You were also given" in before
    assert "A voucher for coffee, valid 30 days" in before
    assert "A return has since taken it back." in club.why(browser, posted)


def test_a_purchase_that_gave_only_points_has_no_such_list(member: Member) -> None:
    earlier = club.join("Bea", at=JOINED)
    document = program_service.live_document() or {}
    rules = [each for each in document["rules"] if each["code"] != "next-coffee"]
    program_service.apply(document=from_canonical({**document, "rules": rules}), moment=JOINED)
    rulebook.forget()
    club.buy(earlier)

    page = club.why(club.browser_of(earlier), club.latest(earlier, "earn"))

    assert "You were also given" not in page
