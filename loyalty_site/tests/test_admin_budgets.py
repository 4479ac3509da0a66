"""What the admin tells of budgets: of each its own figures."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.tests.shop import BASE_STATUS, NOON, apply, basket, buy, join, program_file
from members.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    """Return the browser of a superuser, in a shop that gave 40 of 1,000 points worth 0.40."""
    plus = {
        "code": "plus",
        "trigger": "purchase",
        "effects": [{"kind": "earn_fixed", "currency": "points", "points": 40}],
    }
    campaign = {
        "code": "spring",
        "name": "Spring",
        "status": "active",
        "budget_points": 1000,
        "budget_money": "9.00",
        "budget_uses": 5,
        "rules": [plus],
    }
    apply(program_file(rules=[BASE_STATUS], campaigns=[campaign]))
    join()
    buy(basket(at=NOON), moment=NOON)
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "a long password here"))
    return client


def test_a_campaign_tells_what_is_left_of_its_points_and_not_of_its_money(browser: Client) -> None:
    page = browser.get(reverse("admin:campaigns_campaign_changelist")).text

    assert "960 of 1,000 points" in page


def test_the_counters_tell_points_money_and_uses_with_what_is_left(browser: Client) -> None:
    page = browser.get(reverse("admin:campaigns_limitcounter_changelist")).text

    for figure in ("960", "8.60", "9.00", "0.40", "EUR", "uses"):
        assert figure in page
