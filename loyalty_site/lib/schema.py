"""What each operation of the API declares about itself, and the OpenAPI document made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

Schema = Mapping[str, Any]

# Who may call, beside the scopes of clients.
MEMBER = "member"
PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address, as the contract knows it.

    ``access`` lists scopes and the words ``member`` and ``public``; any one of
    them opens the operation. ``request`` and the values of ``responses`` are
    msgspec structs or JSON Schemas; None is an answer without a body.
    """

    id: str
    summary: str
    access: tuple[str, ...]
    tag: str
    description: str = ""
    request: type | Schema | None = None
    request_required: bool = True
    responses: Mapping[int, type | Schema | None] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    query: tuple[Schema, ...] = ()
    idempotent: bool = False
    dry_run: bool = False
    listing: bool = False
    conditional: bool = False


def operation(id: str, summary: str, **declared: Any) -> Callable[[F], F]:
    """Return a decorator that gives a view's method its ``Operation``."""

    def declare(handler: F) -> F:
        handler.operation = Operation(id=id, summary=summary, **declared)  # type: ignore[attr-defined]
        return handler

    return declare


def operation_of(handler: object) -> Operation | None:
    """Return the declaration of a view's method, or None where it has none."""
    return getattr(handler, "operation", None)
