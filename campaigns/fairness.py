"""Which changes of a program make points worth less, and how they are held back.

Pure: two documents in, the changes that need a notice out. A change is named by its path in the
canonical document, in which lists are read by code: ``rewards.coffee.points_price``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.programfile.document import (
    ExpirySection,
    PointsSection,
    ProgramDocument,
    RewardSection,
)
from members import lots

# Days on which points are thought to be earned when two expiries are compared: two years, with
# a 29 February and every month end.
_SAMPLED: Final = tuple(
    datetime(2027, 1, 1, 12, tzinfo=UTC) + timedelta(days=n) for n in range(731)
)


@dataclass(frozen=True, slots=True)
class Devaluation:
    """One change after which points are worth less; ``code`` is of the reward, tier or points."""

    kind: str
    code: str
    path: str
    before: Any
    after: Any


def devaluations(before: ProgramDocument, after: ProgramDocument) -> tuple[Devaluation, ...]:
    """Return the changes that need a notice, in the order of the document.

    Dearer rewards or such of a smaller value, points of a smaller value or a shorter life, higher
    thresholds, a shorter window of tiers, and a shorter notice, with which all others could be
    had. What is new or gone devalues nothing that members were promised for their points.
    """
    return (
        *_notice(before, after),
        *_points(before, after),
        *_tiers(before, after),
        *_rewards(before, after),
    )


def _notice(before: ProgramDocument, after: ProgramDocument) -> Iterator[Devaluation]:
    old, new = before.program.notice_days, after.program.notice_days
    if (new or 0) < (old or 0):
        yield Devaluation("notice", after.program.code, "program.notice_days", old, new)


def _points(before: ProgramDocument, after: ProgramDocument) -> Iterator[Devaluation]:
    old = {each.code: each for each in before.points}
    for new in after.points:
        known = old.get(new.code)
        if known is None or new.kind != "redeemable":
            continue
        path = f"points.{new.code}"
        if _is_less(known.value, new.value):
            yield Devaluation(
                "point_value", new.code, f"{path}.value", _money(known.value), _money(new.value)
            )
        if _ends_sooner(known, new, after.program.zone):
            yield Devaluation(
                "expiry", new.code, f"{path}.expiry", _expiry(known.expiry), _expiry(new.expiry)
            )


def _is_less(old: Decimal | None, new: Decimal | None) -> bool:
    return old is not None and (new or Decimal(0)) < old


def _money(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _expiry(section: ExpirySection) -> dict[str, Any]:
    """Return what a person reads of it; the document's own form comes from the document."""
    return {
        name: getattr(section, name)
        for name in ("model", "years", "months", "days", "month_day", "minimum_months", "round_to")
        if getattr(section, name) is not None
    }


def _ends_sooner(old: PointsSection, new: PointsSection, zone: ZoneInfo) -> bool:
    """Return whether points earned on some day end sooner than they would have."""
    before, after = old.expiry.policy(), new.expiry.policy()
    if before == after:
        return set(new.expiry.renewed_by or ()) < set(old.expiry.renewed_by or ())
    if after.model == "never":
        return False
    if before.model == "inactivity" and after.model != "inactivity":
        # However long the new life is, acts do not make it longer any more.
        return True
    named = {tier for tier, _period in (*before.periods, *after.periods)}
    tiers: set[str | None] = {*named} or {None}
    return any(
        _is_sooner(lots.expires_at(before.for_tier(tier), day, zone), ended)
        for tier in tiers
        for day in _SAMPLED
        if (ended := lots.expires_at(after.for_tier(tier), day, zone)) is not None
    )


def _is_sooner(old: datetime | None, new: datetime) -> bool:
    return old is None or new < old


def _tiers(before: ProgramDocument, after: ProgramDocument) -> Iterator[Devaluation]:
    if before.tiers is None or after.tiers is None:
        return
    old, new = before.tiers.policy, after.tiers.policy
    if new.window.months < old.window.months:
        path = "tiers.policy.window.months"
        yield Devaluation("tier_window", new.currency, path, old.window.months, new.window.months)
    known = {rung.code: rung.threshold for rung in before.tiers.ladder}
    for rung in after.tiers.ladder:
        was = known.get(rung.code)
        if was is not None and rung.threshold > was:
            path = f"tiers.ladder.{rung.code}.threshold"
            yield Devaluation("threshold", rung.code, path, was, rung.threshold)


def _rewards(before: ProgramDocument, after: ProgramDocument) -> Iterator[Devaluation]:
    known = {reward.code: reward for reward in before.rewards}
    for new in after.rewards:
        old = known.get(new.code)
        if old is not None:
            yield from _reward(old, new)


def _reward(old: RewardSection, new: RewardSection) -> Iterator[Devaluation]:
    path = f"rewards.{new.code}"
    if new.points_price > old.points_price:
        yield Devaluation(
            "reward_price", new.code, f"{path}.points_price", old.points_price, new.points_price
        )
    if _is_less(old.value, new.value):
        yield Devaluation(
            "reward_value", new.code, f"{path}.value", _money(old.value), _money(new.value)
        )


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """Return what a canonical document says at a path.

    :raises KeyError: it has no such place.
    """
    place: Any = document
    for key in path.split("."):
        place = _inside(place, key)
    return place


def _inside(place: Any, key: str) -> Any:
    if isinstance(place, list):
        found = next((each for each in place if each["code"] == key), None)
        if found is None:
            raise KeyError(key)
        return found
    if key not in place and key == "notice_days":
        # A program that was stored before there were notices has none.
        return None
    return place[key]


def with_values(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a canonical document with other values at these paths.

    :raises KeyError: it has no such place.
    """
    changed = deepcopy(dict(document))
    for path, value in values.items():
        around, _, key = path.rpartition(".")
        value_at(changed, around)[key] = value
    return changed


def held_back(
    before: Mapping[str, Any], after: Mapping[str, Any], changes: Iterable[Devaluation]
) -> dict[str, Any]:
    """Return the later document with the values that hold until the notice has run."""
    return with_values(after, {each.path: value_at(before, each.path) for each in changes})
