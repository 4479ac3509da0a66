"""The member's own purchases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from campaigns.tests.shop import DAY, NOON, apply, basket, bring_back, buy, join, line, refund
from rewards.tests.factories import app_of

pytestmark = pytest.mark.django_db


def test_members_read_their_own_purchases_newest_first_page_by_page() -> None:
    apply()
    member = join()
    join("6011000002")
    bodies = [basket(line(price=f"{n}.00"), at=NOON + timedelta(hours=n)) for n in range(1, 6)]
    for body in bodies:
        buy(body, moment=NOON + DAY)
    buy(basket(card="6011000002", at=NOON), moment=NOON + DAY)
    bring_back(refund(bodies[-1], at=NOON + DAY), moment=NOON + DAY)
    app, headers = Client(), app_of(member)

    first = app.get("/api/v1/me/purchases?limit=2", headers=headers).json()
    cursor = first["next_cursor"]
    second = app.get(f"/api/v1/me/purchases?limit=2&cursor={cursor}", headers=headers).json()

    named = [row["external_id"] for row in first["results"] + second["results"]]
    assert named == [body["external_id"] for body in bodies[:0:-1]]
    assert first["prev_cursor"] is None
    assert first["results"][0]["state"] == "returned"
    assert first["results"][0]["lines"][0]["returned"] == "1"
    assert first["results"][1]["points"]["granted"] == 4


def test_the_list_of_purchases_is_for_members_only() -> None:
    apply()

    assert Client().get("/api/v1/me/purchases").status_code == 401
