"""Every member page under axe-core, in both themes, without a violation of the policy either."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from demo import by_hand
from loyalty_site.tests import club
from members.models import Member, Message

pytestmark = pytest.mark.browser

# Opens a page with a look, and gives what the browser complains of on it.
Opener = Callable[..., tuple[Page, list[str]]]

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
LOOKS = [
    ("phone-light", PHONE, "light"),
    ("desktop-dark", DESKTOP, "dark"),
    pytest.param("phone-dark", PHONE, "dark", marks=pytest.mark.deep),
    pytest.param("desktop-light", DESKTOP, "light", marks=pytest.mark.deep),
]
STRANGERS = [
    *("/", "/accounts/login/", "/accounts/signup/", "/accounts/login/code/"),
    *("/accounts/password/reset/", "/problems/insufficient_points", "/nowhere"),
]
MEMBERS = [
    *("/home", "/rewards", "/rewards?show=affordable", "/rewards/coffee/redeem"),
    *(
        "/rewards/kitchen-evening/redeem",
        "/codes",
        "/earn",
        "/surveys/kitchen",
        "/card",
        "/activity",
        "/profile",
    ),
    *(
        "/transfers",
        "/pool",
        "/missing-points",
        "/how-it-works",
        "/program/changes",
        "/accounts/email/",
        "/accounts/password/change/",
        "/accounts/2fa/",
    ),
    *("/accounts/sessions/", "/accounts/logout/"),
]


@pytest.fixture
def member(live_site: str) -> Member:
    """Enroll a member and let everything happen that pages can show."""
    now = timezone.now()
    yesterday = timezone.localdate() - timedelta(days=1)
    club.open_club(moment=now - timedelta(days=400), last_day=yesterday)
    member = club.join(at=now - timedelta(days=390), password=club.PASSWORD)
    club.buy(member, "700.00", at=now - timedelta(days=340))
    club.redeem(member, "coffee", at=now - timedelta(days=300))
    returned = club.buy(member, "20.00", at=now - timedelta(days=40))
    club.bring_back(returned, at=now - timedelta(days=39))
    club.redeem(member, "loaf", at=now - timedelta(days=1))
    club.join("Bruno", at=now - timedelta(days=390))
    for points in (60, 50):
        club.send(member, "bruno@example.com", points, at=now - timedelta(hours=1))
    club.take_back(member, at=now)
    by_hand.ask(now)
    for name in ("Welcome", "Points will expire soon"):
        Message.objects.create(
            member=member, kind="news", title=name, body="Look.", dedupe_key=name, sent_at=now
        )
    return member


def ways_of(member: Member) -> list[str]:
    """Return the addresses that only this member has."""
    found = [f"/activity/{club.latest(member, kind).public_id}/why" for kind in WHYS]
    redemption = member.redemptions.latest("pk")
    return [*found, f"/codes/{redemption.public_id}"]


WHYS = ("earn", "redeem", "clawback")


@pytest.fixture
def open_page(chromium: Browser, axe_source: str) -> Iterator[Opener]:
    contexts: list[BrowserContext] = []

    def opened(**look: Any) -> tuple[Page, list[str]]:
        context = chromium.new_context(**look)
        contexts.append(context)
        page = context.new_page()
        complaints: list[str] = []

        def note(message: ConsoleMessage) -> None:
            # Chromium reports the status of the page for what is not found or refused, too.
            is_status = "404" in message.text or "422" in message.text
            if message.type in {"error", "warning"} and not is_status:
                complaints.append(message.text)

        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page, complaints

    yield opened
    for context in contexts:
        context.close()


def log_in(page: Page, site: str) -> None:
    page.goto(f"{site}/accounts/login/")
    page.fill("[name=login]", "ana@example.com")
    page.fill("[name=password]", club.PASSWORD)
    page.click("main form button.primary")
    page.wait_for_url("**/home")


def violations(page: Page, axe_source: str) -> list[str]:
    # Evaluated by the debugger, which no policy of the page keeps out.
    page.evaluate(axe_source)
    found = page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", TAGS)
    return [
        f"{page.url} {each['id']}: {node['html'][:160]} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize(("_case", "viewport", "scheme"), LOOKS)
def test_no_page_has_a_violation(
    live_site: str,
    member: Member,
    open_page: Opener,
    axe_source: str,
    _case: str,
    viewport: Any,
    scheme: str,
) -> None:
    page, complaints = open_page(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    found: list[str] = []

    for path in STRANGERS:
        page.goto(f"{live_site}{path}")
        found += violations(page, axe_source)
    log_in(page, live_site)
    for path in [*MEMBERS, *ways_of(member)]:
        answer = page.goto(f"{live_site}{path}")
        assert answer is not None
        assert answer.status == 200, path
        found += violations(page, axe_source)

    assert found == []
    assert complaints == []


@pytest.mark.parametrize(("_case", "viewport", "scheme"), LOOKS)
def test_no_step_of_a_page_has_a_violation(
    live_site: str,
    member: Member,
    open_page: Opener,
    axe_source: str,
    _case: str,
    viewport: Any,
    scheme: str,
) -> None:
    """What only an act on a page shows: proofs, refusals, questions."""
    club.seal()
    page, complaints = open_page(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    log_in(page, live_site)
    found = []

    page.goto(f"{live_site}/activity/{club.latest(member, 'earn').public_id}/why")
    page.click("summary:has-text('Prove this entry')")
    page.click("[data-proof-check]")
    expect(page.locator("[data-proof-result]")).to_contain_text("The proof holds")
    found += violations(page, axe_source)

    page.goto(f"{live_site}/transfers")
    page.click("summary:has-text('Take back')")
    found += violations(page, axe_source)
    ask_to_send(page, "601199999999", "1")
    expect(page.locator(".errorlist")).to_contain_text("No member has this")
    found += violations(page, axe_source)
    ask_to_send(page, "bruno@example.com", "1")
    expect(page.locator("[role=alert]")).to_contain_text("At least 50 points")
    found += violations(page, axe_source)
    ask_to_send(page, "bruno@example.com", "70")
    expect(page.locator("h1")).to_have_text("Send 70 points?")
    found += violations(page, axe_source)

    assert found == []
    assert complaints == []


def ask_to_send(page: Page, to: str, points: str) -> None:
    page.fill("[name=to]", to)
    page.fill("[name=points]", points)
    page.click("main form button.primary")


def test_no_sheet_has_a_violation(
    live_site: str,
    member: Member,
    open_page: Opener,
    axe_source: str,
) -> None:
    page, complaints = open_page(viewport=PHONE, reduced_motion="reduce")
    log_in(page, live_site)
    found = []

    page.click("a.why >> nth=0")
    page.wait_for_selector("dialog[open]")
    found += violations(page, axe_source)
    page.goto(f"{live_site}/rewards")
    page.click("a[href='/rewards/coffee/redeem']")
    page.wait_for_selector("dialog[open]")
    found += violations(page, axe_source)
    page.click("dialog form button.primary")
    page.wait_for_selector("dialog .code")
    found += violations(page, axe_source)

    assert found == []
    assert complaints == []


def test_axe_finds_what_is_wrong(open_page: Opener, axe_source: str) -> None:
    """The control: a page with a nameless picture and a nameless button."""
    page, _ = open_page()
    page.set_content("<html lang=en><title>x</title><main><h1>x</h1><img src=''><button></button>")

    found = " ".join(violations(page, axe_source))

    assert "image-alt" in found
    assert "button-name" in found
