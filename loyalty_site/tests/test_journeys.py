"""Whole ways through the site in Chromium, the till's purchases coming through the API."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.core import mail
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Browser, Page, ViewportSize, expect

from loyalty_site.tests import club
from members.models import Member, Transfer
from members.queries.balances import balance_now
from rewards.models import Redemption, Reward

pytestmark = pytest.mark.browser

PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture
def site(live_site: str) -> str:
    """Serve the demo's program, written for purchases that ended yesterday."""
    yesterday = timezone.localdate() - timedelta(days=1)
    club.open_club(moment=timezone.now() - timedelta(days=400), last_day=yesterday)
    return live_site


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport=PHONE, reduced_motion="reduce")
    yield context.new_page()
    context.close()


@pytest.fixture
def plain_page(chromium: Browser) -> Iterator[Page]:
    """Open a browser without JavaScript."""
    context = chromium.new_context(viewport=PHONE, java_script_enabled=False)
    yield context.new_page()
    context.close()


class Till:
    """A client of the API as it is out there: a token for its secret, then HTTP."""

    def __init__(self, site: str) -> None:
        self.site = site
        printed = StringIO()
        call_command(
            "create_client", "Till 1", scope=["purchases:write"], json=True, stdout=printed
        )
        client = json.loads(printed.getvalue())
        form = urlencode(client | {"grant_type": "client_credentials"}).encode()
        answer = self._send("/identity/o/api/token", form, {})
        self.token = answer["access_token"]

    def _send(self, path: str, body: bytes, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(f"{self.site}{path}", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def sell(self, identifier: str, net: str) -> Any:
        """Post a purchase of groceries that happened now."""
        body = {
            "source": "till-1",
            "external_id": f"receipt-{uuid4()}",
            "member": {"identifier": identifier},
            "occurred_at": timezone.now().isoformat(),
            "currency": "EUR",
            "lines": [{"line_id": "1", "category": "grocery", "quantity": "1", "unit_price": net}],
        }
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid4()),
        }
        return self._send("/api/v1/purchases", json.dumps(body).encode(), headers)


def code_sent() -> str:
    """Return the code of the latest e-mail."""
    body = str(mail.outbox[-1].body)
    found = re.search(r"^\s*([A-Z0-9]{4,}(?:-[A-Z0-9]+)*)\s*$", body, re.MULTILINE)
    assert found is not None, body
    return found[1]


def log_in(page: Page, site: str, member: Member) -> None:
    """Log in by a code that comes by e-mail."""
    assert member.user is not None
    page.goto(f"{site}/accounts/login/code/")
    page.fill("[name=email]", member.user.email)
    page.click("main form button.primary")
    page.fill("[name=code]", code_sent())
    page.click("main form button.primary")
    page.wait_for_url("**/home")


def available(member: Member) -> int:
    balance = balance_now(member=member.public_id, moment=timezone.now())
    assert balance is not None
    return balance.available


def test_a_stranger_joins_earns_redeems_and_cancels(site: str, page: Page) -> None:
    page.goto(site)
    page.click("text=Join for free")
    page.fill("[name=email]", "carla@example.com")
    page.click("main form button.primary")
    page.fill("[name=code]", code_sent())
    page.click("main form button.primary")
    page.wait_for_url("**/home")
    expect(page.locator(".figure")).to_have_text("0")

    page.click("text=Show my card")
    number = page.locator(".member-card .number").inner_text().replace(" ", "")
    answer = Till(site).sell(number, "160.00")
    assert answer["points"]["granted"] == 210

    page.click("nav.tabs >> text=Home")
    expect(page.locator(".figure")).to_have_text("210")
    page.click("a.why >> nth=0")
    expect(page.locator("dialog[open]")).to_contain_text("1 point per euro")
    expect(page.locator("dialog[open]")).to_contain_text("50 points for a big shop")
    page.keyboard.press("Escape")

    page.click("nav.tabs >> text=Rewards")
    page.click("a[href='/rewards/coffee/redeem']")
    expect(page.locator("dialog[open] .total")).to_contain_text("60 points")
    page.click("dialog button:has-text('Redeem 150 points')")
    code = page.locator("dialog .code").inner_text()
    member = Member.objects.get()
    assert code == Redemption.objects.get().voucher.code
    assert available(member) == 60

    page.click("dialog >> text=All my codes")
    expect(page.locator(".voucher .code")).to_have_text(code)
    page.click(".voucher summary")
    page.click("text=Yes, cancel it")
    expect(page.locator(".flash")).to_contain_text("150 points are back")
    assert available(member) == 210


