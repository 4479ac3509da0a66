"""Reading a body into a struct, with every fault named by a JSON pointer.

A body is declared once, as a msgspec struct. The quick path converts it in one
go; when that fails, the slow path walks struct and body together and tries each
value by itself, so that the answer lists all faults and the two paths cannot
disagree about what is valid.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Meta

from loyalty_site.lib import wire
from loyalty_site.lib.problems import FieldError, Invalid, Malformed

T = TypeVar("T")

# A caller that sends a thousand faults learns nothing from the last nine hundred.
ERRORS_MAX = 100


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """The base of every body: unknown fields are refused."""


class _WireType(type):
    """A type that stands for another one in a declaration and says how it is read."""

    gives: type
    schema: dict[str, Any]

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, cls.gives)


AMOUNT_PATTERN = (
    "^([0-9]{1,12}|[0-9]{1,11}[.][0-9]|[0-9]{1,10}[.][0-9]{2}"
    "|[0-9]{1,9}[.][0-9]{3}|[0-9]{1,8}[.][0-9]{4})$"
)
QUANTITY_PATTERN = (
    "^(?!0*([.]0*)?$)([0-9]{1,12}|[0-9]{1,11}[.][0-9]"
    "|[0-9]{1,10}[.][0-9]{2}|[0-9]{1,9}[.][0-9]{3})$"
)

if TYPE_CHECKING:
    Instant = datetime
    Amount = Decimal
    Quantity = Decimal
    Id = UUID
    Payload = dict[str, Any]
else:

    class Instant(metaclass=_WireType):
        """An instant in RFC 3339 with an offset, 1970 to 9000, held in UTC."""

        gives, read = datetime, staticmethod(wire.instant)
        schema = {
            "type": "string",
            "format": "date-time",
            "examples": ["2026-03-01T12:00:00Z"],
        }

    class Amount(metaclass=_WireType):
        """An amount of money, zero or more, at most 12 digits and 4 places."""

        gives, read = Decimal, staticmethod(wire.amount)
        schema = {"type": "string", "pattern": AMOUNT_PATTERN, "examples": ["12.50"]}

    class Quantity(metaclass=_WireType):
        """A quantity, more than zero, at most 12 digits and 3 places."""

        gives, read = Decimal, staticmethod(wire.quantity)
        schema = {"type": "string", "pattern": QUANTITY_PATTERN, "examples": ["2", "0.750"]}

    class Id(metaclass=_WireType):
        """A UUID in its canonical form."""

        gives, read = UUID, staticmethod(wire.uuid)
        schema = {
            "type": "string",
            "format": "uuid",
            "examples": ["0b8f6f3e-5a0e-4a51-9d5c-0c6b8f1f2a3d"],
        }

    class Payload(metaclass=_WireType):
        """A free object whose decimals are strings."""

        gives, read = dict, staticmethod(wire.payload)
        schema = {
            "type": "object",
            "additionalProperties": {
                "type": ["string", "integer", "boolean", "null"],
                "minimum": wire.INTEGER_MIN,
                "maximum": wire.INTEGER_MAX,
            },
            "examples": [{"score": 5}],
        }


Text16 = Annotated[str, Meta(min_length=1, max_length=16)]
Text32 = Annotated[str, Meta(min_length=1, max_length=32)]
Text64 = Annotated[str, Meta(min_length=1, max_length=64)]
Text100 = Annotated[str, Meta(min_length=1, max_length=100)]
Text128 = Annotated[str, Meta(min_length=1, max_length=128)]
Text200 = Annotated[str, Meta(min_length=1, max_length=200)]
Text254 = Annotated[str, Meta(min_length=1, max_length=254)]
Text500 = Annotated[str, Meta(min_length=1, max_length=500)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3, examples=["EUR"])]


class MemberRef(Body, frozen=True):
    """Which member is meant: by id, or by any identifier or the member number."""

    id: Id | None = None
    identifier: Text254 | None = None

    def __post_init__(self) -> None:
        if (self.id is None) == (self.identifier is None):
            raise wire.Refused("exactly_one", "Give either `id` or `identifier`.")


# Where a schema says more than the struct's fields do, by the struct's name.
SCHEMAS: dict[str, dict[str, Any]] = {
    "MemberRef": {
        "description": "Which member is meant: by id, by any identifier or by the member number.",
        "oneOf": [
            {
                "type": "object",
                "properties": {"id": {"type": "string", "format": "uuid"}},
                "required": ["id"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {"identifier": {"type": "string", "minLength": 1, "maxLength": 254}},
                "required": ["identifier"],
                "additionalProperties": False,
            },
        ],
        "examples": [{"identifier": "6011000001"}],
    }
}


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a wire type; msgspec calls this for types it does not know."""
    return dict(kind.schema)


