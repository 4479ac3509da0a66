"""What a member redeemed: the codes to show, what became of them, and what can be cancelled."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from django.utils.safestring import mark_safe
from django.utils.translation import pgettext

from campaigns.models import RuleGrant
from loyalty_site.pages.catalog import headline
from loyalty_site.pages.words import Words
from members import cards
from rewards.models import Redemption, Voucher
from rewards.queries.redemptions import state_at, voucher_state_at

State = Redemption.State

_LABELS: Final[Mapping[str, Callable[[], str]]] = {
    "issued": lambda: pgettext("code", "Ready to use"),
    "used": lambda: pgettext("code", "Used"),
    "cancelled": lambda: pgettext("code", "Cancelled"),
    "expired": lambda: pgettext("code", "Expired"),
    "requested": lambda: pgettext("code", "Being prepared"),
    "held": lambda: pgettext("code", "Reserved at the till"),
    "fulfilled": lambda: pgettext("code", "Done"),
}
_ACTIVE: Final = ("issued", "requested", "held")
_USED: Final = ("used", "fulfilled")


def new_key() -> str:
    """Return a key that nobody has used, for one pressing of a button."""
    return secrets.token_urlsafe(24)


def grouped(words: Words, rows: list[Redemption], moment: datetime) -> dict[str, list[Any]]:
    """Return the redemptions as ``active``, ``used`` and ``closed``."""
    groups: dict[str, list[Any]] = {"active": [], "used": [], "closed": []}
    causes = _causes(words, rows)
    for row in rows:
        item = _item(words, row, moment) | {"given_for": causes.get(row.external_id, "")}
        name = "active" if item["state"] in _ACTIVE else "closed"
        groups["used" if item["state"] in _USED else name].append(item)
    return groups


def _causes(words: Words, rows: list[Redemption]) -> dict[str, str]:
    """Return the names of the rules that gave codes, by the name that each was given under."""
    given = [row.external_id for row in rows if row.is_granted]
    if not given:
        return {}
    grants = RuleGrant.objects.filter(public_id__in=given).select_related("rule_version")
    return {
        str(grant.public_id): words.pick(
            grant.rule_version.definition.get("name"), grant.rule_version.definition["code"]
        )
        for grant in grants
    }


def done(words: Words, redemption: Redemption, *, available: int, moment: datetime) -> Any:
    """Return what the member gets by a redemption."""
    voucher: Voucher | None = getattr(redemption, "voucher", None)
    is_usable = voucher is not None and voucher_state_at(voucher, moment) == "issued"
    return {
        "reward": headline(words, redemption.reward),
        "redemption": {
            "price": words.points(redemption.points),
            "balance_after": words.points(available),
            "state": _state(redemption, moment),
            "state_label": _LABELS[_state(redemption, moment)](),
        },
        "voucher": _voucher(words, voucher) if voucher is not None and is_usable else None,
    }


def _voucher(words: Words, voucher: Voucher) -> dict[str, Any]:
    return {
        "code": voucher.code,
        "valid_until": words.last_day(voucher.expires_at),
        "qr": mark_safe(cards.svg(voucher.code)),
    }


def _item(words: Words, row: Redemption, moment: datetime) -> dict[str, Any]:
    voucher: Voucher | None = getattr(row, "voucher", None)
    state = _state(row, moment)
    return {
        "public_id": row.public_id,
        "reward_name": headline(words, row.reward)["name"],
        "kind": row.reward.kind,
        "code": voucher.code if voucher is not None else "",
        "price": words.points(row.points),
        "made_on": row.created_at,
        "valid_until": words.last_day(voucher.expires_at) if voucher is not None else None,
        "used_on": voucher.used_at if voucher is not None else None,
        "state": state,
        "state_label": _LABELS[state](),
        # What cost nothing brings nothing back.
        "can_cancel": state in _ACTIVE and not row.is_granted,
        "key": new_key(),
    }


def _state(row: Redemption, moment: datetime) -> str:
    # A cancelled or lapsed redemption is over whatever its voucher says.
    state = state_at(row, moment)
    voucher: Voucher | None = getattr(row, "voucher", None)
    if voucher is None or state in {State.CANCELLED, State.EXPIRED}:
        return state
    return voucher_state_at(voucher, moment)
