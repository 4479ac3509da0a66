"""A date of birth is said once by the member, and corrected by staff once a year."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from loyalty_site.lib.problems import Invalid
from members.models import BirthDateChange, Member
from members.services import profile
from members.tests.callers import Caller, app, login_of, till
from members.tests.people import NOON, make_member, make_program
from members.tests.staff import clerk

BORN = "1990-02-28"

pytestmark = [pytest.mark.django_db, pytest.mark.urls("members.tests.urls")]


@pytest.fixture
def member() -> Member:
    """Return a member who has not said when they were born."""
    make_program()
    return make_member(first_name="Ana", identifiers=[("email", "ana@example.com")])


@pytest.fixture
def mine(member: Member) -> Caller:
    """Return the app of the member."""
    return app(login_of(member))


def born(member: Member) -> date | None:
    """Return the date that is kept."""
    return Member.objects.get(pk=member.pk).birth_date


def correct(member: Member, day: date, *, moment: datetime = NOON, why: str = "typo") -> None:
    """Correct it as a person of the staff."""
    user = clerk(f"ann{BirthDateChange.objects.count()}-{moment.year}-{day}")
    profile.correct_birth_date(member_id=member.pk, birth_date=day, by=user, why=why, moment=moment)


@pytest.mark.parametrize("later", ["1990-03-01", None], ids=["another", "none"])
def test_members_say_once_when_they_were_born(
    member: Member, mine: Caller, later: str | None
) -> None:
    first = mine.patch("/me", {"birth_date": BORN})
    again = mine.patch("/me", {"birth_date": BORN, "first_name": "Eva"})
    other = mine.patch("/me", {"birth_date": later, "first_name": "Ada"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert (other.status_code, other.json()["code"]) == (409, "birth_date_locked")
    member.refresh_from_db()
    assert (str(member.birth_date), member.first_name) == (BORN, "Eva")


def test_a_shop_may_correct_what_it_knows_better(member: Member, mine: Caller) -> None:
    mine.patch("/me", {"birth_date": BORN})

    answer = till().patch(f"/members/{member.public_id}", {"birth_date": "1990-03-01"})

    assert answer.status_code == 200
    assert born(member) == date(1990, 3, 1)


def test_staff_correct_it_once_a_calendar_year(member: Member) -> None:
    correct(member, date(1990, 3, 1))

    with pytest.raises(profile.BirthDateCorrected):
        correct(member, date(1990, 3, 2))
    kept = born(member)
    correct(member, date(1990, 3, 2), moment=datetime(NOON.year + 1, 1, 1, 12, tzinfo=UTC))

    assert (kept, born(member)) == (date(1990, 3, 1), date(1990, 3, 2))
    assert list(BirthDateChange.objects.values_list("year", "why")) == [
        (NOON.year, "typo"),
        (NOON.year + 1, "typo"),
    ]


def test_the_day_that_stands_there_is_no_correction(member: Member) -> None:
    Member.objects.filter(pk=member.pk).update(birth_date=date(1990, 3, 1))

    correct(member, date(1990, 3, 1))

    assert BirthDateChange.objects.count() == 0


@pytest.mark.parametrize(
    ("_case", "day", "why"),
    [("no reason", date(1990, 3, 1), " "), ("nobody's day", date(1850, 3, 1), "typo")],
    ids=["no-reason", "nobody"],
)
def test_a_correction_has_a_reason_and_a_day(
    _case: str, member: Member, day: date, why: str
) -> None:
    with pytest.raises(Invalid):
        correct(member, day, why=why)

    assert (born(member), BirthDateChange.objects.count()) == (None, 0)
