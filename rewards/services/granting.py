"""Vouchers that a rule gives: a reward without a price, and taken back while nobody used it."""

from __future__ import annotations

from datetime import datetime

from members.services import outbox
from rewards.models import Redemption, Reward, Voucher

CALLER = "rule"


def grant(
    *,
    program_id: int,
    member_id: int,
    reward_code: str,
    code: str,
    expires_at: datetime | None,
    ref: str,
    moment: datetime,
) -> Redemption:
    """Give the member a voucher for a reward, in the caller's transaction; return its redemption.

    It costs no points, takes no piece and does not count for the member's limit of the reward.
    ``ref`` names what it is given for: a second voucher of one name is refused by the database.
    """
    reward = Reward.objects.get(program_id=program_id, code=reward_code)
    redemption = Redemption.objects.create(
        program_id=program_id,
        member_id=member_id,
        reward=reward,
        quantity=1,
        points=0,
        state=Redemption.State.FULFILLED,
        caller=CALLER,
        external_id=ref,
        created_at=moment,
        changed_at=moment,
        is_granted=True,
    )
    Voucher.objects.create(
        redemption=redemption, code=code, issued_at=moment, expires_at=expires_at
    )
    _tell("voucher_granted", redemption, reward, moment)
    return redemption


def withdraw(*, ref: str, moment: datetime) -> bool:
    """Void the voucher that was given under ``ref``; return False when a till has taken it.

    One that is void already stays so. Of a till and this, the first one wins.
    """
    redemption = Redemption.objects.select_related("reward").get(caller=CALLER, external_id=ref)
    voided = Voucher.objects.filter(
        redemption=redemption, state__in=[Voucher.State.ISSUED, Voucher.State.EXPIRED]
    ).update(state=Voucher.State.CANCELLED)
    if not voided:
        # Read after the update: a till may have used it while this waited for its row.
        return not Voucher.objects.filter(redemption=redemption, state="used").exists()
    redemption.state = Redemption.State.CANCELLED
    redemption.changed_at = moment
    redemption.save(update_fields=["state", "changed_at"])
    _tell("voucher_withdrawn", redemption, redemption.reward, moment)
    return True


def _tell(kind: outbox.Kind, redemption: Redemption, reward: Reward, moment: datetime) -> None:
    outbox.record(
        program_id=redemption.program_id,
        kind=kind,
        member_id=redemption.member_id,
        payload={
            "redemption": str(redemption.public_id),
            "reward": reward.name or reward.code,
            "reward_code": reward.code,
        },
        moment=moment,
    )
