"""Whether an event is what the program knows of its type, and whether it still counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from campaigns.bodies import EventBody
from campaigns.earning.event_types import EventType
from campaigns.earning.results import NotApplied
from campaigns.earning.sentences import limit_sentence
from campaigns.models import Event
from campaigns.queries.rulebook import Rulebook
from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import FieldError, Invalid

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class EventUnfitting(Invalid):
    """The payload is not what the program knows of events of this type."""

    code = "event_unfitting"
    status = 422
    title = "The payload does not fit the type of the event"
    cause = "The program declares which keys events of this type have, and of which types."
    remedy = "Read `errors`: each names the key by a JSON pointer and says what was expected."


class EventNeedsClick(DomainError):
    """Events of this type come from the program's own links."""

    code = "event_needs_click"
    status = 422
    title = "Events of this type are told by a click"
    cause = "The program believes them only when the member follows a link that it signed."
    remedy = "Send the member the link; nobody else can tell of it."


def check(body: EventBody, known: EventType | None, *, is_click: bool = False) -> None:
    """Let pass what fits its type; a type that is not declared fits as it is.

    :raises EventUnfitting: a key is missing or of another type.
    :raises EventNeedsClick: only a click may tell of it, and this is none.
    """
    if known is None:
        return
    if known.verification == "clicked" and not is_click:
        raise EventNeedsClick
    errors = [
        FieldError(f"/payload/{_escaped(key)}", "unfitting_value", f"Expected {expected}.")
        for key, expected in known.misfits(body.payload)
    ]
    if errors:
        raise EventUnfitting(errors)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def beyond_limit(
    book: Rulebook, body: EventBody, known: EventType | None, members: list[int]
) -> NotApplied | None:
    """Return why the event gives nothing, where as many as count came before it in its period.

    The member is locked, so that of two events at once one is the first.
    """
    if known is None or known.uses is None or known.period is None:
        return None
    earlier = Event.objects.filter(
        member__in=members,
        type=body.type,
        occurred_at__gte=_period_start(book, body.occurred_at, known.period),
    ).exclude(source="program")
    if known.period != "lifetime":
        earlier = earlier.filter(occurred_at__lt=_period_end(book, body.occurred_at, known.period))
    if earlier.count() < known.uses:
        return None
    limit = {"per": "member", "period": known.period, "uses": known.uses}
    return NotApplied(
        rule_code=None,
        rule_version=None,
        rule_name=None,
        campaign=None,
        currency=None,
        reason="event_limit_reached",
        text=f"Events of this type count {limit_sentence(limit)}",
    )


def _period_start(book: Rulebook, at: datetime, period: str) -> datetime:
    first = calendars.period_start(period, calendars.local_day(at, book.zone))
    return _EVER if first is None else calendars.start_of_day(first, book.zone)


def _period_end(book: Rulebook, at: datetime, period: str) -> datetime:
    first = calendars.period_start(period, calendars.local_day(at, book.zone))
    assert first is not None
    if period in ("day", "week"):
        start = calendars.start_of_day(first, book.zone)
        return calendars.add_days_to_instant(start, 1 if period == "day" else 7, book.zone)
    months = 1 if period == "month" else 12
    return calendars.start_of_day(calendars.add_months(first, months), book.zone)
