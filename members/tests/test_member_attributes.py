"""What members answer beside their profile: typed values, their history, who may say what."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from loyalty_site.lib.problems import Invalid
from members.attributes import Unfitting, fitted
from members.models import (
    AttributeChange,
    AttributeDefinition,
    Member,
    MemberAttribute,
    Program,
)
from members.services import attributes
from members.tests.callers import Caller, app, login_of, till
from members.tests.people import DAY, NOON, make_member, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.urls("members.tests.urls")]

TEAS = [{"code": each, "name": {"en": each.title()}} for each in ("green", "black", "white")]
ASKED: list[dict[str, Any]] = [
    *(
        {"code": kind, "name": {"en": kind}, "kind": kind, "choices": []}
        for kind in ("text", "number", "date", "bool")
    ),
    {"code": "tea", "name": {"en": "Tea"}, "kind": "choice", "choices": TEAS},
    {"code": "teas", "name": {"en": "Teas"}, "kind": "multi", "choices": TEAS},
    {"code": "diet", "name": {"en": "Diet"}, "kind": "text", "choices": [], "pii": True},
]


def ask(*rows: dict[str, Any], editable: bool = True) -> None:
    """Let the program ask."""
    told = [{"pii": False, "member_editable": editable, **row} for row in rows]
    attributes.apply_definitions(program=Program.objects.get(), rows=told)


@pytest.fixture
def member() -> Member:
    """Return a member whom the program asks one thing of each kind."""
    make_program()
    ask(*ASKED)
    return make_member(first_name="Ana", identifiers=[("email", "ana@example.com")])


@pytest.fixture
def mine(member: Member) -> Caller:
    """Return the app of the member."""
    return app(login_of(member))


def answers(member: Member) -> dict[str, Any]:
    """Return the answers as the API tells them."""
    told: dict[str, Any] = till().get(f"/members/{member.public_id}").json()["attributes"]
    return told


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("text", " Rye bread ", "Rye bread"),
        ("number", 12, "12"),
        ("number", "12.50", "12.5"),
        ("number", "-0.0001", "-0.0001"),
        ("date", "2026-02-28", "2026-02-28"),
        ("bool", False, False),
        ("choice", "black", "black"),
        ("multi", ["white", "green", "white"], ["green", "white"]),
    ],
    ids=str,
)
def test_a_value_fits_its_kind(kind: str, value: Any, told: Any) -> None:
    assert fitted(kind, ["green", "black", "white"], value).told == told


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("text", value) for value in ("", "  ", "x" * 501, 5, None, True)),
        *(("number", value) for value in (True, "1e400", "NaN", "1.00001", 10**12, "", 1.5)),
        *(("date", value) for value in ("2026-02-29", "28.2.2026", 20260228)),
        *(("bool", value) for value in ("true", 1)),
        *(("choice", value) for value in ("oolong", "", ["black"])),
        *(("multi", value) for value in ([], ["oolong"], "black", [1])),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_value_of_another_kind_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(Unfitting):
        fitted(kind, ["green", "black", "white"], value)


def test_answers_are_told_and_changed_over_the_api(member: Member, mine: Caller) -> None:
    said = {"text": "Rye", "number": "12.50", "date": "2026-02-28", "bool": True, "tea": "black"}
    first = mine.patch("/me", {"attributes": {**said, "teas": ["black", "green"]}})
    second = till().patch(f"/members/{member.public_id}", {"attributes": {"tea": None}})

    assert first.json()["attributes"] == {**said, "number": "12.5", "teas": ["green", "black"]}
    assert "tea" not in second.json()["attributes"]
    assert mine.get("/me").json()["attributes"] == second.json()["attributes"]


@pytest.mark.parametrize(
    ("_case", "values", "code"),
    [
        ("unknown", {"shoe": 42}, ("/attributes/shoe", "unknown_attribute")),
        ("another kind", {"number": "many"}, ("/attributes/number", "unfitting_value")),
        ("a path in a code", {"a/b~c": 1}, ("/attributes/a~1b~0c", "unknown_attribute")),
    ],
    ids=["unknown", "kind", "path"],
)
def test_a_wrong_answer_is_refused_with_its_place_and_nothing_is_written(
    _case: str, member: Member, mine: Caller, values: dict[str, Any], code: tuple[str, str]
) -> None:
    answer = mine.patch("/me", {"attributes": {"text": "Rye", **values}})

    assert answer.status_code == 400
    assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [code]
    assert answers(member) == {}


def test_what_is_not_the_members_to_say_is_said_by_a_shop(member: Member, mine: Caller) -> None:
    ask(*ASKED, editable=False)

    refused = mine.patch("/me", {"attributes": {"text": "Rye"}})
    allowed = till().patch(f"/members/{member.public_id}", {"attributes": {"text": "Rye"}})

    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "not_editable")
    assert allowed.json()["attributes"] == {"text": "Rye"}


def test_each_change_stands_in_the_history_and_a_repeat_does_not(member: Member) -> None:
    for day, value in enumerate(["Rye", "Rye", "Oats", None, None]):
        attributes.change(
            member=member, values={"text": value}, actor="staff:1", moment=NOON + day * DAY
        )

    rows = AttributeChange.objects.order_by("pk")
    assert list(rows.values_list("before", "after", "actor", "changed_at")) == [
        (None, "Rye", "staff:1", NOON),
        ("Rye", "Oats", "staff:1", NOON + 2 * DAY),
        ("Oats", None, "staff:1", NOON + 3 * DAY),
    ]


def test_a_personal_value_stands_in_no_history(member: Member) -> None:
    ask(*ASKED, {**ASKED[-1], "code": "illness"})
    for value in ("gluten", "lactose"):
        attributes.change(member=member, values={"diet": value}, actor="till", moment=NOON)

    assert answers(member) == {"diet": "lactose"}
    assert list(AttributeChange.objects.values_list("before", "after")) == [(None, None)] * 2


def test_what_is_asked_no_more_is_not_told_and_comes_back_with_the_question(
    member: Member,
) -> None:
    attributes.change(member=member, values={"text": "Rye"}, actor="till", moment=NOON)

    ask(*ASKED[1:])
    hidden = answers(member)
    with pytest.raises(Invalid):
        attributes.change(member=member, values={"text": "Oats"}, actor="till", moment=NOON)
    ask(*ASKED)

    assert (hidden, answers(member)) == ({}, {"text": "Rye"})
    assert AttributeDefinition.objects.get(code="text").is_retired is False


@pytest.mark.parametrize(
    "columns",
    [{}, {"text": "x", "number": Decimal(1)}, {"flag": True, "texts": ["x"]}],
    ids=["none", "text-and-number", "flag-and-texts"],
)
def test_an_answer_stands_in_one_column(member: Member, columns: dict[str, Any]) -> None:
    definition = AttributeDefinition.objects.get(code="text")

    with (
        pytest.raises(DatabaseError, match="members_memberattribute_in_one_column"),
        transaction.atomic(),
    ):
        MemberAttribute.objects.create(
            member=member, definition=definition, actor="x", changed_at=NOON, **columns
        )

    assert MemberAttribute.objects.count() == 0
