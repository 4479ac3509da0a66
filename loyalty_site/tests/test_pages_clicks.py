"""Signed links: the member's own click tells of an event, once, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client

from campaigns.models import Event
from campaigns.programfile import from_canonical
from campaigns.queries import rulebook
from campaigns.services import clicks
from campaigns.services import program as program_service
from loyalty_site.tests import club
from loyalty_site.tests.club import DAY, JOINED, NOW
from members.models import Member
from members.queries.balances import balance_now

pytestmark = pytest.mark.django_db

SHOP = "https://shop.example.com/spring?from=letter"
KNOWN = {
    **{"code": "visit", "name": "Visit", "verification": "clicked", "payload": {}},
    "limit": {"period": "day", "uses": 1},
}
RULE = {
    **{"code": "visits", "name": "A visit", "trigger": "event:visit"},
    "effects": [{"kind": "earn_fixed", "currency": "points", "points": 5}],
}


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def member() -> Member:
    """Enroll a member of a club that thanks for a visit of its shop."""
    club.open_club()
    document = program_service.live_document() or {}
    changed = {**document, "rules": [*document["rules"], RULE], "events": [KNOWN]}
    program_service.apply(document=from_canonical(changed), moment=JOINED)
    rulebook.forget()
    return club.join()


def link(member: Member, **told: Any) -> str:
    """Return the path of a link for the member."""
    wanted = {"type_": "visit", "address": SHOP, "moment": NOW, **told}
    return f"/go/{clicks.make(member=member, **wanted)}"


def available(member: Member) -> int:
    balance = balance_now(member=member.public_id, moment=NOW)
    assert balance is not None
    return balance.available


def test_a_link_counts_when_it_is_followed_and_only_once(member: Member) -> None:
    path, browser = link(member), Client()

    looked_up = browser.get(path)
    before = available(member)
    followed = browser.post(path)
    after = available(member)
    again = browser.post(path)

    assert b"This link leads to shop.example.com" in looked_up.content
    assert b'href="https://shop.example.com/spring?from=letter"' in followed.content
    assert (looked_up.status_code, followed.status_code, again.status_code) == (200, 200, 200)
    assert (before, after, available(member)) == (0, 5, 5)
    assert list(Event.objects.values_list("type", "source")) == [("visit", "click")]


def test_another_link_of_the_same_day_is_kept_and_gives_nothing(member: Member) -> None:
    browser = Client()
    browser.post(link(member))

    browser.post(link(member, address="https://shop.example.com/other"))

    assert (Event.objects.count(), available(member)) == (2, 5)


def test_a_link_that_was_changed_leads_nowhere(member: Member) -> None:
    path = link(member)
    other = f"/go/{'A' if path[4] != 'A' else 'B'}{path[5:]}"

    answers = [Client().post(each).status_code for each in (other, "/go/nothing", f"{path}x")]

    assert answers == [404, 404, 404]
    assert Event.objects.count() == 0


@pytest.mark.parametrize(("days", "status"), [(89, 200), (90, 404)], ids=["in-time", "late"])
def test_a_link_is_good_for_ninety_days(member: Member, days: int, status: int) -> None:
    path = link(member)

    with time_machine.travel(NOW + days * DAY, tick=False):
        answer = Client().post(path)

    assert answer.status_code == status


def test_the_link_of_somebody_who_was_erased_leads_nowhere(member: Member) -> None:
    path = link(member)
    Member.objects.filter(pk=member.pk).update(
        status="erased", first_name="", last_name="", user=None, erased_at=NOW
    )

    assert Client().post(path).status_code == 404
    assert Event.objects.count() == 0


@pytest.mark.parametrize(
    "address",
    ["http://shop.example.com", "javascript:alert(1)", "//shop.example.com", "https://", "shop"],
)
def test_a_link_leads_to_a_secure_page_of_the_web(member: Member, address: str) -> None:
    with pytest.raises(clicks.AddressUnsuitable):
        link(member, address=address)


def test_links_are_printed_for_a_letter(member: Member) -> None:
    out = StringIO()

    call_command("click_link", "visit", SHOP, member.number, stdout=out)
    number, address = out.getvalue().strip().split("\t")

    assert number == member.number
    assert Client().post(address.removeprefix("http://localhost:8000")).status_code == 200
    assert available(member) == 5
    with pytest.raises(CommandError, match="No member has the number 0"):
        call_command("click_link", "visit", SHOP, "0", stdout=out)
