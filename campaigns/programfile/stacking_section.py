"""Reads which rules apply together, and checks that the rules it names are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from campaigns.earning.stacking import MODES, MULTIPLIERS

from .reader import Problems, Reader
from .rule_document import GroupSection, RuleSection, StackingSection

# Every pair of a list is looked up for each purchase.
_RULES_MAX = 100


def read(reader: Reader) -> StackingSection:
    """Return the section; what it leaves out lets every rule apply."""
    return StackingSection(
        multipliers=reader.choice("multipliers", MULTIPLIERS, default="sum"),
        groups=tuple(_group(each) for each in reader.readers("groups")),
        exclusive=_lists(reader, "exclusive", "a list of at least two different rules"),
        not_together=_lists(reader, "not_together", "a pair of two different rules", most=2),
    )


def _group(reader: Reader) -> GroupSection:
    section = GroupSection(code=reader.code(), mode=reader.choice("mode", MODES))
    reader.close()
    return section


def _lists(
    reader: Reader, key: str, expected: str, *, most: int = _RULES_MAX
) -> tuple[tuple[str, ...], ...]:
    found = []
    for path, value in reader.items(key):
        texts = value if isinstance(value, list) else []
        codes = tuple(each for each in texts if isinstance(each, str))
        if not 2 <= len(set(codes)) == len(codes) == len(texts) <= most:
            reader.problems.add(path, expected)
        found.append(codes)
    return tuple(found)


def check(
    section: StackingSection | None,
    placed: Iterable[tuple[str, RuleSection]],
    problems: Problems,
) -> None:
    """Add a problem for a group or rule that is named without being there."""
    section = section or StackingSection()
    placed = list(placed)
    counted = Counter(each.code for each in section.groups)
    groups = ", ".join(sorted(counted)) or "nothing, since stacking.groups declares none"
    for code, times in counted.items():
        if times > 1:
            problems.add("stacking.groups", f"each code once, {code} is there {times} times")
    for path, rule in placed:
        if rule.group is not None and rule.group not in counted:
            problems.add(f"{path}.group", f"one of {groups}")
    codes = {rule.code for _, rule in placed}
    known = ", ".join(sorted(codes)) or "nothing, since there is no rule"
    for key in ("exclusive", "not_together"):
        for index, named in enumerate(getattr(section, key)):
            for place, code in enumerate(named):
                if code not in codes:
                    problems.add(f"stacking.{key}[{index}][{place}]", f"one of {known}")