def hook(kind: Any, value: Any) -> Any:
    """Return the value read as a wire type; msgspec calls this likewise."""
    return kind.read(value)


def read(kind: type[T], raw: bytes) -> T:
    """Return the body as ``kind``, a struct or anything msgspec can convert to.

    :raises Malformed: the body is no JSON document.
    :raises Invalid: the document has faults; all are named.
    """
    return convert(kind, document(raw))


def document(raw: bytes) -> Any:
    """Return the JSON document in the body.

    :raises Malformed: there is none.
    :raises Invalid: a text in it could not be stored.
    """
    try:
        data = wire.loads(raw)
    except wire.NotJson as error:
        raise Malformed(detail=str(error)) from None
    if wire.is_suspect(raw) and (found := unstorable(data)):
        raise Invalid(found)
    return data


def unstorable(data: Any) -> list[FieldError]:
    """Return the texts of decoded JSON that PostgreSQL could not hold."""
    found = (FieldError(at, "invalid_character", detail) for at, detail in wire.unstorable(data))
    return list(islice(found, ERRORS_MAX))


def convert(kind: type[T], data: Any) -> T:
    """Return decoded JSON as ``kind``.

    :raises Invalid: it has faults; all are named.
    """
    try:
        return msgspec.convert(data, kind, dec_hook=hook)
    except (msgspec.ValidationError, RecursionError):
        raise Invalid(list(islice(faults(kind, data), ERRORS_MAX))) from None


def faults(kind: Any, data: Any, pointer: str = "") -> Iterator[FieldError]:
    """Yield everything about decoded JSON that keeps it from being ``kind``."""
    struct, item = _struct_of(kind), _item_of(kind)
    found = False
    if struct is not None and isinstance(data, dict):
        for error in _of_fields(struct, data, pointer):
            found = True
            yield error
    elif item is not None and isinstance(data, list):
        for index, value in enumerate(data):
            for error in faults(item, value, f"{pointer}/{index}"):
                found = True
                yield error
    # What is wrong with the whole, once its parts are right: a length, a
    # repeated line, or for a plain value its own form.
    if not found:
        yield from _of_whole(kind, data, pointer)


def _of_fields(struct: type[Body], data: dict[str, Any], pointer: str) -> Iterator[FieldError]:
    hints = get_type_hints(struct, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name in data:
        if name == wire.REPEATED:
            yield FieldError(pointer, "repeated_key", "A key stands twice in this object.")
        elif name not in fields:
            at = f"{pointer}/{wire.escape(name)}"
            yield FieldError(at, "unknown_field", "This field is unknown.")
    for name, field in fields.items():
        if name in data:
            yield from faults(hints[field.name], data[name], f"{pointer}/{name}")
        elif field.required:
            yield FieldError(f"{pointer}/{name}", "required", "This field is required.")


def _of_whole(kind: Any, data: Any, pointer: str) -> Iterator[FieldError]:
    try:
        msgspec.convert(data, kind, dec_hook=hook)
    except msgspec.ValidationError as error:
        if not isinstance(error.__cause__, wire.Refused):
            yield FieldError(pointer, *_explained(str(error)))
            return
        for refused in (error.__cause__, *error.__cause__.more):
            yield FieldError(pointer + refused.pointer, refused.code, refused.detail)


# How msgspec's sentences begin or what they contain, and the stable code for each.
CODES = {
    "matching regex": "invalid_format",
    "of length <=": "too_long",
    "of length >=": "too_short",
    "of length": "invalid_length",
    "<=": "out_of_range",
    ">=": "out_of_range",
    "Invalid enum": "invalid_choice",
    "encoded date": "invalid_date",
    ", got": "invalid_type",
}


def _explained(sentence: str) -> tuple[str, str]:
    # msgspec appends the path inside what it was given; the pointer says it already.
    sentence = sentence.partition(" - at `")[0]
    code = next((code for part, code in CODES.items() if part in sentence), "invalid")
    return code, sentence.replace("`", "'") + "."


def _struct_of(kind: Any) -> type[Body] | None:
    for part in _alternatives(kind):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part  # type: ignore[return-value]
    return None


def _item_of(kind: Any) -> Any:
    for part in _alternatives(kind):
        if get_origin(part) is list:
            return get_args(part)[0]
    return None


def _alternatives(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) is not None and get_origin(kind) is not list:
        for part in get_args(kind):
            yield from _alternatives(part)
    else:
        yield kind
