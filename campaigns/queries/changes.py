"""What the program announced of changes that make points worth less, for anyone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from campaigns.models import AnnouncedChange
from loyalty_site.lib.languages import pick
from members.models import Program

# What holds already stays in the list for a year.
KEPT: Final = timedelta(days=365)

_SENTENCES: Final[Mapping[str, str]] = {
    "reward_price": "{name} costs {after} points instead of {before}",
    "reward_value": "{name} is worth {after} instead of {before}",
    "point_value": "one point is worth {after} instead of {before}",
    "expiry": "points earned from then on end sooner",
    "threshold": "{name} asks for {after} points instead of {before}",
    "tier_window": "points count for tiers for {after} months instead of {before}",
    "notice": "changes like these are announced {after} days before instead of {before}",
}


def announced(*, program: Program, moment: datetime) -> list[AnnouncedChange]:
    """Return the changes that are announced or hold since less than a year, the latest first."""
    rows = AnnouncedChange.objects.filter(
        program=program, withdrawn_at__isnull=True, effective_at__gt=moment - KEPT
    )
    return list(rows.order_by("-effective_at", "-pk"))


def name_of(document: Mapping[str, Any], change: AnnouncedChange, languages: Sequence[str]) -> str:
    """Return what the change is about, by the program's document: a reward's or a tier's name."""
    rows: Sequence[Mapping[str, Any]] = ()
    if change.kind.startswith("reward_"):
        rows = document.get("rewards") or ()
    elif change.kind == "threshold":
        rows = (document.get("tiers") or {}).get("ladder") or ()
    names = {row["code"]: row["name"] for row in rows}
    return pick(names.get(change.code) or {}, languages, change.code)


def told(program: Program, languages: Sequence[str], moment: datetime) -> list[dict[str, Any]]:
    """Return the list as the API answers it; what has no figure has null."""
    return [
        {
            "kind": each.kind,
            "code": each.code,
            "before": figure(each.before),
            "after": figure(each.after),
            "announced_at": each.announced_at,
            "effective_at": each.effective_at,
            "sentence": _sentence(program.document, each, languages),
        }
        for each in announced(program=program, moment=moment)
    ]


def _sentence(
    document: Mapping[str, Any], change: AnnouncedChange, languages: Sequence[str]
) -> str:
    text = _SENTENCES[change.kind].format(
        name=name_of(document, change, languages),
        before=figure(change.before) or "0",
        after=figure(change.after) or "0",
    )
    return f"{text[:1].upper()}{text[1:]}."


def figure(value: Any) -> str | None:
    """Return a figure of the document as text; None for a missing one and for what is none."""
    return None if value is None or isinstance(value, dict) else str(value)
