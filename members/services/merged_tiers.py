"""The tier of members who became one, and of those who were taken apart again."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from loyalty_site.lib import calendars
from loyalty_site.lib.wire import dumps
from members.grading import Gain, Standing, regrade, window_from, window_value
from members.models import Member
from members.queries.grading import ProgramGrading, grading_of
from members.services.tiers import StoredStanding, changes, splice, timeline_of


def raise_tier(survivor: Member, merged: Member, *, prefer_higher: bool, moment: datetime) -> None:
    """Grade the survivor by what both gained, or by the higher tier of the two; never lower.

    The survivor's rows must know of the merged one already.
    """
    grading = grading_of(survivor.program)
    if grading is None:
        return
    stored, gains = timeline_of(survivor.pk, grading)
    if not stored:
        return
    held = stored[-1].standing
    best = max(
        [held, _by_value(grading, held, gains, moment), *_of_merged(merged, grading, held, moment)]
        if prefer_higher
        else [held, _by_value(grading, held, gains, moment)],
        key=lambda standing: grading.grading.ladder.position(standing.tier),
    )
    if best is held:
        return
    _write(survivor, grading, stored, [*(row.standing for row in stored), best], moment)


def restore_tier(member: Member, *, since: datetime | None, moment: datetime) -> None:
    """Grade a member by their own gains from what held before ``since``, None for the last."""
    grading = grading_of(member.program)
    if grading is None:
        return
    stored, gains = timeline_of(member.pk, grading)
    if not stored:
        return
    before = [
        row.standing for row in stored if since is None or row.standing.starts_at < since
    ] or [stored[0].standing]
    forward = regrade(grading.grading, before, gains, before[-1].starts_at, moment)
    _write(member, grading, stored, splice(before, forward), moment)


def _by_value(
    grading: ProgramGrading, held: Standing, gains: list[Gain], moment: datetime
) -> Standing:
    rules = grading.grading
    start = window_from(rules, moment)
    value = window_value(gains, start, moment)
    rung = rules.ladder.rungs[rules.ladder.reached(value)]
    if rules.ladder.position(rung.code) <= rules.ladder.position(held.tier):
        return held
    valid_until = None
    if rules.policy.downgrade != "none":
        valid_until = calendars.add_months_to_instant(moment, rules.policy.months, rules.zone)
    return Standing(
        rung.code,
        moment,
        valid_until,
        {
            "cause": "reached",
            "from_tier": held.tier,
            "value": value,
            "threshold": rung.threshold,
            "window_from": start.isoformat(),
            "window_to": moment.isoformat(),
        },
    )


def _of_merged(
    merged: Member, grading: ProgramGrading, held: Standing, moment: datetime
) -> list[Standing]:
    stored, _gains = timeline_of(merged.pk, grading)
    if not stored:
        return []
    theirs = stored[-1].standing
    return [
        Standing(
            theirs.tier,
            moment,
            theirs.valid_until,
            {"cause": "merged", "from_tier": held.tier, "value": theirs.evidence.get("value", 0)},
        )
    ]


def _write(
    member: Member,
    grading: ProgramGrading,
    stored: list[StoredStanding],
    final: list[Standing],
    moment: datetime,
) -> None:
    document = changes(member_id=member.pk, tier_ids=grading.tier_ids, stored=stored, final=final)
    if not any(document.values()):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tiers_write(%s::jsonb, %s::timestamptz)", [dumps(document).decode(), moment]
        )
