"""Reading bodies into structs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_site.lib import reading, wire
from loyalty_site.lib.problems import Invalid, Malformed


class Part(reading.Body, frozen=True):
    """A nested struct."""

    count: Annotated[int, msgspec.Meta(ge=1, le=9)]
    price: reading.Amount | None = None


class Whole(reading.Body, frozen=True):
    """A struct with every kind of field."""

    name: reading.Text16
    at: reading.Instant | None = None
    id: reading.Id | None = None
    parts: Annotated[list[Part], msgspec.Meta(min_length=1, max_length=3)] | None = None
    member: reading.MemberRef | None = None
    payload: reading.Payload = {}
    size: reading.Quantity = Decimal(1)


def errors_of(kind: Any, data: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        reading.convert(kind, data)
    return [(error.pointer, error.code) for error in caught.value.errors]


def test_a_body_becomes_a_struct_with_its_defaults() -> None:
    body = reading.read(
        Whole,
        b'{"name": "a", "at": "2026-03-01T13:00:00+01:00",'
        b' "parts": [{"count": 1, "price": "2.50"}], "id": "0b8f6f3e-5a0e-4a51-9d5c-0c6b8f1f2a3d"}',
    )

    assert body == Whole(
        name="a",
        at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        id=UUID("0b8f6f3e-5a0e-4a51-9d5c-0c6b8f1f2a3d"),
        parts=[Part(count=1, price=Decimal("2.5"))],
        size=Decimal(1),
    )


def test_all_faults_are_named_at_once() -> None:
    data = {
        "at": "today",
        "id": "7",
        "parts": [{"count": 0, "price": 1.5}, {"count": True}, 5, {"x~/y": 1}],
        "member": {"id": None},
        "payload": {"a": [0.5]},
        "size": "0",
        "other": 1,
    }

    assert errors_of(Whole, data) == [
        ("/other", "unknown_field"),
        ("/name", "required"),
        ("/at", "invalid_instant"),
        ("/id", "invalid_id"),
        ("/parts/0/count", "out_of_range"),
        ("/parts/0/price", "invalid_type"),
        ("/parts/1/count", "invalid_type"),
        ("/parts/2", "invalid_type"),
        ("/parts/3/x~0~1y", "unknown_field"),
        ("/parts/3/count", "required"),
        ("/member", "exactly_one"),
        ("/payload/a/0", "invalid_decimal"),
        ("/size", "not_positive"),
    ]


@pytest.mark.parametrize(
    ("_case", "data", "error"),
    [
        ("a list", [], ("", "invalid_type")),
        ("null", None, ("", "invalid_type")),
        ("an empty text", {"name": ""}, ("/name", "too_short")),
        ("a long text", {"name": "x" * 17}, ("/name", "too_long")),
        ("a number for a text", {"name": 1}, ("/name", "invalid_type")),
        ("no parts", {"name": "a", "parts": []}, ("/parts", "too_short")),
        ("too many parts", {"name": "a", "parts": [{"count": 1}] * 4}, ("/parts", "too_long")),
        ("an object for a list", {"name": "a", "parts": {}}, ("/parts", "invalid_type")),
        ("two references", {"name": "a", "member": {
            "id": "0b8f6f3e-5a0e-4a51-9d5c-0c6b8f1f2a3d", "identifier": "x"}},
         ("/member", "exactly_one")),
        ("a huge integer", {"name": "a", "parts": [{"count": 10**30}]},
         ("/parts/0/count", "out_of_range")),
    ],
)  # fmt: skip
def test_a_fault_is_pointed_at(_case: str, data: Any, error: tuple[str, str]) -> None:
    assert errors_of(Whole, data) == [error]


def test_a_repeated_key_is_a_fault_of_its_object() -> None:
    with pytest.raises(Invalid) as caught:
        reading.read(Whole, b'{"name": "a", "parts": [{"count": 1, "count": 2}]}')

    assert [(e.pointer, e.code) for e in caught.value.errors] == [("/parts/0", "repeated_key")]


def test_a_nul_is_pointed_at() -> None:
    with pytest.raises(Invalid) as caught:
        reading.read(Whole, rb'{"name": "a\u0000b"}')

    assert [(e.pointer, e.code) for e in caught.value.errors] == [("/name", "invalid_character")]


def test_a_body_that_is_no_json_is_malformed() -> None:
    with pytest.raises(Malformed, match="not JSON"):
        reading.read(Whole, b"{")


def test_faults_are_listed_up_to_a_hundred() -> None:
    assert len(errors_of(Whole, {f"x{number}": 1 for number in range(500)})) == 100


def test_a_list_may_be_the_body() -> None:
    assert reading.read(list[Part], b'[{"count": 1}]') == [Part(count=1)]
    assert errors_of(list[Part], [{"count": 1}, {}]) == [("/1/count", "required")]


LEAVES = st.sampled_from(
    [None, True, 1, 0, 1.5, "", "a", "1.5", "0", "2026-03-01T12:00:00Z", "x" * 17]
)
PARTS = st.dictionaries(st.sampled_from(["count", "price", "other"]), LEAVES)
BODIES = st.dictionaries(
    st.sampled_from(["name", "at", "id", "parts", "member", "payload", "size", "other"]),
    LEAVES
    | st.lists(PARTS, max_size=4)
    | PARTS
    | st.dictionaries(st.sampled_from(["id", "identifier"]), LEAVES),
)


@given(BODIES)
def test_faults_are_found_exactly_where_reading_refuses(data: dict[str, Any]) -> None:
    found = list(reading.faults(Whole, data))

    try:
        msgspec.convert(data, Whole, dec_hook=reading.hook)
    except msgspec.ValidationError:
        assert found
    else:
        assert found == []


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_document_is_read_or_refused(data: Any) -> None:
    raw = wire.dumps(data)

    try:
        found = reading.read(Whole, raw)
    except Invalid:
        found = None

    assert (found is None) is bool(list(reading.faults(Whole, data)))
