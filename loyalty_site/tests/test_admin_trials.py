"""Staff try drafts: the pages of backtests."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.models import Backtest
from campaigns.programfile import dump
from campaigns.services import backtests
from campaigns.services.program import live_document
from loyalty_site.tests import staffed
from members.models import Member

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


def test_trying_a_draft_asks_for_its_permission(member: Member) -> None:
    desk = staffed.browser_of(staffed.staff("view_member"))

    assert desk.get(reverse("admin:campaigns_backtest_start")).status_code == 403
    assert desk.get(reverse("admin:campaigns_backtest_changelist")).status_code == 403
