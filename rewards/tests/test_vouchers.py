"""Codes and lifetimes of vouchers, without a database."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from rewards import vouchers

LISBON = ZoneInfo("Europe/Lisbon")


def test_a_code_holds_at_least_sixty_bits_in_characters_that_nobody_mixes_up() -> None:
    code = vouchers.new_code()

    assert len(code.replace("-", "")) * math.log2(len(vouchers.ALPHABET)) >= 60
    assert set(vouchers.ALPHABET).isdisjoint("0O1IL2Z5S8BU")
    assert len(set(vouchers.ALPHABET)) == len(vouchers.ALPHABET)
    assert len(code) <= 32


def test_two_codes_differ() -> None:
    assert len({vouchers.new_code() for _ in range(1000)}) == 1000


def test_a_code_is_written_in_groups() -> None:
    assert vouchers.new_code(lambda choices: choices[0]) == "33333-33333-33333"


@pytest.mark.parametrize(
    ("_case", "text", "code"),
    [
        ("as printed", "3F4A7-KQ9TX-RM6CD", "3F4A7-KQ9TX-RM6CD"),
        ("small letters", "3f4a7-kq9tx-rm6cd", "3F4A7-KQ9TX-RM6CD"),
        ("no hyphens", "3F4A7KQ9TXRM6CD", "3F4A7-KQ9TX-RM6CD"),
        ("spaces", " 3F4 A7 KQ9TX RM6CD\n", "3F4A7-KQ9TX-RM6CD"),
        ("too short", "3F4A7-KQ9TX", None),
        ("too long", "3F4A7-KQ9TX-RM6CDA", None),
        ("a character that no code has", "3F4A7-KQ9TX-RM6C0", None),
        ("nothing", "", None),
        ("a letter that grows when made large", "3F4A7-KQ9TX-RM6Cß", None),
    ],
)
def test_a_typed_code_is_read_as_it_is_stored(_case: str, text: str, code: str | None) -> None:
    assert vouchers.normalize(text) == code


@pytest.mark.parametrize(
    ("_case", "issued_at", "days", "expected"),
    [
        ("through the last day", datetime(2026, 1, 10, 15, tzinfo=UTC), 30, (2026, 2, 10, 0)),
        ("local day, not UTC's", datetime(2026, 7, 1, 23, 30, tzinfo=UTC), 1, (2026, 7, 3, 23)),
        ("over the change of clocks", datetime(2026, 3, 20, 12, tzinfo=UTC), 10, (2026, 3, 30, 23)),
        ("one day", datetime(2026, 2, 28, 12, tzinfo=UTC), 1, (2026, 3, 2, 0)),
    ],
)
def test_a_voucher_lasts_through_its_last_local_day(
    _case: str, issued_at: datetime, days: int, expected: tuple[int, int, int, int]
) -> None:
    assert vouchers.expires_at(issued_at, days, LISBON) == datetime(*expected, tzinfo=UTC)


def test_a_voucher_may_be_without_end() -> None:
    issued_at = datetime(2026, 1, 10, tzinfo=UTC)

    assert vouchers.expires_at(issued_at, vouchers.WITHOUT_END, LISBON) is None
