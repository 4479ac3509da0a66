"""Staff try drafts: the pages of backtests."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Backtest, CampaignDraft
from campaigns.programfile import dump
from campaigns.services import backtests, drafts
from campaigns.services.program import live_document
from loyalty_site.tests import staffed
from members.models import Member, Purchase

QUERIES_MAX = 12


@pytest.fixture
def member(db: None) -> Member:
    """Return the member of a shop that has a bit of everything."""
    return staffed.open_shop()


@pytest.fixture
def root(member: Member) -> Client:
    """Return the browser of a superuser."""
    return staffed.browser_of(staffed.superuser())


def live_text() -> str:
    live = live_document()
    assert live is not None
    return dump(live)


def test_staff_try_a_draft_on_the_history_and_read_the_report(root: Client) -> None:
    start = reverse("admin:campaigns_backtest_start")
    form = root.get(start)

    asked = root.post(start, {"name": "Spring", "draft": live_text()})
    row = Backtest.objects.get()
    waiting = root.get(asked["Location"])
    backtests.run(row.pk)
    with CaptureQueriesContext(connection) as captured:
        page = root.get(asked["Location"])
    listed = root.get(reverse("admin:campaigns_backtest_changelist"))

    assert form.context["form"].initial["draft"] == live_text()
    assert "waits for a worker" in waiting.content.decode()
    assert row.requested_by is not None
    assert len(captured) <= QUERIES_MAX
    text = page.content.decode()
    assert "Points given" in text
    assert Backtest.objects.get().draft_digest in text
    assert "Spring" in listed.content.decode()


@pytest.mark.parametrize(
    ("_case", "fields", "told"),
    [
        ("no program", {"draft": "rules: ["}, "line 1"),
        ("a window that ends first", {"since": "2026-03-02", "until": "2026-03-01"}, "ends before"),
    ],
)
def test_a_draft_that_cannot_be_replayed_is_refused_with_what_was_sent(
    root: Client, _case: str, fields: dict[str, str], told: str
) -> None:
    sent = {"name": "Spring", "draft": live_text(), **fields}

    page = root.post(reverse("admin:campaigns_backtest_start"), sent)

    assert page.status_code == 200
    assert told in page.content.decode()
    assert page.context["form"]["draft"].value() == sent["draft"]
    assert Backtest.objects.exists() is False


def basket(whose: Member, **fields: str) -> dict[str, str]:
    """Return the form of one line of 20 euros, bought now."""
    return {
        "member": whose.number,
        "at": f"{timezone.localtime():%Y-%m-%dT%H:%M}",
        "form-TOTAL_FORMS": "2",
        "form-INITIAL_FORMS": "0",
        "form-0-category": "dairy",
        "form-0-quantity": "2",
        "form-0-price": "10.00",
        "form-1-quantity": "",
        "form-1-price": "",
        **fields,
    }


def drafted() -> CampaignDraft:
    """Return the draft of a campaign that gives 70 points for any purchase."""
    effect = {"kind": "earn_fixed", "currency": "points", "points": 70}
    rules = [{"code": "gift-rule", "trigger": "purchase", "effects": [effect]}]
    body = {"code": "gift", "name": "Gift", "budget_points": 1000, "rules": rules}
    return drafts.begin(body=body, by=staffed.staff("add_campaign"), moment=timezone.now())


def test_one_basket_is_told_with_what_did_not_apply_and_nothing_is_written(
    root: Client, member: Member
) -> None:
    bought = Purchase.objects.count()

    with CaptureQueriesContext(connection) as captured:
        page = root.post(reverse("try_basket"), basket(member))

    tried = page.context["tried"]
    assert tried.net == 20
    assert tried.points == sum(
        each.points for each in tried.evaluation.awards if each.currency == "points"
    )
    assert tried.tier_before is not None
    # A test's own transaction makes savepoints of the page's.
    asked = [each for each in captured if "SAVEPOINT" not in each["sql"]]
    assert len(asked) <= QUERIES_MAX
    assert Purchase.objects.count() == bought


@pytest.mark.parametrize(
    ("_case", "fields", "told"),
    [
        ("nobody", {"member": "000"}, "Nobody has this number or card."),
        ("no line", {"form-0-quantity": "", "form-0-price": "", "form-0-category": ""}, "required"),
        ("no quantity", {"form-0-quantity": "0"}, "0.001"),
    ],
)
def test_a_basket_that_cannot_be_tried_says_why(
    root: Client, member: Member, _case: str, fields: dict[str, str], told: str
) -> None:
    page = root.post(reverse("try_basket"), basket(member, **fields))

    assert page.context["tried"] is None
    assert told in page.content.decode()


def test_a_draft_is_tried_on_a_basket_on_the_history_and_for_exploits(
    root: Client, member: Member
) -> None:
    draft = drafted()
    hub = reverse("try_draft", args=[draft.pk])
    start = reverse("admin:campaigns_backtest_start")

    live = root.post(reverse("try_basket"), basket(member)).context["tried"]
    tried = root.post(f"{reverse('try_basket')}?draft={draft.pk}", basket(member)).context["tried"]
    before = root.get(hub)
    text = root.get(f"{start}?draft={draft.pk}").context["form"].initial["draft"]
    root.post(start, {"name": "gift", "draft": text})
    backtests.run(Backtest.objects.get().pk)
    after = root.get(hub)
    looked = root.post(hub, {"look": "yes"})

    assert tried.points == live.points + 70
    assert before.context["backtest"] is None
    assert after.context["backtest"] == Backtest.objects.get()
    # Seventy points for the smallest basket are worth more than its margin.
    assert looked.context["search"].exploit is not None
    assert len(looked.context["search"].exploit.steps) == 1
    assert (
        hub
        in root.get(
            reverse("admin:campaigns_campaign_change", args=[draft.campaign_id])
        ).content.decode()
    )


def test_trying_a_draft_asks_for_its_permission(member: Member) -> None:
    desk = staffed.browser_of(staffed.staff("view_member"))

    assert desk.get(reverse("admin:campaigns_backtest_start")).status_code == 403
    assert desk.get(reverse("admin:campaigns_backtest_changelist")).status_code == 403
    assert desk.get(reverse("try_basket")).status_code == 403
    assert desk.get(reverse("try_draft", args=[1])).status_code == 403
