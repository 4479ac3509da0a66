"""What the demo's staff did by hand: gestures of goodwill, codes for the lids of jars, a survey."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from campaigns.queries.endings import default_end
from campaigns.services import codes, surveys
from campaigns.services.codes import BatchExists, BatchSpec
from campaigns.services.surveys import SurveyExists, SurveySpec
from members.models import AdjustmentReason, Member, Pool, PoolMembership, User
from members.queries.program import current_program, point_currency
from members.services import adjustments, approvals, pool_points, pools
from members.services.adjustments import Wish

CLERK_EMAIL = "counter@example.com"
NAMES = UUID("5b2f1f0a-6f0e-4c53-9d0e-6a4f7d3a2c11")
LIDS, REDEEMED = 200, 12
HOUSEHOLD_POINTS = 50
QUESTIONS = """\
How often do you cook at home?
- daily
- a few times a week
- rarely
What do you buy mostly with us? (optional)
* vegetables and fruit
* meat and fish
* bread
* things for the household
How likely is it that you recommend us to a friend?
0-10
What would you like to find in our shop? (optional)
"""
NOTE = "Sorry that your order was late."


def print_lids(moment: datetime) -> int:
    """Make the codes of the lids, which a member can redeem; return how many. A repeat makes none.

    Nobody is told them: whoever wants to try one makes a batch of their own in the admin.
    """
    asker = clerk()
    try:
        _, made = codes.make(
            spec=BatchSpec(code="lids", name="Lids of jam jars", count=LIDS),
            user=asker,
            moment=moment,
        )
    except BatchExists:
        return 0
    member = Member.objects.filter(status=Member.Status.ACTIVE).exclude(user=asker).order_by("pk")
    for found, code in zip(member[:REDEEMED], made, strict=False):
        codes.redeem(member=found, code=code, actor=f"member:{found.pk}", moment=moment)
    return len(made)


def found_household(moment: datetime) -> int:
    """Let two members hold points together; return how many are in the household.

    A repeat founds none, nor does a program without households.
    """
    program = current_program()
    if not program.pools.get("household") or Pool.objects.exists():
        return PoolMembership.objects.filter(left_at=None).count()
    active = Member.objects.filter(
        status=Member.Status.ACTIVE,
        enrolled_at__lte=moment - timedelta(days=program.pools["household"]["tenure_days"]),
        accounts__kind="available",
        accounts__currency=point_currency(program),
        accounts__balance__gte=HOUSEHOLD_POINTS,
    )
    couple = list(active.order_by("pk")[:2])
    if len(couple) < 2:
        return 0
    first, second = couple
    pools.found(member_id=first.pk, kind="household", name="At home", actor="demo", moment=moment)
    _row, code = pools.invite(member_id=first.pk, role="adult", actor="demo", moment=moment)
    pools.join(member_id=second.pk, code=code, actor="demo", moment=moment)
    for member in couple:
        pool_points.contribute(
            member_id=member.pk,
            points=HOUSEHOLD_POINTS,
            ref=f"demo-{member.pk}",
            actor="demo",
            moment=moment,
        )
    return len(couple)


def ask(moment: datetime) -> int:
    """Open the survey of the kitchen; return how many were opened. A repeat opens none."""
    spec = SurveySpec(
        code="kitchen",
        title="Your kitchen",
        intro="Four questions, one minute, 40 points.",
        questions=QUESTIONS,
        opens_at=moment,
        minimum_seconds=5,
    )
    try:
        surveys.make(spec=spec, user=clerk(), moment=moment)
    except SurveyExists:
        return 0
    return 1


def adjust(moment: datetime) -> int:
    """Make both acts for the first two members; return how many there are. A repeat makes none."""
    program = current_program()
    currency = point_currency(program)
    asker = clerk()
    alone, _daily = approvals.limits(currency.pk)
    told = [("service", 200, NOTE), ("goodwill", alone * 5, "")]
    active = Member.objects.filter(program=program, status=Member.Status.ACTIVE)
    members = active.exclude(user=asker).order_by("pk")[: len(told)]
    for member, (reason, points, note) in zip(members, told, strict=False):
        adjustments.adjust(
            wish=Wish(
                member_id=member.pk,
                currency=currency,
                points=points,
                reason=AdjustmentReason.objects.get(code=reason),
                expires_at=default_end(currency, moment, ZoneInfo(program.timezone)),
                note=note,
                why="Called the shop.",
                key=uuid5(NAMES, reason),
            ),
            by=asker,
            moment=moment,
        )
    return len(members)


def clerk() -> User:
    """Return the login of the one who asks for everything."""
    return User.objects.filter(email=CLERK_EMAIL).first() or User.objects.create_user(
        # Nobody logs in as this person: staff approve what they asked for.
        CLERK_EMAIL,
        is_staff=True,
    )
