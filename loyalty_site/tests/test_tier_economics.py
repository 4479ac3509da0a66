"""Tiers by quarter: what they bought and cost, and other thresholds on the history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.models import Backtest
from campaigns.queries.tier_economics import TierQuarter, tier_economics
from campaigns.services import backtests
from campaigns.tests.shop import NOON, apply, basket, bring_back, buy, join, line, refund
from loyalty_site.tests import staffed
from members.models import Program

pytestmark = pytest.mark.django_db

SPRING = datetime(2026, 4, 20, 12, tzinfo=UTC)


def open_shop() -> None:
    """Post 600 euros on bronze, 100 on silver of which a quarter comes back, and 50 in spring."""
    apply()
    join()
    buy(basket(line(price="600.00"), at=NOON), moment=NOON)
    later = NOON + timedelta(days=1)
    body = basket(line(quantity="4", price="25.00"), at=later)
    buy(body, moment=later)
    bring_back(refund(body, ("1", "1"), at=later), moment=later + timedelta(hours=1))
    buy(basket(line(price="50.00"), at=SPRING), moment=SPRING)


def test_each_tier_of_each_quarter_has_its_net_and_its_cost() -> None:
    open_shop()

    rows = tier_economics(Program.objects.get(), since=NOON - timedelta(days=1))

    winter, spring = NOON.date().replace(month=1, day=1), SPRING.date().replace(day=1)
    assert rows == [
        TierQuarter(spring, "silver", 1, 1, Decimal(50), 50, Decimal("0.50")),
        TierQuarter(winter, "bronze", 1, 1, Decimal(600), 600, Decimal("6.00")),
        TierQuarter(winter, "silver", 1, 1, Decimal(75), 75, Decimal("0.75")),
    ]
    assert [row.name for row in rows] == ["2026 Q2", "2026 Q1", "2026 Q1"]
    assert {row.share for row in rows} == {Decimal(1)}


def test_staff_read_it_and_replay_other_thresholds() -> None:
    open_shop()
    root = staffed.browser_of(staffed.superuser())
    page = root.get(reverse("tier_economics"))

    asked = root.post(reverse("tier_economics"), {"silver": "300", "gold": "650"})
    done = backtests.run(Backtest.objects.get().pk)

    assert "2026 Q1" in page.content.decode()
    assert asked["Location"] == reverse("admin:campaigns_backtest_change", args=[done.pk])  # type: ignore[union-attr]  # it ran
    assert done is not None
    assert done.figures["tier_moves"] == [{"before": "silver", "after": "gold", "members": 1}]


def test_thresholds_that_do_not_rise_are_refused() -> None:
    open_shop()
    root = staffed.browser_of(staffed.superuser())

    page = root.post(reverse("tier_economics"), {"silver": "700", "gold": "650"})

    assert "Each threshold is above the one before." in page.content.decode()
    assert Backtest.objects.exists() is False


@pytest.mark.parametrize(("method", "permission"), [("get", "view_member"), ("post", "view_tier")])
def test_the_page_asks_for_its_permissions(method: str, permission: str) -> None:
    open_shop()
    desk: Client = staffed.browser_of(staffed.staff(permission))

    page = getattr(desk, method)(reverse("tier_economics"), {"silver": "1", "gold": "2"})

    assert page.status_code == 403
    assert Backtest.objects.exists() is False
