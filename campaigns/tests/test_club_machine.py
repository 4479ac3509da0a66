"""Points are neither made nor lost, whatever members, tills, staff and jobs do to a club.

Each story has a database of its own, so that it can be told again from its seed alone. At its end
the whole ledger is proved. The figures are those of the promise: a slice in every run, 100,000
acts with ``--deep``; ``LEDGER_SEED``, ``LEDGER_ACTS`` and ``LEDGER_FROM`` bound a run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal

import pytest

from campaigns.tests.club_hands import tell_story
from campaigns.tests.club_machine import Club
from campaigns.tests.club_model import Purse
from campaigns.tests.shop import differences
from members import lots
from members.tests.long_runs import LongRun, long_run

pytestmark = pytest.mark.ledger

STORY, STORY_DEEP = 100, 500
ACTS, ACTS_DEEP = 400, 100_000

Databases = Callable[[], AbstractContextManager[str]]


def _tell(
    run: LongRun, databases: Databases, *, length: int, club_class: type[Club] = Club
) -> None:
    for part in run.parts():
        with run.naming(part), databases():
            tell_story(f"{run.seed}-{part}", length, club_class=club_class)
            assert differences() == []
        run.count(length)


def test_random_acts_of_all_services_leave_what_the_model_says(
    request: pytest.FixtureRequest, fresh_databases: Databases, is_deep: bool
) -> None:
    run = long_run(request, "a club by its services", acts=ACTS, acts_deep=ACTS_DEEP)

    _tell(run, fresh_databases, length=STORY_DEEP if is_deep else STORY)

    run.tell()


def test_the_machine_finds_a_model_with_one_mistake(
    request: pytest.FixtureRequest, fresh_databases: Databases
) -> None:
    class Forgetful(Purse):
        """Holds that lapse give nothing back."""

        def settle(self, now: datetime) -> None:
            self.holds = {name: hold for name, hold in self.holds.items() if hold.until > now}
            super().settle(now)

    class Mistaken(Club):
        purse_class = Forgetful

    run = long_run(request, "mistaken", acts=ACTS, acts_deep=ACTS)

    with pytest.raises(AssertionError):
        _tell(run, fresh_databases, length=STORY, club_class=Mistaken)


def test_the_machine_finds_a_service_with_one_mistake(
    request: pytest.FixtureRequest, fresh_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    def whole_line(points: int, _bought: Decimal, before: Decimal, _part: Decimal) -> int:
        return 0 if before else points

    monkeypatch.setattr(lots, "taken_back", whole_line)
    run = long_run(request, "mistaken", acts=ACTS, acts_deep=ACTS)

    with pytest.raises(AssertionError):
        _tell(run, fresh_databases, length=STORY)
