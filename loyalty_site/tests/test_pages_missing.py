"""Missing points as a page, and what staff do about them in the admin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from campaigns.bodies import parse_purchase
from campaigns.models import ClaimCase
from campaigns.services import intake
from loyalty_site.tests import club, staffed
from loyalty_site.tests.club import DAY, NOW
from members.models import Member, Program, Purchase
from members.queries.balances import balance_now

pytestmark = pytest.mark.django_db

PAGE = "/missing-points"


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def member() -> Member:
    """Enroll a member of the demo's club."""
    club.open_club()
    return club.join(password=club.PASSWORD)


@pytest.fixture
def browser(member: Member) -> Client:
    return club.browser_of(member)


def sold(number: str = "R-1", *, member: dict[str, str] | None = None, days_ago: int = 1) -> Any:
    """Sell groceries for 20 euros, to nobody unless told."""
    at = NOW - days_ago * DAY
    line = {"line_id": "1", "quantity": "1", "unit_price": "20.00", "category": "grocery"}
    body = {
        **{"source": "till-1", "external_id": number, "member": member, "currency": "EUR"},
        **{"occurred_at": at.isoformat(), "lines": [line]},
    }
    intake.process_purchase(body=parse_purchase(body), actor="client:till", moment=NOW)
    return Purchase.objects.get(external_id=number)


def tell(browser: Client, **changes: str) -> Any:
    day = (NOW - DAY).date().isoformat()
    told = {"action": "receipt", "receipt": "R-1", "day": day, "total": "20.00"}
    return browser.post(PAGE, told | changes, follow=True)


def said(page: Any) -> list[str]:
    return [str(each) for each in page.context["messages"]]


def has(member: Member) -> int:
    found = balance_now(member=member.public_id, moment=NOW)
    assert found is not None
    return found.available + found.pending


def test_a_receipt_gives_its_points_and_a_repeat_says_so(browser: Client, member: Member) -> None:
    sold()

    page = tell(browser)
    again = tell(browser)

    points = has(member)
    assert points > 0
    assert said(page) == [f"Found: {points} points for you."]
    assert "are yours already" in again.content.decode()
    assert (again.status_code, has(member)) == (409, points)


def test_what_matches_nothing_waits_for_staff(browser: Client, member: Member) -> None:
    page = tell(browser, receipt="R-9")

    assert said(page) == ["No purchase matches this receipt yet. We look for it."]
    assert [(each["receipt"], each["state_label"]) for each in page.context["cases"]] == [
        ("R-9", "we are looking")
    ]
    assert has(member) == 0


def test_mistakes_and_old_receipts_are_told(browser: Client) -> None:
    empty = browser.post(PAGE, {"action": "receipt"})
    old = tell(browser, day="2026-01-01")

    assert empty.status_code == 422
    assert (old.status_code, "of the last 60 days" in old.content.decode()) == (409, True)


def test_a_purchase_of_before_joining_is_claimed_by_a_button(browser: Client) -> None:
    late = club.join("Late", at=NOW, password=club.PASSWORD)
    bought = sold(member={"id": str(late.public_id)})
    mine = club.browser_of(late)

    shown = mine.get(PAGE).context["before"]
    mine.post(PAGE, {"action": "before", "purchase": str(bought.public_id)})
    others = browser.post(PAGE, {"action": "before", "purchase": str(bought.public_id)})

    assert [each["public_id"] for each in shown] == [bought.public_id]
    assert (has(late) > 0, mine.get(PAGE).context["before"], others.status_code) == (True, [], 302)
    assert mine.post(PAGE, {"action": "before", "purchase": "x"}).status_code == 404


def test_there_is_no_page_where_it_is_off(browser: Client) -> None:
    program = Program.objects.get()
    program.document["claims"] = None
    program.save()

    assert browser.get(PAGE).status_code == 404


def test_staff_find_the_purchase_and_give_it(browser: Client, member: Member) -> None:
    bought = sold()
    tell(browser, total="21.00")
    case = ClaimCase.objects.get()
    root = staffed.browser_of(staffed.superuser())
    page = root.get(reverse("admin:campaigns_claimcase_change", args=[case.pk]))
    url = reverse("admin:campaigns_claimcase_act", args=[case.pk])

    nothing = root.post(url, {"act": "refuse"}, follow=True)
    root.post(url, {"act": "grant", "purchase": str(bought.public_id)})

    assert page.context["candidates"] == [bought]
    assert said(nothing) == ["Choose a purchase, or say why there is none."]
    case.refresh_from_db()
    assert (case.state, has(member) > 0) == ("granted", True)


def test_who_may_not_decide_decides_nothing(browser: Client) -> None:
    sold()
    tell(browser, total="21.00")
    case = ClaimCase.objects.get()
    desk = staffed.browser_of(staffed.staff("view_claimcase"))
    url = reverse("admin:campaigns_claimcase_act", args=[case.pk])

    assert desk.post(url, {"act": "refuse", "answer": "no"}).status_code == 403
    case.refresh_from_db()
    assert case.state == "open"
