"""The nightly figures: who has which, when they change, and what is told of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from members.models import (
    Member,
    MemberScore,
    MemberTag,
    Program,
    Purchase,
    PurchaseLine,
    Return,
    ReturnLine,
    ScoreMove,
)
from members.services import merging, privacy, scores, tags
from members.services.merging import Wanted
from members.services.scores import figures_of, score_members
from members.tests.people import DAY, NOON, make_member, make_program

pytestmark = pytest.mark.django_db

LATER = NOON + 400 * DAY
_names = count(1)


@pytest.fixture(autouse=True)
def program() -> Program:
    """Return a program with tiers."""
    return make_program()


def bought(member: Member, net: str = "10", *, at: datetime, state: str = "closed") -> Purchase:
    """Write a purchase of one line of ten pieces."""
    row = Purchase.objects.create(
        program=member.program,
        source="pos",
        external_id=f"P-{next(_names)}",
        content_key=b"",
        member=member,
        occurred_at=at,
        recorded_at=at,
        currency="EUR",
        net=Decimal(net),
        state=state,
    )
    PurchaseLine.objects.create(
        purchase=row,
        position=1,
        line_id="1",
        quantity=10,
        unit_price=Decimal(net) / 10,
        discount=0,
        net=Decimal(net),
    )
    return row


def brought_back(row: Purchase, quantity: int, *, state: str = "applied") -> None:
    """Write that so many pieces of the purchase came back."""
    back = Return.objects.create(
        program=row.program,
        source="pos",
        external_id=f"R-{next(_names)}",
        content_key=b"",
        purchase=row,
        purchase_source=row.source,
        purchase_external_id=row.external_id,
        state=state,
        occurred_at=row.occurred_at,
        recorded_at=row.occurred_at,
    )
    ReturnLine.objects.create(goods_return=back, purchase_line=row.lines.get(), quantity=quantity)
    Purchase.objects.filter(pk=row.pk).update(state="partially_returned")


def held(member: Member) -> dict[str, Any]:
    """Return the member's figures, each as its word or its number."""
    rows = MemberScore.objects.filter(member=member)
    return {row.code: row.text or int(row.value or 0) for row in rows}


def moves(member: Member) -> list[tuple[str, str, str]]:
    rows = ScoreMove.objects.filter(member=member).order_by("pk")
    return [(row.code, row.text_before, row.text_after) for row in rows]


def test_figures_count_what_was_kept_of_the_last_year(program: Program) -> None:
    member = make_member()
    bought(member, "100", at=LATER - 365 * DAY)
    bought(member, "40", at=LATER - 100 * DAY)
    bought(member, "80", at=LATER - 20 * DAY, state="returned")
    part = bought(member, "60", at=LATER - 30 * DAY)
    brought_back(part, 4)
    brought_back(part, 5, state="parked")
    bought(member, "7", at=LATER)

    (found,) = figures_of(program=program, moment=LATER)

    assert found == (member.pk, 400, 1, 2, 30, Decimal(76), False)


@pytest.mark.parametrize(
    ("_case", "zone", "at", "expected"),
    [
        ("the first instant", "UTC", datetime(2027, 4, 7, tzinfo=UTC), (1, 364)),
        ("just before it", "UTC", datetime(2027, 4, 6, 23, 59, 59, tzinfo=UTC), (0, None)),
        (
            "the programs day, not that of UTC",
            "Asia/Kathmandu",
            datetime(2027, 4, 6, 18, 15, tzinfo=UTC),
            (1, 364),
        ),
    ],
)
def test_the_year_is_one_of_whole_days_of_the_program(
    _case: str, zone: str, at: datetime, expected: tuple[int, int | None], program: Program
) -> None:
    Program.objects.update(timezone=zone)
    program.refresh_from_db()
    bought(make_member(), at=at)

    (found,) = figures_of(program=program, moment=datetime(2028, 4, 5, 12, tzinfo=UTC))

    assert (found.orders, found.recency) == expected


def test_members_are_scored_against_each_other_and_a_repeat_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scores, "MEMBERS_PER_CHUNK", 2)
    people = [make_member(f"60110000{each:02}") for each in range(6)]
    for each, member in enumerate(people[:5]):
        for day in range(each + 1):
            bought(member, "10", at=LATER - (60 - 10 * each + day) * DAY)

    assert score_members(LATER) == 5 * 5 + 1
    assert score_members(LATER) == 0

    assert [held(member) for member in people] == [
        _scored("active", "hibernating", 1),
        _scored("active", "hibernating", 2),
        _scored("active", "need_attention", 3),
        _scored("active", "loyal", 4),
        _scored("active", "champions", 5),
        {"stage": "silent"},
    ]
    assert moves(people[0]) == [("rfm", "", "hibernating"), ("stage", "", "active")]


def _scored(stage: str, rfm: str, score: int) -> dict[str, Any]:
    figures = {f"rfm_{name}": score for name in ("recency", "frequency", "monetary")}
    return {"stage": stage, "rfm": rfm, **figures}


def test_what_changes_is_told_once_and_dated() -> None:
    member = make_member()
    bought(member, at=LATER - 80 * DAY)
    score_members(LATER)
    score_members(LATER + 5 * DAY)
    score_members(LATER + 30 * DAY)
    score_members(LATER + 365 * DAY)

    assert moves(member) == [
        ("rfm", "", "hibernating"),
        ("stage", "", "active"),
        ("stage", "active", "silent"),
        ("rfm", "hibernating", ""),
    ]
    assert held(member) == {"stage": "silent"}
    assert MemberScore.objects.get().computed_at == LATER + 30 * DAY


def test_the_highest_rung_is_the_top_only_with_a_purchase() -> None:
    one, other = make_member("6011000001"), make_member("6011000002")
    for member in (one, other):
        member.tier_memberships.update(superseded_at=NOON + DAY)
        gold = member.program.tiers.get(code="gold")
        member.tier_memberships.create(tier=gold, starts_at=NOON, recorded_at=NOON + DAY)
    bought(one, at=LATER - DAY)

    score_members(LATER)

    assert (held(one)["stage"], held(other)["stage"]) == ("top", "silent")


def test_a_merged_row_has_no_figures_and_the_survivor_has_both_histories() -> None:
    one, other = make_member("6011000001"), make_member("6011000002")
    bought(one, at=LATER - 3 * DAY)
    bought(other, at=LATER - 2 * DAY)
    score_members(LATER)
    wanted = Wanted(survivor_id=one.pk, merged_id=other.pk, reason="the same person")
    merging.merge(wanted=wanted, by=None, moment=LATER)

    score_members(LATER + DAY)

    assert held(other) == {}
    assert held(one)["rfm_frequency"] == 1
    assert moves(other)[-1] == ("stage", "active", "")


def test_an_erased_member_gets_no_figures_again() -> None:
    member = make_member()
    bought(member, at=LATER - DAY)
    score_members(LATER)
    privacy.erase(member=member, confirm=member.number, actor="test", moment=LATER)

    assert score_members(LATER + DAY) == 0
    assert (held(member), moves(member)) == ({}, [])


def test_tags_that_have_ended_are_removed_with_it() -> None:
    member = make_member()
    tags.tag(
        member_id=member.pk,
        tag="vip",
        actor="x",
        moment=NOON,
        expires_at=NOON + timedelta(hours=1),
    )

    score_members(LATER)

    assert not MemberTag.objects.exists()
