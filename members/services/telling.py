"""The words in which members are told what happened, in their own language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from loyalty_site.lib import languages
from members.models import Member, PointCurrency, Program, Tier

Names = Mapping[str, Any]


class Text(NamedTuple):
    """What stands in the inbox, and in the e-mail."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Wording:
    """What the texts of one program need: names by code, each per language."""

    program_name: str
    locale: str
    currencies: Mapping[str, Names]
    tiers: Mapping[str, Names]
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class _Say:
    """The facts of one event, spoken in one language."""

    wording: Wording
    language: str
    facts: Mapping[str, Any]

    def points(self) -> str:
        """Return the number of points with the currency's name in the form that it asks for."""
        number = int(self.facts.get("points") or 0)
        babel = Locale.parse(self.language, sep="-")
        amount = format_decimal(number, locale=babel)
        forms = self._named(self.wording.currencies.get(str(self.facts.get("currency")), {}))
        if not forms and len(self.wording.currencies) == 1:
            forms = self._named(next(iter(self.wording.currencies.values())))
        if not isinstance(forms, Mapping):
            return f"{amount} {forms or _('points')}"
        name = forms.get(babel.plural_form(abs(number))) or forms.get("other") or _("points")
        return f"{amount} {name}"

    def last_day(self) -> str:
        """Return the last day of the points, as the language writes days."""
        day = date.fromisoformat(str(self.facts["last_day"]))
        return format_date(day, format="long", locale=Locale.parse(self.language, sep="-"))

    def tier(self, fact: str) -> str:
        """Return the name of the tier whose code is the fact."""
        code = str(self.facts.get(fact) or "")
        return str(self._named(self.wording.tiers.get(code, {})) or code)

    def reward(self) -> str:
        """Return the name of the reward, which the event carries per language or as a text."""
        reward = self.facts.get("reward") or ""
        return str(self._named(reward) if isinstance(reward, Mapping) else reward)

    def day(self, fact: str) -> str:
        """Return the instant of a fact as a day and a time of the program's zone."""
        if not self.facts.get(fact):
            return ""
        instant = datetime.fromisoformat(str(self.facts[fact]))
        zone = ZoneInfo(self.wording.timezone)
        return str(format_datetime(instant, "medium", zone, Locale.parse(self.language, sep="-")))

    def _named(self, names: Names) -> Any:
        return languages.pick(dict(names), (self.language, self.wording.locale))


def wording_of(program: Program) -> Wording:
    """Return the names that the texts of the program use."""
    currencies = PointCurrency.objects.filter(
        program=program, kind=PointCurrency.Kind.REDEEMABLE
    ).order_by("position", "pk")
    tiers = Tier.objects.filter(program=program).order_by("pk")
    return Wording(
        program.name,
        program.locale,
        dict(currencies.values_list("code", "names")),
        dict(tiers.values_list("code", "name")),
        program.timezone,
    )


def language_of(member: Member, wording: Wording) -> str:
    """Return the language of the site that suits the member best."""
    offered = [code for code, _name in settings.LANGUAGES]
    wished = (member.locale, wording.locale, settings.LANGUAGE_CODE)
    return languages.lookup(filter(None, wished), offered) or settings.LANGUAGE_CODE


def text_of(kind: str, facts: Mapping[str, Any], *, wording: Wording, language: str) -> Text | None:
    """Return what to say of an event, or None where there is nothing to say."""
    speaker = _SPEAKERS.get(kind)
    if speaker is None:
        return None
    with override(language):
        return speaker(_Say(wording, language, facts))


def _points_earned(say: _Say) -> Text:
    body = (
        _("They become available once the time for returns is over.")
        if say.facts.get("is_pending")
        else _("They can be used at once.")
    )
    return Text(_("You earned %(points)s") % {"points": say.points()}, body)


def _points_expired(say: _Say) -> Text:
    return Text(
        _("%(points)s expired") % {"points": say.points()},
        _of_pool(say, _("They reached the end of their life without being used.")),
    )


def _points_expiring(say: _Say) -> Text:
    title = _("%(points)s will expire soon") % {"points": say.points()}
    if "last_day" not in say.facts:
        return Text(title, _of_pool(say, _("Use them for a reward before they do.")))
    body = _("Their last day is %(day)s. Use them for a reward until then.")
    return Text(title, _of_pool(say, body % {"day": say.last_day()}))


