"""What the demo shows of the work of staff."""

from __future__ import annotations

from django.utils import timezone

from campaigns.models import AnnouncedChange, CampaignDraft, EarningCode
from campaigns.programfile import parse
from campaigns.services import drafts, program
from campaigns.tests.shop import join, rule
from demo import by_hand, campaigning
from loyalty_site.tests import club, staffed
from members.models import Approval, LedgerNote, Member, Pool, Program
from members.services import pool_points, reconciliation
from members.tests.people import earn

HOUSEHOLD = {
    **{"kind": "household", "members_max": 6, "share_pct": 0, "cap": None},
    **{"tenure_days": 30, "redeem": ["owner", "adult"]},
}


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


def test_the_demo_has_a_household_of_two_that_is_founded_once(db: None) -> None:
    first = staffed.open_shop()
    Program.objects.update(pools={"household": HOUSEHOLD})
    second = join("6011000002", at=first.enrolled_at)
    for member in (first, second):
        earn(member, 80, at=first.enrolled_at)

    counts = [by_hand.found_household(timezone.now()) for _ in range(2)]

    assert counts == [2, 2]
    pool = Pool.objects.get()
    assert pool_points.held_by(pool) == 2 * by_hand.HOUSEHOLD_POINTS
    own = [check for check in reconciliation.checks() if check.name[0].isdigit()]
    assert reconciliation.verify(own).is_proved


def test_the_demo_asks_its_members_once(db: None) -> None:
    staffed.open_shop()

    assert [by_hand.ask(timezone.now()) for _ in range(2)] == [1, 0]


def test_the_demo_has_a_campaign_in_review_once(db: None) -> None:
    staffed.open_shop()

    written = [campaigning.write_campaign(timezone.now()) for _ in range(2)]

    draft = CampaignDraft.objects.get()
    assert written == [True, False]
    assert (draft.state, draft.campaign.status) == ("in_review", "in_review")
    assert not drafts.may_start_alone(draft)


def test_the_demo_announces_a_dearer_reward_and_keeps_what_staff_started(db: None) -> None:
    club.open_club()
    moment = club.NOW
    body = {"code": "mine", "name": {"en": "Mine"}, "budget_points": 1, "rules": [rule("m", 1)]}
    root = staffed.superuser()
    drafts.start(
        draft_id=drafts.begin(body=body, by=root, moment=moment).pk, by=root, moment=moment
    )
    document = parse(club.FILE.read_text(encoding="utf-8"))

    for _ in range(2):
        program.apply(document=campaigning.stated(document), moment=moment)

    change = AnnouncedChange.objects.get()
    assert (change.path, change.before, change.after) == ("rewards.tote.points_price", 900, 1000)
    assert "mine" in [each["code"] for each in drafts.live()["campaigns"]]
