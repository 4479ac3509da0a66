"""Points for somebody else: the terms in sentences, the question before, and what was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from loyalty_site.lib.errors import DomainError
from loyalty_site.pages.codes import new_key
from loyalty_site.pages.redeeming import by_last_day
from loyalty_site.pages.words import Words
from members.models import Program, Transfer
from members.services.transfers import Decision, told_reasons
from members.transferring import Fee, Terms, terms_of

State = Transfer.State


def terms_in(program: Program) -> Terms | None:
    """Return the terms on which points are sent, read from what is applied; None where off."""
    currencies = program.document.get("points") or []
    found = next((each for each in currencies if each["kind"] == "redeemable"), None)
    return terms_of(found.get("transfers") or {}) if found else None


def terms_told(words: Words, terms: Terms) -> Iterator[str]:
    """Return the terms in sentences."""
    yield _size(words, terms)
    yield _fee(words, terms.fee)
    yield _arrival(terms.cooling_hours)
    yield _("The points keep the day on which they expire, and never count for a tier.")
    if terms.tenure_days:
        yield ngettext(
            "You can send points from %(n)d day after joining.",
            "You can send points from %(n)d days after joining.",
            terms.tenure_days,
        ) % {"n": terms.tenure_days}
    if terms.require_verified:
        yield _("Both of you must have confirmed an email address or a telephone number.")
    if terms.confirm_above < terms.maximum:
        yield _("Above %(points)s we ask once more who you are.") % {
            "points": words.points(terms.confirm_above).text
        }


def _size(words: Words, terms: Terms) -> str:
    figures = {
        "minimum": words.points(terms.minimum).figure,
        "maximum": words.points(terms.maximum).text,
        "cap": words.points(terms.daily_cap).text,
    }
    if terms.minimum > 1:
        told = _("Members can send each other %(minimum)s to %(maximum)s at a time.")
    else:
        told = _("Members can send each other up to %(maximum)s at a time.")
    if terms.daily_cap != terms.maximum:
        return f"{told} {_('In a day it is at most %(cap)s.')}" % figures
    return f"{told} {_('That is also the most in a day.')}" % figures


def _fee(words: Words, fee: Fee) -> str:
    fixed = words.points(fee.fixed).text
    if not fee.percent:
        return _("It costs %(fixed)s on top.") % {"fixed": fixed} if fee.fixed else _("It is free.")
    share = {
        "up": _("%(percent)s%% on top, rounded up to whole points"),
        "down": _("%(percent)s%% on top, rounded down to whole points"),
        "half_up": _("%(percent)s%% on top, rounded to whole points"),
    }[fee.rounding] % {"percent": words.number(fee.percent)}
    if fee.fixed:
        return _("It costs %(share)s, and %(fixed)s.") % {"share": share, "fixed": fixed}
    return _("It costs %(share)s.") % {"share": share}


def _arrival(hours: int) -> str:
    if not hours:
        return _("They arrive within minutes, and cannot be taken back.")
    return ngettext(
        "They arrive after %(n)d hour; until then the sender can take them back.",
        "They arrive after %(n)d hours; until then the sender can take them back.",
        hours,
    ) % {"n": hours}


def question(words: Words, decision: Decision, moment: datetime) -> dict[str, Any]:
    """Return what sending would take and leave."""
    return {
        "to": decision.target.hint,
        "is_exact": decision.target.is_exact,
        "points": words.points(decision.points),
        "fee": words.points(decision.fee),
        "taken": words.points(decision.taken),
        "balance_after": words.points(decision.balance_after),
        "lots": by_last_day(words, decision.lots),
        "arrives_at": decision.arrives_at,
        "can_cancel": decision.arrives_at > moment,
        "key": new_key(),
    }


def reasons(decision: Decision) -> list[dict[str, str]]:
    """Return every reason against, each with what would mend it."""
    return [{**told, "remedy": _remedy(told["code"])} for told in told_reasons(decision)]


def items(
    words: Words, rows: list[Transfer], *, member_id: int, moment: datetime
) -> list[dict[str, Any]]:
    """Return transfers as the member sees them; why one came back is not told."""
    return [_item(words, row, row.sender_id == member_id, moment) for row in rows]


def _item(words: Words, row: Transfer, is_sent: bool, moment: datetime) -> dict[str, Any]:
    is_open = row.state == State.REQUESTED
    label = _STATES[row.state]() if is_sent else pgettext("transfer", "Received")
    return {
        "public_id": row.public_id,
        "is_sent": is_sent,
        "to": row.recipient_hint if is_sent else "",
        "points": words.points(row.points),
        "fee": words.points(row.fee) if is_sent and row.fee else None,
        "requested_at": row.requested_at,
        # What staff have stopped arrives at no instant that could be named.
        "arrives_at": row.completes_at if is_open and row.paused_at is None else None,
        "state": row.state,
        "state_label": label,
        "can_cancel": is_open and (row.paused_at is not None or moment < row.completes_at),
        "key": new_key(),
    }


_STATES: Final[Mapping[str, Callable[[], str]]] = {
    State.REQUESTED: lambda: pgettext("transfer", "On its way"),
    State.COMPLETED: lambda: pgettext("transfer", "Arrived"),
    State.CANCELLED: lambda: pgettext("transfer", "Taken back"),
    State.REFUSED: lambda: pgettext("transfer", "Came back"),
}

_REMEDIES: Final[Mapping[str, Callable[[], str]]] = {
    "member_suspended": lambda: _("Ask in a shop what to do about it."),
    "to_oneself": lambda: _("Name somebody else."),
    "not_verified": lambda: _("Your profile shows what is confirmed."),
    "too_new": lambda: _("Come back then."),
    "in_debt": lambda: _("Then you can send points."),
    "below_minimum": lambda: _("Send more."),
    "above_maximum": lambda: _("Send fewer."),
    "daily_cap": lambda: _("Send fewer, or come back tomorrow."),
    "insufficient_points": lambda: _("Send fewer, or earn the rest with your next purchases."),
    "unknown_member": lambda: _("Look at it again, or ask the person for their member number."),
    "transfer_ended": lambda: _("The list below shows how it ended."),
    "request_in_progress": lambda: _("The list below will show it in a moment."),
    "idempotency_key_reused": lambda: _("Look through the list below, then try again."),
}
_TOLD: Final[Mapping[str, Callable[[], str]]] = {
    "unknown_member": lambda: _("No member has this number or card."),
    "transfer_ended": lambda: _("The points have arrived or come back already."),
    "request_in_progress": lambda: _("The same is being sent right now."),
    "idempotency_key_reused": lambda: _("This button was pressed before for something else."),
}


def refusal(code: str, detail: str) -> str:
    """Return a refusal with its remedy, in the active language."""
    told = _TOLD.get(code)
    return f"{told() if told else detail} {_remedy(code)}".strip()


def refusal_of(error: DomainError) -> str:
    """Return an anticipated error as a member reads it."""
    return refusal(error.code, error.detail)


def _remedy(code: str) -> str:
    found = _REMEDIES.get(code)
    return found() if found else ""
