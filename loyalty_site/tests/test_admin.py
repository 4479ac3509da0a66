"""The admin: what it shows, what it lets nobody change, and who gets in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loyalty_site.lib.admin import ReadOnlyAdmin
from loyalty_site.tests import staffed
from members.models import LedgerTransaction, Member, OutboxEvent, PurchaseLine, User
from rewards.models import Reward

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
OURS = ("members", "rewards", "campaigns")
QUERIES_MAX = 12

MODELS = [model for name in OURS for model in apps.get_app_config(name).get_models()]
READ_ONLY = [
    model for model, page in admin.site._registry.items() if isinstance(page, ReadOnlyAdmin)
]


@pytest.fixture
def member(db: None) -> Member:
    """Return the member of a shop that has a bit of everything."""
    return staffed.open_shop()


@pytest.fixture
def root(member: Member) -> Client:
    """Return the browser of a superuser."""
    return staffed.browser_of(staffed.superuser())


def address(model: type[models.Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def queries_of(browser: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        response = browser.get(url)
    assert response.status_code == 200, url
    return len(captured)


def rows_of(model: type[models.Model]) -> list[Any]:
    return list(model._default_manager.order_by("pk").values_list())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_in_the_admin_with_search_and_filters(model: type[models.Model]) -> None:
    page = admin.site._registry[model]

    assert page.search_fields
    assert page.list_filter
    assert page.list_editable == ()
    assert page.date_hierarchy is None


def test_every_model_stands_in_the_sidebar(root: Client) -> None:
    links = set(re.findall(r'href="(/admin/[^"?#]+/)"', root.get("/admin/").content.decode()))

    assert {address(model, "changelist") for model in MODELS} - links == set()


def test_no_list_and_no_page_of_a_row_takes_more_than_twelve_queries(root: Client) -> None:
    found: dict[str, int] = {}
    for model in admin.site._registry:
        urls = [address(model, "changelist"), address(model, "changelist") + "?q=none-such"]
        first = model._default_manager.order_by("-pk").first()
        if first is not None:
            urls.append(address(model, "change", first.pk))
        found |= {url: queries_of(root, url) for url in urls}

    assert {url: count for url, count in found.items() if count > QUERIES_MAX} == {}
    assert len(found) > 100


def forge(root: Client, model: type[models.Model]) -> list[int]:
    """Post to every address of the model that could change it; return what was answered."""
    first = model._default_manager.order_by("pk").first()
    pk = first.pk if first else 1
    forged = {"points": 1, "balance": 1, "status": "closed", "granted": "on", "post": "yes"}
    action = {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
    answers = [
        root.post(address(model, "add"), forged),
        root.post(address(model, "change", pk), forged),
        root.post(address(model, "changelist"), action),
    ]
    if model is not Authenticator:
        answers.append(root.post(address(model, "delete", pk), forged))
    return [answer.status_code for answer in answers]


def test_a_forged_post_changes_no_row_of_what_is_read_only(root: Client) -> None:
    before = {model: rows_of(model) for model in READ_ONLY}

    answers = {model: forge(root, model) for model in READ_ONLY}

    assert [model for model in READ_ONLY if rows_of(model) != before[model]] == []
    assert {codes[0] for codes in answers.values()} == {403}
    assert {code for codes in answers.values() for code in codes} <= {200, 302, 403, 404}
    assert sum(bool(rows) for rows in before.values()) > 25


def test_the_books_are_among_what_is_read_only() -> None:
    names = {model.__name__ for model in READ_ONLY}

    assert names >= {
        *("LedgerAccount", "LedgerTransaction", "LedgerEntry", "LedgerHold", "PointLot"),
        *("LotUse", "Award", "AwardReversal", "ConsentRecord", "RuleVersion", "Publication"),
        *("Purchase", "PurchaseLine", "Return", "ReturnLine", "Event", "IdempotencyRecord"),
        *("OutboxEvent", "Redemption", "Voucher", "Program", "Tier", "EarningRule", "Campaign"),
    }


def test_the_dashboard_links_every_number_to_the_rows_behind_it(root: Client) -> None:
    with CaptureQueriesContext(connection) as captured:
        page = root.get("/admin/")
    context = page.context
    figures = [*context["figures"], *context["tiers"]]
    outstanding = context["outstanding"][0]

    assert len(captured) <= QUERIES_MAX
    assert [(figure.label, figure.value) for figure in figures] == [
        ("Active members", 1),
        ("Purchases recorded today", 10),
        ("Redemptions today", 2),
        ("Silver", 1),
    ]
    for figure in figures:
        assert len(root.get(figure.url).context["cl"].result_list) == figure.value
    assert {state.label: state.value for state in outstanding.states} == {
        "available": 1530,
        "pending": 0,
        "held": 200,
        "debt": 0,
    }
    assert outstanding.total.value == 1730
    for state in outstanding.states:
        rows = root.get(state.url).context["cl"].result_list
        assert sum(row.balance for row in rows) == state.value


def test_the_dashboard_tells_what_works_and_that_the_books_add_up(root: Client) -> None:
    OutboxEvent.objects.update(delivered_at=timezone.now())

    context = root.get("/admin/").context

    assert {sign.label: sign.is_well for sign in context["signs"]} == {
        "Worker": True,
        "Scheduler": True,
        "Outbox": True,
    }
    assert (context["proof"].state, context["proof"].differences) == ("proved", [])


def test_news_that_nobody_was_told_is_seen_on_the_dashboard(root: Client) -> None:
    outbox = root.get("/admin/").context["signs"][-1]
    rows = root.get(outbox.url).context["cl"].result_list

    assert not outbox.is_well
    assert outbox.text == f"{len(rows)} waiting, the oldest 7200 h ago"


def test_a_failed_proof_is_a_red_banner_with_its_differences(root: Client) -> None:
    run = staffed.failed_proof()

    page = root.get("/admin/").content.decode()

    assert "The ledger does not add up." in page
    assert "03_balances: 2 differences" in page
    assert reverse("admin:members_jobrun_change", args=[run.pk]) in page


def test_the_dashboard_of_an_empty_site_says_what_to_do(db: None) -> None:
    page = staffed.browser_of(staffed.superuser()).get("/admin/").content.decode()

    assert "There is no program yet" in page
    assert "never seen" in page


def test_one_page_shows_everything_about_a_member(root: Client, member: Member) -> None:
    url = address(Member, "change", member.pk)

    with CaptureQueriesContext(connection) as captured:
        page = root.get(url)
    text = page.content.decode()

    assert len(captured) <= QUERIES_MAX
    assert (page.context["balances"][0].available, page.context["balances"][0].held) == (1530, 200)
    assert len(page.context["purchases"]) == 10
    assert [exchange.state for exchange in page.context["redemptions"]] == ["held", "fulfilled"]
    for shown in ("Ada Lark", "6011000001", "Silver", "Coffee", "marketing, email", "granted"):
        assert shown in text
    assert "1 point per 1.00 on 90.00, rounded down" in text
    assert str(member.card_secret) not in text


def test_the_statement_of_another_currency_is_a_link_away(root: Client, member: Member) -> None:
    page = root.get(address(Member, "change", member.pk) + "?currency=status")

    assert page.context["chosen"].code == "status"
    assert {movement.row.type for movement in page.context["movements"]} == {"earn", "clawback"}


@pytest.mark.parametrize(
    "query", ["6011000001", "Ad", "lar", "status__exact=active", "tier=silver"]
)
def test_a_member_is_found_by_card_and_by_the_beginning_of_a_name(
    root: Client, member: Member, query: str
) -> None:
    query = query if "=" in query else f"q={query}"

    page = root.get(address(Member, "changelist") + f"?{query}")

    assert [found.pk for found in page.context["cl"].result_list] == [member.pk]


def test_suspending_needs_a_reason_which_stands_in_the_history(
    root: Client, member: Member
) -> None:
    url = reverse("admin:members_member_status", args=[member.pk])

    root.post(url, {"act": "suspend", "reason": "  "})
    member.refresh_from_db()
    assert member.status == "active"

    root.post(url, {"act": "suspend", "reason": "Card reported stolen"})
    member.refresh_from_db()
    assert member.status == "suspended"
    assert LogEntry.objects.get().change_message == "Suspended: Card reported stolen"

    root.post(url, {"act": "reactivate", "reason": "New card"})
    member.refresh_from_db()
    assert member.status == "active"


def test_who_may_only_look_at_members_suspends_nobody(member: Member) -> None:
    desk = staffed.browser_of(staffed.staff("view_member"))

    page = desk.get(address(Member, "change", member.pk))
    answer = desk.post(
        reverse("admin:members_member_status", args=[member.pk]),
        {"act": "suspend", "reason": "x"},
    )

    member.refresh_from_db()
    assert (page.status_code, answer.status_code) == (200, 403)
    assert "Why suspend?" not in page.content.decode()
    assert member.status == "active"


def test_staff_do_not_make_themselves_superusers(db: None) -> None:
    user = staffed.staff("view_user", "change_user", "add_user")
    other = User.objects.create_user("member@example.com", "a long enough password")
    desk = staffed.browser_of(user)
    powers = {"email": other.email, "is_active": "on", "is_staff": "on", "is_superuser": "on"}

    own = desk.post(address(User, "change", user.pk), {**powers, "email": user.email})
    desk.post(address(User, "change", other.pk), powers)

    user.refresh_from_db()
    other.refresh_from_db()
    assert own.status_code == 403
    assert (user.is_superuser, other.is_superuser, other.is_staff) == (False, False, False)


def test_in_production_staff_without_a_second_factor_are_sent_to_make_one(
    db: None, settings: Any
) -> None:
    settings.IS_PRODUCTION = True
    user = staffed.superuser()
    browser = staffed.browser_of(user)

    answer = browser.get("/admin/", follow=True)
    codes_alone = Authenticator.objects.create(user=user, type="recovery_codes", data={})
    still = browser.get("/admin/")
    codes_alone.delete()
    Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
    then = browser.get("/admin/")

    assert [url for url, _status in answer.redirect_chain][:2] == [
        "/admin/login/?next=/admin/",
        "/accounts/2fa/totp/activate/",
    ]
    assert (still.status_code, then.status_code) == (302, 200)


def test_in_a_demo_staff_need_no_second_factor(db: None) -> None:
    assert staffed.browser_of(staffed.superuser()).get("/admin/").status_code == 200


@pytest.mark.parametrize("path", ["/admin/", "/admin/members/member/", "/admin/login/"])
def test_strangers_log_in_where_everybody_does(db: None, path: str) -> None:
    answer = Client().get(path, follow=True)

    assert answer.redirect_chain[-1][0].startswith("/accounts/login/")


def test_members_are_not_staff(db: None) -> None:
    user = User.objects.create_user("member@example.com", "a long enough password")

    answer = staffed.browser_of(user).get("/admin/", follow=True)

    assert answer.status_code == 403


def test_times_are_those_of_the_program(root: Client, member: Member) -> None:
    assert "times of Lisbon" in root.get("/admin/").content.decode()


@pytest.mark.browser
def test_pages_ask_nobody_else_and_keep_to_their_policy(live_site: str, chromium: Any) -> None:
    member = staffed.open_shop()
    browser = staffed.browser_of(staffed.superuser())
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    cookie = browser.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_site}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    for url in (
        "/admin/",
        address(Member, "changelist"),
        address(Member, "change", member.pk),
        address(Reward, "change", Reward.objects.get(code="tote").pk),
        address(LedgerTransaction, "changelist"),
    ):
        page.goto(live_site + url)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, url
    context.close()

    assert complaints == []
    assert [url for url in asked if not url.startswith((live_site, "data:"))] == []


def test_links_of_the_member_page_lead_to_the_members_rows(root: Client, member: Member) -> None:
    for model in (LedgerTransaction, PurchaseLine):
        page = root.get(address(model, "changelist") + f"?q={member.number}")
        assert page.status_code == 200


@pytest.mark.parametrize("page", admin.site._registry.values(), ids=str)
def test_no_form_stands_within_the_form_of_a_page(page: admin.ModelAdmin[Any]) -> None:
    """A browser drops the inner form: its buttons would send the page's own."""
    names = ("change_form_before_template", "change_form_after_template")
    inside = [getattr(page, name, None) for name in names]

    forms = [name for name in inside if name and "<form" in (TEMPLATES / name).read_text()]

    assert forms == []
