"""Backtests: figures that SQL confirms, kept as they were made, by a draft's own digest."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from campaigns.models import Award, Backtest, LimitCounter
from campaigns.programfile import parse
from campaigns.services import backtests
from campaigns.tests.shop import NOON, PROGRAM, apply, basket, buy, join, line, rule
from campaigns.tests.trial_year import END, SHOP, post_year
from members.models import Member, Program
from rewards.services import redemptions

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(days=20)

DOUBLE_DAIRY = {
    "code": "double-dairy",
    "name": "Double dairy",
    "status": "active",
    "starts_at": "2099-01-01T00:00",
    "rules": [
        {
            "code": "dairy-twice",
            "trigger": "purchase",
            "lines": {"attr": "line.category", "op": "eq", "value": "dairy"},
            "effects": [{"kind": "multiply_base", "currency": "points", "factor": "2"}],
        }
    ],
}


def figures_of(
    document: dict[str, Any],
    *,
    starts_at: datetime | None = None,
    ends_at: datetime = END,
) -> dict[str, Any]:
    """Return the figures of a backtest of the document."""
    asked = backtests.request(
        document=parse(json.dumps(document)),
        starts_at=starts_at,
        ends_at=ends_at,
        requested_by=None,
        moment=END,
    )
    done = backtests.run(asked.pk)
    assert done is not None
    figures: dict[str, Any] = done.figures
    return figures


def change(figures: dict[str, Any], name: str, code: str = "points") -> int:
    """Return what the draft adds to a sum."""
    return int(figures["after"][name].get(code, 0) - figures["before"][name].get(code, 0))


def by_rule(side: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {(each["rule"], each["currency"]): each["points"] for each in side["by_rule"]}


# The standing rate is one point for every whole euro of a purchase. Of those points the lines of
# dairy have their share, by largest remainder: what doubling them gives, told by SQL alone.
SQL_OF_DOUBLE_DAIRY = """
WITH shares AS (
  SELECT p.id, l.position, l.category, floor(p.net) AS base,
    floor(floor(p.net) * l.net / p.net) AS share,
    mod(floor(p.net) * l.net, p.net) AS rest
  FROM members_purchase p
  JOIN members_member m ON m.id = p.member_id AND p.occurred_at >= m.enrolled_at
  JOIN members_purchaseline l ON l.purchase_id = p.id
  WHERE p.net > 0 AND p.occurred_at >= %(since)s
), placed AS (
  SELECT *, row_number() OVER (PARTITION BY id ORDER BY rest DESC, position) AS place,
    base - sum(share) OVER (PARTITION BY id) AS left_over
  FROM shares
)
SELECT coalesce(sum(share + CASE WHEN place <= left_over THEN 1 ELSE 0 END), 0)::bigint
FROM placed WHERE category = 'dairy'
"""


def doubled(since: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(SQL_OF_DOUBLE_DAIRY, {"since": since})
        return int(cursor.fetchone()[0])


def with_double_dairy(document: dict[str, Any]) -> dict[str, Any]:
    draft = deepcopy(document)
    draft["campaigns"] = [*draft.get("campaigns", []), DOUBLE_DAIRY]
    return draft


def test_double_dairy_on_a_year_gives_what_an_independent_query_says() -> None:
    post_year(seed=7, document=PROGRAM)
    half = datetime(2025, 9, 1, tzinfo=UTC)

    whole = figures_of(with_double_dairy(PROGRAM))
    later = figures_of(with_double_dairy(PROGRAM), starts_at=half)

    assert by_rule(whole["after"])["dairy-twice", "points"] == doubled(END - timedelta(days=9999))
    assert by_rule(later["after"])["dairy-twice", "points"] == doubled(half)
    assert whole["always_on"] == ["double-dairy"]
    assert 0 < doubled(half) < doubled(END - timedelta(days=9999))


def test_what_was_posted_is_what_the_live_side_says() -> None:
    people = post_year(seed=8)

    figures = figures_of(SHOP)

    posted: dict[tuple[str, str], int] = {}
    for code, currency, points in Award.objects.values_list(
        "rule_version__rule__code", "currency__code", "points"
    ):
        posted[code, currency] = posted.get((code, currency), 0) + points
    assert by_rule(figures["before"]) == posted
    assert figures["before"] == figures["after"]
    assert figures["members"] == len(people)
    assert figures["winners"]["count"] == figures["losers"]["count"] == 0
    assert figures["ranges"]["points"] == [0, 0]
    (budget,) = [each for each in figures["budgets"] if each["side"] == "after"]
    counter = LimitCounter.objects.get(scope="campaign")
    assert (budget["used"], budget["budget"]) == (counter.points, 1500)


def a_little_history() -> tuple[Member, Member]:
    """Post 600 and 40 euros for two members, of whom the second redeems 30 points."""
    apply({**deepcopy(PROGRAM), "rewards": [COFFEE]})
    big, small = join("6011000001"), join("6011000002")
    buy(basket(line(price="600.00"), at=NOON), moment=NOON)
    buy(basket(line(price="40.00"), card="6011000002", at=NOON), moment=NOON)
    redeem(small, "coffee", NOON + timedelta(days=1))
    return big, small


COFFEE: dict[str, Any] = {
    "code": "coffee",
    "kind": "service",
    "name": "Coffee",
    "points_price": 30,
    "value": "2.00",
    "cost": "0.50",
}


def redeem(member: Member, code: str, moment: datetime) -> None:
    order = redemptions.Order(member=member, reward=code, caller="test")
    redemptions.redeem(program=Program.objects.get(), order=order, moment=moment)


@pytest.mark.parametrize(
    ("_case", "price", "pieces", "missed", "outstanding", "cost"),
    [
        ("as it was", 30, 1, 0, 610, "0.5000"),
        ("cheaper", 15, 1, 0, 625, "0.5000"),
        ("dearer, and still there", 40, 1, 0, 600, "0.5000"),
        ("dearer than the balance", 41, 0, 1, 640, "0"),
    ],
)
def test_a_reward_s_price_is_paid_from_what_balances_could_buy(
    _case: str, price: int, pieces: int, missed: int, outstanding: int, cost: str
) -> None:
    a_little_history()

    figures = figures_of({**PROGRAM, "rewards": [{**COFFEE, "points_price": price}]}, ends_at=LATER)

    after = figures["after"]
    assert (after["pieces"], after["missed"]) == (pieces, missed)
    assert after["outstanding"]["points"] == outstanding
    assert Decimal(after["cost"]) == Decimal(cost)
    assert figures["before"]["outstanding"]["points"] == 610


def test_another_tier_table_moves_members_and_what_they_earn_afterwards() -> None:
    apply()
    join()
    buy(basket(line(price="600.00"), at=NOON), moment=NOON)
    buy(basket(line(price="10.00"), at=LATER), moment=LATER)
    draft = deepcopy(PROGRAM)
    draft["tiers"]["ladder"][1]["threshold"] = 400
    draft["tiers"]["ladder"][2]["threshold"] = 600

    figures = figures_of(draft, ends_at=LATER + timedelta(hours=1))

    assert figures["tier_moves"] == [{"before": "silver", "after": "gold", "members": 1}]
    assert change(figures, "given") == 10
    assert figures["winners"]["count"] == 1
    assert figures["winners"]["top"][0]["worth"] == "0.10"
    assert figures["winners"]["top"][0]["points"] == 10
    assert Decimal(figures["winners"]["median"]) == Decimal("0.10")


def test_a_shorter_expiry_takes_points_and_liability_away() -> None:
    apply()
    join()
    buy(basket(line(price="600.00"), at=NOON), moment=NOON)
    draft = deepcopy(PROGRAM)
    draft["points"][0]["expiry"] = {"model": "fixed_after", "months": 1}

    figures = figures_of(draft, ends_at=NOON + timedelta(days=60))

    assert change(figures, "expired") == 600
    assert change(figures, "outstanding") == -600
    assert Decimal(figures["after"]["liability"]) == 0
    assert Decimal(figures["before"]["liability"]) == 6
    assert figures["losers"]["count"] == 1
    assert figures["losers"]["top"][0]["worth"] == "-6.00"


def test_a_budget_says_when_it_would_have_run_out() -> None:
    apply()
    join("6011000001")
    join("6011000002")
    for number, card in enumerate(("6011000001", "6011000002", "6011000001")):
        at = NOON + timedelta(days=number)
        buy(basket(line(price="30.00"), card=card, at=at), moment=at)
    campaign = {
        "code": "more",
        "name": "More",
        "status": "active",
        "budget_points": 50,
        "rules": [rule("more-plus", 1)],
    }

    figures = figures_of({**PROGRAM, "campaigns": [campaign]}, ends_at=LATER)

    assert by_rule(figures["after"])["more-plus", "points"] == 50
    assert figures["budgets"] == [
        {
            "side": "after",
            "campaign": "more",
            "currency": "points",
            "budget": 50,
            "used": 50,
            "refused": 40,
            "ended_at": (NOON + timedelta(days=1)).isoformat(),
        }
    ]
    assert figures["is_settled"] is True


def test_the_report_is_kept_as_it_was_made_and_known_by_the_draft_s_digest() -> None:
    a_little_history()
    document = parse(json.dumps(PROGRAM))
    asked = backtests.request(
        document=document, starts_at=None, ends_at=LATER, requested_by=None, moment=LATER
    )
    digest = backtests.digest_of(backtests.plain(document))
    assert backtests.of_draft(digest) is None

    done = backtests.run(asked.pk)

    assert done is not None
    assert backtests.of_draft(digest) == done
    assert done.draft_digest == digest
    assert backtests.run(asked.pk) is None
    for change_it in (
        lambda: Backtest.objects.filter(pk=done.pk).update(figures={}),
        lambda: Backtest.objects.filter(pk=done.pk).update(draft_digest="0" * 64),
        lambda: Backtest.objects.filter(pk=done.pk).delete(),
    ):
        with pytest.raises(IntegrityError, match="kept"), transaction.atomic():
            change_it()
    Backtest.objects.filter(pk=done.pk).update(requested_by=None)


def test_what_was_asked_does_not_change_while_it_is_replayed() -> None:
    a_little_history()
    asked = backtests.request(
        document=parse(json.dumps(PROGRAM)),
        starts_at=None,
        ends_at=LATER,
        requested_by=None,
        moment=LATER,
    )

    with pytest.raises(IntegrityError, match="kept"), transaction.atomic():
        Backtest.objects.filter(pk=asked.pk).update(seed=1)

    Backtest.objects.filter(pk=asked.pk).update(done=1)


def test_nothing_of_the_history_is_written_by_a_backtest() -> None:
    a_little_history()
    tables = ("members_ledgertransaction", "members_pointlot", "campaigns_award")

    def counted() -> list[int]:
        with connection.cursor() as cursor:
            return [
                cursor.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables
            ]

    before = counted()
    figures_of(with_double_dairy(PROGRAM), ends_at=LATER)

    assert counted() == before


def test_the_command_prints_the_report_and_keeps_it(tmp_path: Path) -> None:
    a_little_history()
    draft = tmp_path / "draft.yaml"
    draft.write_text(json.dumps({**PROGRAM, "rewards": [COFFEE]}), encoding="utf-8")
    out = StringIO()

    call_command("backtest", draft, processes=1, stdout=out)

    text = out.getvalue()
    assert "2 purchases of 2 members" in text
    assert "Tiers: 0 members would have held another" in text
    assert Backtest.objects.get().name == "draft"


def test_the_command_names_a_day_that_is_none(tmp_path: Path) -> None:
    apply()
    draft = tmp_path / "draft.yaml"
    draft.write_text(json.dumps(PROGRAM), encoding="utf-8")

    with pytest.raises(CommandError, match="soon is no day"):
        call_command("backtest", draft, since="soon")

    assert Backtest.objects.exists() is False
