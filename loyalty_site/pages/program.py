"""The program explained from what is applied: earning, tiers, rewards and the small print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from campaigns.earning.sentences import (
    effect_sentence,
    limit_sentence,
    rule_sentence,
    schedule_sentence,
)
from campaigns.programfile.rule_document import LIVE_STATUSES
from loyalty_site.pages.catalog import headline
from loyalty_site.pages.standing import RANK_MAX, named_rungs
from loyalty_site.pages.transfers import terms_in, terms_told
from loyalty_site.pages.words import Words
from members.models import Program
from rewards.queries.catalog import rewards_of
from rewards.queries.donations import causes

REWARDS_MAX: Final = 8


def context(*, program: Program, moment: datetime, tier: str | None) -> dict[str, Any]:
    """Return the program in plain words; ``tier`` is the reader's, if they are a member."""
    words = Words(program)
    rewards = rewards_of(program).order_by("points_price", "pk")[:REWARDS_MAX]
    return {
        "headline": "",
        "intro": "",
        "promotions": list(_promotions(words, program, moment)),
        "earn_rules": list(_standing_rules(words, program)),
        "tiers": _tiers(words, program, tier),
        "tier_rule": _tier_rule(words, program),
        "rewards": [
            {**headline(words, row), "price": words.points(row.points_price)} for row in rewards
        ],
        "causes": list(_causes(words, program)),
        "policies": list(_policies(words, program)),
    }


def _causes(words: Words, program: Program) -> Iterator[dict[str, Any]]:
    for cause in causes(program):
        if not cause.donations:
            continue
        target = cause.target
        yield {
            "name": words.pick(cause.reward.name, cause.reward.code),
            "points": words.points(cause.points),
            "total": words.money(cause.total),
            "matched": words.money(cause.matched) if cause.matched else "",
            "paid_out": words.money(cause.paid_out),
            "target": words.money(target) if target else "",
            "progress": min(int(cause.total * 100 / target), 100) if target else 0,
        }


def _promotions(words: Words, program: Program, moment: datetime) -> Iterator[dict[str, Any]]:
    for campaign in program.document.get("campaigns") or []:
        if campaign["status"] in LIVE_STATUSES and _is_live(campaign, moment):
            for rule in campaign["rules"]:
                yield _rule(words, rule, campaign.get("schedule")) | {
                    "campaign": words.pick(campaign["name"], campaign["code"]),
                    "ends_on": _ends_on(words, campaign),
                }


def _standing_rules(words: Words, program: Program) -> Iterator[dict[str, Any]]:
    currencies = program.document.get("points") or []
    status = {each["code"] for each in currencies if each["kind"] != "redeemable"}
    for rule in program.document.get("rules") or []:
        # How status is counted is told with the tiers.
        if not status.issuperset(effect.get("currency") for effect in rule["effects"]):
            yield _rule(words, rule)


