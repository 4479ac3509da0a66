"""What each operation of the API declares about itself, and words for saying it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# A JSON Schema; where a struct stands in the place of a schema, it is referred to.
Schema = Mapping[str, Any]

# Who may call, beside the scopes of clients.
MEMBER = "member"
PUBLIC = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one address, as the contract knows it.

    ``access`` lists scopes and the words ``member`` and ``public``; any one of
    them opens the operation. ``request`` and the values of ``responses`` are
    structs or JSON Schemas, None for no body. ``problems`` names the statuses of
    refusals beside those that follow from the rest. ``query`` are parameters
    made by ``parameter``. The flags say that the operation takes a key, can be
    run dry, is a list, or carries an ``ETag``.
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


# Words ---------------------------------------------------------------------------------------

ID: Schema = {"type": "string", "format": "uuid"}
INSTANT: Schema = {"type": "string", "format": "date-time"}
DATE: Schema = {"type": "string", "format": "date"}
MONEY: Schema = {"type": "string", "pattern": r"^-?[0-9]+([.][0-9]+)?$", "examples": ["12.50"]}
POINTS: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}


def nullable(schema: type | Schema) -> Schema:
    """Return the schema of the same value or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def choice(*values: str) -> Schema:
    """Return the schema of one of these texts."""
    return {"type": "string", "enum": list(values)}


def array(items: type | Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def record(optional: tuple[str, ...] = (), /, **properties: type | Schema) -> Schema:
    """Return the schema of an object whose fields are all there, but for the optional ones.

    More fields may be added to an answer, so that unknown ones are allowed.
    """
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def listing(items: type | Schema) -> Schema:
    """Return the schema of one page of a list."""
    return record(results=array(items), next_cursor=nullable(TEXT), prev_cursor=nullable(TEXT))


def parameter(
    name: str, schema: Schema, description: str, *, required: bool = False, where: str = "query"
) -> Schema:
    """Return a parameter of the query, or of the header where ``where`` says so."""
    return {
        "name": name,
        "in": where,
        "required": required,
        "description": description,
        "schema": schema,
    }
