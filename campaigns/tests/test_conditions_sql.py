"""A condition holds in SQL for exactly the members it holds for in Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.earning import attributes
from campaigns.earning.conditions import compile_tree, validate
from campaigns.earning.conditions_sql import NotInSql, compile_sql, is_in_sql
from campaigns.queries import rulebook
from campaigns.queries.segments import find, members_of
from campaigns.services.reasons import contexts, reasons
from campaigns.tests import segment_examples
from campaigns.tests.segment_examples import LEAVES, MOMENTS, ZONES, Example, examples, trees
from members.models import Member, Program
from members.services import merging, tags
from members.services.merging import Wanted
from members.tests.people import DAY, NOON, make_member, make_program

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> Program:
    """Return a program with tiers and the segments of the examples."""
    rulebook.forget()
    made = make_program()
    segment_examples.open_segments(made)
    return made


@contextmanager
def undone() -> Iterator[None]:
    """Roll back what is written within."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def in_python(tree: dict[str, Any], people: list[Member], moment: datetime) -> set[int]:
    """Return whom the tree holds for by the code that judges purchases."""
    asked = [each.pk for each in people if each.status != "erased" and each.enrolled_at <= moment]
    test = compile_tree(tree)
    return {pk for pk, context in contexts(members=asked, moment=moment).items() if test(context)}


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    people=st.lists(examples, min_size=1, max_size=6),
    asked=st.lists(trees, min_size=1, max_size=8),
    zone=st.sampled_from(ZONES),
    moment=st.sampled_from(MOMENTS),
)
def test_sql_and_python_find_the_same_members(
    program: Program,
    people: list[Example],
    asked: list[dict[str, Any]],
    zone: str,
    moment: datetime,
) -> None:
    with undone():
        _move(program, zone)
        made = segment_examples.settle(program, people, moment)

        for tree in asked:
            assert validate(tree, {"member"}) == []
            found = members_of(program=program, where=tree, moment=moment)
            assert found == in_python(tree, made, moment), tree


def _move(program: Program, zone: str) -> None:
    Program.objects.filter(pk=program.pk).update(timezone=zone)
    program.timezone = zone
    rulebook.forget()


def test_every_attribute_of_a_member_is_compiled_and_among_the_random_ones() -> None:
    declared = {name for name, each in attributes.ATTRIBUTES.items() if each.scope == "member"}

    assert {name for name in declared if not is_in_sql(name)} == set()
    assert declared <= set(LEAVES)


@pytest.mark.parametrize(
    "broken",
    [
        # Three-valued logic: a missing value would be neither here nor there.
        [("coalesce(", "("), (", false)", ")")],
        # Text as it was stored, composed or not.
        [(", NFC)", ", NFD)")],
        # An empty text would be a value.
        [("nullif(m.locale, '')", "m.locale")],
    ],
    ids=["missing", "composed", "empty"],
)
def test_the_comparison_finds_a_compiler_that_is_wrong(
    broken: list[tuple[str, str]], program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the property above."""
    people = [_plain(word) for word in ("en", "cafe\u0301", "")]
    trees_: list[dict[str, Any]] = [
        {"not": {"attr": "member.locale", "op": "eq", "value": "en"}},
        {"attr": "member.locale", "op": "eq", "value": "caf\u00e9"},
        {"attr": "member.locale", "op": "ne", "value": "en"},
    ]
    made = segment_examples.settle(program, people, NOON)
    right = [in_python(tree, made, NOON) for tree in trees_]
    assert [members_of(program=program, where=tree, moment=NOON) for tree in trees_] == right

    def wrong(tree: Any) -> Any:
        compiled = compile_sql(tree)
        sql = compiled.sql
        for before, after in broken:
            sql = sql.replace(before, after)
        return type(compiled)(sql, compiled.values)

    monkeypatch.setattr("campaigns.queries.segments.compile_sql", wrong)

    assert [members_of(program=program, where=tree, moment=NOON) for tree in trees_] != right


def _plain(locale: str) -> Example:
    return Example("active", locale, "", None, -DAY, [], [], None, {}, set(), {}, {}, [])


def test_nothing_of_a_condition_stands_in_the_statement() -> None:
    tree = {"attr": "member.locale", "op": "in", "value": ["'; DROP TABLE x; --", "%(moment)s"]}

    compiled = compile_sql({"all": [tree, {"attr": "member.score.a'b", "op": "gt", "value": 1}]})

    assert "DROP" not in compiled.sql
    assert "a'b" not in compiled.sql
    assert sorted(map(str, compiled.values.values())) == [
        "1",
        '["%(moment)s", "\'; DROP TABLE x; --"]'.replace('"%(moment)s"', "'%(moment)s'"),
        "a'b",
    ]


def test_what_only_a_purchase_knows_is_no_sql() -> None:
    with pytest.raises(NotInSql, match=r"purchase\.net"):
        compile_sql({"attr": "purchase.net", "op": "gte", "value": "1"})


@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["nul", "surrogate"])
def test_a_text_that_no_database_holds_is_refused_with_its_path(text: str) -> None:
    tree = {"all": [{"attr": "member.locale", "op": "eq", "value": text}]}

    assert validate(tree, {"member"}) == [("all[0].value", "a text")]


def test_what_an_absorbed_row_did_counts_for_the_survivor(program: Program) -> None:
    one, other = make_member("6011000001"), make_member("6011000002")
    tags.tag(member_id=other.pk, tag="vip", actor="x", moment=NOON)
    wanted = Wanted(survivor_id=one.pk, merged_id=other.pk, reason="the same person")
    merging.merge(wanted=wanted, by=None, moment=NOON + DAY)
    tree = {"attr": "member.tag", "op": "contains", "value": "vip"}

    found = members_of(program=program, where=tree, moment=NOON + 2 * DAY)

    assert found == {one.pk}
    assert members_of(program=program, where={"not": tree}, moment=NOON + 2 * DAY) == set()


def test_a_sample_has_names_and_numbers_and_the_whole_count(program: Program) -> None:
    for each in range(12):
        make_member(f"60110000{each:02}", first_name="Ana", last_name=str(each))
    tree = {"attr": "member.status", "op": "eq", "value": "active"}

    found = find(program=program, where=tree, moment=NOON + DAY)

    assert found.count == 12
    assert len(found.sample) == 10
    assert found == find(program=program, where=tree, moment=NOON + DAY)
    assert all(name.startswith("Ana ") for _, _, name in found.sample)


def test_why_somebody_is_in_a_segment_is_told_part_by_part_without_their_values(
    program: Program,
) -> None:
    member = make_member(locale="pt", birth_date=NOON.date().replace(year=1990))
    tree = {
        "all": [
            {"attr": "member.age", "op": "gte", "value": 18},
            {"not": {"attr": "member.locale", "op": "eq", "value": "en"}},
        ]
    }

    told = reasons(where=tree, member=member, moment=NOON + DAY)

    assert [(each.level, each.text, each.holds) for each in told] == [
        (
            0,
            "the member's age is at least 18 and not (the member's language is en)",
            True,
        ),
        (1, "the member's age is at least 18", True),
        (1, "not (the member's language is en)", True),
        (2, "the member's language is en", False),
    ]
