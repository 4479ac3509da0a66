"""The bodies of answers about rewards, redemptions and vouchers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from loyalty_site.lib.languages import pick
from members.models import Program
from rewards import wording
from rewards.models import Redemption, Voucher
from rewards.queries.catalog import OfferedReward
from rewards.queries.redemptions import state_at, voucher_state_at
from rewards.services.quotes import Quote

State = Redemption.State


def reward_body(
    offered: OfferedReward,
    *,
    program: Program,
    languages: Sequence[str],
    tier_names: Mapping[str, str],
) -> dict[str, Any]:
    """Return a reward of the catalog; ``languages`` come from ``languages.preferred``."""
    reward = offered.reward
    zone = ZoneInfo(program.timezone)
    return {
        "id": str(reward.public_id),
        "code": reward.code,
        "kind": reward.kind,
        "name": pick(reward.name, languages, otherwise=reward.code),
        "description": pick(reward.description, languages),
        "points_price": reward.points_price,
        "stock": offered.stock,
        "tiers": reward.tiers,
        "redeemable_from": reward.redeemable_from,
        "redeemable_to": reward.redeemable_to,
        "eligible": offered.is_eligible,
        "reasons": [
            wording.told(reason, zone=zone, tier_names=tier_names)
            for reason in offered.reasons or ()
        ],
    }


def quote_body(quote: Quote) -> dict[str, Any]:
    """Return a quote; the sentences are in the active language."""
    decision = quote.decision
    return {
        "points": decision.points,
        "lots": [{"points": lot.points, "expires_at": lot.expires_at} for lot in quote.lots],
        "balance_after": quote.balance_after,
        "eligible": decision.is_eligible,
        "reasons": decision.told(decision.reasons),
        "if_cancelled": wording.if_cancelled(
            number=decision.points,
            has_voucher=decision.reward.voucher_valid_days is not None,
            grace_days=decision.currency.grace_days,
        ),
    }


def redemption_body(redemption: Redemption, *, moment: datetime) -> dict[str, Any]:
    """Return a redemption as it stands at the moment."""
    state = state_at(redemption, moment)
    voucher: Voucher | None = getattr(redemption, "voucher", None)
    is_open = state not in {State.CANCELLED, State.EXPIRED}
    return {
        "id": str(redemption.public_id),
        "state": state,
        "member": str(redemption.member.public_id),
        "reward": redemption.reward.code,
        "quantity": redemption.quantity,
        "held_quantity": redemption.held_quantity,
        "points": redemption.points,
        "points_given_back": redemption.points_given_back,
        "voucher": {"code": voucher.code, "expires_at": voucher.expires_at}
        if voucher is not None and is_open
        else None,
        "hold_expires_at": redemption.hold_expires_at,
        "external_id": redemption.external_id or None,
        "created_at": redemption.created_at,
        # Said of a redemption that the points of a pool paid, and of no other.
        **({"pool": True} if redemption.payer_id is not None else {}),
    }


def dry_run_body(redemption: Redemption, *, moment: datetime) -> dict[str, Any]:
    """Return the redemption that would have been made; what needs an id is null."""
    body = redemption_body(redemption, moment=moment)
    if body["voucher"] is not None:
        body["voucher"]["code"] = None
    return body | {"id": None, "dry_run": True}


def voucher_body(voucher: Voucher, *, moment: datetime) -> dict[str, Any]:
    """Return a voucher as a till sees it."""
    return {
        "code": voucher.code,
        "state": voucher_state_at(voucher, moment),
        "reward": voucher.redemption.reward.code,
        "redemption": str(voucher.redemption.public_id),
        "expires_at": voucher.expires_at,
    }
