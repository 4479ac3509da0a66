"""A replay of the live program gives what was posted, and one of a draft what it would give."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from django.db import connection

from campaigns.models import Award
from campaigns.programfile import ProgramDocument, parse
from campaigns.services import history
from campaigns.tests.shop import balances, standings
from campaigns.tests.trial_year import END, SHOP, post_year
from campaigns.trial.book import make_book
from campaigns.trial.compare import Pair, Plan
from campaigns.trial.history import BOUGHT
from campaigns.trial.rounds import Part, Replayer, RoomsOf, replay_part, settle
from campaigns.trial.run import Run

pytestmark = pytest.mark.django_db


def shop_document() -> ProgramDocument:
    return parse(json.dumps(SHOP))


def posted_awards() -> Counter[tuple[str, int, str, str]]:
    found: Counter[tuple[str, int, str, str]] = Counter()
    rows = Award.objects.values_list(
        "purchase_id", "event_id", "rule_version__rule__code", "currency__code", "points"
    )
    for purchase, event, rule, currency, points in rows:
        found["purchase" if purchase else "event", purchase or event, rule, currency] += points
    return found


def replayer(
    plan: Plan, members: Sequence[int], what: history.Wanted, runs: dict[int, Run]
) -> Replayer:
    def replay_them(rooms: RoomsOf, only: frozenset[int] | None) -> Iterable[Part]:
        wanted = [row for row in members if only is None or row in only]

        def keep(pair: Pair) -> None:
            runs[pair.before.person.id] = pair.before

        yield replay_part(plan, history.stories(wanted, what, connection), rooms, keep)

    return replay_them


def awards_of(runs: Iterable[Run]) -> Counter[tuple[str, int, str, str]]:
    found: Counter[tuple[str, int, str, str]] = Counter()
    for run in runs:
        for order, evaluation in run.awards:
            kind = "purchase" if order.kind == BOUGHT else "event"
            for award in evaluation.awards:
                found[kind, order.row, award.rule_code, award.currency] += award.points
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_replaying_the_live_program_gives_every_award_that_was_posted(seed: int) -> None:
    people = post_year(seed=seed)
    book = make_book(shop_document())
    what = history.wanted(book.zone, [SHOP])

    runs: dict[int, Run] = {}
    plan = replace(Plan.of(book, book, starts_at=None, ends_at=END), keeps_awards=True)
    settled = settle(plan, replayer(plan, [each.pk for each in people], what, runs))

    assert settled.is_settled
    assert awards_of(runs.values()) == posted_awards()
    for run in runs.values():
        member = next(each for each in people if each.pk == run.person.id)
        held = balances(member)
        holding = run.holdings["points"]
        assert holding.available == held.get("available", 0)
        assert holding.debt == -held.get("debt", 0)
        assert run.tier == standings(member)[-1][0]
