"""Points that paid for an order, and go back with what comes back of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from campaigns.clawback import paid_back
from campaigns.queries.returning import BoughtLine, Part, is_whole
from members.models import Member, Purchase, Return
from rewards.models import PointsTender
from rewards.services import tenders


def given(
    purchase: Purchase, lines: Sequence[BoughtLine], parts: Sequence[Part]
) -> list[tuple[PointsTender, int]]:
    """Return what goes back of the points that paid: the order's share that has come back.

    Points pay for the order and not for a line of it, so that every line brings its
    share by net back, whichever comes first.
    """
    member = purchase.member
    if member is None or member.status == Member.Status.ERASED:
        return []
    paying = tenders.tenders_of(purchase)
    if not paying:
        return []
    share = _share_returned(lines, parts)
    found = [
        (
            tender,
            paid_back(tender.redemption.points, share, tender.redemption.points_given_back),
        )
        for tender in paying
    ]
    return [(tender, points) for tender, points in found if points]


def _share_returned(lines: Sequence[BoughtLine], parts: Sequence[Part]) -> Fraction:
    if is_whole(lines, parts):
        return Fraction(1)
    back = {part.line.row.pk: part.quantity for part in parts}
    net = sum((line.row.net for line in lines), Decimal(0))
    returned = sum(
        Fraction(line.row.net)
        * Fraction(line.returned + back.get(line.row.pk, Decimal(0)))
        / Fraction(line.bought)
        for line in lines
    )
    return Fraction(returned) / Fraction(net) if net else Fraction(0)


def give_back(
    goods_return: Return,
    purchase: Purchase,
    given_points: Sequence[tuple[PointsTender, int]],
    actor: str,
    moment: datetime,
) -> None:
    """Give the points back to the lots that they came from.

    It comes before anything is taken, so that what the goods had earned is taken from
    points that are there, rather than forgiven or owed.
    """
    ref = str(goods_return.public_id)
    for number, (tender, points) in enumerate(given_points):
        tenders.give_back(
            redemption_id=tender.redemption_id,
            points=points,
            external_ref=f"{ref}:{number}" if number else ref,
            actor=actor,
            occurred_at=max(goods_return.occurred_at, purchase.occurred_at),
            moment=moment,
        )
