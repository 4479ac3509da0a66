"""The tier that a member sees: the rung, the way to the next, and what keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from loyalty_site.pages.words import Amount, Words
from members.grading import Keep, Next, held_by, progress
from members.models import Member, Program
from members.queries.grading import ProgramGrading
from members.queries.tiers import tier_reading
from members.services.tiers import read_gains, read_standings

# The look has four metals; a longer ladder shares the highest.
RANK_MAX: Final = 4

# The standings that count, and what any window can hold that ends now or when the tier does.
FACTS: Final = """jsonb_build_object(
    'standings', tiers_standings(%(member)s::bigint),
    'gains', (SELECT tiers_gains(%(member)s::bigint, %(status)s::bigint, (
        SELECT least(%(moment)s::timestamptz, s.starts_at, s.valid_until)
          - make_interval(months => %(window_months)s::int + 1, days => 1)
        FROM members_tiermembership s
        WHERE s.member_id = %(member)s::bigint AND s.superseded_at IS NULL
        ORDER BY s.starts_at DESC, s.id DESC LIMIT 1))))"""


@dataclass(frozen=True, slots=True)
class Goal:
    """A threshold of qualifying points with what is missing to it; ``progress`` is 0 to 100."""

    name: str
    threshold: Amount
    missing: Amount
    progress: int
    is_met: bool
    by: date | None = None


@dataclass(frozen=True, slots=True)
class TierShown:
    """The member's rung, from 1 as the lowest; ``progress`` is 100 on the highest."""

    code: str
    name: str
    rank: int
    progress: int
    next: Goal | None
    keep: Goal | None
    benefits: tuple[str, ...]


def values(rules: ProgramGrading | None) -> dict[str, Any]:
    """Return the values that ``FACTS`` asks for beside the member and the moment."""
    return {
        "status": rules.currency_id if rules else None,
        "window_months": rules.grading.policy.months if rules else 0,
    }


def tier_of(
    words: Words,
    program: Program,
    rules: ProgramGrading | None,
    facts: Mapping[str, Any],
    moment: datetime,
) -> TierShown | None:
    """Return the tier at the moment with what is due counted; None without tiers."""
    if rules is None or not facts["standings"]:
        return None
    timeline = [each.standing for each in read_standings(facts["standings"], rules.codes)]
    gains = read_gains(facts["gains"])
    held = held_by(rules.grading, timeline, gains, moment)
    found = progress(rules.grading, held[-1], gains, moment)
    rungs = named_rungs(words, program)
    code = held[-1].tier
    upward = _next(words, rungs, found.next) if found.next else None
    return TierShown(
        code=code,
        name=rungs.get(code, {}).get("name", code),
        rank=min(rules.grading.ladder.position(code) + 1, RANK_MAX),
        progress=upward.progress if upward else 100,
        next=upward,
        keep=_keep(words, found.keep) if found.keep else None,
        benefits=rungs.get(code, {}).get("benefits", ()),
    )


def current(words: Words, member: Member, moment: datetime) -> dict[str, Any] | None:
    """Return name and rank of the member's tier; None without tiers."""
    reading = tier_reading(program=member.program, member_id=member.pk, moment=moment)
    if reading is None:
        return None
    codes = list(named_rungs(words, member.program))
    place = codes.index(reading.tier) if reading.tier in codes else 0
    name = words.pick(reading.names.get(reading.tier), reading.tier)
    return {"name": name, "rank": min(place + 1, RANK_MAX)}


def named_rungs(words: Words, program: Program) -> dict[str, dict[str, Any]]:
    """Return name, threshold and benefits of each rung of the program file, lowest first."""
    ladder = (program.document.get("tiers") or {}).get("ladder") or []
    return {
        rung["code"]: {
            "name": words.pick(rung["name"], rung["code"]),
            "threshold": rung["threshold"],
            "benefits": tuple(words.pick(text) for text in rung.get("benefits") or ()),
        }
        for rung in sorted(ladder, key=lambda rung: rung["threshold"])
    }


def _next(words: Words, rungs: Mapping[str, Any], found: Next) -> Goal:
    return _goal(
        words, rungs.get(found.tier, {}).get("name", found.tier), found.threshold, found.missing
    )


def _keep(words: Words, found: Keep) -> Goal:
    return _goal(words, "", found.threshold, found.missing, words.last_day(found.by))


def _goal(words: Words, name: str, threshold: int, missing: int, by: date | None = None) -> Goal:
    reached = min(max(threshold - missing, 0), threshold)
    return Goal(
        name=name,
        threshold=words.status(threshold),
        missing=words.status(missing),
        progress=reached * 100 // threshold if threshold else 100,
        is_met=missing <= 0,
        by=by,
    )
