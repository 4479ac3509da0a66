"""Returns of purchases whose points had expired, and were given back by staff."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.tests.shop import (
    DAY,
    NOON,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    differences,
    join,
    line,
    negative_balances,
    program_file,
    refund,
)
from members.models import AdjustmentReason, Approval, Member, User
from members.queries.expired import Expiry, expiries_of
from members.services import ledger, reinstatement
from members.services.reinstatement import NothingToReinstate, Wish
from members.tests import staff

pytestmark = pytest.mark.django_db
LATE = NOON + 30 * DAY


def bought() -> tuple[Member, dict[str, Any]]:
    """Return a member whose 100 points of one purchase have expired, and the purchase."""
    apply(program_file({"expiry": {"model": "fixed_after", "days": 10}}))
    member = join()
    body = basket(line(price="10.00", quantity="10"), at=NOON)
    buy(body, moment=NOON)
    ledger.settle_due(member_ids=[member.pk], moment=LATE, recorded_at=LATE, actor="test")
    return member, body


def expiry_of(member: Member) -> Expiry:
    return expiries_of(member_id=member.pk)[0]


def reinstate(member: Member, points: int | None, by: User) -> None:
    wish = Wish(
        member_id=member.pk,
        expiry_id=expiry_of(member).id,
        reason=AdjustmentReason.objects.get(code="goodwill"),
        points=points,
    )
    made = reinstatement.reinstate(wish=wish, by=by, moment=LATE)
    assert made.approval.state == Approval.State.POSTED


def test_points_that_staff_gave_back_are_taken_back_by_the_return_of_their_purchase() -> None:
    """Edge case 11: what expired came back by a reinstatement, and then the goods did."""
    member, body = bought()
    assert balances(member).get("available", 0) == 0
    reinstate(member, None, staff.clerk())

    answer = bring_back(refund(body, at=LATE + DAY), moment=LATE + DAY)

    points = answer["points"]
    assert (points["from_available"], points["already_expired"], points["to_debt"]) == (100, 0, 0)
    assert balances(member).get("available", 0) == 0
    assert expiry_of(member).left == 0
    assert differences() == []
    assert negative_balances() == []


def test_points_of_goods_that_came_back_after_their_end_are_not_given_back() -> None:
    """Edge case 11, the other way round: the goods came back while their points were expired."""
    member, body = bought()
    bring_back(refund(body, ("1", "5"), at=LATE), moment=LATE)

    left, ann = expiry_of(member).left, staff.clerk()
    with pytest.raises(NothingToReinstate, match="51 points asked, 50 can be given back"):
        reinstate(member, 51, ann)
    reinstate(member, 50, ann)
    bring_back(refund(body, at=LATE + DAY), moment=LATE + DAY)

    assert left == 50
    assert balances(member).get("available", 0) == 0
    assert differences() == []
