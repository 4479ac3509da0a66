"""The OpenAPI document made from declarations."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import include, path
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from rest_framework.request import Request

from loyalty_site.lib import openapi, reading, schema
from loyalty_site.lib.drf import ApiView, answer


class Line(reading.Body, frozen=True):
    """A nested struct."""

    quantity: reading.Quantity


class Order(reading.Body, frozen=True):
    """A struct with every wire type."""

    id: reading.Id
    at: reading.Instant
    price: reading.Amount
    lines: list[Line]
    member: reading.MemberRef | None = None
    payload: reading.Payload = {}


class OrdersView(ApiView):
    """A list and its maker."""

    @schema.operation(
        "list_orders",
        "List orders",
        access=("rewards:read", schema.MEMBER),
        tag="orders",
        listing=True,
        responses={200: schema.listing(Order)},
    )
    def get(self, request: Request, member_id: str) -> HttpResponse:
        """Answer nothing."""
        return answer({})

    @schema.operation(
        "make_order",
        "Make an order",
        access=("purchases:write",),
        tag="orders",
        request=Order,
        responses={201: schema.record(("note",), id=schema.ID, note=schema.TEXT)},
        idempotent=True,
        dry_run=True,
    )
    def post(self, request: Request, member_id: str) -> HttpResponse:
        """Answer nothing."""
        return answer({})


class OrderView(ApiView):
    """One order."""

    @schema.operation(
        "get_order",
        "Read an order",
        access=(schema.PUBLIC,),
        tag="orders",
        responses={200: Order},
        conditional=True,
    )
    def get(self, request: Request, code: str) -> HttpResponse:
        """Answer nothing."""
        return answer({})


PATTERNS = [
    path(
        "api/v1/",
        include(
            [
                path("members/<str:member_id>/orders", OrdersView.as_view()),
                path("orders/<slug:code>", OrderView.as_view()),
            ]
        ),
    )
]


def found() -> dict[str, Any]:
    return openapi.document(PATTERNS)


def test_every_declared_operation_stands_at_its_path() -> None:
    paths = found()["paths"]

    assert {(p, m): o["operationId"] for p, ms in paths.items() for m, o in ms.items()} == {
        ("/api/v1/members/{member_id}/orders", "get"): "list_orders",
        ("/api/v1/members/{member_id}/orders", "post"): "make_order",
        ("/api/v1/orders/{code}", "get"): "get_order",
    }


def test_an_operation_says_who_may_call_it() -> None:
    paths = found()["paths"]

    orders = paths["/api/v1/members/{member_id}/orders"]
    assert orders["get"]["security"] == [{"client": ["rewards:read"]}, {"member": []}]
    assert orders["post"]["security"] == [{"client": ["purchases:write"]}]
    assert paths["/api/v1/orders/{code}"]["get"]["security"] == [{}]


def test_parameters_follow_from_the_flags() -> None:
    paths = found()["paths"]
    orders = paths["/api/v1/members/{member_id}/orders"]

    assert [p["name"] for p in orders["get"]["parameters"]] == ["member_id", "limit", "cursor"]
    assert [p["name"] for p in orders["post"]["parameters"]] == [
        "member_id",
        "dry_run",
        "Idempotency-Key",
    ]
    assert paths["/api/v1/orders/{code}"]["get"]["parameters"][1]["name"] == "If-None-Match"


def test_refusals_follow_from_the_rest() -> None:
    orders = found()["paths"]["/api/v1/members/{member_id}/orders"]

    assert list(orders["get"]["responses"]) == [
        "200", "400", "401", "403", "404", "429", "503",
    ]  # fmt: skip
    assert list(orders["post"]["responses"]) == [
        "201", "400", "401", "403", "404", "409", "413", "415", "422", "429", "503",
    ]  # fmt: skip


def test_structs_become_schemas_that_refuse_what_reading_refuses() -> None:
    document = found()
    root = {"$ref": "#/components/schemas/Order", "components": document["components"]}
    validator = Draft202012Validator(root)
    good = {
        "id": "0b8f6f3e-5a0e-4a51-9d5c-0c6b8f1f2a3d",
        "at": "2026-03-01T12:00:00Z",
        "price": "1.10",
        "lines": [{"quantity": "2"}],
        "member": {"identifier": "6011000001"},
        "payload": {"score": 5},
    }

    validator.validate(good)
    for bad in (
        good | {"price": 1.1},
        good | {"price": "1.12345"},
        good | {"price": "1234567890123"},
        good | {"lines": [{"quantity": "0.0"}]},
        good | {"lines": [{"quantity": "1.0001"}]},
        good | {"member": {}},
        good | {"member": {"id": good["id"], "identifier": "x"}},
        good | {"more": 1},
    ):
        assert validator.is_valid(bad) is False
