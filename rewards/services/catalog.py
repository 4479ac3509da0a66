"""The catalog as the program file states it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from django.db import transaction

from members.models import Program
from rewards import vouchers
from rewards.models import Reward


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the catalog; ``fields`` are those whose values differ."""

    action: Literal["create", "change", "retire"]
    code: str
    fields: tuple[str, ...] = ()


@transaction.atomic
def apply_rewards(
    *,
    program: Program,
    rewards: Sequence[Mapping[str, Any]],
    moment: datetime,
    previous: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Change]:
    """Make the catalog equal to the file's rewards and return what changed.

    ``rewards`` are the canonical sections of the file, ``previous`` those of the
    document applied before, by code. Stock counts down as pieces are redeemed,
    so it is set only where the file states another number than before: an
    unchanged file refills nothing, a repeat changes nothing. What the file no
    longer has is retired and kept for its redemptions.
    """
    earlier = previous or {}
    rows = {
        row.code: row
        for row in Reward.objects.filter(program=program).order_by("pk").select_for_update()
    }
    changes = []
    for position, section in enumerate(rewards):
        wanted = _columns(section, position)
        change = _write(program, rows.get(section["code"]), section, wanted, earlier, moment)
        if change is not None:
            changes.append(change)
    stated = {section["code"] for section in rewards}
    for code, row in rows.items():
        if code not in stated and not row.is_retired:
            Reward.objects.filter(pk=row.pk).update(is_retired=True, changed_at=moment)
            changes.append(Change("retire", code))
    return changes


def _write(
    program: Program,
    row: Reward | None,
    section: Mapping[str, Any],
    wanted: dict[str, Any],
    earlier: Mapping[str, Mapping[str, Any]],
    moment: datetime,
) -> Change | None:
    code = section["code"]
    if row is None:
        Reward.objects.create(
            program=program, code=code, stock=section["stock"], changed_at=moment, **wanted
        )
        return Change("create", code)
    before = earlier.get(code)
    if before is None or before.get("stock") != section["stock"]:
        wanted["stock"] = section["stock"]
    changed = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    if not changed:
        return None
    Reward.objects.filter(pk=row.pk).update(changed_at=moment, **changed)
    return Change("change", code, tuple(sorted(changed)))


def _columns(section: Mapping[str, Any], position: int) -> dict[str, Any]:
    limit, voucher = section.get("limit"), section.get("voucher")
    gift = section.get("donation") or {}
    return {
        "kind": section["kind"],
        "name": dict(section["name"]),
        "description": dict(section.get("description") or {}),
        "points_price": section["points_price"],
        "value": _decimal(section.get("value")),
        "cost": _decimal(section.get("cost")),
        "tiers": list(section.get("tiers") or ()),
        "segment": section.get("segment") or "",
        "limit_uses": limit and limit["uses"],
        "limit_period": limit["period"] if limit else "",
        "redeemable_from": _instant(section.get("redeemable_from")),
        "redeemable_to": _instant(section.get("redeemable_to")),
        "voucher_valid_days": voucher and (voucher.get("valid_days") or vouchers.WITHOUT_END),
        "donation_rate": _decimal(gift.get("rate")),
        "donation_match_percent": _decimal(gift.get("match_percent")) or Decimal(0),
        "donation_target": _decimal(gift.get("target")),
        "position": position,
        "is_retired": False,
    }


def _decimal(value: str | Decimal | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _instant(value: str | datetime | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
