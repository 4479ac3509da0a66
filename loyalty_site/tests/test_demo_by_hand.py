"""What the demo shows of the work of staff."""

from __future__ import annotations

from django.utils import timezone

from campaigns.models import EarningCode
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


def test_the_demo_has_lids_whose_codes_are_made_once(db: None) -> None:
    staffed.open_shop()

    counts = [by_hand.print_lids(timezone.now()) for _ in range(2)]

    assert counts == [by_hand.LIDS, 0]
    assert EarningCode.objects.filter(redeemed_at__isnull=False).count() == 1
    assert reconciliation.verify().is_proved
