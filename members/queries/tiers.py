"""Where a member stands on the ladder, what is missing upward and what keeps the place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from django.db import connection

from loyalty_site.lib.calendars import add_months_to_instant
from members.grading import Gain, Keep, Next, Progress, Standing, held_by, progress
from members.models import Program, Tier, TierMembership
from members.queries.grading import ProgramGrading, grading_of


@dataclass(frozen=True, slots=True)
class TierReading:
    """A member's tier at a moment; ``names`` holds the tiers' names per language, by code.

    ``since`` is when the unbroken stay on the tier began, ``metric`` the code of the
    qualifying currency.
    """

    tier: str
    since: datetime
    valid_until: datetime | None
    metric: str
    progress: Progress
    names: Mapping[str, Mapping[str, str]]

    @property
    def next(self) -> Next | None:
        """Return the rung above."""
        return self.progress.next

    @property
    def keep(self) -> Keep | None:
        """Return what keeps the tier."""
        return self.progress.keep


def tier_reading(*, program: Program, member_id: int, moment: datetime) -> TierReading | None:
    """Return where the member stands at ``moment``, with what is due by then counted.

    None where the program has no tiers.
    """
    rules = grading_of(program)
    timeline = _timeline(member_id)
    if rules is None or not timeline:
        return None
    gains = _gains(rules, member_id, timeline, moment)
    held = held_by(rules.grading, timeline, gains, moment)
    return TierReading(
        tier=held[-1].tier,
        since=_since(held),
        valid_until=held[-1].valid_until,
        metric=program.tier_policy["currency"],
        progress=progress(rules.grading, held[-1], gains, moment),
        names=dict(Tier.objects.filter(program=program).values_list("code", "name")),
    )


def _timeline(member_id: int) -> list[Standing]:
    rows = (
        TierMembership.objects.filter(member_id=member_id, superseded_at=None)
        .order_by("starts_at", "pk")
        .select_related("tier")
    )
    return [Standing(row.tier.code, row.starts_at, row.valid_until, row.evidence) for row in rows]


def _gains(
    rules: ProgramGrading, member_id: int, timeline: Sequence[Standing], moment: datetime
) -> list[Gain]:
    """Return what any window can hold that ends at ``moment`` or when the tier ends."""
    grading = rules.grading
    ends = [moment] + [end for end in [timeline[-1].valid_until] if end is not None]
    start = min(*ends, timeline[-1].starts_at)
    since = add_months_to_instant(start, -grading.policy.months - 1, grading.zone)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tiers_gains(%s::bigint, %s::bigint, %s::timestamptz)",
            [member_id, rules.currency_id, since],
        )
        (found,) = cursor.fetchone()
    return sorted(Gain(datetime.fromisoformat(at), points) for at, points in orjson.loads(found))


def _since(held: Sequence[Standing]) -> datetime:
    since = held[-1].starts_at
    for standing in reversed(held):
        if standing.tier != held[-1].tier:
            break
        since = standing.starts_at
    return since
