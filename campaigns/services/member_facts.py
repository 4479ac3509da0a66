"""What ``intake_members`` tells of a member beside profile and standing, as facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from campaigns.earning.facts import (
    BoughtFacts,
    ConsentFacts,
    IdentifierFacts,
    ScoreFacts,
    TagFacts,
)

Rows = Iterable[Sequence[Any]] | None


def tags(rows: Rows) -> tuple[TagFacts, ...]:
    """Return the words on the member."""
    return tuple(
        TagFacts(tag, datetime.fromisoformat(tagged_at), _moment(expires_at))
        for tag, tagged_at, expires_at in rows or ()
    )


def scores(rows: Rows) -> dict[str, ScoreFacts]:
    """Return the figures about the member by code."""
    return {
        code: ScoreFacts(text, None if value is None else Decimal(value))
        for code, text, value in rows or ()
    }


def identifiers(rows: Rows) -> tuple[IdentifierFacts, ...]:
    """Return by which kinds of identifier the member is known, since when."""
    return tuple(
        IdentifierFacts(kind, datetime.fromisoformat(added_at), _moment(verified_at))
        for kind, added_at, verified_at in rows or ()
    )


def consents(rows: Rows) -> tuple[ConsentFacts, ...]:
    """Return the member's answers, in the order in which they were given."""
    return tuple(
        ConsentFacts(name, granted, datetime.fromisoformat(at)) for name, granted, at in rows or ()
    )


def bought(rows: Rows) -> tuple[BoughtFacts, ...]:
    """Return the purchases of the windows that rules ask about, without what came back."""
    return tuple(
        BoughtFacts(
            datetime.fromisoformat(occurred_at),
            store,
            tuple((category, Decimal(net), Decimal(many)) for category, net, many in parts),
        )
        for occurred_at, store, parts in rows or ()
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def attributes(rows: Rows) -> dict[str, Any]:
    """Return what the member answered by code, in the form in which it is compared."""
    return dict(map(_attribute, rows or ()))


def _attribute(told: Sequence[Any]) -> tuple[str, Any]:
    code, text, number, flag, texts = told
    if number is not None:
        return code, Decimal(number)
    return code, flag if flag is not None else text or tuple(texts)
