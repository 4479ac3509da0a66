"""The demo's invented people: stable, distinct, and nobody's."""

from __future__ import annotations

from collections import Counter

import phonenumbers
import pytest

from demo.people import LEAP_DAY, card_number, luhn_digit, person

HOUSEHOLDS = range(1, 2501)


@pytest.mark.parametrize(
    ("_case", "digits", "check"),
    # 7992739871 with 3 is the example that the descriptions of the algorithm share; of the card
    # 2 + 2 + 1 + 3 = 8 lacks 2.
    [("standard", "7992739871", 3), ("zeros", "0000", 0), ("card", "601100001", 2)],
)
def test_the_check_digit_is_that_of_luhn(_case: str, digits: str, check: int) -> None:
    assert luhn_digit(digits) == check


def test_a_card_number_is_ten_digits_and_never_a_payment_card() -> None:
    assert card_number(1) == "6011000012"
    assert card_number(929) == "6011009294"
    assert {len(card_number(household)) for household in HOUSEHOLDS} == {10}


def test_a_household_is_always_the_same_person() -> None:
    who = person(929)

    assert (who.first_name, who.last_name) == ("Anya", "Kestrelcote")
    assert who.email == "anya.kestrelcote.929@example.com"
    assert who.locale == "en"
    assert person(929) == who


def test_identifiers_of_all_households_differ() -> None:
    people = [person(household) for household in HOUSEHOLDS]

    assert len({who.card for who in people}) == 2500
    assert len({who.email for who in people}) == 2500
    phones = [who.phone for who in people if who.phone]
    assert len(set(phones)) == len(phones) > 700


def test_phones_are_valid_numbers_that_are_reserved_for_fiction() -> None:
    phones = [phone for phone in (person(household).phone for household in HOUSEHOLDS) if phone]

    assert {(phone[:2], phone[5:10]) for phone in phones} == {("+1", "55501")}
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(phone)) for phone in phones)


def test_addresses_are_ascii_at_the_example_domain() -> None:
    emails = [person(household).email for household in HOUSEHOLDS]

    assert all(email.isascii() and email.endswith("@example.com") for email in emails)


def test_most_people_read_english_and_some_chinese_or_russian() -> None:
    locales = Counter(person(household).locale for household in HOUSEHOLDS)

    assert locales.keys() == {"en", "zh-hans", "ru"}
    assert locales["en"] > 1900
    assert min(locales.values()) > 200


def test_only_who_is_told_to_be_is_born_on_a_leap_day() -> None:
    born = [person(household).birth_date for household in HOUSEHOLDS]

    assert LEAP_DAY not in born
    assert person(112, born_on_leap_day=True).birth_date == LEAP_DAY
    assert 200 < born.count(None) < 450
