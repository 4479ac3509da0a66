"""Acknowledged means kept: PostgreSQL, web, worker and beat are killed while tills write."""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.tests import shop
from conftest import SERVER
from loyalty_site.tests import club
from loyalty_site.tests.crashes import Installation, Tills, Verdict, judge, schedule
from members.services import reconciliation

SEED = 20_261_122
TILLS = 4
pytestmark = pytest.mark.ledger
# The parts that are killed beside PostgreSQL share this number.
KILLS = int(os.environ.get("CRASH_KILLS", "200"))


def prepared() -> tuple[str, list[str]]:
    """Open a club whose members can afford some coffees; return a token and the members' ids."""
    now = timezone.now()
    club.open_club(moment=now - timedelta(days=60), last_day=now.date())
    members = [club.join(f"Till{n}", at=now - timedelta(days=50)) for n in range(TILLS)]
    for member in members:
        for day in range(10):
            club.buy(member, "900.00", at=now - timedelta(days=10 + day))
    return shop.make_token("purchases:write", "points:redeem"), [
        str(member.public_id) for member in members
    ]


def run(
    source: str, kills: dict[str, int], *, seed: int = SEED, is_safe: bool = True
) -> tuple[Verdict, list[str]]:
    """Write while parts are killed; return what was lost, and which invariants are broken."""
    token, members = prepared()
    parts = ["web", *(part for part in ("worker", "beat") if part in kills)]
    began = time.monotonic()
    with Installation(SERVER.urls(source)["superuser"], parts=parts, is_safe=is_safe) as place:
        with Tills(place.url, token, members) as tills:
            for part, pause in schedule(seed, kills):
                time.sleep(pause)
                place.crash(part)
            # What was sent last is answered by a site that lives.
            time.sleep(0.5)
        verdict = judge(place, tills.answers)
        broken = [check.name for check in reconciliation.checks() if place.ask(check.sql)]
    assert tills.answers.unexpected == []
    sys.stderr.write(
        f"\n{sum(kills.values())} kills, seed {seed}, {time.monotonic() - began:.0f} s:"
        f" {verdict.acknowledged} acknowledged, {len(verdict.lost)} lost,"
        f" {len(verdict.doubled)} doubled\n"
    )
    return verdict, broken


def test_acknowledged_purchases_and_redemptions_survive_kills(committed_database: str) -> None:
    verdict, broken = run(committed_database, {"postgres": 2, "web": 1})

    assert verdict.acknowledged > 0
    assert (verdict.lost, verdict.doubled, broken) == ([], [], [])


@pytest.mark.deep
def test_commits_that_do_not_wait_for_the_disk_are_lost(committed_database: str) -> None:
    """The control: the same harness finds what a server without durability loses."""
    verdict, _broken = run(committed_database, {"postgres": 2}, is_safe=False)

    assert verdict.acknowledged > 0
    assert verdict.lost != []


@pytest.mark.deep
def test_acknowledged_means_kept_over_hundreds_of_kills(committed_database: str) -> None:
    third = KILLS // 3
    kills = {"postgres": KILLS, "web": KILLS - 2 * third, "worker": third, "beat": third}

    verdict, broken = run(committed_database, kills)

    assert verdict.acknowledged > KILLS
    assert (verdict.lost, verdict.doubled, broken) == ([], [], [])
