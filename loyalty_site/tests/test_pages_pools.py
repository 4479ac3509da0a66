"""The pool as a page: founded, joined by a code, given to, redeemed from, left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from loyalty_site.tests import club
from loyalty_site.tests.club import DAY, NOW
from members.models import Member, Pool, PoolMembership, Program
from members.queries.balances import balance_now
from rewards.models import Redemption

pytestmark = pytest.mark.django_db

PAGE = "/pool"


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def member() -> Member:
    """Enroll a member with 200 points, and Bruno."""
    club.open_club()
    member = club.join(password=club.PASSWORD)
    club.buy(member, "150.00", at=NOW - 200 * DAY)
    return member


@pytest.fixture
def browser(member: Member) -> Client:
    return club.browser_of(member)


@pytest.fixture
def bruno(member: Member) -> Client:
    return club.browser_of(club.join("Bruno", password=club.PASSWORD))


def has(member: Member) -> int:
    found = balance_now(member=member.public_id, moment=NOW)
    assert found is not None
    return found.available


def fields_of(page: Any, action: str) -> dict[str, str]:
    """Return what the page's form for the action would send."""
    text = page.content.decode()
    (form,) = re.findall(rf'<input[^>]*name="action" value="{action}">.*?</form>', text, re.S)
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


def said(page: Any) -> list[str]:
    return [str(each) for each in page.context["messages"]]


def found(browser: Client) -> Any:
    return browser.post(
        PAGE, {"action": "found", "kind": "household", "name": "At home"}, follow=True
    )


def invited(browser: Client, role: str = "adult") -> str:
    page = browser.post(PAGE, {"action": "invite", "role": role}, follow=True)
    (code,) = re.findall(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", said(page)[0])
    return str(code)


def give(browser: Client, points: int) -> Any:
    fields = fields_of(browser.get(PAGE), "give")
    return browser.post(PAGE, fields | {"action": "give", "points": str(points)}, follow=True)


def test_a_pool_is_founded_and_somebody_joins_by_a_code(browser: Client, bruno: Client) -> None:
    page = found(browser)
    code = invited(browser, "child")
    joined = bruno.post(PAGE, {"action": "join", "code": code.lower()}, follow=True)

    assert "At home" in page.content.decode()
    assert said(joined) == ["You are in the pool."]
    assert [each["role"] for each in joined.context["pool"]["members"]] == ["owner", "child"]
    assert "Ana" in joined.content.decode()
    assert "Duarte" not in re.findall(r"<main.*</main>", joined.content.decode(), re.S)[0]


def test_points_are_given_once_however_often_the_button_is_pressed(
    browser: Client, member: Member
) -> None:
    found(browser)
    before = has(member)
    fields = fields_of(browser.get(PAGE), "give") | {"action": "give", "points": "60"}

    first = browser.post(PAGE, fields, follow=True)
    browser.post(PAGE, fields)

    assert said(first) == ["60 points are in the pool."]
    assert (before - has(member), has(Pool.objects.get().holder)) == (60, 60)


def test_a_refusal_says_why_and_moves_nothing(browser: Client, member: Member) -> None:
    found(browser)

    page = give(browser, 100_000)
    wrong = browser.post(PAGE, {"action": "give", "points": "many"})

    assert said(page) == ["The pool cannot hold so many points."]
    assert wrong.status_code == 422
    assert has(Pool.objects.get().holder) == 0


def test_a_wrong_code_lets_nobody_in(browser: Client, bruno: Client) -> None:
    found(browser)

    page = bruno.post(PAGE, {"action": "join", "code": "AAAA-BBBB-CCCC"}, follow=True)

    assert said(page) == ["This code is not good: ask the owner of the pool for another."]
    assert PoolMembership.objects.count() == 1


def test_a_reward_is_paid_by_the_pool_where_the_role_allows_it(
    browser: Client, bruno: Client, member: Member
) -> None:
    found(browser)
    bruno.post(PAGE, {"action": "join", "code": invited(browser)})
    give(browser, 150)

    question = bruno.get("/rewards/coffee/redeem?pool=1")
    key = re.findall(r'name="key" value="([^"]+)"', question.content.decode())[0]
    done = bruno.post("/rewards/coffee/redeem", {"key": key, "pool": "1"}, follow=True)

    assert "Pay with your own points" in question.content.decode()
    assert done.status_code == 200
    made = Redemption.objects.get()
    assert (made.payer_id, made.member.first_name) == (Pool.objects.get().holder_id, "Bruno")
    assert has(Pool.objects.get().holder) == 150 - made.points


def test_a_child_is_not_offered_the_pools_points(browser: Client, bruno: Client) -> None:
    found(browser)
    bruno.post(PAGE, {"action": "join", "code": invited(browser, "child")})
    give(browser, 150)

    page = bruno.get("/rewards/coffee/redeem?pool=1")
    bruno.post("/rewards/coffee/redeem", {"key": "k" * 20, "pool": "1"})

    assert "points of your pool" not in page.content.decode()
    assert Redemption.objects.exists() is False


def test_who_leaves_has_their_points_back(browser: Client, member: Member) -> None:
    found(browser)
    give(browser, 60)
    before = has(member)

    page = browser.post(
        PAGE, fields_of(browser.get(PAGE), "leave") | {"action": "leave"}, follow=True
    )

    assert said(page) == ["You left the pool. 60 points came back to you."]
    activity = browser.get("/activity").content.decode()
    assert "Given to your pool" in activity
    assert "Back from your pool" in activity
    assert (has(member) - before, page.context["pool"]) == (60, None)


def test_the_owner_removes_somebody(browser: Client, bruno: Client) -> None:
    found(browser)
    bruno.post(PAGE, {"action": "join", "code": invited(browser)})
    fields = fields_of(browser.get(PAGE), "remove")

    nobody = browser.post(PAGE, fields | {"action": "remove", "member": "x"})
    page = browser.post(PAGE, fields | {"action": "remove"}, follow=True)

    assert nobody.status_code == 404
    assert len(page.context["pool"]["members"]) == 1
    assert bruno.get(PAGE).context["pool"] is None


def test_without_terms_there_is_no_page_but_for_who_is_in_a_pool(
    browser: Client, bruno: Client
) -> None:
    found(browser)
    give(browser, 60)

    Program.objects.update(pools={})

    assert bruno.get(PAGE).status_code == 404
    page = browser.get(PAGE)
    assert (page.status_code, page.context["terms"]) == (200, [])
    browser.post(PAGE, fields_of(page, "leave") | {"action": "leave"})
    assert PoolMembership.objects.get().ending == "left"
