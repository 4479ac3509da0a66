"""The member's own page: card, identifiers, consents and the copy of their data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from loyalty_site.pages.words import Words
from members import cards
from members.models import Member
from members.queries.consents import Consent
from members.services.consents import Answer

DIGITS_TOGETHER: Final = 4


class Purpose(NamedTuple):
    """Something to agree to, by one channel, with the sentence that is read."""

    purpose: str
    channel: str
    title: Callable[[], str]
    text: Callable[[], str]


PURPOSES: Final = (
    Purpose(
        "marketing",
        "email",
        lambda: _("Offers by email"),
        lambda: _("Promotions and rewards that may interest you, to your email address."),
    ),
    Purpose(
        "marketing",
        "sms",
        lambda: _("Offers by text message"),
        lambda: _("The few that cannot wait, to your phone."),
    ),
    Purpose(
        "profiling",
        "app",
        lambda: _("Offers that suit you"),
        lambda: _("We look at what you buy to choose offers. Without it everyone sees the same."),
    ),
)
_KINDS: Final[Mapping[str, tuple[Callable[[], str], str]]] = {
    "email": (lambda: pgettext("identifier", "Email"), "mail"),
    "phone": (lambda: pgettext("identifier", "Phone"), "key"),
    "card": (lambda: pgettext("identifier", "Card"), "card"),
    "external_id": (lambda: pgettext("identifier", "Customer number"), "person"),
}


_REACHING: Final = ("email", "phone")


def number_grouped(number: str) -> str:
    """Return a member number in groups that are easy to read aloud."""
    starts = range(0, len(number), DIGITS_TOGETHER)
    return " ".join(number[at : at + DIGITS_TOGETHER] for at in starts)


def card(member: Member, moment: datetime) -> dict[str, Any]:
    """Return the card as it is at the moment; its code is replaced every half minute."""
    text = cards.code(member.card_secret, member.number, moment)
    return {
        "name": member.display_name,
        "number": member.number,
        "number_grouped": number_grouped(member.number),
        # Made by the site from digits of its own.
        "qr": mark_safe(cards.svg(text)),
    }


def identifiers(member: Member) -> list[dict[str, Any]]:
    """Return how the member is recognized, primary ones first."""
    rows = member.identifiers.order_by("kind", "-is_primary", "pk")
    return [
        {
            "kind_label": _KINDS[row.kind][0](),
            "icon": _KINDS[row.kind][1],
            "value": row.value,
            "is_verified": row.verified_at is not None,
            # Only what reaches a person can be confirmed by them.
            "can_verify": row.kind in _REACHING,
        }
        for row in rows
    ]


def consents(latest: list[Consent]) -> Iterator[dict[str, Any]]:
    """Return what can be agreed to, with the latest answer; what was never asked is a no."""
    known = {(row.purpose, row.channel): row for row in latest}
    for each in PURPOSES:
        row = known.get((each.purpose, each.channel))
        yield {
            "purpose": each.purpose,
            "channel": each.channel,
            "title": each.title(),
            "text": each.text(),
            "granted": row is not None and row.granted,
            "at": row.at if row is not None else None,
        }


def answer(data: Mapping[str, str]) -> Answer | None:
    """Return the answer that a form gives; None where it is to nothing that was asked."""
    asked = {(each.purpose, each.channel) for each in PURPOSES}
    pair = (data.get("purpose", ""), data.get("channel", ""))
    granted = {"true": True, "false": False}.get(data.get("granted", ""))
    return Answer(*pair, granted) if pair in asked and granted is not None else None


def heading(words: Words, member: Member) -> dict[str, Any]:
    """Return what the head of the profile says."""
    return {
        "number": member.number,
        "number_grouped": number_grouped(member.number),
        "member_since": words.day(member.enrolled_at),
    }
