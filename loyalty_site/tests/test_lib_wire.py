"""Reading and writing single values of the wire."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_site.lib import wire

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("_case", "text", "moment"),
    [
        ("utc", "2026-03-01T12:00:00Z", NOON),
        ("an offset is taken off", "2026-03-01T14:30:00+02:30", NOON),
        ("small letters", "2026-03-01t12:00:00z", NOON),
        ("a space for the T", "2026-03-01 12:00:00Z", NOON),
        ("a fraction", "2026-03-01T12:00:00.25Z", NOON + timedelta(milliseconds=250)),
        ("digits below the microsecond fall off", "2026-03-01T12:00:00.000000999Z", NOON),
        ("the first instant", "1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("the last year", "9000-12-31T23:59:59Z", datetime(9000, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_in_utc(_case: str, text: str, moment: datetime) -> None:
    assert wire.instant(text) == moment
    assert wire.instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    ("_case", "value", "code"),
    [
        ("no offset", "2026-03-01T12:00:00", "invalid_instant"),
        ("a day", "2026-03-01", "invalid_instant"),
        ("basic format", "20260301T120000Z", "invalid_instant"),
        ("offset without colon", "2026-03-01T12:00:00+0100", "invalid_instant"),
        ("no such day", "2026-02-29T12:00:00Z", "invalid_instant"),
        ("no such hour", "2026-02-28T24:01:00Z", "invalid_instant"),
        ("offset of a day", "2026-02-28T12:00:00+24:00", "invalid_instant"),
        ("before the first", "1969-12-31T23:59:59Z", "out_of_range"),
        ("before the first by its offset", "1970-01-01T00:00:00+01:00", "out_of_range"),
        ("after the last", "9001-01-01T00:00:00Z", "out_of_range"),
        ("before all time", "0001-01-01T00:00:00+10:00", "invalid_instant"),
        ("other digits", "٢٠٢٦-03-01T12:00:00Z", "invalid_instant"),
        ("a number", 1772366400, "invalid_instant"),
        ("nothing", None, "invalid_instant"),
        ("a line after it", "2026-03-01T12:00:00Z\n", "invalid_instant"),
    ],
)
def test_what_is_no_instant_is_refused(_case: str, value: object, code: str) -> None:
    with pytest.raises(wire.Refused) as caught:
        wire.instant(value)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("_case", "value", "expected"),
    [
        ("whole", "12", Decimal(12)),
        ("places", "12.5000", Decimal("12.5")),
        ("zero", "0", Decimal(0)),
        ("leading zeros", "007.50", Decimal("7.5")),
        ("twelve digits", "123456789012", Decimal(123456789012)),
        ("twelve digits with places", "12345678.9012", Decimal("12345678.9012")),
    ],
)
def test_an_amount_is_read_exactly(_case: str, value: str, expected: Decimal) -> None:
    assert wire.amount(value) == expected


@pytest.mark.parametrize(
    ("_case", "value", "code"),
    [
        ("a number", 12, "invalid_type"),
        ("a fraction as number", 12.5, "invalid_type"),
        ("true", True, "invalid_type"),
        ("nothing", None, "invalid_type"),
        ("empty", "", "invalid_decimal"),
        ("negative", "-1.00", "invalid_decimal"),
        ("a plus", "+1", "invalid_decimal"),
        ("an exponent", "1e3", "invalid_decimal"),
        ("not a number", "NaN", "invalid_decimal"),
        ("infinity", "Infinity", "invalid_decimal"),
        ("a comma", "1,5", "invalid_decimal"),
        ("no whole part", ".5", "invalid_decimal"),
        ("no places", "5.", "invalid_decimal"),
        ("two points", "1.2.3", "invalid_decimal"),
        ("spaces", " 1", "invalid_decimal"),
        ("underscore", "1_000", "invalid_decimal"),
        ("a line after it", "1\n", "invalid_decimal"),
        ("other digits", "١٢", "invalid_decimal"),
        ("superscript", "²", "invalid_decimal"),
        ("five places", "0.00001", "too_many_places"),
        ("thirteen digits", "1234567890123", "out_of_range"),
        ("thirteen digits with places", "123456789.1234", "out_of_range"),
    ],
)
def test_what_is_no_amount_is_refused(_case: str, value: object, code: str) -> None:
    with pytest.raises(wire.Refused) as caught:
        wire.amount(value)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("_case", "value", "code"),
    [
        ("zero", "0", "not_positive"),
        ("zero with places", "0.000", "not_positive"),
        ("four places", "1.0001", "too_many_places"),
        ("negative", "-1", "invalid_decimal"),
        ("a number", 2, "invalid_type"),
    ],
)
def test_a_quantity_is_positive_with_three_places(_case: str, value: object, code: str) -> None:
    assert wire.quantity("0.001") == Decimal("0.001")

    with pytest.raises(wire.Refused) as caught:
        wire.quantity(value)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("_case", "value"),
    [
        ("braces", "{0b8f6f3e-5a0e-4a51-9d5c-0c6b8f1f2a3d}"),
        ("no hyphens", "0b8f6f3e5a0e4a519d5c0c6b8f1f2a3d"),
        ("urn", "urn:uuid:0b8f6f3e-5a0e-4a51-9d5c-0c6b8f1f2a3d"),
        ("too short", "0b8f6f3e"),
        ("a number", 7),
    ],
)
def test_only_the_canonical_form_is_an_id(_case: str, value: object) -> None:
    text = "0B8F6F3E-5a0e-4a51-9d5c-0c6b8f1f2a3d"
    assert wire.uuid(text) == UUID(text)

    with pytest.raises(wire.Refused):
        wire.uuid(value)


@pytest.mark.parametrize(
    ("_case", "raw"),
    [
        ("empty", b""),
        ("cut off", b'{"a": 1'),
        ("two documents", b"{} {}"),
        ("not a number", b'{"a": NaN}'),
        ("infinity", b'{"a": -Infinity}'),
        ("not utf-8", b'{"a": "\xff"}'),
        ("another encoding", '{"a": 1}'.encode("utf-16")),
        ("half a pair in utf-8", b'{"a": "\xed\xa0\x80"}'),
        ("a raw control character", b'{"a": "\x00"}'),
        ("a byte order mark", b"\xef\xbb\xbf{}"),
        ("too deep", b"[" * 100_000),
        ("a huge integer", b"1" * 10_000),
    ],
)
def test_what_is_not_json_is_refused(_case: str, raw: bytes) -> None:
    with pytest.raises(wire.NotJson):
        wire.loads(raw)


@pytest.mark.parametrize(
    ("_case", "raw", "found"),
    [
        ("nul in a value", rb'{"a": [1, "x\u0000y"]}', ["/a/1"]),
        ("nul in a key", rb'{"\u0000": 1}', [""]),
        ("half a pair", rb'{"a": "\ud83d", "b": "\uDE00"}', ["/a", "/b"]),
        ("a whole pair", rb'{"a": "\ud83d\ude00"}', []),
        ("an escaped escape", rb'{"a": "\\u0000"}', []),
    ],
)
def test_texts_that_cannot_be_stored_are_found(_case: str, raw: bytes, found: list[str]) -> None:
    assert wire.is_suspect(raw)
    assert [pointer for pointer, _ in wire.unstorable(wire.loads(raw))] == found


def test_a_document_without_such_escapes_is_not_walked() -> None:
    assert wire.is_suspect(rb'{"name": "Caf\u00e9"}') is False


def test_a_payload_keeps_texts_integers_booleans_and_null() -> None:
    value = {"a": "x", "b": 2**63 - 1, "c": True, "d": None, "e": [{"f": []}]}

    assert wire.payload(value) is value


@pytest.mark.parametrize(
    ("_case", "value", "code", "pointer"),
    [
        ("a list", [], "invalid_type", ""),
        ("a decimal as number", {"a": {"b": 1.5}}, "invalid_decimal", "/a/b"),
        ("too large", {"a": [0, 2**63]}, "out_of_range", "/a/1"),
        ("a repeated key", wire.loads(b'{"a": 1, "a": 2}'), "repeated_key", ""),
    ],
)
def test_a_payload_with_misfits_is_refused(
    _case: str, value: object, code: str, pointer: str
) -> None:
    with pytest.raises(wire.Refused) as caught:
        wire.payload(value)

    assert (caught.value.code, caught.value.pointer) == (code, pointer)


def test_a_payload_may_not_be_nested_without_end() -> None:
    value: dict[str, Any] = {}
    for _ in range(wire.DEPTH_MAX):
        value = {"a": value}

    with pytest.raises(wire.Refused, match="levels"):
        wire.payload(value)


def test_values_are_written_in_their_one_form() -> None:
    east = timezone(timedelta(hours=2))
    value = {
        "at": datetime(2026, 3, 1, 14, tzinfo=east),
        "fraction": NOON + timedelta(microseconds=5),
        "on": date(2026, 3, 1),
        "net": Decimal("1E+2"),
        "id": UUID("0b8f6f3e-5a0e-4a51-9d5c-0c6b8f1f2a3d"),
        "name": "Café",
    }

    assert wire.dumps(value).decode() == (
        '{"at":"2026-03-01T12:00:00Z","fraction":"2026-03-01T12:00:00.000005Z","on":"2026-03-01",'
        '"net":"100","id":"0b8f6f3e-5a0e-4a51-9d5c-0c6b8f1f2a3d","name":"Café"}'
    )


def test_a_value_without_a_form_is_not_written() -> None:
    with pytest.raises(TypeError, match="object"):
        wire.dumps({"a": object()})


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda at: 1970 <= at.year <= 9000))
def test_every_instant_survives_writing_and_reading(moment: datetime) -> None:
    assert wire.instant(wire.instant_text(moment)) == moment


@given(st.decimals(0, Decimal("99999999.9999"), places=4))
def test_every_amount_survives_writing_and_reading(amount: Decimal) -> None:
    assert wire.amount(wire.decimal_text(abs(amount))) == amount
