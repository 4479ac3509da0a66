"""What is going to make points worth less, in words, and what it means for one member."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.models import AnnouncedChange
from campaigns.queries.changes import announced, name_of
from loyalty_site.pages.words import Words
from members.models import Member, Program
from members.queries.balances import Balance, balance_now
from members.queries.tiers import TierReading, tier_reading


def context(*, program: Program, moment: datetime, member: Member | None) -> dict[str, Any]:
    """Return the list of changes; for a member, with what each does to their own points."""
    words = Words(program)
    changes = announced(program=program, moment=moment)
    coming = [each for each in changes if each.taken_at is None]
    reader = Reader(words, program, member, moment) if member and coming else None
    return {
        "coming": [_shown(words, program, each, reader) for each in reversed(coming)],
        "past": [_shown(words, program, each, None) for each in changes if each.taken_at],
        "summary": list(reader.summary(coming)) if reader else [],
        "notice_days": (program.document.get("program") or {}).get("notice_days") or 0,
    }


def _shown(
    words: Words, program: Program, change: AnnouncedChange, reader: Reader | None
) -> dict[str, Any]:
    return {
        "text": _sentence(words, program, change),
        "day": words.day(change.effective_at),
        "announced": words.day(change.announced_at),
        "mine": reader.effect(change) if reader else "",
    }


def _sentence(words: Words, program: Program, change: AnnouncedChange) -> str:
    name = name_of(program.document, change, words.languages)
    before: Any = change.before
    after: Any = change.after
    if change.kind == "reward_price":
        figures = {"before": words.number(before), "after": words.points(after).text}
        return _("%(name)s costs %(after)s instead of %(before)s.") % {"name": name, **figures}
    if change.kind in ("reward_value", "point_value"):
        worth = {"before": _number(words, before), "after": _number(words, after)}
        if change.kind == "point_value":
            return _("One point is worth %(after)s instead of %(before)s.") % worth
        return _("%(name)s is worth %(after)s instead of %(before)s.") % {"name": name, **worth}
    if change.kind == "threshold":
        figures = {"before": words.number(before), "after": words.status(after).text}
        return _("%(name)s asks for %(after)s instead of %(before)s.") % {"name": name, **figures}
    if change.kind == "tier_window":
        months = {"before": before, "after": after}
        return _("Points count for tiers for %(after)s months instead of %(before)s.") % months
    if change.kind == "notice":
        days = {"before": before or 0, "after": after or 0}
        return _("Changes are announced %(after)s days before instead of %(before)s.") % days
    return _("Points that are earned from then on end sooner than they did.")


def _number(words: Words, value: str | None) -> str:
    return words.number(Decimal(value or 0))


def figures(change: AnnouncedChange) -> tuple[int, int]:
    """Return the points of before and after of a price or a threshold."""
    before: Any = change.before
    after: Any = change.after
    return before, after


class Reader:
    """One member with what they hold, for whom a change is told in their own figures."""

    def __init__(self, words: Words, program: Program, member: Member, moment: datetime) -> None:
        self.words = words
        self.rewards = len(program.document.get("rewards") or [])
        self.balance: Balance | None = balance_now(member=member.public_id, moment=moment)
        self.tier: TierReading | None = tier_reading(
            program=program, member_id=member.pk, moment=moment
        )

    @property
    def _points(self) -> int:
        return self.balance.available if self.balance else 0

    def summary(self, coming: list[AnnouncedChange]) -> Iterator[str]:
        """Yield how many of the rewards become dearer."""
        dearer = len({each.code for each in coming if each.kind.startswith("reward_")})
        if dearer:
            yield ngettext(
                "%(count)s of %(all)s rewards becomes dearer.",
                "%(count)s of %(all)s rewards become dearer.",
                dearer,
            ) % {"count": dearer, "all": self.rewards}

    def effect(self, change: AnnouncedChange) -> str:
        """Return what a change does to what the member holds."""
        told = {
            "reward_price": self._of_price,
            "point_value": self._of_value,
            "threshold": self._of_threshold,
            "expiry": self._of_expiry,
        }.get(change.kind)
        return told(change) if told else ""

    def _of_price(self, change: AnnouncedChange) -> str:
        before, after = figures(change)
        now, then = self._points // before, self._points // after
        points = self.words.points(self._points).text
        if now and now == then:
            return ngettext(
                "Your %(points)s still buy %(count)s of it.",
                "Your %(points)s still buy %(count)s of them.",
                now,
            ) % {"points": points, "count": self.words.number(now)}
        if now:
            return _("Your %(points)s buy %(now)s of them now, and %(then)s then.") % {
                "points": points,
                "now": self.words.number(now),
                "then": self.words.number(then),
            }
        missing = self.words.points(after - self._points).text
        return _("You have %(points)s: %(missing)s more buy it then.") % {
            "points": points,
            "missing": missing,
        }

    def _of_value(self, change: AnnouncedChange) -> str:
        now, then = (Decimal(each or 0) * self._points for each in (change.before, change.after))
        return _("Your %(points)s are worth %(now)s now, and %(then)s then.") % {
            "points": self.words.points(self._points).text,
            "now": self.words.money(now),
            "then": self.words.money(then),
        }

    def _of_threshold(self, change: AnnouncedChange) -> str:
        if self.tier is None:
            return ""
        have = self.tier.progress.value
        missing = max(figures(change)[1] - have, 0)
        if not missing:
            return _("You have %(points)s, which is enough then too.") % {
                "points": self.words.status(have).text
            }
        return _("You have %(points)s: %(missing)s more are asked for then.") % {
            "points": self.words.status(have).text,
            "missing": self.words.number(missing),
        }

    def _of_expiry(self, _change: AnnouncedChange) -> str:
        return _("The %(points)s that you have keep their dates.") % {
            "points": self.words.points(self._points).text
        }
