"""Staff compare two members, merge them, and take them apart again."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.tests.shop import JOINED, join
from loyalty_site.tests import staffed
from members.models import Member, MemberMerge, MergeCandidate


@pytest.fixture
def member(db: None) -> Member:
    """Return the member of a shop that has a bit of everything."""
    return staffed.open_shop()


@pytest.fixture
def root(member: Member) -> Client:
    """Return the browser of a superuser."""
    return staffed.browser_of(staffed.superuser())


def _named(root: Client, member: Member, other: Member) -> MergeCandidate:
    root.post(
        reverse("admin:members_mergecandidate_name"), {"one": member.number, "other": other.number}
    )
    return MergeCandidate.objects.get()


def test_two_members_are_compared_merged_and_taken_apart(root: Client, member: Member) -> None:
    other = join("6011000777", at=JOINED, first_name="Ada", last_name="Lark")
    pair = _named(root, other, member)
    compare = root.get(reverse("admin:members_mergecandidate_change", args=[pair.pk]))
    # The one with points held stays.
    form = {"survivor": member.pk, "tier": "higher", "vouchers": "keep", "reason": "one person"}

    answer = root.post(
        reverse("admin:members_mergecandidate_merge", args=[pair.pk]), form, follow=True
    )

    row = MemberMerge.objects.get()
    other.refresh_from_db()
    assert "same name" in compare.content.decode()
    assert "They are one member now." in answer.content.decode()
    assert row.made_by is not None
    assert (other.status, other.merged_into, row.made_by.email) == (
        *("merged", member),
        "root@example.com",
    )
    undone = root.post(reverse("admin:members_membermerge_undo", args=[row.pk]), follow=True)
    other.refresh_from_db()
    assert "They are two members again." in undone.content.decode()
    assert other.status == "active"


def test_without_who_stays_or_why_nothing_is_merged(root: Client, member: Member) -> None:
    pair = _named(root, join("6011000777"), member)
    url = reverse("admin:members_mergecandidate_merge", args=[pair.pk])

    for form in ({}, {"survivor": 0, "tier": "higher", "vouchers": "keep", "reason": "x"}):
        page = root.post(url, form, follow=True)
        assert "Choose who stays, and say why." in page.content.decode()
    assert not MemberMerge.objects.exists()


def test_a_pair_is_dismissed(root: Client, member: Member) -> None:
    pair = _named(root, join("6011000777"), member)

    root.post(reverse("admin:members_mergecandidate_dismiss", args=[pair.pk]))

    pair.refresh_from_db()
    assert pair.state == "dismissed"


def test_merging_asks_for_its_permission(member: Member) -> None:
    desk = staffed.browser_of(staffed.staff("view_member", "view_mergecandidate"))
    other = join("6011000777")

    answer = desk.post(
        reverse("admin:members_mergecandidate_name"), {"one": member.number, "other": other.number}
    )

    assert answer.status_code == 403
    assert not MergeCandidate.objects.exists()


def test_nobody_is_compared_with_oneself(root: Client, member: Member) -> None:
    page = root.post(
        reverse("admin:members_mergecandidate_name"),
        {"one": member.number, "other": member.number},
        follow=True,
    )

    assert "Name two different members" in page.content.decode()
