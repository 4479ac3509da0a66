"""Keep the standings of members: what changed, and the regrading of what is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from loyalty_site.lib import calendars
from loyalty_site.lib.wire import dumps
from members.grading import Gain, Grading, Standing, regrade
from members.models import Program, TierMembership
from members.queries.grading import ProgramGrading, grading_of
from members.services.jobs import Trouble
from members.services.outbox import News, record_many, ring


@dataclass(frozen=True, slots=True)
class StoredStanding:
    """A row of the timeline; ``ends_at`` is None for the one that is open."""

    id: int
    standing: Standing
    ends_at: datetime | None


def read_standings(
    rows: Sequence[Mapping[str, Any]], codes: Mapping[int, str]
) -> list[StoredStanding]:
    """Return the timeline from what ``tiers_standings`` gave, oldest first."""
    return [
        StoredStanding(
            row["id"],
            Standing(
                codes[row["tier"]],
                datetime.fromisoformat(row["starts_at"]),
                _instant(row["valid_until"]),
                row["evidence"],
            ),
            _instant(row["ends_at"]),
        )
        for row in rows
    ]


def read_gains(rows: Sequence[Sequence[Any]]) -> list[Gain]:
    """Return the gains from what ``tiers_gains`` gave, oldest first."""
    return sorted(Gain(datetime.fromisoformat(at), points) for at, points in rows)


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def splice(before: Sequence[Standing], regraded: Sequence[Standing]) -> list[Standing]:
    """Return the whole timeline: what was before the regraded part, then that part."""
    start = regraded[0].starts_at
    return [standing for standing in before if standing.starts_at < start] + list(regraded)


def changes(
    *,
    member_id: int,
    tier_ids: Mapping[str, int],
    stored: Sequence[StoredStanding],
    final: Sequence[Standing],
) -> dict[str, list[Any]]:
    """Return what ``tiers_write`` has to do so that the timeline becomes ``final``.

    A row whose end is not the new one is superseded and told again; only an open
    row may be closed in place.
    """
    ends = [standing.starts_at for standing in final[1:]] + [None]
    wanted = dict(zip(((s.starts_at, s.tier, s.valid_until) for s in final), ends, strict=True))
    bodies = {(s.starts_at, s.tier, s.valid_until): s for s in final}
    supersede: list[int] = []
    close: list[dict[str, Any]] = []
    for row in stored:
        standing = row.standing
        key = (standing.starts_at, standing.tier, standing.valid_until)
        if key not in wanted:
            supersede.append(row.id)
        elif row.ends_at == wanted[key]:
            del wanted[key]
        elif row.ends_at is None:
            close.append({"id": row.id, "ends_at": wanted.pop(key)})
        else:
            supersede.append(row.id)
    insert = [
        {
            "member": member_id,
            "tier": tier_ids[tier],
            "starts_at": starts_at,
            "ends_at": ends_at,
            "valid_until": valid_until,
            "evidence": bodies[starts_at, tier, valid_until].evidence,
        }
        for (starts_at, tier, valid_until), ends_at in wanted.items()
    ]
    return {"supersede": supersede, "close": close, "insert": insert}


def regrade_due(*, moment: datetime, trouble: Trouble, limit: int = 1000) -> int | None:
    """Grade at most ``limit`` members whose tier was due by ``moment``.

    Returns how many changed, and None when nobody was due. What is plain is graded by
    ``tiers_regrade`` in one transaction, everybody else in one of their own. Whoever is
    in grace is put off to its end, so that a repeat finds nobody.
    """
    program = Program.objects.first()
    grading = grading_of(program) if program is not None else None
    if program is None or grading is None:
        return None
    try:
        chunk = _regrade_plain(program, grading, moment, limit, trouble.members)
    except IntegrityError:
        # One member's rows never keep the others waiting: each by themselves.
        members = _members_due(moment, limit, trouble.members)
        chunk = Chunk(due=len(members), changed=0, others=members)
    if not chunk.due:
        return None
    changed = chunk.changed
    for member_id in chunk.others:
        try:
            changed += regrade_member(
                program=program, grading=grading, member_id=member_id, moment=moment
            )
        except IntegrityError as error:
            trouble.add(str(error).partition("\n")[0][:200], member_id)
    return changed


class Chunk(NamedTuple):
    """How many were due, how many of them changed, and who has yet to be graded."""

    due: int
    changed: int
    others: list[int]


@transaction.atomic
def _regrade_plain(
    program: Program,
    grading: ProgramGrading,
    moment: datetime,
    limit: int,
    leave_out: Sequence[int],
) -> Chunk:
    policy = grading.grading.policy
    document = {
        "currency": grading.currency_id,
        "months": policy.months,
        "grace_days": policy.grace_days,
        "downgrade": policy.downgrade,
        "zone": str(grading.grading.zone),
        "except": list(leave_out),
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT due, changed, others FROM tiers_regrade(%s::bigint, %s::jsonb,"
            " %s::timestamptz, %s::timestamptz, %s::int)",
            [program.pk, dumps(document).decode(), moment, moment, limit],
        )
        chunk = Chunk(*cursor.fetchone())
    if chunk.changed:
        ring()
    return chunk


def _members_due(moment: datetime, limit: int, leave_out: Sequence[int]) -> list[int]:
    due = TierMembership.objects.filter(
        superseded_at__isnull=True, ends_at__isnull=True, valid_until__lte=moment
    ).exclude(grace_ends_at__gt=moment)
    return list(
        due.exclude(member_id__in=leave_out)
        .order_by("pk")
        .values_list("member_id", flat=True)[:limit]
    )


@transaction.atomic
def regrade_member(
    *, program: Program, grading: ProgramGrading, member_id: int, moment: datetime
) -> int:
    """Bring one member's timeline up to ``moment``; return 1 when it changed, else 0."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_lock(ARRAY[%s]::bigint[])", [member_id])
        stored, gains = _timeline(cursor, member_id, grading)
        if not stored:
            return 0
        before = [row.standing for row in stored]
        final = splice(
            before,
            regrade(grading.grading, before, gains, before[-1].starts_at, moment),
        )
        document = changes(
            member_id=member_id, tier_ids=grading.tier_ids, stored=stored, final=final
        )
        changed = any(document.values())
        if changed:
            cursor.execute(
                "SELECT tiers_write(%s::jsonb, %s::timestamptz)",
                [dumps(document).decode(), moment],
            )
    _put_off(grading.grading, member_id, final[-1], moment)
    _tell(program.pk, member_id, before[-1], final[-1], moment)
    return int(changed)