def _rule(
    words: Words, rule: Mapping[str, Any], schedule: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    is_event = rule["trigger"].startswith("event:")
    # A reader knows whom "per member" means; the sentence to the letter keeps it.
    parts = [limit_sentence(each).removesuffix(" per member") for each in rule.get("limits") or ()]
    if is_event:
        parts = [*map(effect_sentence, rule["effects"]), *parts]
    if schedule:
        parts.append(schedule_sentence(schedule))
    detail = ", ".join(parts)
    return {
        "text": words.pick(rule["name"], rule["code"]),
        "detail": f"{detail[:1].upper()}{detail[1:]}",
        "sentence": rule_sentence(rule, schedule),
        "is_event": is_event,
    }


def _is_live(campaign: Mapping[str, Any], moment: datetime) -> bool:
    starts_at, ends_at = _instant(campaign["starts_at"]), _instant(campaign["ends_at"])
    has_begun = starts_at is None or starts_at <= moment
    return has_begun and (ends_at is None or moment < ends_at)


def _ends_on(words: Words, campaign: Mapping[str, Any]) -> date | None:
    return words.last_day(_instant(campaign["ends_at"]))


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _tiers(words: Words, program: Program, mine: str | None) -> list[dict[str, Any]]:
    return [
        {
            "name": rung["name"],
            "rank": min(place, RANK_MAX),
            "threshold": words.status(rung["threshold"]) if rung["threshold"] else None,
            "benefits": rung["benefits"],
            "is_mine": code == mine,
        }
        for place, (code, rung) in enumerate(named_rungs(words, program).items(), start=1)
    ]


def _tier_rule(words: Words, program: Program) -> str:
    policy = (program.document.get("tiers") or {}).get("policy")
    if not policy:
        return ""
    months = policy["window"]["months"]
    told = ngettext(
        "Your %(unit)s of the last %(months)d month decide your tier.",
        "Your %(unit)s of the last %(months)d months decide your tier.",
        months,
    ) % {"unit": words.status(0).unit, "months": months}
    if policy["downgrade"] == "none":
        return f"{told} {_('A tier that you have reached is yours for good.')}"
    kept = ngettext(
        "You keep a tier for %(months)d month from the day on which you reach it.",
        "You keep a tier for %(months)d months from the day on which you reach it.",
        months,
    ) % {"months": months}
    return f"{told} {kept} {_fall(policy)}"


def _fall(policy: Mapping[str, Any]) -> str:
    days = policy["grace_days"]
    if not days:
        return _("After that it is renewed, or you go one step down.")
    return ngettext(
        "After that it is renewed, or you have %(days)d more day before you go one step down.",
        "After that it is renewed, or you have %(days)d more days before you go one step down.",
        days,
    ) % {"days": days}


def _policies(words: Words, program: Program) -> Iterator[dict[str, Any]]:
    currency = next(
        (each for each in program.document.get("points") or [] if each["kind"] == "redeemable"),
        None,
    )
    if currency is None:
        return
    if told := _pending(currency):
        yield _policy("clock", pgettext("policy", "When points can be used"), told)
    lasting = _expiry(words, program, currency)
    yield _policy("hourglass", pgettext("policy", "How long points last"), lasting)
    yield _policy("return", pgettext("policy", "When you bring something back"), _returns(currency))
    caps = _caps(words, program)
    if caps:
        yield _policy("info", pgettext("policy", "The most you can earn"), caps)
    terms = terms_in(program)
    if terms is not None:
        sentences = " ".join(terms_told(words, terms))
        yield _policy("gift", pgettext("policy", "Sending points to somebody"), sentences)
    if program.claim_days:
        yield _policy("card", pgettext("policy", "Forgot your card?"), _claim(program))
    yield _policy(
        "info",
        pgettext("policy", "Your data is yours"),
        _("See it, take it with you or erase it on your profile, at any time."),
    )


def _caps(words: Words, program: Program) -> str:
    """Return the caps on what one member earns; those on tills are the shop's matter."""
    told = {
        "day": _("At most %(points)s a day, from everything together."),
        "week": _("At most %(points)s a week, from everything together."),
        "month": _("At most %(points)s a month, from everything together."),
        "year": _("At most %(points)s a year, from everything together."),
        "lifetime": _("At most %(points)s in all."),
    }
    kinds = {each["code"]: each["kind"] for each in program.document.get("points") or []}
    return " ".join(
        told[cap["period"]] % {"points": words.points(cap["points"]).text}
        for cap in program.document.get("caps") or []
        if cap["per"] == "member" and kinds.get(cap["currency"]) == "redeemable"
    )


def _policy(icon: str, title: str, text: str) -> dict[str, str]:
    return {"icon": icon, "title": title, "text": text}


def _pending(currency: Mapping[str, Any]) -> str:
    pending = currency.get("pending") or {"days": currency["pending_days"]}
    if pending.get("until"):
        return _waiting(pending)
    days = pending["days"]
    if not days:
        return ""
    return ngettext(
        "Points of a purchase can be used after %(days)d day, when the time for returns is over.",
        "Points of a purchase can be used after %(days)d days, when the time for returns is over.",
        days,
    ) % {"days": days}


def _waiting(pending: Mapping[str, Any]) -> str:
    told = (
        _("Points of a purchase can be used once it has arrived.")
        if pending["until"] == "event"
        else _("Points of a purchase can be used once the team has looked at it.")
    )
    days = pending.get("at_most_days")
    if not days:
        return told
    return f"{told} " + ngettext(
        "After %(days)d day they can be used in any case.",
        "After %(days)d days they can be used in any case.",
        days,
    ) % {"days": days}


def _expiry(words: Words, program: Program, currency: Mapping[str, Any]) -> str:
    expiry = currency["expiry"]
    soonest = _("Whatever expires soonest is always used first.")
    match expiry["model"]:
        case "fixed_after":
            return f"{_fixed_after(expiry)} {soonest}"
        case "fixed_date":
            return f"{_fixed_date(words, expiry)} {soonest}"
        case "inactivity":
            return f"{_inactivity(expiry)} {_renewing(expiry)}"
        case "by_tier":
            return f"{_by_tier(words, program, expiry)} {soonest}"
    return _("Points do not expire.")


def _inactivity(expiry: Mapping[str, Any]) -> str:
    return ngettext(
        "Points stay while you do: they expire after %(n)d month without activity.",
        "Points stay while you do: they expire after %(n)d months without activity.",
        expiry["months"],
    ) % {"n": expiry["months"]}


def _renewing(expiry: Mapping[str, Any]) -> str:
    # Before the file could name the acts, every one of them renewed points.
    acts = expiry.get("renewed_by") or ("purchase", "redemption", "event")
    told = [
        _("a purchase") if "purchase" in acts else "",
        _("a reward that you redeem") if "redemption" in acts else "",
        _("what you do with us beside buying") if any(map(_is_event, acts)) else "",
    ]
    return _("What renews all of them: %(acts)s.") % {"acts": ", ".join(filter(None, told))}


def _is_event(act: str) -> bool:
    return act.partition(":")[0] == "event"


def _by_tier(words: Words, program: Program, expiry: Mapping[str, Any]) -> str:
    names = {code: rung["name"] for code, rung in named_rungs(words, program).items()}
    told = [
        f"{names.get(each['tier'], each['tier'])} {_length(each)}" for each in expiry["periods"]
    ]
    begin = _("How long points last goes by your tier when you earn them: %(periods)s.") % {
        "periods": ", ".join(told)
    }
    match expiry.get("round_to"):
        case "month_end":
            return f"{begin} {_('They end with the month.')}"
        case "quarter_end":
            return f"{begin} {_('They end with the quarter.')}"
        case "year_end":
            return f"{begin} {_('They end with the year.')}"
    return begin


def _length(period: Mapping[str, Any]) -> str:
    years, months, days = (period.get(name) or 0 for name in ("years", "months", "days"))
    months += 12 * years
    parts = []
    if months:
        parts.append(ngettext("%(n)d month", "%(n)d months", months) % {"n": months})
    if days:
        parts.append(ngettext("%(n)d day", "%(n)d days", days) % {"n": days})
    return _(" and ").join(parts)


def _fixed_after(expiry: Mapping[str, Any]) -> str:
    length = _length(expiry)
    match expiry.get("round_to"):
        case "month_end":
            told = _("Points last %(length)s, to the end of that month.")
        case "quarter_end":
            told = _("Points last %(length)s, to the end of that quarter.")
        case "year_end":
            told = _("Points last %(length)s, to the end of that year.")
        case _other:
            told = _("Points last %(length)s from the day on which you earn them.")
    return told % {"length": length}


def _fixed_date(words: Words, expiry: Mapping[str, Any]) -> str:
    month, day = map(int, expiry["month_day"].split("-"))
    least = expiry.get("minimum_months") or 0
    told = _("Points are good through %(day)s.") % {"day": words.month_day(month, day)}
    if not least:
        return told
    return f"{told} " + ngettext(
        "Those of the last %(n)d month before are good for another year.",
        "Those of the last %(n)d months before are good for another year.",
        least,
    ) % {"n": least}


def _returns(currency: Mapping[str, Any]) -> str:
    match currency["returns"]["policy"]:
        case "only_pending":
            return _("Points that you cannot use yet go back with the goods; used ones are yours.")
        case "within_balance":
            return _("The points of those goods are taken back, as far as you still have them.")
    return _(
        "The points of those goods are taken back. If you have used them already, "
        "what you earn next settles it."
    )


def _claim(program: Program) -> str:
    return ngettext(
        "Bring the receipt within %(days)d day, and the points are added.",
        "Bring the receipt within %(days)d days, and the points are added.",
        program.claim_days,
    ) % {"days": program.claim_days}
