"""Why a redemption or a voucher is refused."""

from __future__ import annotations

from typing import ClassVar

from loyalty_site.lib.errors import DomainError
from members import lots


class UnknownReward(DomainError):
    """The catalog has no such reward."""

    code = "unknown_reward"
    status = 422
    title = "The reward is unknown"
    cause = "No reward of the catalog has this code, or it was retired."
    remedy = "Read the codes at /api/v1/rewards."


class RedemptionRefused(DomainError):
    """The member cannot redeem the reward now; ``reasons`` lists every reason.

    A repeat with the same key gets the same refusal: whoever wants to try again
    uses a new key.
    """

    code = "reward_not_available"
    title = "The member cannot redeem this reward"
    cause = "The tier, the segment, the dates or the member's limit of the reward stand against."
    remedy = "Read `reasons`; each says what is missing."
    is_stored_refusal: ClassVar[bool] = True


class MemberSuspended(RedemptionRefused):
    """The membership is not active."""

    code = "member_suspended"
    title = "The membership is suspended"
    cause = "A suspended or closed membership cannot redeem points."
    remedy = "Staff can lift the suspension; repeat then with a new Idempotency-Key."


class InDebt(RedemptionRefused):
    """The member owes points."""

    code = "in_debt"
    title = "The member owes points"
    cause = "A return took back points that were spent already, and the rest is owed."
    remedy = "Points that are earned pay the debt first; redeem once it is paid."


class OutOfStock(RedemptionRefused):
    """Fewer pieces are left than were asked."""

    code = "out_of_stock"
    title = "The reward is out of stock"
    cause = "Fewer pieces are left than were asked; pieces in holds count as taken."
    remedy = "Ask for fewer, or for another reward."


class InsufficientPoints(lots.InsufficientPoints):
    """The member has fewer points than the reward costs."""

    is_stored_refusal: ClassVar[bool] = True


class RedemptionConflict(DomainError):
    """The client used the label for another redemption."""

    code = "redemption_conflict"
    title = "The external_id belongs to another redemption"
    cause = "This client has made a redemption with the same `external_id` before."
    remedy = "Read that redemption at the id in `redemption`, or choose another label."
    is_stored_refusal: ClassVar[bool] = True


class AlreadyResolved(DomainError):
    """The redemption has ended, or is no hold."""

    code = "already_resolved"
    title = "The redemption is resolved already"
    cause = "A hold ends once: by capture, by cancellation, or when its time is over."
    remedy = "Read `state`; to redeem again, make a new redemption."
    is_stored_refusal: ClassVar[bool] = True


class CaptureExceedsHold(DomainError):
    """More is to be captured than is held."""

    code = "capture_exceeds_hold"
    status = 422
    title = "More pieces are captured than are held"
    cause = "A hold sets a number of pieces aside; only those can be captured."
    remedy = "Capture `held` pieces or fewer, and redeem the others anew."


class VoucherUsed(DomainError):
    """The voucher of the redemption was used."""

    code = "voucher_used"
    title = "The voucher was used"
    cause = "A till has accepted the voucher, so that the member has had the reward."
    remedy = "Goods that come back are a return of their purchase."
    is_stored_refusal: ClassVar[bool] = True


class DonationsAreNotHeld(DomainError):
    """A donation was to be held."""

    code = "donation_not_held"
    title = "A donation is made at once"
    cause = "Points that are given to a cause are not set aside first."
    remedy = "Redeem with the mode `capture`; a donation can be cancelled until it is paid out."
    is_stored_refusal: ClassVar[bool] = True


class DonationPaidOut(DomainError):
    """The cause has had the money of the donation."""

    code = "donation_paid_out"
    title = "The donation was paid out"
    cause = "The money has reached the cause, so that the points cannot come back."
    remedy = "Staff can give points by hand instead."
    is_stored_refusal: ClassVar[bool] = True


class VoucherNotFound(DomainError):
    """No voucher that can be used has this code."""

    code = "voucher_not_found"
    status = 404
    title = "No such voucher can be used"
    cause = "The code is unknown, or its voucher is used, cancelled or expired."
    remedy = "Check the code with the member; the member's app shows the codes that can be used."


BY_CODE: dict[str, type[DomainError]] = {
    refusal.code: refusal
    for refusal in (RedemptionRefused, MemberSuspended, InDebt, OutOfStock, InsufficientPoints)
}