def _put_off(grading: Grading, member_id: int, held: Standing, moment: datetime) -> None:
    """Look at a member in grace no more until it is over."""
    if held.valid_until is None or held.valid_until > moment:
        return
    grace_ends_at = calendars.add_days_to_instant(
        held.valid_until, grading.policy.grace_days, grading.zone
    )
    TierMembership.objects.filter(
        member_id=member_id, superseded_at__isnull=True, ends_at__isnull=True
    ).update(grace_ends_at=grace_ends_at)


def undo_upgrade(
    *,
    program_id: int,
    grading: ProgramGrading,
    member_id: int,
    caused_at: datetime,
    occurred_at: datetime,
    moment: datetime,
) -> bool:
    """Take back the upgrade that a purchase of ``caused_at`` made, if it holds no longer.

    Only where the program says so, and goods came back (``occurred_at``) within its
    days. Tiers that other purchases reached since stay, and so do the points that
    were earned meanwhile. The caller has locked the member and posted the return.
    """
    days = grading.undo_upgrade_days
    zone = grading.grading.zone
    if not days or occurred_at >= calendars.add_days_to_instant(caused_at, days, zone):
        return False
    with connection.cursor() as cursor:
        stored, gains = _timeline(cursor, member_id, grading)
        before = [row.standing for row in stored]
        kept = [each for each in before if not _is_reached(each, caused_at)]
        if len(kept) == len(before) or not kept:
            return False
        final = splice(kept, regrade(grading.grading, kept, gains, caused_at, moment))
        document = changes(
            member_id=member_id, tier_ids=grading.tier_ids, stored=stored, final=final
        )
        if not any(document.values()):
            return False
        cursor.execute(
            "SELECT tiers_write(%s::jsonb, %s::timestamptz)", [dumps(document).decode(), moment]
        )
    _tell(program_id, member_id, before[-1], final[-1], moment)
    return True


def _is_reached(standing: Standing, at: datetime) -> bool:
    return standing.starts_at == at and standing.evidence.get("cause") == "reached"


def timeline_of(member_id: int, grading: ProgramGrading) -> tuple[list[StoredStanding], list[Gain]]:
    """Return the member's standings that count, and the gains that grading them needs."""
    with connection.cursor() as cursor:
        return _timeline(cursor, member_id, grading)


