"""Member numbers and identifiers: how they are written, checked and compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members import numbers


@pytest.mark.parametrize(
    ("_case", "digits", "expected"),
    [
        # Source: ISO/IEC 7812-1, annex B.4, the example number 4992 7398 716.
        ("the standard's example", "7992739871", 3),
        ("zeros", "0000", 0),
        ("a card of the demo", "601100001", 2),
    ],
)
def test_the_check_digit_follows_the_standard(_case: str, digits: str, expected: int) -> None:
    assert numbers.check_digit(digits) == expected


@given(st.integers(numbers.BODY_MIN, numbers.BODY_MAX), st.integers(0, 11), st.integers(1, 9))
def test_every_single_wrong_digit_is_noticed(body: int, place: int, shift: int) -> None:
    number = numbers.member_number(body)

    wrong = (int(number[place]) + shift) % 10
    misread = number[:place] + str(wrong) + number[place + 1 :]

    assert numbers.is_member_number(number)
    assert not numbers.is_member_number(misread)


def test_a_body_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="11 digits"):
        numbers.member_number(123)


def test_a_number_is_read_in_groups_of_four() -> None:
    assert numbers.grouped("123456789012") == "1234 5678 9012"


@pytest.mark.parametrize(
    ("_case", "kind", "value", "expected"),
    [
        ("case and spaces", "email", "  Ana@Example.COM ", "ana@example.com"),
        ("a plus", "email", "Ana+shop@example.com", "ana+shop@example.com"),
        ("an international domain", "email", "ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("spaces within", "phone", "+351 912 345 678", "+351912345678"),
        ("brackets and dashes", "phone", " +1 (202) 555-0123", "+12025550123"),
        ("a card keeps its case", "card", " aB-01 ", "aB-01"),
        ("an external id keeps inner spaces", "external_id", "crm 7", "crm 7"),
    ],
)
def test_identifiers_are_normalized(_case: str, kind: str, value: str, expected: str) -> None:
    assert numbers.normalized(kind, value) == expected


@pytest.mark.parametrize(
    ("_case", "kind", "value", "code"),
    [
        ("empty", "card", "   ", "required"),
        ("no at sign", "email", "ana.example.com", "invalid_email"),
        ("no domain", "email", "ana@", "invalid_email"),
        ("a host only", "email", "ana@localhost", "invalid_email"),
        ("the Kelvin sign", "email", "mi\u212ae@example.com", "invalid_email"),
        ("a dotless i", "email", "m\u0131ke@example.com", "invalid_email"),
        ("a line break", "email", "ana@example.com\nbcc: x", "invalid_email"),
        ("a national number", "phone", "912345678", "invalid_phone"),
        ("an extension", "phone", "+12025550123;ext=5", "invalid_phone"),
        ("letters", "phone", "+1800FLOWERS", "invalid_phone"),
        ("too short", "phone", "+1202", "invalid_phone"),
        ("a control character", "card", "60\x0711", "invalid_character"),
        ("an unknown kind", "passport", "X1", "invalid_choice"),
        ("too long", "external_id", "x" * 255, "too_long"),
    ],
)
def test_what_is_no_identifier_is_refused(_case: str, kind: str, value: str, code: str) -> None:
    with pytest.raises(numbers.NotAnIdentifier) as refusal:
        numbers.normalized(kind, value)

    assert refusal.value.code == code


@given(st.sampled_from(numbers.KINDS), st.text(max_size=40))
def test_normalizing_twice_changes_nothing(kind: str, value: str) -> None:
    try:
        once = numbers.normalized(kind, value)
    except numbers.NotAnIdentifier:
        return

    assert numbers.normalized(kind, once) == once
    assert (kind, once) in numbers.candidates(value)


def test_a_text_names_all_that_it_may_be() -> None:
    number = numbers.member_number(12345678901)

    assert numbers.candidates(f" {numbers.grouped(number)} ") == [
        ("card", numbers.grouped(number)),
        ("external_id", numbers.grouped(number)),
        ("number", number),
    ]
    assert numbers.candidates("+1 202 555 0123")[0] == ("phone", "+12025550123")
    assert numbers.candidates("   ") == []
