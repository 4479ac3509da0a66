"""One button pressed many times at once: threads, each with a browser of its own."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from loyalty_site.tests import club
from members.models import Member
from members.queries.balances import balance_now
from rewards.models import Redemption

PRESSES = 8
REDEEM = "/rewards/coffee/redeem"


@pytest.fixture
def member(committed_database: str) -> Member:
    now = timezone.now()
    yesterday = timezone.localdate() - timedelta(days=1)
    club.open_club(moment=now - timedelta(days=400), last_day=yesterday)
    member = club.join(at=now - timedelta(days=390))
    # Before the double weekend that ended yesterday.
    club.buy(member, "400.00", at=now - timedelta(days=9))
    return member


def press_together(member: Member, keys: list[str]) -> list[str]:
    """Press the button with each key at the same moment; return where each press led."""
    gate = Barrier(len(keys))

    def press(key: str) -> str:
        try:
            browser = club.browser_of(member)
            gate.wait()
            return str(browser.post(REDEEM, {"key": key})["Location"])
        finally:
            connection.close()

    with ThreadPoolExecutor(len(keys)) as pool:
        return list(pool.map(press, keys))


def test_pressing_many_times_at_once_gives_one_redemption(member: Member) -> None:
    page = club.browser_of(member).get(REDEEM).content.decode()
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found is not None

    places = press_together(member, [found[1]] * PRESSES)

    made = Redemption.objects.get()
    assert set(places) == {f"/codes/{made.public_id}"}
    balance = balance_now(member=member.public_id, moment=timezone.now())
    assert balance is not None
    # 400 and 50 for a big shop, less one coffee.
    assert balance.available == 300


def test_without_one_key_the_same_presses_give_several(member: Member) -> None:
    """The control: it is the key that makes the presses one."""
    places = press_together(member, ["first press of two", "other press of two"])

    assert len(set(places)) == 2
    assert Redemption.objects.count() == 2