def _timeline(
    cursor: Any, member_id: int, grading: ProgramGrading
) -> tuple[list[StoredStanding], list[Gain]]:
    months = grading.grading.policy.months
    cursor.execute(
        "SELECT s, tiers_gains(%s::bigint, %s::bigint,"
        " (SELECT coalesce(min((x ->> 'valid_until')::timestamptz), now())"
        "  FROM jsonb_array_elements(s) x WHERE x ->> 'ends_at' IS NULL)"
        " - make_interval(months => %s::int)) FROM tiers_standings(%s::bigint) s",
        [member_id, grading.currency_id, 2 * months + 1, member_id],
    )
    standings, gains = cursor.fetchone()
    return (
        read_standings(orjson.loads(standings), grading.codes),
        read_gains(orjson.loads(gains)),
    )


def _tell(
    program_id: int, member_id: int, before: Standing, after: Standing, moment: datetime
) -> None:
    if before.tier != after.tier:
        _tell_of(program_id, member_id, before.tier, after.tier, moment)


def _tell_of(program_id: int, member_id: int, before: str, after: str, moment: datetime) -> None:
    news = News(
        kind="tier_changed", member_id=member_id, payload={"before": before, "after": after}
    )
    record_many(program_id=program_id, news=[news], moment=moment)


def set_tier(
    *, member_id: int, tier_id: int, valid_until: datetime | None, evidence: Any, moment: datetime
) -> None:
    """Put a member on a tier from ``moment``; the member must be locked."""
    _replace(member_id, tier_id, valid_until, evidence, moment)


def unset_tier(*, member_id: int, batch: str, moment: datetime) -> None:
    """Put a member back on the tier that a batch took them from, if they still are on its one."""
    _put_back(member_id, {"evidence__batch": batch}, {"cause": "import_reversed"}, moment)


def give(
    *,
    program_id: int,
    grading: ProgramGrading,
    member_id: int,
    tier: str,
    months: int,
    ref: str,
    moment: datetime,
) -> bool:
    """Lift a member to a tier for so many months from ``moment``; the member must be locked.

    Whoever is on that tier or above stays as they are, and False is returned.
    """
    ladder = grading.grading.ladder
    standing = (
        TierMembership.objects.select_related("tier")
        .filter(member_id=member_id, superseded_at=None, ends_at=None)
        .first()
    )
    if standing is None or ladder.position(standing.tier.code) >= ladder.position(tier):
        return False
    valid_until = calendars.add_months_to_instant(moment, months, grading.grading.zone)
    evidence = {"cause": "granted", "grant": ref, "from_tier": standing.tier.code}
    _replace(member_id, grading.tier_ids[tier], valid_until, evidence, moment)
    _tell_of(program_id, member_id, standing.tier.code, tier, moment)
    return True


def take(*, program_id: int, member_id: int, ref: str, moment: datetime) -> bool:
    """End the tier that ``give`` gave under ``ref``; the member must be locked.

    Whoever has come to another standing since keeps that, and False is returned.
    """
    moved = _put_back(
        member_id, {"evidence__grant": ref}, {"cause": "grant_ended", "grant_ended": ref}, moment
    )
    if moved is None:
        return False
    _tell_of(program_id, member_id, *moved, moment)
    return True


def _put_back(
    member_id: int, named: Mapping[str, str], evidence: Mapping[str, str], moment: datetime
) -> tuple[str, str] | None:
    """Put a member back to before the open standing so named; return the tiers before and after."""
    rows = TierMembership.objects.select_related("tier").filter(member_id=member_id)
    given = rows.filter(superseded_at=None, ends_at=None, **named).first()
    if given is None:
        return None
    stood = Q(superseded_at=None) | Q(superseded_at__gte=given.recorded_at)
    before = rows.filter(stood, pk__lt=given.pk).order_by("-starts_at", "-pk").first()
    if before is None:
        return None
    _replace(member_id, before.tier_id, before.valid_until, evidence, moment)
    return given.tier.code, before.tier.code


def _replace(
    member_id: int, tier_id: int, valid_until: datetime | None, evidence: Any, moment: datetime
) -> None:
    standing = TierMembership.objects.filter(
        member_id=member_id, superseded_at=None, ends_at=None
    ).first()
    is_new = standing is not None and standing.starts_at >= moment
    starts_at = standing.starts_at if standing is not None and is_new else moment
    document = {
        "supersede": [standing.pk] if standing is not None and is_new else [],
        "close": [{"id": standing.pk, "ends_at": moment}]
        if standing is not None and not is_new
        else [],
        "insert": [
            {
                "member": member_id,
                "tier": tier_id,
                "starts_at": starts_at,
                "ends_at": None,
                "valid_until": valid_until,
                "evidence": evidence,
            }
        ],
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tiers_write(%s::jsonb, %s::timestamptz)", [dumps(document).decode(), moment]
        )
