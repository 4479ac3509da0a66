"""What the demo's staff did by hand: a gesture of goodwill, and a larger one that still waits."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from campaigns.queries.endings import default_end
from members.models import AdjustmentReason, Member, User
from members.queries.program import current_program, point_currency
from members.services import adjustments, approvals
from members.services.adjustments import Wish

CLERK_EMAIL = "counter@example.com"
NAMES = UUID("5b2f1f0a-6f0e-4c53-9d0e-6a4f7d3a2c11")
NOTE = "Sorry that your order was late."


def adjust(moment: datetime) -> int:
    """Make both acts for the first two members; return how many there are. A repeat makes none."""
    program = current_program()
    currency = point_currency(program)
    clerk = User.objects.filter(email=CLERK_EMAIL).first() or User.objects.create_user(
        # Nobody logs in as this person: staff approve what they asked for.
        CLERK_EMAIL,
        is_staff=True,
    )
    alone, _daily = approvals.limits(currency.pk)
    told = [("service", 200, NOTE), ("goodwill", alone * 5, "")]
    active = Member.objects.filter(program=program, status=Member.Status.ACTIVE)
    members = active.exclude(user=clerk).order_by("pk")[: len(told)]
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
            by=clerk,
            moment=moment,
        )
    return len(members)
