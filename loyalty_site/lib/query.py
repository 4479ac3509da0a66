"""What stands in the address: ids of the path and parameters of the query."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest

from loyalty_site.lib import wire
from loyalty_site.lib.problems import FieldError, Invalid, NotFound

LIMIT_DEFAULT, LIMIT_MAX = 25, 100
LIMIT = re.compile(r"[1-9]\d{0,2}", re.ASCII)

# A plus that the caller did not escape arrives as a space.
LOST_PLUS = re.compile(r" (\d\d:\d\d)$", re.ASCII)


def path_id(value: str) -> UUID:
    """Return the id in the path.

    :raises NotFound: it is no UUID, so that nothing can stand there.
    """
    try:
        return wire.uuid(value)
    except wire.Refused:
        raise NotFound from None


def limit(request: HttpRequest) -> int:
    """Return how many rows the page is to have, 25 unless told.

    :raises Invalid: not a whole number from 1 to 100.
    """
    value = request.GET.get("limit")
    if value is None:
        return LIMIT_DEFAULT
    if not LIMIT.fullmatch(value) or int(value) > LIMIT_MAX:
        raise refused("limit", "out_of_range", f"A whole number from 1 to {LIMIT_MAX} is expected.")
    return int(value)


def flag(request: HttpRequest, name: str) -> bool:
    """Return a parameter that is ``true`` or ``false``, the latter when it is missing.

    :raises Invalid: it is anything else.
    """
    value = request.GET.get(name, "false")
    if value not in {"true", "false"}:
        raise refused(name, "invalid_choice", "Either `true` or `false` is expected.")
    return value == "true"


def instant(request: HttpRequest, name: str) -> datetime | None:
    """Return an instant in UTC, or None when the parameter is missing.

    :raises Invalid: it is no instant in RFC 3339 with an offset.
    """
    value = request.GET.get(name)
    if value is None:
        return None
    try:
        return wire.instant(LOST_PLUS.sub(r"+\1", value))
    except wire.Refused as error:
        raise refused(name, error.code, error.detail) from None


def uuid(request: HttpRequest, name: str) -> UUID | None:
    """Return an id, or None when the parameter is missing.

    :raises Invalid: it is no UUID.
    """
    value = request.GET.get(name)
    if value is None:
        return None
    try:
        return wire.uuid(value)
    except wire.Refused as error:
        raise refused(name, error.code, error.detail) from None


def text(request: HttpRequest, name: str, *, length_max: int = 254) -> str | None:
    """Return a text that is not empty, or None when the parameter is missing.

    :raises Invalid: it is empty, too long, or has a NUL character.
    """
    value = request.GET.get(name)
    if value is None:
        return None
    if not 1 <= len(value) <= length_max:
        detail = f"A text of 1 to {length_max} characters is expected."
        raise refused(name, "invalid_length", detail)
    if "\x00" in value:
        raise refused(name, "invalid_character", "A NUL character is not allowed.")
    return value


def required(request: HttpRequest, name: str, *, length_max: int = 254) -> str:
    """Return a text that the caller must give.

    :raises Invalid: it is missing, empty, too long, or has a NUL character.
    """
    value = text(request, name, length_max=length_max)
    if value is None:
        raise refused(name, "required", f"The query parameter `{name}` is required.")
    return value


def refused(name: str, code: str, detail: str) -> Invalid:
    """Return the refusal of a query parameter, which is pointed at like a field."""
    return Invalid([FieldError(f"/{name}", code, detail)])
