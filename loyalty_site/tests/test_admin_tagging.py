"""Tags on the member's page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from loyalty_site.tests import staffed
from members.models import Member, MemberTag

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Member:
    """Return the member of a shop that has a bit of everything."""
    return staffed.open_shop()


def post(browser: Client, member: Member, **told: str) -> str:
    """Post the form, and return the page that follows."""
    answer = browser.post(f"/admin/members/member/{member.pk}/tags/", told, follow=True)
    return answer.content.decode()


def test_staff_put_a_tag_on_and_take_it_off_again(member: Member) -> None:
    root = staffed.browser_of(staffed.superuser())
    tomorrow = timezone.now().date() + timedelta(days=1)

    page = post(root, member, act="add", tag=" Likes-Cheese ", last_day=tomorrow.isoformat())

    row = MemberTag.objects.get()
    assert row.tag == "likes-cheese"
    assert row.actor.startswith("staff:")
    assert row.expires_at is not None
    assert row.expires_at.date() in {tomorrow, tomorrow + timedelta(days=1)}
    assert "Take likes-cheese off" in page
    assert LogEntry.objects.get().change_message == "Tag likes-cheese put on."

    post(root, member, act="remove", tag="likes-cheese")

    assert not MemberTag.objects.exists()


@pytest.mark.parametrize(
    ("_case", "told", "said"),
    [
        ("two words", {"tag": "two words"}, "is no tag"),
        ("no day", {"tag": "vip", "last_day": "2026-02-30"}, "Write one word"),
        ("a day that is over", {"tag": "vip", "last_day": "2020-01-01"}, "end before it begins"),
        ("nothing", {}, "Write one word"),
    ],
)
def test_what_cannot_be_a_tag_is_said(
    _case: str, told: dict[str, str], said: str, member: Member
) -> None:
    root = staffed.browser_of(staffed.superuser())

    assert said in post(root, member, act="add", **told)
    assert not MemberTag.objects.exists()


def test_who_may_only_look_tags_nobody(member: Member) -> None:
    browser = staffed.browser_of(staffed.staff("view_member", "view_membertag"))

    assert (
        "Put on" not in browser.get(f"/admin/members/member/{member.pk}/change/").content.decode()
    )
    answer = browser.post(f"/admin/members/member/{member.pk}/tags/", {"act": "add", "tag": "vip"})

    assert answer.status_code == 403
    assert not MemberTag.objects.exists()
