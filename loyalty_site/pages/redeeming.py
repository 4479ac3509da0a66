"""The question before a redemption, and the refusals in words that a member can act upon."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final

from django.utils.translation import gettext as _

from loyalty_site.lib.errors import DomainError
from loyalty_site.pages import catalog
from loyalty_site.pages.words import Words
from members.netting import OpenLot
from rewards import wording
from rewards.queries.catalog import names_tiers, tier_names
from rewards.queries.standing import Lot
from rewards.services.quotes import Quote


def question(words: Words, quote: Quote) -> dict[str, Any]:
    """Return what redeeming would take and leave, or every reason against it."""
    decision = quote.decision
    names = tier_names(decision.program) if names_tiers(decision.reasons) else {}
    return {
        "reward": catalog.headline(words, decision.reward),
        "quote": {
            "price": words.points(decision.points),
            "balance_before": words.points(decision.standing.available),
            "balance_after": words.points(quote.balance_after),
            "lots": by_last_day(words, quote.lots),
            "eligible": decision.is_eligible,
            "reasons": [
                {**told, "remedy": remedy(told["code"])}
                for told in catalog.told(words, decision.reasons, tier_names=names)
            ],
            "if_cancelled": wording.if_cancelled(
                number=decision.points,
                has_voucher=decision.reward.voucher_valid_days is not None,
                grace_days=decision.currency.grace_days,
            ),
        },
    }


def by_last_day(words: Words, lots: Iterable[Lot | OpenLot]) -> list[dict[str, Any]]:
    """Return the points of the lots together by the last day on which they can be used."""
    # Lots are many where purchases are small; what matters to their owner is the last day.
    by_day: dict[date | None, int] = {}
    for lot in lots:
        day = words.last_day(lot.expires_at)
        by_day[day] = by_day.get(day, 0) + lot.points
    return [{"amount": words.points(number), "last_day": day} for day, number in by_day.items()]


# The remedies of the problem documents speak to those who write clients.
_REMEDIES: Final[Mapping[str, Callable[[], str]]] = {
    "insufficient_points": lambda: _("Show your card with your next purchases to earn the rest."),
    "tier_too_low": lambda: _("Your home page shows what is missing to the next tier."),
    "out_of_stock": lambda: _("Look again later, or choose another reward."),
    "not_yet": lambda: _("Come back on that day."),
    "ended": lambda: _("Choose another reward."),
    "member_limit": lambda: _("Choose another reward."),
    "not_in_segment": lambda: _("Choose another reward."),
    "reward_not_available": lambda: _("Choose another reward."),
    "member_suspended": lambda: _("Ask in a shop what to do about it."),
    "in_debt": lambda: _("What you earn next settles it; then you can redeem again."),
    "already_resolved": lambda: _("Your codes show how it ended."),
    "voucher_used": lambda: _("A code that was used cannot be cancelled any more."),
    "unknown_reward": lambda: _("Choose another reward."),
    "request_in_progress": lambda: _("Your codes will show it in a moment."),
    "idempotency_key_reused": lambda: _("Look through your codes, then try again."),
}
_TOLD: Final[Mapping[str, Callable[[], str]]] = {
    "already_resolved": lambda: _("It was cancelled or has expired already."),
    "voucher_used": lambda: _("The code was used at a till."),
    "unknown_reward": lambda: _("This reward is no longer offered."),
    "request_in_progress": lambda: _("The same redemption is being made right now."),
    "idempotency_key_reused": lambda: _("This button was pressed before for something else."),
}


def remedy(code: str) -> str:
    """Return what a member can do about a refusal; empty where nothing is known."""
    found = _REMEDIES.get(code)
    return found() if found else ""


def refusal(code: str, detail: str) -> str:
    """Return a refusal with its remedy, in the active language."""
    told = _TOLD.get(code)
    return f"{told() if told else detail} {remedy(code)}".strip()


def refusal_of(error: DomainError) -> str:
    """Return an anticipated error as a member reads it."""
    return refusal(error.code, error.detail)
