"""A replay knows what members bought before, who they are, and which rules go together."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from campaigns.programfile import parse
from campaigns.services import history
from campaigns.tests.shop import DAY, apply, join, rule
from campaigns.tests.test_trial_replay import awards_of, posted_awards, replayer
from campaigns.tests.trial_year import END, SHOP, YEAR, post_year
from campaigns.trial.book import make_book
from campaigns.trial.compare import Plan
from campaigns.trial.rounds import settle
from campaigns.trial.run import Run
from members.services import attributes

pytestmark = pytest.mark.django_db


def when(attr: str, op: str, value: object, **window: Any) -> dict[str, Any]:
    """Return a condition."""
    return {"attr": attr, "op": op, "value": value, **window}


PETS = {"code": "pets", "name": {"en": "Number of pets"}, "kind": "number"}
FRIDAYS = {"rrule": "FREQ=WEEKLY;BYDAY=FR,SA", "starts": "09:00", "minutes": 600}
WIDE: dict[str, Any] = {
    **SHOP,
    "rules": [
        *SHOP["rules"],
        {
            **rule("loyal", 1),
            "when": when("history.net", "gte", "40.00", days=45, category="dairy"),
            "limits": [{"per": "member", "period": "month", "money": "0.60"}],
        },
        {
            **rule("often", 1),
            "when": when("history.purchases", "gte", 2, months=1),
            "group": "g",
        },
        {**rule("known", 2), "when": when("member.identifier", "contains", "card"), "group": "g"},
        {**rule("never", 2), "when": when("member.consent", "contains", "marketing:email")},
    ],
    "campaigns": [
        *SHOP["campaigns"],
        {
            "code": "fridays",
            "name": "Fridays",
            "status": "active",
            "schedule": FRIDAYS,
            "budget_uses": 9,
            "rules": [rule("friday", 1)],
        },
    ],
    "stacking": {
        "multipliers": "product",
        "groups": [{"code": "g", "mode": "lowest_cost"}],
        "not_together": [["loyal", "friday"]],
    },
}


def test_replaying_windows_groups_and_hours_gives_every_award_that_was_posted() -> None:
    people = post_year(seed=3, document=WIDE)
    book = make_book(parse(json.dumps(WIDE)))
    what = history.wanted(book.zone, [WIDE])

    runs: dict[int, Run] = {}
    plan = replace(Plan.of(book, book, starts_at=None, ends_at=END), keeps_awards=True)
    settled = settle(plan, replayer(plan, [each.pk for each in people], what, runs))

    assert settled.is_settled
    found = posted_awards()
    assert awards_of(runs.values()) == found
    # Each of them gave something: the year is long enough to tell a replay that knows less.
    gave = {code for _, _, code, _ in found}
    assert {"loyal", "often", "known", "friday"} <= gave
    assert "never" not in gave


def test_the_comparison_finds_a_replay_that_forgets_what_was_bought() -> None:
    # The control.
    people = post_year(seed=3, document=WIDE)
    book = replace(make_book(parse(json.dumps(WIDE))), windows=frozenset())
    what = history.wanted(book.zone, [WIDE])

    runs: dict[int, Run] = {}
    plan = replace(Plan.of(book, book, starts_at=None, ends_at=END), keeps_awards=True)
    settle(plan, replayer(plan, [each.pk for each in people], what, runs))

    assert awards_of(runs.values()) != posted_awards()


def test_a_draft_that_asks_about_the_past_knows_what_was_bought_before_it_began() -> None:
    before, after = (make_book(parse(json.dumps(each))) for each in (SHOP, WIDE))

    plan = Plan.of(before, after, starts_at=YEAR + 200 * DAY, ends_at=END)

    assert plan.before.windows == plan.after.windows == after.windows
    assert len(after.windows) == 2


def test_a_replay_knows_what_members_answered() -> None:
    apply({**SHOP, "attributes": [PETS]}, moment=YEAR)
    member = join(at=YEAR)
    attributes.change(member=member, values={"pets": 3}, actor="test", moment=YEAR)

    (story,) = history.stories(
        [member.pk], history.wanted(make_book(parse(json.dumps(SHOP))).zone, [SHOP]), connection
    )

    assert story.person.facts.attributes == {"pets": 3}
