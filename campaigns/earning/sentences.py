"""Plain sentences for conditions, awards and limits.

A sentence is a message with named figures first and text second, so that a translation
replaces the templates and never takes a finished sentence apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from . import attributes, grants, schedules, triggers, windows

_CLAUSES: Final[Mapping[str, str]] = {
    "eq": "{attribute} is {value}",
    "ne": "{attribute} is not {value}",
    "gt": "{attribute} is more than {value}",
    "gte": "{attribute} is at least {value}",
    "lt": "{attribute} is less than {value}",
    "lte": "{attribute} is at most {value}",
    "in": "{attribute} is one of {value}",
    "not_in": "{attribute} is none of {value}",
    "contains": "{attribute} contains {value}",
    "between": "{attribute} is between {value}",
}
_SET_CLAUSES: Final[Mapping[str, str]] = {
    "contains": "{attribute} include {value}",
    "in": "{attribute} include one of {value}",
    "not_in": "{attribute} include none of {value}",
}
_WEEKDAYS: Final = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth")
_UNITS: Final[Mapping[str, str]] = {
    "DAILY": "day",
    "WEEKLY": "week",
    "MONTHLY": "month",
    "YEARLY": "year",
}
_PERIODS: Final[Mapping[str, str]] = {
    "day": "a day",
    "week": "a week",
    "month": "a month",
    "year": "a year",
    "lifetime": "in all",
}

_SUBJECTS: Final[Mapping[str, str]] = {
    "program": "",
    "code": " per coupon",
    "member_store": " per member and store",
}
_MULTIPLIERS: Final[Mapping[str, str]] = {
    "max": "Of several multipliers only the one that adds most counts.",
    "product": "Each multiplier acts on what those before it came to.",
}
_MODES: Final[Mapping[str, str]] = {
    "first": "the first that applies",
    "best_for_member": "the one that gives most",
    "lowest_cost": "the one that costs least",
}


def sentence(tree: Mapping[str, Any]) -> str:
    """Return the condition as an English clause: "the member's tier is gold"."""
    return _clause(tree, nested=False, discreet=False)


def trace_sentence(tree: Mapping[str, Any]) -> str:
    """Return the condition as a trace may keep it: what is personal is named without its value.

    That a condition did not hold would otherwise tell a member's age or segment.
    """
    return _clause(tree, nested=False, discreet=True)


def _clause(tree: Mapping[str, Any], *, nested: bool, discreet: bool) -> str:
    if "not" in tree:
        return f"not ({_clause(tree['not'], nested=False, discreet=discreet)})"
    for kind, word in (("all", " and "), ("any", " or ")):
        if kind in tree:
            text = word.join(_clause(each, nested=True, discreet=discreet) for each in tree[kind])
            return f"({text})" if nested and len(tree[kind]) > 1 else text
    return _leaf(tree, discreet=discreet)


def _leaf(tree: Mapping[str, Any], *, discreet: bool) -> str:
    attribute = attributes.find(tree["attr"])
    phrase = attribute.phrase if attribute else tree["attr"]
    if attribute is not None and attribute.scope == "history":
        phrase += windows.words(tree)
    if discreet and attribute is not None and attribute.personal:
        return f"the condition on {phrase} holds"
    if tree["op"] == "exists":
        return f"{phrase} {'is' if tree['value'] else 'is not'} known"
    clauses = _SET_CLAUSES if attribute and attribute.type == "text_set" else _CLAUSES
    return clauses[tree["op"]].format(attribute=phrase, value=_value(tree))


def _value(tree: Mapping[str, Any]) -> str:
    value = tree["value"]
    if not isinstance(value, list | tuple):
        return _word(tree["attr"], value)
    words = [_word(tree["attr"], each) for each in value]
    if tree["op"] == "between":
        return " and ".join(words)
    return ", ".join(words)


def _word(attr: str, value: object) -> str:
    if attr == "moment.weekday" and isinstance(value, int) and 1 <= value <= 7:
        return _WEEKDAYS[value - 1]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def points(number: int) -> str:
    """Return "1 point" or "5 points"."""
    return f"{number} point" if number == 1 else f"{number} points"


def rule_sentence(rule: Mapping[str, Any], schedule: Mapping[str, Any] | None = None) -> str:
    """Return one rule of a program file as a sentence for the member.

    ``schedule`` is that of its campaign; a stored definition carries its own.
    """
    schedule = schedule or (rule.get("campaign") or {}).get("schedule")
    text = ", ".join(effect_sentence(effect) for effect in rule["effects"])
    if rule.get("lines"):
        text += f" on lines where {sentence(rule['lines'])}"
    when = triggers.phrase(rule["trigger"])
    text += f" {when}" if when else ""
    if rule.get("when"):
        text += f" when {sentence(rule['when'])}"
    if schedule:
        text += f", {schedule_sentence(schedule)}"
    limits = [limit_sentence(limit) for limit in rule.get("limits") or ()]
    return "; ".join([text[:1].upper() + text[1:], *limits]) + "."


def schedule_sentence(schedule: Mapping[str, Any]) -> str:
    """Return when a campaign has its hours: "every week on Friday, 17:00 to 19:00"."""
    compiled = schedules.compile_schedule(schedule)
    start = datetime.combine(schedules.EPOCH, compiled.starts)
    return f"{_days(compiled.days)}, {_hours(start, compiled.duration)}"


def occurrence(start: datetime, duration: timedelta) -> str:
    """Return one occurrence of a schedule: "Friday 2026-03-06, 17:00 to 19:00"."""
    return f"{_WEEKDAYS[start.weekday()]} {start.date()}, {_hours(start, duration)}"


def _hours(start: datetime, duration: timedelta) -> str:
    end = start + duration
    if (start.hour, start.minute, duration) == (0, 0, timedelta(days=1)):
        return "all day"
    days = (end.date() - start.date()).days
    later = "" if not days else " on the next day" if days == 1 else f" {days} days later"
    return f"{start:%H:%M} to {end:%H:%M}{later}"


def _days(rule: schedules.Recurrence) -> str:
    unit = _UNITS[rule.frequency]
    text = f"every {unit}" if rule.interval == 1 else f"every {rule.interval} {unit}s"
    days = [_numbered(number, _WEEKDAYS[weekday]) for weekday, number in rule.by_day]
    dates = [_numbered(day, "day") if day < 0 else f"day {day}" for day in rule.by_month_day]
    for listed in (days, dates):
        text += f" on {', '.join(listed)}" if listed else ""
    if rule.by_month:
        text += f" in {', '.join(_MONTHS[month - 1] for month in rule.by_month)}"
    if rule.by_position:
        text += f", {', '.join(_numbered(place, 'of these') for place in rule.by_position)}"
    if rule.count is not None:
        text += f", {rule.count} times from {rule.first}"
    return f"{text}, until {rule.until}" if rule.until is not None else text


def _numbered(number: int, what: str) -> str:
    """Return "the second Friday" or "the last Friday", with 0 any."""
    if not number:
        return what
    if abs(number) <= len(_ORDINALS):
        ordinal = _ORDINALS[abs(number) - 1]
        back = "last" if number == -1 else f"{ordinal} to last"
        return f"the {ordinal if number > 0 else back} {what}"
    return f"the {what} number {number}"


def effect_sentence(effect: Mapping[str, Any]) -> str:
    """Return one effect: "1 point per 1.00", "20 points", "base points times 2"."""
    if effect["kind"] == "earn_rate":
        basis = " not paid with points" if effect.get("basis") == "net_of_points" else ""
        return f"{points(effect['points'])} per {effect['per']}{basis}"
    if effect["kind"] == "earn_fixed":
        return points(effect["points"])
    if grants.is_grant(effect):
        return grants.sentence(effect)
    return f"base points times {effect['factor']}"


def limit_sentence(limit: Mapping[str, Any]) -> str:
    """Return one limit: "at most 100 points a day per member"."""
    figures = []
    if limit.get("points") is not None:
        figures.append(points(limit["points"]))
    if limit.get("uses") is not None:
        figures.append("once" if limit["uses"] == 1 else f"{limit['uses']} times")
    if limit.get("money") is not None:
        figures.append(f"points worth {limit['money']}")
    whom = _SUBJECTS.get(limit["per"], f" per {limit['per']}")
    return f"at most {' and '.join(figures)} {_PERIODS[limit['period']]}{whom}"


def cap_sentence(cap: Mapping[str, Any]) -> str:
    """Return one cap: "at most 5000 points a day per member, from all rules together"."""
    return f"{limit_sentence(cap)}, from all rules together"


def stacking_sentences(stacking: Mapping[str, Any]) -> list[str]:
    """Return which rules do not apply together: "Of base, plus only the first applies."."""
    multipliers = _MULTIPLIERS.get(stacking.get("multipliers", "sum"))
    groups = [
        f"Of the rules of group {each['code']} only {_MODES[each['mode']]} applies."
        for each in stacking.get("groups", ())
        if each["mode"] in _MODES
    ]
    apart = [
        f"Of {', '.join(codes)} only the first that applies does."
        for codes in (*stacking.get("exclusive", ()), *stacking.get("not_together", ()))
    ]
    return [*([multipliers] if multipliers else []), *groups, *apart]
