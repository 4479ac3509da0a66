"""The pool on the member's pages: who is in it, what is in it, and the terms in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from loyalty_site.lib.errors import DomainError
from loyalty_site.pages.words import Words
from members.models import Program
from members.pooling import KINDS, PoolTerms, terms_of
from members.queries.pools import PoolView

_ROLES = {
    "owner": lambda: pgettext("role in a pool", "owner"),
    "adult": lambda: pgettext("role in a pool", "adult"),
    "child": lambda: pgettext("role in a pool", "child"),
}


def kinds_of(program: Program) -> list[str]:
    """Return the kinds of pools that the program has terms for."""
    return [kind for kind in KINDS if program.pools.get(kind)]


def told(words: Words, view: PoolView) -> dict[str, Any]:
    """Return a pool as its page shows it."""
    return {
        "name": view.pool.name,
        "available": words.points(view.available),
        "held": words.points(view.held) if view.held else None,
        "own": words.points(view.points_of_mine),
        "share_pct": view.mine.share_pct,
        "is_owner": view.is_owner,
        "may_redeem": view.may_redeem,
        "members": [
            {
                "public_id": each.membership.member.public_id,
                "name": each.name or _("A member"),
                "role": _ROLES[each.membership.role](),
                "points": words.points(each.points),
                "is_you": each.membership.pk == view.mine.pk,
            }
            for each in view.companions
        ],
    }


def terms_told(words: Words, program: Program) -> Iterator[str]:
    """Return how pools work in sentences."""
    yield _("Points that you give keep the day on which they expire, and your status points stay.")
    yield _("Whoever leaves takes back what is left of their own points.")
    for kind in kinds_of(program):
        terms = terms_of(program.pools, kind)
        if terms is not None:
            yield from _of_kind(words, terms)


def _of_kind(words: Words, terms: PoolTerms) -> Iterator[str]:
    if terms.kind == "household":
        told = ngettext(
            "A household has up to %(n)d member.",
            "A household has up to %(n)d members.",
            terms.members_max,
        )
    else:
        told = ngettext(
            "A company has up to %(n)d member.",
            "A company has up to %(n)d members.",
            terms.members_max,
        )
    yield told % {"n": terms.members_max}
    if terms.cap is not None:
        yield _("It can hold up to %(points)s.") % {"points": words.points(terms.cap).text}
    roles = ", ".join(_ROLES[role]() for role in terms.redeem)
    yield _("Who may redeem its points: %(roles)s.") % {"roles": roles}
    if terms.tenure_days:
        yield ngettext(
            "You can be in one from %(n)d day after joining the program.",
            "You can be in one from %(n)d days after joining the program.",
            terms.tenure_days,
        ) % {"n": terms.tenure_days}


def refusal_of(error: DomainError) -> str:
    """Return why something was refused, in the active language."""
    if error.code in _REFUSALS:
        return _REFUSALS[error.code]()
    return error.detail or error.title


_REFUSALS = {
    "invite_unknown": lambda: _("This code is not good: ask the owner of the pool for another."),
    "not_in_a_pool": lambda: _("You are in no pool."),
    "not_your_pool": lambda: _("Only the owner of the pool can do this."),
}
