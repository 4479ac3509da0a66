"""Segments by what members bought in a window: one query, and the answer of the evaluator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.earning import windows
from campaigns.earning.conditions import compile_tree, validate
from campaigns.programfile import parse
from campaigns.queries import rulebook
from campaigns.queries.segments import members_of
from campaigns.services.reasons import contexts, reasons
from campaigns.services.segments import refresh_segments
from campaigns.tests import shop
from campaigns.tests.segment_examples import DAY, MOMENTS, ZONES, offsets
from members.models import (
    Member,
    Program,
    Purchase,
    PurchaseLine,
    Return,
    ReturnLine,
    SegmentMembership,
)
from members.tests.people import make_program

pytestmark = pytest.mark.django_db

SCOPES = {"member", "history"}
# Composed and decomposed: they are one category.
CATEGORIES = ("", "dairy", "caf\u00e9", "cafe\u0301")
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be; ``back`` is how much of it came back."""

    category: str
    net: Decimal
    quantity: Decimal
    back: Decimal


@dataclass(frozen=True, slots=True)
class Basket:
    """A purchase to be; ``at`` is from the moment asked about."""

    at: timedelta
    store: str
    lines: Sequence[Line]


_quantities = st.sampled_from([Decimal("0.333"), Decimal(1), Decimal(3)])
_lines = st.builds(
    lambda category, net, quantity, part: Line(
        category, net, quantity, (quantity * part / 3).quantize(Decimal("0.001"))
    ),
    st.sampled_from(CATEGORIES),
    st.decimals(0, 100, places=2),
    _quantities,
    st.sampled_from([0, 0, 1, 2, 3]),
)
_spans = st.one_of(offsets, st.sampled_from([timedelta(hours=-h) for h in (1, 12, 23, 24, 25)]))
_baskets = st.builds(
    Basket, _spans, st.sampled_from(["", "north"]), st.lists(_lines, min_size=1, max_size=2)
)
people = st.lists(st.lists(_baskets, max_size=4), min_size=1, max_size=4)


def _leaf(attr: str, op: str, value: Any, span: dict[str, int], more: dict[str, str]) -> Any:
    if op == "between":
        value = [value, value]
    return {"attr": f"history.{attr}", "op": op, "value": value, **span, **more}


_leaves = st.builds(
    _leaf,
    st.sampled_from(["net", "quantity", "purchases"]),
    st.sampled_from(["eq", "ne", "gte", "gt", "lt", "lte", "between"]),
    st.sampled_from([0, 1, 2, 10]),
    st.one_of(
        st.builds(lambda days: {"days": days}, st.sampled_from([1, 2, 30, 31, 365])),
        st.builds(lambda months: {"months": months}, st.sampled_from([1, 2, 12])),
    ),
    st.sampled_from([{}, {"category": "dairy"}, {"category": "cafe\u0301"}, {"store": "north"}]),
)
trees = st.one_of(_leaves, st.builds(lambda each: {"not": each}, _leaves))


def settle(program: Program, drawn: Sequence[Sequence[Basket]], moment: datetime) -> list[int]:
    """Write members with these purchases, and what came back of them."""
    made = []
    for baskets in drawn:
        member = Member.objects.create(
            program=program,
            number=f"W{next(_numbers):09}",
            enrolled_at=moment,
            recorded_at=moment,
            changed_at=moment,
        )
        made.append(member.pk)
        for basket in baskets:
            _buy(program, member, basket, moment)
    return made


def _buy(program: Program, member: Member, basket: Basket, moment: datetime) -> None:
    purchase = Purchase.objects.create(
        program=program,
        source="pos",
        external_id=f"W-{next(_numbers)}",
        content_key=b"",
        member=member,
        occurred_at=moment + basket.at,
        recorded_at=moment + basket.at,
        currency="EUR",
        net=sum((line.net for line in basket.lines), Decimal(0)),
        store=basket.store,
    )
    goods_return = Return.objects.create(
        program=program,
        source="pos",
        external_id=f"W-{next(_numbers)}",
        content_key=b"",
        purchase_source="pos",
        purchase_external_id=purchase.external_id,
        purchase=purchase,
        state="applied",
        occurred_at=moment,
        recorded_at=moment,
        applied_at=moment,
    )
    for place, line in enumerate(basket.lines, 1):
        row = PurchaseLine.objects.create(
            purchase=purchase,
            position=place,
            line_id=str(place),
            category=line.category,
            quantity=line.quantity,
            unit_price=line.net,
            discount=Decimal(0),
            net=line.net,
        )
        if line.back:
            ReturnLine.objects.create(
                goods_return=goods_return, purchase_line=row, quantity=line.back
            )


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    drawn=people,
    asked=st.lists(trees, min_size=1, max_size=8),
    zone=st.sampled_from(ZONES),
    moment=st.sampled_from(MOMENTS),
)
def test_sql_and_python_count_the_same_windows(
    drawn: list[list[Basket]], asked: list[dict[str, Any]], zone: str, moment: datetime
) -> None:
    with transaction.atomic():
        rulebook.forget()
        program = Program.objects.first() or make_program()
        Program.objects.filter(pk=program.pk).update(timezone=zone)
        program.timezone = zone
        made = settle(program, drawn, moment)

        for tree in asked:
            assert validate(tree, SCOPES) == []
            found = members_of(program=program, where=tree, moment=moment)
            assert found & set(made) == in_python(tree, made, moment), tree
        transaction.set_rollback(True)


def in_python(tree: dict[str, Any], made: list[int], moment: datetime) -> set[int]:
    """Return whom the tree holds for by the code that judges purchases."""
    test = compile_tree(tree)
    told = contexts(members=made, moment=moment, where=tree)
    return {pk for pk, context in told.items() if test(context)}


def test_the_comparison_finds_a_window_that_counts_what_came_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The control.
    rulebook.forget()
    program, moment = make_program(), MOMENTS[0]
    whole = Basket(-DAY, "", [Line("dairy", Decimal(5), Decimal(1), Decimal(1))])
    made = settle(program, [[whole]], moment)
    tree = {"attr": "history.net", "op": "gte", "value": 5, "days": 30}
    assert members_of(program=program, where=tree, moment=moment) == set()

    monkeypatch.setattr(windows, "_SQL", windows._SQL.replace("coalesce(sum(x.quantity), 0)", "0"))

    assert members_of(program=program, where=tree, moment=moment) == set(made)
    assert in_python(tree, made, moment) == set()


def test_a_segment_of_a_program_file_asks_what_was_bought() -> None:
    where = {"attr": "history.net", "op": "gte", "value": "20.00", "days": 30}
    segment = {"code": "spenders", "name": "Spenders", "where": where}
    shop.apply(shop.program_file(segments=[segment]))
    spender, other = shop.join(), shop.join("6011000002")
    shop.buy(shop.basket(shop.line(price="25.00"), at=shop.NOON), moment=shop.NOON)
    shop.buy(
        shop.basket(shop.line(price="15.00"), card="6011000002", at=shop.NOON), moment=shop.NOON
    )

    refresh_segments(moment=shop.NOON + DAY)

    assert [row.member_id for row in SegmentMembership.objects.all()] == [spender.pk]
    (reason,) = reasons(where=where, member=other, moment=shop.NOON + DAY)
    assert (reason.holds, reason.text) == (
        False,
        "the net of earlier purchases in the last 30 days is at least 20.00",
    )
    refresh_segments(moment=shop.NOON + 40 * DAY)
    assert not SegmentMembership.objects.exists()
    assert parse(json.dumps(shop.program_file(segments=[segment]))).segments[0].where == where
