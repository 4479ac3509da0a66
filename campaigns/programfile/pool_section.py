"""Reads what the file says of pools, which members hold points in together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from members.pooling import KINDS, ROLES

from .reader import Reader

_POINTS_MAX: Final = 10**12
_MEMBERS_MAX: Final = {"household": 20, "company": 1000}
_MEMBERS_USUAL: Final = {"household": 6, "company": 50}


@dataclass(frozen=True, slots=True)
class PoolSection:
    """The terms of pools of one kind; see ``members/pooling.py: PoolTerms``."""

    kind: str
    members_max: int
    share_pct: int
    cap: int | None
    tenure_days: int
    redeem: tuple[str, ...]


def read(reader: Reader) -> PoolSection:
    """Return the terms; only the kind has to be said."""
    kind = reader.choice("kind", KINDS)
    return PoolSection(
        kind=kind,
        members_max=reader.integer(
            "members_max",
            least=2,
            most=_MEMBERS_MAX.get(kind, 2),
            default=_MEMBERS_USUAL.get(kind, 2),
        ),
        share_pct=reader.integer("share_pct", most=100, default=0),
        cap=_cap(reader),
        tenure_days=reader.integer("tenure_days", most=3650, default=30),
        redeem=_roles(reader),
    )


def _cap(reader: Reader) -> int | None:
    cap = reader.optional_integer("cap", least=1)
    if cap is not None and cap > _POINTS_MAX:
        reader.refuse("cap", f"at most {_POINTS_MAX} points")
    return cap


def _roles(reader: Reader) -> tuple[str, ...]:
    if not reader.has("redeem"):
        reader.raw("redeem")
        return ("owner", "adult")
    said = reader.texts("redeem")
    if not said or set(said) - set(ROLES) or len(set(said)) < len(said):
        reader.refuse("redeem", f"some of {', '.join(ROLES)}, each once")
    return tuple(role for role in ROLES if role in said)
