"""Two texts of one campaign held against each other: what differs, and whether both can be kept.

Pure. A campaign is a mapping by the keys of the program file, in canonical form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from campaigns.earning.sentences import rule_sentence, schedule_sentence

Body = Mapping[str, Any]

# What staff say by steps, and not by writing.
_NOT_WRITTEN: Final = frozenset({"status"})


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of a comparison; ``before`` or ``after`` is empty where there is none."""

    what: str
    before: str
    after: str

    @property
    def sign(self) -> str:
        """Return +, -, ~ or, for what is the same, nothing."""
        if self.before == self.after:
            return ""
        if not self.before:
            return "+"
        return "~" if self.after else "-"


@dataclass(frozen=True, slots=True)
class Merged:
    """A change brought onto what is live now; ``conflicts`` are the parts that both changed."""

    body: dict[str, Any]
    conflicts: tuple[str, ...]


def written(body: Body) -> dict[str, Any]:
    """Return the campaign without its state, which is no part of what is written."""
    return {key: value for key, value in body.items() if key not in _NOT_WRITTEN}


def said(value: Any) -> Any:
    """Return the value without what is empty: a key that came later says nothing then."""
    if isinstance(value, Mapping):
        return {key: said(each) for key, each in value.items() if each not in (None, [], {})}
    return [said(each) for each in value] if isinstance(value, list | tuple) else value


def is_same(one: Body | None, other: Body | None) -> bool:
    """Return whether two texts say the same."""
    if one is None or other is None:
        return one is other
    return bool(said(written(one)) == said(written(other)))


def lines(before: Body | None, after: Body | None) -> list[Line]:
    """Return the comparison, sentence by sentence; what is the same stands in it too."""
    old, new = dict(before or {}), dict(after or {})
    found = [
        Line(key, _told(key, old.get(key)), _told(key, new.get(key)))
        for key in _keys(old, new)
        if key not in {"code", "rules", *_NOT_WRITTEN}
    ]
    ours, theirs = _rules(old), _rules(new)
    for code in _keys(ours, theirs):
        found += _rule_lines(code, ours.get(code), theirs.get(code))
    return [line for line in found if line.before or line.after]


def _rule_lines(code: str, before: Body | None, after: Body | None) -> list[Line]:
    shown = Line(f"rule {code}", _sentence(before), _sentence(after))
    if before is None or after is None or said(before) == said(after):
        return [shown]
    # What a sentence does not tell, such as the name and the priority.
    details = [
        Line(f"rule {code}: {key}", _words(before.get(key)), _words(after.get(key)))
        for key in _keys(before, after)
        if said(before.get(key)) != said(after.get(key))
        and (shown.sign == "" or key not in {"when", "lines", "effects", "limits", "trigger"})
    ]
    return [shown, *details]


def _sentence(rule: Body | None) -> str:
    return rule_sentence(rule) if rule else ""


def _keys(*mappings: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(key for each in mappings for key in each))


def _rules(body: Body) -> dict[str, Body]:
    return {rule["code"]: rule for rule in body.get("rules") or ()}


def _told(key: str, value: Any) -> str:
    return schedule_sentence(value) if key == "schedule" and value else _words(value)


def _words(value: Any) -> str:
    """Return a value as a person reads it: nested ones by their keys, without marks of JSON."""
    if value in (None, [], {}, ""):
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_words(each)}" for key, each in value.items() if _words(each))
    if isinstance(value, list | tuple):
        return "; ".join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def merge(*, base: Body | None, live: Body | None, mine: Body) -> Merged:
    """Bring a change that began from ``base`` onto ``live``.

    Each key of the campaign and each of its rules is a part. A part that only one of the two
    changed is taken from the one who did; one that both changed to different ends is a conflict.
    """
    if is_same(base, live):
        return Merged(written(mine), ())
    start, now, ours = dict(base or {}), dict(live or {}), written(mine)
    conflicts: list[str] = []
    body = {
        key: _part(key, start.get(key), now.get(key), ours.get(key), conflicts)
        for key in _keys(ours, written(now))
        if key != "rules"
    }
    old, theirs, own = _rules(start), _rules(now), _rules(ours)
    rules = [
        _part(f"rule {code}", old.get(code), theirs.get(code), own.get(code), conflicts)
        for code in _keys(theirs, own)
    ]
    body["rules"] = [rule for rule in rules if rule is not None]
    return Merged(body, tuple(conflicts))


def _part(name: str, base: Any, live: Any, mine: Any, conflicts: list[str]) -> Any:
    if said(live) == said(base) or said(live) == said(mine):
        return mine
    if said(mine) != said(base):
        conflicts.append(name)
    return live


def sentences(body: Body) -> list[str]:
    """Return what the campaign's rules give, a sentence for each."""
    return [rule_sentence(rule, body.get("schedule")) for rule in body.get("rules") or ()]


def codes(bodies: Iterable[Body]) -> set[str]:
    """Return the codes of the campaigns and of all their rules, which are taken."""
    taken: set[str] = set()
    for body in bodies:
        taken |= {body["code"], *_rules(body)}
    return taken
