"""Pages by key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from loyalty_site.lib import cursors, query
from loyalty_site.lib.problems import Invalid, InvalidCursor


class Numbers:
    """A list of numbers, greatest first, as a reader."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = set(numbers)

    def __call__(
        self, *, after: cursors.Key | None, before: cursors.Key | None, limit: int
    ) -> Sequence[int]:
        if before is not None:
            return sorted(n for n in self.numbers if n > before[0])[:limit]
        below = (n for n in self.numbers if after is None or n < after[0])
        return sorted(below, reverse=True)[:limit]


def page(numbers: Numbers, limit: int, cursor: str | None = None) -> dict[str, Any]:
    return cursors.page(
        numbers, key_of=lambda n: (n,), serialize=int, limit=limit, cursor=cursor, scope="numbers"
    )


def test_a_list_that_fits_has_no_pages_beside_it() -> None:
    assert page(Numbers(1, 2, 3), 3) == {
        "results": [3, 2, 1],
        "next_cursor": None,
        "prev_cursor": None,
    }


def test_an_empty_list_is_one_empty_page() -> None:
    assert page(Numbers(), 3) == {"results": [], "next_cursor": None, "prev_cursor": None}


def test_pages_go_forward_to_the_end_and_back_to_the_start() -> None:
    numbers = Numbers(1, 2, 3, 4, 5)

    first = page(numbers, 2)
    second = page(numbers, 2, first["next_cursor"])
    last = page(numbers, 2, second["next_cursor"])
    back = page(numbers, 2, last["prev_cursor"])
    start = page(numbers, 2, back["prev_cursor"])

    assert [p["results"] for p in (first, second, last, back, start)] == [
        [5, 4],
        [3, 2],
        [1],
        [3, 2],
        [5, 4],
    ]
    assert first["prev_cursor"] is None
    assert last["next_cursor"] is None
    assert start["prev_cursor"] is None
    assert page(numbers, 2, start["next_cursor"])["results"] == [3, 2]


def test_rows_added_meanwhile_neither_repeat_nor_hide_one() -> None:
    numbers = Numbers(10, 20, 30, 40)

    first = page(numbers, 2)
    numbers.numbers |= {50, 25, 35}
    second = page(numbers, 2, first["next_cursor"])
    back = page(numbers, 2, second["prev_cursor"])
    newest = page(numbers, 2, back["prev_cursor"])

    assert first["results"] == [40, 30]
    assert second["results"] == [25, 20]
    assert back["results"] == [35, 30]
    assert newest["results"] == [50, 40]
    assert newest["prev_cursor"] is None


@given(st.sets(st.integers(0, 60)), st.integers(1, 9))
def test_walking_forward_sees_every_row_once(numbers: set[int], limit: int) -> None:
    seen: list[int] = []
    cursor = None
    while True:
        found = page(Numbers(*numbers), limit, cursor)
        seen += found["results"]
        cursor = found["next_cursor"]
        if cursor is None:
            break

    assert seen == sorted(numbers, reverse=True)


def test_a_key_of_any_type_comes_back() -> None:
    key = (
        datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC),
        UUID("0b8f6f3e-5a0e-4a51-9d5c-0c6b8f1f2a3d"),
        Decimal("1.50"),
        7,
        "café",
    )
    cursor = cursors.Cursor(cursors.AFTER, key)

    assert cursors.decode(cursors.encode(cursor, "list"), "list") == cursor


@pytest.mark.parametrize(
    ("_case", "text"),
    [
        ("empty", ""),
        ("words", "next"),
        ("other alphabet", "é"),
        ("a space", "a b"),
        ("nul", "\x00"),
        ("too long", "A" * 5000),
        ("unsigned", "AAAAAAAAAAAAAAAAWyJhIixbIiIsMV1d"),
    ],
)
def test_a_broken_cursor_is_refused(_case: str, text: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors.decode(text, "list")


def test_a_cursor_serves_only_its_own_list() -> None:
    text = cursors.encode(cursors.Cursor(cursors.AFTER, (1,)), "/members/1/entries")

    with pytest.raises(InvalidCursor):
        cursors.decode(text, "/members/2/entries")


def test_a_changed_cursor_is_refused() -> None:
    text = cursors.encode(cursors.Cursor(cursors.AFTER, (1,)), "list")

    for index in range(len(text)):
        changed = text[:index] + ("A" if text[index] != "A" else "B") + text[index + 1 :]
        # The last character carries bits that no byte holds.
        if index < len(text) - 1:
            with pytest.raises(InvalidCursor):
                cursors.decode(changed, "list")


@pytest.mark.parametrize("text", ["0", "101", "-1", "1.5", "x", "", "1000", "٢", " 5", "05"])
def test_a_limit_outside_1_to_100_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        query.limit(RequestFactory().get("/", {"limit": text}))

    assert caught.value.errors[0].pointer == "/limit"


@pytest.mark.parametrize(("text", "limit"), [(None, 25), ("1", 1), ("100", 100)])
def test_a_limit_is_25_unless_told(text: str | None, limit: int) -> None:
    request = RequestFactory().get("/", {} if text is None else {"limit": text})

    assert query.limit(request) == limit


def test_a_plus_lost_in_the_address_is_found_again() -> None:
    request = RequestFactory().get("/?as_of=2026-03-01T14:00:00+02:00")

    assert query.instant(request, "as_of") == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["True", "1", "", "yes"])
def test_a_flag_is_true_or_false_and_nothing_else(text: str) -> None:
    assert query.flag(RequestFactory().get("/?dry_run=true"), "dry_run") is True
    assert query.flag(RequestFactory().get("/?dry_run=false"), "dry_run") is False
    assert query.flag(RequestFactory().get("/"), "dry_run") is False

    with pytest.raises(Invalid):
        query.flag(RequestFactory().get("/", {"dry_run": text}), "dry_run")


def test_a_text_of_the_query_has_no_nul() -> None:
    with pytest.raises(Invalid):
        query.required(RequestFactory().get("/?identifier=%00"), "identifier")
    with pytest.raises(Invalid):
        query.required(RequestFactory().get("/"), "identifier")
    assert query.required(RequestFactory().get("/?identifier=a%20b"), "identifier") == "a b"
