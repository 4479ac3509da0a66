"""The demo shows an adjustment that was made, and one that waits for a second person."""

from __future__ import annotations

from django.utils import timezone

from campaigns.tests.shop import join
from demo import by_hand
from loyalty_site.tests import staffed
from members.models import Approval, LedgerNote, Member
from members.services import reconciliation


def test_the_demo_has_a_gesture_with_a_note_and_a_larger_one_that_waits(db: None) -> None:
    member = staffed.open_shop()
    join("6011000002", at=member.enrolled_at)

    counts = [by_hand.adjust(timezone.now()) for _ in range(2)]

    acts = Approval.objects.order_by("points").values_list("points", "state", "member_id")
    first, second = Member.objects.order_by("pk").values_list("pk", flat=True)
    assert counts == [2, 2]
    assert list(acts) == [(200, "posted", first), (5000, "requested", second)]
    assert LedgerNote.objects.get().text == by_hand.NOTE
    assert reconciliation.verify().is_proved
