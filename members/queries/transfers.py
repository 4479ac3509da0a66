"""What a member sends, and what has come to them."""

from __future__ import annotations

from django.db.models import Q

from members.models import Transfer

# Each of them holds points, so that a member's are few.
ON_THE_WAY_MAX = 100


def on_the_way(*, member_id: int, currency_id: int) -> list[Transfer]:
    """Return what the member has sent and can mostly still take back, newest first.

    What is on its way to the member is not told before it arrives.
    """
    rows = Transfer.objects.filter(
        sender=member_id, currency=currency_id, state=Transfer.State.REQUESTED
    )
    return list(rows.order_by("-requested_at", "-pk")[:ON_THE_WAY_MAX])


def ended(*, member_id: int, currency_id: int, limit: int) -> list[Transfer]:
    """Return the newest ``limit`` of what was sent, came back, or has arrived at the member."""
    own = Q(sender=member_id) & ~Q(state=Transfer.State.REQUESTED)
    arrived = Q(recipient=member_id, state=Transfer.State.COMPLETED)
    rows = Transfer.objects.filter(own | arrived, currency=currency_id)
    return list(rows.order_by("-requested_at", "-pk")[:limit])
