"""What stands on the wire: JSON, numbers and instants, each read and written one way only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn
from uuid import UUID

import orjson
from django.utils.functional import Promise

INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
YEAR_MIN, YEAR_MAX = 1970, 9000

DIGITS_MAX = 12
AMOUNT_PLACES, QUANTITY_PLACES = 4, 3

# Deeper than any payload needs, and far from the limits of every parser that reads it later.
DEPTH_MAX = 20
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1

# A key that no document holds: it marks an object in which some key stood twice.
REPEATED = "\x00repeated"
SUSPECT_ESCAPE = re.compile(rb"\\u(0000|[dD][89a-fA-F])")

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


class Refused(ValueError):
    """A value that has not the form it must have; ``pointer`` is relative to the reader."""

    def __init__(self, code: str, detail: str, pointer: str = "", *more: Refused) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.pointer = pointer
        self.more = more


class NotJson(ValueError):
    """Bytes that are no JSON document."""


# Writing -------------------------------------------------------------------------------------


# Few instants are written often: that of a purchase stands in a dozen places of its documents.
# Equal instants have one text, whatever their offsets.
@lru_cache(maxsize=4096)
def instant_text(value: datetime) -> str:
    """Return an aware instant as RFC 3339 in UTC with ``Z``, to the microsecond if it has any."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def decimal_text(value: Decimal, places: int | None = None) -> str:
    """Return a decimal without exponent, with exactly ``places`` places when they are given."""
    return format(value, "f" if places is None else f".{places}f")


def _write(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, date | UUID | Promise):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form on the wire")


def dumps(value: Any) -> bytes:
    """Return the value as JSON: decimals as strings, instants in UTC, ids as text."""
    # The passthrough sends datetimes to _write: orjson alone would keep the
    # offset that an instant was read with.
    return orjson.dumps(value, _write, orjson.OPT_PASSTHROUGH_DATETIME)


# Reading -------------------------------------------------------------------------------------


def instant(value: object) -> datetime:
    """Return the instant of an RFC 3339 text, in UTC.

    :raises Refused: no text, no offset, no such day or time, or outside 1970 to 9000.
    """
    if not isinstance(value, str) or not INSTANT.fullmatch(value):
        raise Refused("invalid_instant", "An instant in RFC 3339 with an offset is expected.")
    try:
        moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused("invalid_instant", "There is no such day or time.") from None
    if not YEAR_MIN <= moment.year <= YEAR_MAX:
        raise Refused("out_of_range", f"The year must be {YEAR_MIN} to {YEAR_MAX}.")
    return moment


def _decimal(value: object, places_max: int) -> Decimal:
    if not isinstance(value, str):
        raise Refused("invalid_type", 'A decimal is written as a string, such as "12.50".')
    return _parsed(value, places_max)


# Prices and quantities repeat within a batch and from one purchase to the next.
@lru_cache(maxsize=4096)
def _parsed(value: str, places_max: int) -> Decimal:
    whole, point, part = value.partition(".")
    if not value.isascii() or not whole.isdigit() or (point and not part.isdigit()):
        raise Refused("invalid_decimal", 'A decimal of digits is expected, such as "12.50".')
    if len(part) > places_max:
        raise Refused("too_many_places", f"At most {places_max} decimal places are read.")
    if len(whole) + len(part) > DIGITS_MAX:
        raise Refused("out_of_range", f"At most {DIGITS_MAX} digits are read.")
    return Decimal(value)


def amount(value: object) -> Decimal:
    """Return an amount of money: zero or more, at most 12 digits and 4 places.

    :raises Refused: it is a number, is negative, has an exponent, or is too long.
    """
    return _decimal(value, AMOUNT_PLACES)


def quantity(value: object) -> Decimal:
    """Return a quantity: more than zero, at most 12 digits and 3 places.

    :raises Refused: it is a number, is not positive, has an exponent, or is too long.
    """
    found = _decimal(value, QUANTITY_PLACES)
    if not found:
        raise Refused("not_positive", "A quantity is more than zero.")
    return found


def uuid(value: object) -> UUID:
    """Return the id that a text in the canonical form of a UUID names.

    :raises Refused: it has another form.
    """
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise Refused("invalid_id", "A UUID is expected.")
    return UUID(value)


def loads(raw: bytes) -> Any:
    """Return the JSON document, read strictly.

    An object with a repeated key comes back with the key ``REPEATED`` as well,
    which no struct knows, so that one such row of a batch does not stop the others.

    :raises NotJson: not UTF-8, not JSON, nested too deeply, NaN or Infinity.
    """
    try:
        return _decoder.decode(raw.decode())
    except UnicodeDecodeError:
        raise NotJson("The body is not UTF-8.") from None
    except RecursionError:
        raise NotJson("The body is nested too deeply.") from None
    except NotJson:
        raise
    except ValueError as error:
        raise NotJson(f"The body is not JSON: {error}.") from None


def is_suspect(raw: bytes) -> bool:
    """Return whether a body may hold what ``unstorable`` looks for.

    Only an escape can bring it in: a raw NUL is not JSON, raw half pairs are not UTF-8.
    """
    return SUSPECT_ESCAPE.search(raw) is not None


def unstorable(data: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield pointer and sentence of each text that PostgreSQL could not hold."""
    if isinstance(data, str):
        if "\x00" in data:
            yield pointer, "A NUL character is not allowed."
        elif not _is_encodable(data):
            yield pointer, "Half of a surrogate pair is not a character."
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from unstorable(value, f"{pointer}/{index}")
    elif isinstance(data, dict):
        for name, value in data.items():
            if name != REPEATED:
                yield from unstorable(name, pointer)
            yield from unstorable(value, f"{pointer}/{escape(name)}")


def escape(name: str) -> str:
    """Return a name as one step of a JSON pointer (RFC 6901)."""
    clean = name.encode("utf-8", "replace").decode().replace("\x00", "?")
    return clean.replace("~", "~0").replace("/", "~1")


def payload(value: object) -> dict[str, Any]:
    """Return a free object: texts, integers of 64 bits, booleans, null, lists and objects.

    :raises Refused: it is no object, is nested too deeply, or holds a decimal
        as a JSON number; such numbers lose digits between systems.
    """
    if not isinstance(value, dict):
        raise Refused("invalid_type", "An object is expected.")
    found = list(_misfits(value, "", 1))
    if found:
        raise Refused(*found[0], *(Refused(*other) for other in found[1:]))
    return value


def _misfits(value: Any, pointer: str, depth: int) -> Iterator[tuple[str, str, str]]:
    if depth > DEPTH_MAX:
        yield "too_deep", f"At most {DEPTH_MAX} levels are read.", pointer
    elif isinstance(value, float):
        yield "invalid_decimal", 'A decimal is written as a string, such as "12.50".', pointer
    elif isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
        yield "out_of_range", "An integer has at most 64 bits.", pointer
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _misfits(item, f"{pointer}/{index}", depth + 1)
    elif isinstance(value, dict):
        if REPEATED in value:
            yield "repeated_key", "A key stands twice in this object.", pointer
        for name, item in value.items():
            yield from _misfits(item, f"{pointer}/{escape(name)}", depth + 1)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        found[REPEATED] = None
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not JSON.")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
