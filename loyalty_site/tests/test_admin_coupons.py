"""What coupons brought, against figures counted by hand."""

from __future__ import annotations

import csv
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.queries.coupons import coupon_reports
from campaigns.tests.shop import (
    BASE,
    NOON,
    apply,
    basket,
    bring_back,
    buy,
    join,
    line,
    program_file,
    refund,
)
from loyalty_site.tests import staffed
from members.models import Program

pytestmark = pytest.mark.django_db

SPRING = {
    "code": "spring",
    "trigger": "purchase",
    "when": {"attr": "purchase.coupon", "op": "contains", "value": "SPRING"},
    "effects": [{"kind": "earn_fixed", "currency": "points", "points": 40}],
    "limits": [{"per": "member", "period": "lifetime", "uses": 1}],
}


@pytest.fixture
def shop() -> None:
    """Open a shop in which two members used a coupon, one of them twice."""
    apply(program_file(rules=[BASE, SPRING]))
    for card in ("6011000001", "6011000002"):
        join(card)
    _buy("6011000001", "30.00", NOON - timedelta(days=40))
    _buy("6011000001", "20.00", NOON, coupons=["SPRING"], channel="store")
    _buy("6011000001", "10.00", NOON + timedelta(hours=1), coupons=["SPRING"], channel="store")
    _buy("6011000002", "12.50", NOON + timedelta(days=1), coupons=["SPRING", "OLD"], channel="web")


def _buy(card: str, price: str, at: Any, **more: Any) -> dict[str, Any]:
    return buy(basket(line(price=price), card=card, at=at, **more), moment=at)


def _reports(days: int = 2) -> dict[str, Any]:
    program = Program.objects.get()
    found = coupon_reports(program_id=program.pk, since=NOON, until=NOON + timedelta(days=days))
    return {each.code: each for each in found}


def test_a_coupon_is_told_with_what_it_brought(shop: None) -> None:
    spring = _reports()["SPRING"]

    # The second purchase of the first member found the limit used up.
    assert (spring.shown, spring.applied, spring.members, spring.first_time) == (3, 2, 2, 1)
    assert spring.revenue == Decimal("32.50")
    assert spring.points == {"points": 80}
    assert spring.channels == {"store": 2, "web": 1}
    assert spring.rules == ("spring",)


def test_a_coupon_that_no_rule_knows_is_told_as_such(shop: None) -> None:
    old = _reports()["OLD"]

    assert (old.shown, old.applied, old.rules, old.points) == (1, 0, (), {})


def test_the_time_has_its_first_instant_and_not_its_last(shop: None) -> None:
    assert _reports(days=1)["SPRING"].shown == 2


def test_what_came_back_is_left_out_of_the_points(shop: None) -> None:
    join("6011000003")
    at = NOON + timedelta(hours=5)
    body = basket(line(price="10.00"), card="6011000003", at=at, coupons=["SPRING"])
    given = buy(body, moment=at)["points"]["granted"]
    with_it = _reports()["SPRING"].points
    bring_back(refund(body, at=at + timedelta(hours=1)), moment=at + timedelta(hours=1))

    assert (given, with_it) == (50, {"points": 120})
    assert _reports()["SPRING"].points == {"points": 80}


def test_staff_read_the_page_and_take_it_along(shop: None) -> None:
    staff = staffed.browser_of(staffed.superuser())
    window = {"first_day": NOON.date().isoformat(), "last_day": NOON.date().isoformat()}

    page = staff.get(reverse("coupons"), window)
    file = staff.get(reverse("coupons"), window | {"format": "csv"})
    usual = staff.get(reverse("coupons"))

    (row,) = csv.DictReader(StringIO(file.content.decode()))
    assert (row["coupon"], row["shown"], row["applied"], row["points"]) == (
        *("SPRING", "2", "1"),
        "40 points",
    )
    assert "SPRING" in page.content.decode()
    assert "No purchase of this time" in usual.content.decode()


@pytest.mark.parametrize(
    "window",
    [
        pytest.param({"first_day": "2026-03-02", "last_day": "2026-03-01"}, id="backwards"),
        pytest.param({"first_day": "2020-03-02", "last_day": "2026-03-01"}, id="too long"),
        pytest.param({"first_day": "yesterday", "last_day": ""}, id="no days"),
    ],
)
def test_a_time_that_is_none_is_refused_in_words(shop: None, window: dict[str, str]) -> None:
    staff = staffed.browser_of(staffed.superuser())

    page = staff.get(reverse("coupons"), window)

    assert page.status_code == 200
    assert 'role="alert"' in page.content.decode()


def test_the_page_asks_for_its_permission(shop: None, client: Client) -> None:
    desk = staffed.browser_of(staffed.staff("view_member"))

    assert desk.get(reverse("coupons")).status_code == 403