def test_everything_works_without_javascript(site: str, plain_page: Page) -> None:
    page, member = plain_page, club.join(at=timezone.now() - timedelta(days=10))
    # Before the double weekend that ended yesterday.
    club.buy(member, "74.00", at=timezone.now() - timedelta(days=4))
    for number in range(22):
        club.buy(member, "10.00", at=timezone.now() - timedelta(minutes=100 - number))
    log_in(page, site, member)

    page.click("nav.tabs >> text=Activity")
    page.click("text=Show more")
    expect(page.locator("text=Back to the newest")).to_be_visible()
    page.click("a.why >> nth=0")
    expect(page.locator("main")).to_contain_text("1 point per euro")

    page.click("nav.tabs >> text=Rewards")
    page.click("text=I can get now")
    page.click("a[href='/rewards/loaf/redeem']")
    expect(page.locator("main h1")).to_have_text("Redeem A fresh loaf?")
    page.click("button:has-text('Redeem 250 points')")
    expect(page.locator("main h1")).to_have_text("A fresh loaf is yours")
    code = page.locator(".code").inner_text()
    page.reload()
    expect(page.locator(".code")).to_have_text(code)
    assert available(member) == 44

    page.goto(f"{site}/codes")
    page.click(".voucher summary")
    page.click("text=Yes, cancel it")
    expect(page.locator(".flash")).to_contain_text("250 points are back")
    assert available(member) == 294


def test_going_back_and_pressing_again_gives_the_same_redemption(
    site: str, plain_page: Page
) -> None:
    page, member = plain_page, club.join(at=timezone.now() - timedelta(days=10))
    club.buy(member, "400.00", at=timezone.now() - timedelta(days=1))
    log_in(page, site, member)
    page.goto(f"{site}/rewards/coffee/redeem")
    form: dict[str, str | float | bool] = {
        "key": page.locator("[name=key]").get_attribute("value") or "",
        "csrfmiddlewaretoken": page.locator("[name=csrfmiddlewaretoken]").first.get_attribute(
            "value"
        )
        or "",
    }
    before = available(member)

    answers = [
        page.request.post(f"{site}/rewards/coffee/redeem", form=form, headers={"Referer": site})
        for _ in range(2)
    ]

    assert answers[0].url == answers[1].url
    assert Redemption.objects.count() == 1
    assert available(member) == before - 150


def test_a_member_in_a_queue_presses_twice(site: str, page: Page) -> None:
    member = club.join(at=timezone.now() - timedelta(days=10))
    club.buy(member, "400.00", at=timezone.now() - timedelta(days=1))
    log_in(page, site, member)
    page.goto(f"{site}/rewards/coffee/redeem")

    page.dblclick("button:has-text('Redeem 150 points')")
    page.wait_for_url("**/codes/*")

    assert Redemption.objects.count() == 1


def test_the_last_piece_goes_to_one_of_two_members(site: str, chromium: Browser) -> None:
    Reward.objects.filter(code="coffee").update(stock=1)
    pages = []
    for name in ("Ana", "Bruno"):
        member = club.join(name, at=timezone.now() - timedelta(days=10))
        club.buy(member, "400.00", at=timezone.now() - timedelta(days=1))
        page = chromium.new_context(viewport=PHONE).new_page()
        log_in(page, site, member)
        page.goto(f"{site}/rewards/coffee/redeem")
        pages.append(page)

    for page in pages:
        page.click("button:has-text('Redeem 150 points')")
        page.wait_for_load_state()

    assert "Coffee at the bar is yours" in pages[0].inner_text("main")
    refused = pages[1].inner_text("main")
    assert "All are gone" in refused
    assert "Look again later, or choose another reward." in refused
    assert Redemption.objects.count() == 1
    for page in pages:
        page.context.close()


def test_a_member_sends_points_sees_them_on_their_way_and_takes_them_back(
    site: str, plain_page: Page
) -> None:
    """Without JavaScript, on a phone."""
    page, member = plain_page, club.join(at=timezone.now() - timedelta(days=60))
    bruno = club.join("Bruno", at=timezone.now() - timedelta(days=60))
    # Before the double weekend that ended yesterday.
    club.buy(member, "70.00", at=timezone.now() - timedelta(days=4))
    log_in(page, site, member)

    page.click("main >> text=Send points")
    page.fill("[name=to]", bruno.number)
    page.fill("[name=points]", "71")
    page.click("text=Continue")
    expect(page.locator("[role=alert]")).to_contain_text("It takes 71 points, and 70 can be sent")
    page.fill("[name=points]", "60")
    page.click("text=Continue")
    expect(page.locator(".facts")).to_contain_text(f"B… D… …{bruno.number[-4:]}")
    expect(page.locator(".facts .total")).to_contain_text("60 points")
    page.click("button:has-text('Send 60 points')")
    expect(page.locator(".flash")).to_contain_text("60 points are on their way")
    page.reload()
    assert available(member) == 10
    assert Transfer.objects.count() == 1

    page.click("summary:has-text('Take back')")
    page.click("text=Yes, take it back")
    expect(page.locator(".flash")).to_contain_text("60 points are yours again")
    expect(page.locator("main")).to_contain_text("Taken back")
    assert available(member) == 70


def test_the_keyboard_alone_opens_the_receipt_and_comes_back(site: str, page: Page) -> None:
    member = club.join(at=timezone.now() - timedelta(days=10))
    club.buy(member, "64.10", at=timezone.now() - timedelta(days=1))
    log_in(page, site, member)

    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.locator("a.why").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_contain_text("1 point per euro")
    page.keyboard.press("Escape")

    expect(page.locator("dialog")).not_to_be_visible()
    expect(page.locator("a.why").first).to_be_focused()