def _of_pool(say: _Say, body: str) -> str:
    """Say whose points they are, where they are a pool's: its owner is told."""
    return f"{body} {_('They are points of your pool.')}" if say.facts.get("in_pool") else body


def _tier_changed(say: _Say) -> Text:
    return Text(
        _("Your tier is now %(tier)s") % {"tier": say.tier("after")},
        _("It counts for everything from this moment on."),
    )


def _redemption_made(say: _Say) -> Text:
    return Text(
        _("You redeemed: %(reward)s") % {"reward": say.reward()},
        _("It cost %(points)s. Your codes show how to collect it.") % {"points": say.points()},
    )


def _redemption_cancelled(say: _Say) -> Text:
    return Text(
        _("A redemption was cancelled: %(reward)s") % {"reward": say.reward()},
        _("You have %(points)s back.") % {"points": say.points()},
    )


def _voucher_used(say: _Say) -> Text:
    return Text(
        _("Your code was used: %(reward)s") % {"reward": say.reward()},
        _("If it was not you, tell the shop."),
    )


def _voucher_granted(say: _Say) -> Text:
    return Text(
        _("A voucher for you: %(reward)s") % {"reward": say.reward()},
        _("It cost you no points. Your codes show how to use it."),
    )


def _voucher_withdrawn(say: _Say) -> Text:
    return Text(
        _("A voucher is no longer valid: %(reward)s") % {"reward": say.reward()},
        _("The goods that it came with were returned."),
    )


def _member_enrolled(say: _Say) -> Text:
    return Text(
        _("Welcome to %(program)s") % {"program": say.wording.program_name},
        _("Show your card when you buy, and your points gather by themselves."),
    )


def _return_applied(say: _Say) -> Text:
    return Text(
        _("Your return was applied"),
        _("%(points)s of the purchase were taken back.") % {"points": say.points()},
    )


def _transfer_requested(say: _Say) -> Text:
    return Text(
        _("You are sending %(points)s") % {"points": say.points()},
        _("They leave on %(day)s. If it was not you, cancel it before and tell the shop.")
        % {"day": say.day("completes_at")},
    )


def _transfer_received(say: _Say) -> Text:
    return Text(
        _("You received %(points)s") % {"points": say.points()},
        _("Another member sent them to you. They can be used at once."),
    )


def _transfer_returned(say: _Say) -> Text:
    body = (
        _("You cancelled sending them.")
        if say.facts.get("state") == "cancelled"
        else _("They could not be delivered.")
    )
    return Text(_("%(points)s are back") % {"points": say.points()}, body)


def _claim_decided(say: _Say) -> Text:
    if say.facts.get("state") != "granted":
        return Text(
            _("We could not find the points that you miss"),
            _("What we found out stands beside your receipt under Missing points."),
        )
    return Text(
        _("We found the points that you missed"),
        _("%(points)s were added by the rules of the day of your purchase.")
        % {"points": say.points()},
    )


def _pool_ended(say: _Say) -> Text:
    points = int(say.facts.get("points") or 0)
    body = _("%(points)s came back to you.") % {"points": say.points()} if points else ""
    if say.facts.get("ending") == "closed":
        return Text(_("Your pool has ended"), body)
    return Text(_("You are not in the pool any more"), body)


def _members_merged(say: _Say) -> Text:
    return Text(
        _("Your memberships are one now"),
        _("What you held in the other one is in this one: points, codes and purchases."),
    )


_SPEAKERS: dict[str, Callable[[_Say], Text]] = {
    "points_earned": _points_earned,
    "points_expired": _points_expired,
    "points_expiring": _points_expiring,
    "tier_changed": _tier_changed,
    "redemption_made": _redemption_made,
    "redemption_cancelled": _redemption_cancelled,
    "voucher_used": _voucher_used,
    "voucher_granted": _voucher_granted,
    "voucher_withdrawn": _voucher_withdrawn,
    "member_enrolled": _member_enrolled,
    "return_applied": _return_applied,
    "transfer_requested": _transfer_requested,
    "transfer_received": _transfer_received,
    "transfer_returned": _transfer_returned,
    "members_merged": _members_merged,
    "pool_ended": _pool_ended,
    "claim_decided": _claim_decided,
}
