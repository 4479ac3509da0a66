"""The bodies of intake and their equality."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import bodies
from loyalty_site.lib.problems import Invalid, Malformed

PURCHASE: dict[str, Any] = {
    "source": "pos",
    "external_id": "R-1001",
    "member": {"identifier": "6011000001"},
    "occurred_at": "2026-03-01T12:00:00Z",
    "store": "lisbon-1",
    "channel": "store",
    "cashier": "c7",
    "device": "till-3",
    "currency": "EUR",
    "lines": [
        {
            "line_id": "1",
            "sku": "MLK",
            "name": "Milk",
            "category": "dairy",
            "brand": "Alva",
            "quantity": "2",
            "unit_price": "1.10",
            "discount": "0.00",
            "tax": "0.12",
            "tags": ["eco"],
        }
    ],
    "coupons": [],
    "tenders": [{"kind": "card", "amount": "2.20"}],
}
LEAST: dict[str, Any] = {
    "source": "pos",
    "external_id": "R-1",
    "occurred_at": "2026-03-01T12:00:00Z",
    "currency": "EUR",
    "lines": [{"line_id": "1", "quantity": "1", "unit_price": "1"}],
}
MEMBER_ID = UUID("0b8f6f3e-5a0e-4a51-9d5c-0c6b8f1f2a3d")


def changed(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return copy.deepcopy(body) | fields


def line(**fields: Any) -> dict[str, Any]:
    return {"line_id": "1", "quantity": "1", "unit_price": "1"} | fields


def errors_of(body: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        bodies.parse_purchase(json.dumps(body).encode())
    return [(error.pointer, error.code) for error in caught.value.errors]


def test_the_purchase_of_the_contract_is_read() -> None:
    body = bodies.parse_purchase(json.dumps(PURCHASE).encode())

    assert body.member is not None
    assert (body.member.id, body.member.identifier) == (None, "6011000001")
    assert body.occurred_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert body.lines == [
        bodies.PurchaseLine(
            line_id="1",
            sku="MLK",
            name="Milk",
            category="dairy",
            brand="Alva",
            quantity=Decimal(2),
            unit_price=Decimal("1.10"),
            discount=Decimal(0),
            tax=Decimal("0.12"),
            tags=["eco"],
        )
    ]
    assert body.tenders == [bodies.Tender(kind="card", amount=Decimal("2.20"))]


def test_what_is_left_out_has_its_default() -> None:
    body = bodies.parse_purchase(LEAST)

    assert body.member is None
    assert (body.store, body.channel, body.cashier, body.device) == (None, None, None, None)
    assert (body.coupons, body.tenders) == ([], [])
    assert (body.lines[0].discount, body.lines[0].tax, body.lines[0].tags) == (Decimal(0), None, [])


@pytest.mark.parametrize(
    ("_case", "fields", "error"),
    [
        ("an unknown field", {"total": "2.20"}, ("/total", "unknown_field")),
        ("no lines", {"lines": []}, ("/lines", "too_short")),
        ("501 lines", {"lines": [line(line_id=str(n)) for n in range(501)]},
         ("/lines", "too_long")),
        ("a number", {"lines": [line(quantity=2)]}, ("/lines/0/quantity", "invalid_type")),
        ("zero", {"lines": [line(quantity="0")]}, ("/lines/0/quantity", "not_positive")),
        ("a negative price", {"lines": [line(unit_price="-1")]},
         ("/lines/0/unit_price", "invalid_decimal")),
        ("a negative discount", {"lines": [line(discount="-1")]},
         ("/lines/0/discount", "invalid_decimal")),
        ("five places", {"lines": [line(unit_price="1.00001")]},
         ("/lines/0/unit_price", "too_many_places")),
        ("an unknown field of a line", {"lines": [line(color="red")]},
         ("/lines/0/color", "unknown_field")),
        ("a repeated line", {"lines": [line(), line(line_id="2"), line()]},
         ("/lines/2/line_id", "repeated")),
        ("beyond any till", {"lines": [line(quantity="999999999999", unit_price="2")]},
         ("/lines", "out_of_range")),
        ("no offset", {"occurred_at": "2026-03-01T12:00:00"}, ("/occurred_at", "invalid_instant")),
        ("another century", {"occurred_at": "1969-12-31T23:00:00Z"},
         ("/occurred_at", "out_of_range")),
        ("a currency in small letters", {"currency": "eur"}, ("/currency", "invalid_format")),
        ("a currency with a line break", {"currency": "EUR\n"}, ("/currency", "too_long")),
        ("no source", {"source": None}, ("/source", "invalid_type")),
        ("a nul", {"source": "a\x00"}, ("/source", "invalid_character")),
        ("no reference", {"member": {}}, ("/member", "exactly_one")),
        ("an id that is none", {"member": {"id": "7"}}, ("/member/id", "invalid_id")),
    ],
)  # fmt: skip
def test_an_invalid_purchase_is_refused_at_its_fault(
    _case: str, fields: dict[str, Any], error: tuple[str, str]
) -> None:
    assert errors_of(changed(LEAST, **fields)) == [error]


@pytest.mark.parametrize("data", [[], "x", 1, None, True])
def test_a_purchase_is_an_object(data: Any) -> None:
    assert errors_of(data) == [("", "invalid_type")]


# A batch ---------------------------------------------------------------------------------------


def test_bad_rows_stand_beside_good_ones_in_the_order_sent() -> None:
    rows = [
        LEAST,
        changed(LEAST, external_id="R-2", total=1),
        7,
        changed(LEAST, external_id=3),
        changed(LEAST, external_id="R-5", store="\x00"),
        changed(LEAST, external_id="R-6"),
    ]

    found = bodies.parse_batch(json.dumps({"purchases": rows}).encode())

    assert [(row.index, row.external_id, row.body is not None) for row in found] == [
        (0, "R-1", True),
        (1, "R-2", False),
        (2, None, False),
        (3, None, False),
        (4, "R-5", False),
        (5, "R-6", True),
    ]
    assert [[(e.pointer, e.code) for e in row.errors] for row in found[1:5]] == [
        [("/total", "unknown_field")],
        [("", "invalid_type")],
        [("/external_id", "invalid_type")],
        [("/store", "invalid_character")],
    ]


def test_a_repeated_key_stops_only_its_row() -> None:
    good = json.dumps(LEAST).encode()
    bad = good[:-1] + b', "source": "shop"}'

    found = bodies.parse_batch(b'{"purchases": [' + bad + b", " + good + b"]}")

    assert [error.code for error in found[0].errors] == ["repeated_key"]
    assert found[1].body == bodies.parse_purchase(good)


@pytest.mark.parametrize(
    ("_case", "data", "error"),
    [
        ("none", {"purchases": []}, ("/purchases", "too_short")),
        ("too many", {"purchases": [0] * 1001}, ("/purchases", "too_long")),
        ("no list", {"purchases": {}}, ("/purchases", "invalid_type")),
        ("nothing", {}, ("/purchases", "required")),
        ("more", {"purchases": [0], "x": 1}, ("/x", "unknown_field")),
    ],
)
def test_what_is_no_batch_is_refused(_case: str, data: Any, error: tuple[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        bodies.parse_batch(json.dumps(data).encode())

    assert [(e.pointer, e.code) for e in caught.value.errors] == [error]


def test_a_batch_that_is_no_json_is_malformed() -> None:
    with pytest.raises(Malformed):
        bodies.parse_batch(b'{"purchases": [')


# Equality --------------------------------------------------------------------------------------


def key(body: dict[str, Any], member_id: Any = MEMBER_ID) -> bytes:
    return bodies.content_key(bodies.parse_purchase(body), member_id)


TWO_LINES = changed(LEAST, lines=[line(), line(line_id="2", quantity="3")])


@pytest.mark.parametrize(
    ("_case", "first", "second"),
    [
        ("numbers by value", LEAST, changed(LEAST, lines=[line(unit_price="01.0000")])),
        ("instants by the moment", LEAST, changed(LEAST, occurred_at="2026-03-01T13:00:00+01:00")),
        ("defaults filled", LEAST, changed(LEAST, member=None, store=None, coupons=[], lines=[
            line(sku=None, discount="0.00", tax=None, tags=[])])),
        ("lines by line_id", TWO_LINES, changed(TWO_LINES, lines=TWO_LINES["lines"][::-1])),
        ("the member as resolved", LEAST, changed(LEAST, member={"identifier": "6011000001"})),
    ],
)  # fmt: skip
def test_purchases_that_say_the_same_are_equal(
    _case: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert key(first) == key(second)
    assert len(key(first)) == 32


@pytest.mark.parametrize(
    ("_case", "fields"),
    [
        ("moment", {"occurred_at": "2026-03-01T12:00:01Z"}),
        ("currency", {"currency": "USD"}),
        ("store", {"store": "lisbon-2"}),
        ("channel", {"channel": "web"}),
        ("cashier", {"cashier": "c8"}),
        ("device", {"device": "till-4"}),
        ("coupons", {"coupons": ["X"]}),
        ("tenders", {"tenders": []}),
        ("lines", {"lines": [*PURCHASE["lines"], line(line_id="2")]}),
        *[
            (name, {"lines": [PURCHASE["lines"][0] | {name: value}]})
            for name, value in [
                ("line_id", "9"),
                ("sku", "BRD"),
                ("name", "Bread"),
                ("category", "bakery"),
                ("brand", "Other"),
                ("quantity", "2.001"),
                ("unit_price", "1.11"),
                ("discount", "0.01"),
                ("tax", "0"),
                ("tags", []),
            ]
        ],
    ],
)
def test_purchases_that_differ_in_a_field_are_not_equal(_case: str, fields: dict[str, Any]) -> None:
    assert key(PURCHASE) != key(changed(PURCHASE, **fields))


def test_purchases_of_two_members_are_not_equal() -> None:
    assert key(LEAST, MEMBER_ID) != key(LEAST, None)
    assert key(LEAST, 1) != key(LEAST, 2)


@given(st.decimals("0.001", "99999999", places=3), st.integers(0, 3))
def test_trailing_zeros_never_change_the_key(quantity: Decimal, zeros: int) -> None:
    plain = format(quantity.normalize(), "f")
    places = len(plain.partition(".")[2])
    padded = plain if zeros <= places else f"{quantity:.{zeros}f}"

    assert key(changed(LEAST, lines=[line(quantity=plain)])) == key(
        changed(LEAST, lines=[line(quantity=padded)])
    )


RETURN: dict[str, Any] = {
    "source": "pos",
    "external_id": "B-1",
    "purchase": {"source": "pos", "external_id": "R-1001"},
    "occurred_at": "2026-03-02T12:00:00Z",
    "lines": [{"line_id": "1", "quantity": "1"}],
}


def test_a_return_is_read_with_and_without_lines() -> None:
    some = bodies.parse_return(json.dumps(RETURN).encode())
    everything = bodies.parse_return(changed(RETURN, lines=None))

    assert some.lines == [bodies.ReturnLine(line_id="1", quantity=Decimal(1))]
    assert everything.lines is None
    assert bodies.content_key(some) != bodies.content_key(everything)
    assert bodies.content_key(some) == bodies.content_key(
        bodies.parse_return(changed(RETURN, lines=[{"line_id": "1", "quantity": "1.000"}]))
    )


@pytest.mark.parametrize(
    ("_case", "fields", "pointer"),
    [
        ("a line twice", {"lines": RETURN["lines"] * 2}, "/lines/1/line_id"),
        ("no lines", {"lines": []}, "/lines"),
        ("nothing back", {"lines": [{"line_id": "1", "quantity": "0"}]}, "/lines/0/quantity"),
        ("no purchase", {"purchase": {}}, "/purchase/source"),
    ],
)
def test_an_invalid_return_is_refused(_case: str, fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        bodies.parse_return(changed(RETURN, **fields))

    assert caught.value.errors[0].pointer == pointer


def test_a_claim_names_a_member() -> None:
    assert bodies.parse_claim({"member": {"id": str(MEMBER_ID)}}).member.id == MEMBER_ID

    for data in ({}, {"member": None}):
        with pytest.raises(Invalid):
            bodies.parse_claim(data)


def test_an_event_is_read_and_equal_whatever_the_order_of_its_payload() -> None:
    event = {
        "type": "review",
        "member": {"identifier": "6011000001"},
        "source": "web",
        "external_id": "E-1",
        "occurred_at": "2026-03-01T12:00:00Z",
        "payload": {"stars": 5, "text": "good"},
    }

    body = bodies.parse_event(event)
    other = bodies.parse_event(event | {"payload": {"text": "good", "stars": 5}})
    less = bodies.parse_event(event | {"payload": {}})

    assert body.payload == {"stars": 5, "text": "good"}
    assert bodies.content_key(body, MEMBER_ID) == bodies.content_key(other, MEMBER_ID)
    assert bodies.content_key(body, MEMBER_ID) != bodies.content_key(less, MEMBER_ID)
