"""Orders that points have paid a part of: what may pay, and what goes back with the goods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from loyalty_site.lib.errors import DomainError
from members.models import Purchase
from members.services import ledger
from rewards.models import PointsTender, Redemption, Reward
from rewards.queries.redemptions import state_at

State = Redemption.State
PAID = (State.FULFILLED, State.REQUESTED)


class UnknownRedemption(DomainError):
    """A tender names a redemption that is not the member's."""

    code = "unknown_redemption"
    status = 422
    title = "The redemption of a tender is unknown"
    cause = "The purchase's member has no redemption of this id, or the purchase names no member."
    remedy = "Send the id that redeeming answered, and the member who redeemed."


class RedemptionNotPaid(DomainError):
    """A tender names a redemption whose points were not spent, or were given back."""

    code = "redemption_not_paid"
    status = 422
    title = "The redemption of a tender is not paid"
    cause = "Only a redemption that was captured, and not cancelled since, can pay an order."
    remedy = "Capture the hold first; for anything else, redeem anew."


class RedemptionUsed(DomainError):
    """A tender names a redemption that has paid another order."""

    code = "redemption_used"
    status = 422
    title = "The redemption of a tender has paid another order"
    cause = "A redemption pays one order, as a whole."
    remedy = "Redeem the points of this order by a redemption of its own."


def check(*, member_id: int | None, redemptions: Sequence[UUID], moment: datetime) -> None:
    """Refuse redemptions that cannot pay an order of the member.

    Who goes on to post holds the member's lock, so that no cancellation and no
    other order comes between.

    :raises UnknownRedemption: one is not the member's, or there is no member.
    :raises RedemptionNotPaid: one is held, cancelled or expired.
    :raises RedemptionUsed: one has paid another order.
    """
    found = {
        each.public_id: each
        for each in Redemption.objects.filter(
            public_id__in=redemptions, member=member_id
        ).select_related("reward")
    }
    used = set(
        PointsTender.objects.filter(redemption__in=found.values()).values_list(
            "redemption__public_id", flat=True
        )
    )
    for public_id in redemptions:
        redemption = found.get(public_id)
        if redemption is None:
            raise UnknownRedemption(redemption=str(public_id))
        state = state_at(redemption, moment)
        if state not in PAID:
            raise RedemptionNotPaid(
                f"The redemption is {state}.", redemption=str(public_id), state=state
            )
        if redemption.reward.kind == Reward.Kind.DONATION:
            raise RedemptionNotPaid(
                "A donation pays no order.", redemption=str(public_id), state=state
            )
        if public_id in used:
            raise RedemptionUsed(redemption=str(public_id))


def keep(*, purchase: UUID, tenders: Sequence[tuple[UUID, Decimal]]) -> None:
    """Write down which redemptions paid which amounts of a purchase that was just posted."""
    bought = Purchase.objects.values_list("pk", flat=True).get(public_id=purchase)
    rows = dict(
        Redemption.objects.filter(public_id__in=[each for each, _ in tenders]).values_list(
            "public_id", "pk"
        )
    )
    PointsTender.objects.bulk_create(
        PointsTender(purchase_id=bought, redemption_id=rows[public_id], amount=amount)
        for public_id, amount in tenders
    )


def tenders_of(purchase: Purchase) -> list[PointsTender]:
    """Return the redemptions that paid a part of the purchase, in the order of its tenders."""
    rows = PointsTender.objects.filter(purchase=purchase).select_related("redemption")
    return list(rows.order_by("pk"))


def give_back(
    *,
    redemption_id: int,
    points: int,
    external_ref: str,
    actor: str,
    occurred_at: datetime,
    moment: datetime,
) -> None:
    """Give some of a redemption's points back to their lots, since goods that it paid came back.

    The redemption stands otherwise: a cancellation gives only the rest. The caller
    has locked the member and settled what is due.

    :raises IntegrityError: fewer points are left of it.
    """
    redemption = Redemption.objects.select_for_update(no_key=True).get(pk=redemption_id)
    ledger.give_back(
        original_id=redemption.debit_id or 0,
        source="return",
        external_ref=external_ref,
        actor=actor,
        occurred_at=occurred_at,
        recorded_at=moment,
        reason_code="returned",
        points=points,
    )
    redemption.points_given_back += points
    redemption.changed_at = moment
    redemption.save(update_fields=["points_given_back", "changed_at"])
