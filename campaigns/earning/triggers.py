"""What a rule answers to: a purchase, an event that somebody tells, or an occasion.

An occasion is an event that the program itself writes down, once: a birthday, goods that came
back, a silence. A rule for one asks the same questions and gives the same things as a rule for
any other event; what it knows of the occasion stands in the payload.
"""

from __future__ import annotations

from typing import Final

PURCHASE: Final = "purchase"
EVENT: Final = "event:"
SCHEDULE: Final = "schedule"
SEGMENT_ENTERED: Final = "segment_entered:"
SEGMENT_LEFT: Final = "segment_left:"
SILENT: Final = "silent:"
# The name under which the program writes occasions down; nobody else may use it.
SOURCE: Final = "program"
SILENT_DAYS_MAX: Final = 3650

_PLAIN: Final = {
    "return": "when goods of theirs came back",
    "birthday": "on the member's birthday",
    "anniversary": "on each anniversary of the membership",
    "tier_changed": "when the tier changes",
    "points_expiring": "when points are about to expire",
    SCHEDULE: "by the calendar",
}
EXPECTED: Final = (
    "purchase, event:<type> such as event:newsletter, "
    + ", ".join(_PLAIN)
    + ", segment_entered:<code>, segment_left:<code> or silent:<days>"
)


def is_trigger(text: object) -> bool:
    """Return whether a rule can answer to what the text names."""
    if not isinstance(text, str):
        return False
    if text == PURCHASE or text in _PLAIN:
        return True
    for kind in (EVENT, SEGMENT_ENTERED, SEGMENT_LEFT):
        if text.startswith(kind):
            return len(text) > len(kind)
    return silent_days(text) is not None


def is_occasion(trigger: str) -> bool:
    """Return whether the program itself writes down what the rule answers to."""
    return trigger != PURCHASE and not trigger.startswith(EVENT)


def names_occasion(text: str) -> bool:
    """Return whether the text names an occasion, that of one rule's calendar included."""
    if text.startswith(f"{SCHEDULE}:"):
        return len(text) > len(SCHEDULE) + 1
    return is_trigger(text) and is_occasion(text)


def silent_days(trigger: str) -> int | None:
    """Return after how many days without a purchase the rule is asked; None for others."""
    days = trigger.removeprefix(SILENT)
    if days == trigger or not (days.isascii() and days.isdigit()) or len(days) > 4:
        return None
    return int(days) if 1 <= int(days) <= SILENT_DAYS_MAX and days[0] != "0" else None


def segment_of(trigger: str) -> str | None:
    """Return the code of the segment whose moves the rule answers to; None for others."""
    for kind in (SEGMENT_ENTERED, SEGMENT_LEFT):
        if trigger.startswith(kind):
            return trigger.removeprefix(kind)
    return None


def scheduled(rule: str) -> str:
    """Return the occasion of one rule's own calendar."""
    return f"{SCHEDULE}:{rule}"


def phrase(trigger: str) -> str:
    """Return when the rule is asked, as the end of its sentence; empty for a purchase."""
    if trigger == PURCHASE:
        return ""
    if trigger.startswith(EVENT):
        return f"for the event {trigger.removeprefix(EVENT)}"
    if trigger.startswith(SEGMENT_ENTERED):
        return f"on entering the segment {trigger.removeprefix(SEGMENT_ENTERED)}"
    if trigger.startswith(SEGMENT_LEFT):
        return f"on leaving the segment {trigger.removeprefix(SEGMENT_LEFT)}"
    days = silent_days(trigger)
    if days is not None:
        return f"after {days} {'day' if days == 1 else 'days'} without a purchase"
    return _PLAIN[trigger]
