"""Who is in a segment, who came and went, and how it grew."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from campaigns.programfile import ProgramFileError, dump, parse, run_tests
from campaigns.services import segments
from campaigns.services.program import live_document
from campaigns.tests.shop import apply, basket, buy, join, program_file, rule
from members.models import (
    Member,
    MemberScore,
    Segment,
    SegmentMembership,
    SegmentMove,
    SegmentSnapshot,
)
from members.services import privacy, tags
from members.tests.people import DAY, NOON

pytestmark = pytest.mark.django_db


def is_(attr: str, op: str, value: Any) -> dict[str, Any]:
    """Return one comparison."""
    return {"attr": attr, "op": op, "value": value}


TAGGED = {"code": "tagged", "name": "Tagged", "where": is_("member.tag", "contains", "vip")}
KEPT = {"code": "staff", "name": "Staff", "kind": "static"}


def open_shop(*rows: dict[str, Any]) -> None:
    """Apply a program with the segments."""
    apply(program_file(segments=list(rows or [TAGGED])))


def give(member: Member, *, after: int = 0, until: int | None = None) -> None:
    """Tag the member as a VIP, some days after noon, until others."""
    tags.tag(
        member_id=member.pk,
        tag="vip",
        actor="x",
        moment=NOON + after * DAY,
        expires_at=None if until is None else NOON + until * DAY,
    )


def inside(code: str = "tagged") -> set[int]:
    rows = SegmentMembership.objects.filter(segment__code=code)
    return set(rows.values_list("member_id", flat=True))


def moves() -> list[tuple[str, int, bool, int]]:
    """Return the moves as segment, member, whether they entered, and days after noon."""
    rows = SegmentMove.objects.order_by("pk").select_related("segment")
    return [
        (row.segment.code, row.member_id, row.entered, (row.moved_at - NOON).days) for row in rows
    ]


def refresh(after: int) -> int:
    return segments.refresh_segments(moment=NOON + after * DAY)


def test_entering_and_leaving_is_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MEMBERS_PER_CHUNK", 2)
    open_shop()
    people = [join(f"60110000{each:02}") for each in range(5)]
    for each in people[:3]:
        give(each, until=3)
    give(people[3], after=2)

    assert [refresh(1), refresh(1), refresh(2), refresh(3), refresh(4)] == [3, 0, 1, 3, 0]

    assert inside() == {people[3].pk}
    assert moves() == [
        *(("tagged", each.pk, True, 1) for each in people[:3]),
        ("tagged", people[3].pk, True, 2),
        *(("tagged", each.pk, False, 3) for each in people[:3]),
    ]
    assert Segment.objects.get().refreshed_at == NOON + 4 * DAY


def test_a_snapshot_of_each_day_says_how_many_there_were_at_its_last_refresh() -> None:
    open_shop(TAGGED, KEPT)
    one, other = join("6011000001"), join("6011000002")
    give(one)
    refresh(0)
    give(other)
    segments.refresh_segments(moment=NOON + DAY / 4)
    refresh(1)

    rows = SegmentSnapshot.objects.order_by("segment__code", "day")

    assert [(row.segment.code, row.day, row.members) for row in rows] == [
        ("staff", date(2026, 3, 2), 0),
        ("staff", date(2026, 3, 3), 0),
        ("tagged", date(2026, 3, 2), 2),
        ("tagged", date(2026, 3, 3), 2),
    ]


def test_the_day_of_a_snapshot_is_the_programs() -> None:
    document = program_file(segments=[TAGGED])
    document["program"]["timezone"] = "Pacific/Kiritimati"
    apply(document)

    refresh(0)

    assert SegmentSnapshot.objects.get().day == date(2026, 3, 3)


def test_a_segment_that_names_another_comes_after_it() -> None:
    open_shop(
        {"code": "a", "name": "A", "where": is_("member.segment", "contains", "b")},
        {"code": "b", "name": "B", "where": {"not": is_("member.segment", "contains", "c")}},
        {"code": "c", "name": "C", "where": is_("member.tag", "contains", "vip")},
    )
    one, other = join("6011000001"), join("6011000002")
    give(one)

    refresh(1)

    assert (inside("a"), inside("b"), inside("c")) == ({other.pk}, {other.pk}, {one.pk})
    assert refresh(1) == 0


@pytest.mark.parametrize(
    ("_case", "rows", "path", "expected"),
    [
        (
            "itself",
            [{"code": "a", "name": "A", "where": is_("member.segment", "contains", "a")}],
            "segments[0].where",
            "a -> a",
        ),
        (
            "each other",
            [
                {"code": "a", "name": "A", "where": is_("member.segment", "in", ["b"])},
                {"code": "b", "name": "B", "where": {"not": is_("member.segment", "in", ["a"])}},
            ],
            "segments[",
            "in a circle",
        ),
        (
            "a static one with a condition",
            [{**KEPT, "where": TAGGED["where"]}],
            "segments[0].where",
            "kept by hand",
        ),
        ("none without a condition", [{"code": "a", "name": "A"}], "segments[0].where", ""),
        (
            "no such stage",
            [{"code": "a", "name": "A", "where": is_("member.stage", "eq", "sleepy")}],
            "segments[0].where.value",
            "active, loyal, new, silent, top",
        ),
        ("no other kind", [{**KEPT, "kind": "fluid"}], "segments[0].kind", "dynamic, static"),
    ],
)
def test_what_cannot_be_a_segment_is_refused_with_its_path(
    _case: str, rows: list[dict[str, Any]], path: str, expected: str
) -> None:
    with pytest.raises(ProgramFileError) as refused:
        open_shop(*rows)

    found = [each for each in refused.value.problems if each.path.startswith(path)]
    assert any(expected in each.expected for each in found), refused.value.problems
    assert not Segment.objects.exists()


def test_a_static_segment_survives_an_export_and_keeps_its_members() -> None:
    open_shop(TAGGED, KEPT)
    member = join()
    row = Segment.objects.get(code="staff")
    SegmentMembership.objects.create(segment=row, member=member, entered_at=NOON)

    document = live_document()
    assert document is not None
    again = parse(dump(document))
    refresh(1)

    assert again.segments[1].kind == "static"
    assert again.segments[1].where is None
    assert inside("staff") == {member.pk}
    assert moves() == []


def test_a_segment_that_the_file_drops_is_retired_and_not_refreshed() -> None:
    open_shop(TAGGED, KEPT)
    give(join())
    open_shop({**TAGGED, "code": "other"})

    refresh(1)

    assert set(Segment.objects.filter(is_retired=True).values_list("code", flat=True)) == {
        "tagged",
        "staff",
    }
    assert (inside(), len(inside("other"))) == (set(), 1)


def test_tiers_that_are_due_are_graded_before_they_are_asked_for() -> None:
    apply(
        program_file(
            segments=[{"code": "s", "name": "S", "where": is_("member.tier", "eq", "silver")}]
        )
    )
    member = join(at=NOON - 390 * DAY)
    buy(
        basket({"line_id": "1", "quantity": "1", "unit_price": "700.00"}, at=NOON - 380 * DAY),
        moment=NOON - 380 * DAY,
    )

    assert segments.refresh_segments(moment=NOON - 370 * DAY) == 1
    assert inside("s") == {member.pk}
    assert refresh(40) == 1
    assert inside("s") == set()


def test_erasure_removes_memberships_and_moves_and_the_erased_never_come_back() -> None:
    open_shop({"code": "tagged", "name": "All", "where": is_("member.status", "exists", True)})
    member = join()
    refresh(0)
    assert inside() == {member.pk}

    privacy.erase(member=member, confirm=member.number, actor="test", moment=NOON + DAY)

    assert (inside(), moves(), refresh(2)) == (set(), [], 0)


def test_rules_ask_for_tags_stages_and_scores() -> None:
    when = {
        "all": [
            is_("member.tag", "contains", "vip"),
            is_("member.stage", "eq", "loyal"),
            is_("member.score.clv", "gte", "12.5"),
        ]
    }
    apply(program_file(rules=[rule("vip", 1, when=when)]))
    member = join()
    for code, told in {"stage": {"text": "loyal"}, "clv": {"value": "12.5"}}.items():
        MemberScore.objects.create(member=member, code=code, computed_at=NOON, **told)

    before = buy(basket(at=NOON), moment=NOON + DAY)
    give(member, after=2, until=3)
    answers = [buy(basket(at=NOON + at * DAY / 2), moment=NOON + 4 * DAY) for at in (3, 5, 6)]

    assert [_points(each) for each in (before, *answers)] == [0, 0, 10, 0]


def _points(answer: Any) -> int:
    return sum(each["points"] for each in answer["receipt"])


def test_a_program_test_can_say_tags_stage_and_group() -> None:
    when = {
        "all": [
            is_("member.tag", "contains", "vip"),
            is_("member.stage", "eq", "loyal"),
            is_("member.rfm", "in", ["champions", "loyal"]),
        ]
    }
    case = {"member": {"tags": ["vip"], "stage": "loyal", "rfm": "champions"}}
    bought = {"purchase": {"lines": [{"line_id": "1", "unit_price": "10.00"}]}}
    tests = [
        {"name": "all of it", **case, **bought, "expect": {"points": 10}},
        {"name": "none of it", **bought, "expect": {"points": 0}},
    ]

    document = parse(json.dumps(program_file(rules=[rule("vip", 1, when=when)], tests=tests)))

    assert [outcome.differences for outcome in run_tests(document)] == [(), ()]
