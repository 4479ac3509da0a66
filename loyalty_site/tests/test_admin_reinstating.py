"""Expired points on the page of a member, and the form that gives them back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loyalty_site.tests import staffed
from loyalty_site.tests.test_admin_adjusting import available, clerk, decide
from members.models import AdjustmentReason, Approval, LedgerTransaction, Member, PointLot, User
from members.services import ledger
from members.tests.people import DAY, earn


@pytest.fixture
def member(db: None) -> Member:
    """Return a member of a living shop of whose points 1,200 and 40 expired five days ago."""
    found, now = staffed.open_shop(), timezone.now()
    for points in (1200, 40):
        earn(found, points, at=now - 20 * DAY, expires_at=now - 5 * DAY)
    ledger.settle_due(member_ids=[found.pk], moment=now, recorded_at=now, actor="test")
    return found


@pytest.fixture
def ann(member: Member) -> Client:
    """Return the browser of one of the staff."""
    return staffed.browser_of(clerk("ann"))


def page_of(member: Member) -> str:
    expiry = LedgerTransaction.objects.filter(member=member, type="expire").latest("pk")
    return reverse("admin:members_member_reinstate", args=[member.pk, expiry.pk])


def form(points: int, **told: Any) -> dict[str, Any]:
    reason = AdjustmentReason.objects.get(code="goodwill").pk
    return {
        "key": str(uuid4()),
        "points": points,
        "reason": reason,
        "note": "As we promised",
        "why": "Called on Monday",
        **told,
    }


def test_staff_find_what_expired_and_give_it_back_with_a_reason_that_the_member_reads(
    ann: Client, member: Member
) -> None:
    before = available(member)
    page = ann.get(reverse("admin:members_member_change", args=[member.pk])).content.decode()
    asked = ann.get(page_of(member)).content.decode()
    last_day = timezone.localdate() + timedelta(days=20)

    answer = ann.post(page_of(member), form(140, last_day=last_day.isoformat()))
    posted = LedgerTransaction.objects.get(type="reinstate")
    member.user = User.objects.create_user("ada@example.com", "a long enough password")
    member.save()
    mine = staffed.browser_of(member.user)
    why = mine.get(reverse("activity_why", args=[posted.public_id])).content.decode()

    assert "Give back up to 1,240" in page
    assert 'value="1240"' in asked
    assert answer["Location"].endswith("#statement")
    assert available(member) == before + 140
    activity = mine.get(reverse("activity")).content.decode()
    assert "Expired points given back" in activity
    assert "A gesture of goodwill" in activity
    assert "We gave you points back that had expired: A gesture of goodwill." in why
    assert "As we promised" in why
    assert "Called on Monday" not in why
    assert why.count("These points can be used through") == 1
    assert PointLot.objects.get(transaction=posted).points == 140


def test_a_large_one_waits_on_the_list_of_approvals_and_is_posted_by_somebody_else(
    ann: Client, member: Member
) -> None:
    before = available(member)
    ann.post(page_of(member), form(1240))
    approval = Approval.objects.get()
    ben = staffed.browser_of(clerk("ben"))
    page = ben.get(reverse("admin:members_approval_change", args=[approval.pk])).content.decode()

    ann.post(decide(approval), {"step": "approve"})
    alone = available(member)
    ben.post(decide(approval), {"step": "approve"})

    assert "A gesture of goodwill · As we promised" in page
    assert (alone, available(member)) == (before, before + 1240)


@pytest.mark.parametrize(
    ("_case", "told", "sentence"),
    [
        ("more than expired", {"points": 1241}, "1241 points asked, 1240 can be given back."),
        ("no points", {"points": 0}, "greater than or equal to 1"),
        ("a day that is over", {"last_day": "2020-01-01"}, "expired already"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_given_back_is_said_on_the_form(
    _case: str, told: dict[str, Any], sentence: str, ann: Client, member: Member
) -> None:
    answer = ann.post(page_of(member), {**form(1), **told})

    assert sentence in answer.content.decode()
    assert not Approval.objects.exists()


def test_who_may_only_look_sees_what_expired_and_gives_nothing_back(member: Member) -> None:
    desk = staffed.browser_of(clerk("dan", "view_member", "view_approval"))

    answers = [desk.get(page_of(member)), desk.post(page_of(member), form(10))]
    page = desk.get(reverse("admin:members_member_change", args=[member.pk])).content.decode()

    assert [answer.status_code for answer in answers] == [403, 403]
    assert "Expired, latest first" in page
    assert "Give back" not in page
    assert not Approval.objects.exists()


def test_the_form_takes_few_queries_and_is_no_page_for_an_expiry_of_somebody_else(
    ann: Client, member: Member
) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert ann.get(page_of(member)).status_code == 200
    unknown = reverse("admin:members_member_reinstate", args=[member.pk, 1])

    assert len(captured) <= 12
    assert ann.get(unknown).status_code == 404
