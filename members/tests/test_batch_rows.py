"""What a line of a file of points must hold, and what is said of one that does not."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from members.batch_rows import NotSuchAFile, Problem, Wanted, read, safe_cell

LISBON = ZoneInfo("Europe/Lisbon")
NOW = datetime(2026, 7, 10, 12, tzinfo=UTC)
HEADER = "member,points,earned_date,last_day,pending_until,tier,tier_until"


def rows(*lines: str, header: str = HEADER) -> list[Wanted | Problem]:
    return list(read([header, *lines], zone=LISBON, moment=NOW, tiers={"gold", "silver"}))


def test_a_whole_line_is_read_in_the_zone_of_the_program() -> None:
    (row,) = rows("6011000001,250,2026-06-30,2027-06-30,2026-08-01,gold,2027-01-31")

    assert row == Wanted(
        line=2,
        member="6011000001",
        points=250,
        earned_at=datetime(2026, 6, 29, 23, tzinfo=UTC),
        available_at=datetime(2026, 7, 31, 23, tzinfo=UTC),
        expires_at=datetime(2027, 6, 30, 23, tzinfo=UTC),
        is_endless=False,
        tier="gold",
        tier_until=datetime(2027, 2, 1, tzinfo=UTC),
    )


def test_only_member_and_points_are_needed_and_empty_lines_are_none() -> None:
    (row,) = rows("", '"6011000001","7"', " ,", header="\ufeffMember,Points")

    assert isinstance(row, Wanted)
    assert (row.line, row.points, row.earned_at, row.expires_at) == (3, 7, NOW, None)


@pytest.mark.parametrize(
    ("_case", "line", "said"),
    [
        ("nobody", ",5,,,,,", "member: a member number or an identifier is expected"),
        ("a fraction", "a,1.5,,,,,", "points: a whole number of points is expected"),
        ("a negative", "a,-5,,,,,", "points: a whole number of points is expected"),
        ("a formula", "a,=1+1,,,,,", "points: a whole number of points is expected"),
        ("no points", "a,0,,,,,", "points: 1 to 1000000000 points are expected"),
        ("too many", "a,1000000001,,,,,", "points: 1 to 1000000000 points are expected"),
        ("a day of another form", "a,5,30.06.2026,,,,", "earned_date: a day as 2026-03-31"),
        ("a future day", "a,5,2026-07-11,,,,", "earned_date: a day that is not in the future"),
        ("an end that is over", "a,5,,2026-07-09,,,", "last_day: a day that is not over"),
        ("pending past the end", "a,5,,2026-08-01,2026-08-02,,", "pending_until: a day before"),
        ("an unknown tier", "a,5,,,,iron,2027-01-01", "tier: one of gold, silver is expected"),
        ("a tier without an end", "a,5,,,,gold,", "tier_until: the last day of the tier"),
        ("an end without a tier", "a,5,,,,,2027-01-01", "tier: the tier that lasts until then"),
        ("a value too few", "a,5", "line: 7 values are expected"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_line_that_is_wrong_says_where_and_what_is_expected(
    _case: str, line: str, said: str
) -> None:
    (problem,) = rows(line)

    assert isinstance(problem, Problem)
    assert (problem.line, str(problem).startswith(said)) == (2, True), str(problem)


@pytest.mark.parametrize("header", ["", "member", "member,points,name", "member,member,points"])
def test_a_file_without_the_columns_is_no_such_file(header: str) -> None:
    with pytest.raises(NotSuchAFile):
        rows("a,5", header=header)


def test_an_endless_line_is_refused_before_it_is_read_as_one() -> None:
    with pytest.raises(NotSuchAFile):
        rows("a" * 3000 + ",5")


@pytest.mark.parametrize(
    ("text", "written"),
    [("=1+1", "'=1+1"), ("+5", "'+5"), ("-5", "'-5"), ("@x", "'@x"), ("a=1", "a=1"), ("", "")],
)
def test_what_a_spreadsheet_would_compute_is_escaped(text: str, written: str) -> None:
    assert safe_cell(text) == written
