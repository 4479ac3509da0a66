"""A date of birth that staff correct in the admin."""

from __future__ import annotations

from datetime import date

import pytest
from django.contrib.admin.models import LogEntry

from loyalty_site.tests import club, staffed
from members.models import BirthDateChange, Member

pytestmark = pytest.mark.django_db

FORM = {"birth_date": "1990-03-01", "why": "The passport says so"}


@pytest.fixture
def member() -> Member:
    club.open_club()
    return club.join()


def test_staff_correct_it_on_the_members_page(member: Member) -> None:
    root = staffed.browser_of(staffed.superuser())
    address = f"/admin/members/member/{member.pk}/birth-date/"

    page = root.get(f"/admin/members/member/{member.pk}/change/").content.decode()
    first = root.post(address, FORM, follow=True)
    second = root.post(address, {**FORM, "birth_date": "1990-03-02"}, follow=True)

    member.refresh_from_db()
    assert address in page
    assert b"The date of birth was corrected." in first.content
    assert b"The date of birth was corrected this year already" in second.content
    assert member.birth_date == date(1990, 3, 1)
    assert [each.why for each in BirthDateChange.objects.all()] == ["The passport says so"]
    # The history outlives an erasure.
    assert [each.change_message for each in LogEntry.objects.all()] == [
        "The date of birth was corrected."
    ]


def test_who_may_not_change_members_corrects_nothing(member: Member) -> None:
    viewer = staffed.browser_of(staffed.staff("members.view_member"))

    answer = viewer.post(f"/admin/members/member/{member.pk}/birth-date/", FORM)

    member.refresh_from_db()
    assert (answer.status_code, member.birth_date) == (403, None)


@pytest.mark.parametrize("left_out", ["birth_date", "why"])
def test_a_day_and_a_reason_are_needed(member: Member, left_out: str) -> None:
    root = staffed.browser_of(staffed.superuser())
    form = {name: value for name, value in FORM.items() if name != left_out}

    answer = root.post(f"/admin/members/member/{member.pk}/birth-date/", form, follow=True)

    member.refresh_from_db()
    assert b"Write the day and why it is corrected." in answer.content
    assert member.birth_date is None
