"""Keep segments as the program file says, and who is in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.earning.attributes import Context
from campaigns.earning.conditions import compile_tree
from campaigns.queries import rulebook
from campaigns.services.judging import member_state
from campaigns.services.opening import read_members
from members.models import Member, Program, Segment, SegmentMembership

MEMBERS_PER_CHUNK = 500


def apply_segments(
    *, program: Program, rows: Iterable[Mapping[str, Any]], moment: datetime
) -> None:
    """Create, change and retire segments; who is in them is refreshed by the job."""
    kept = []
    for row in rows:
        segment, _ = Segment.objects.update_or_create(
            program=program,
            code=row["code"],
            defaults={"name": row["name"], "where": row["where"], "is_retired": False},
        )
        kept.append(segment.pk)
    Segment.objects.filter(program=program, where__isnull=False).exclude(pk__in=kept).update(
        is_retired=True
    )


def refresh_segments(*, moment: datetime) -> int:
    """Bring every segment with a condition up to ``moment``; return how many members moved.

    Works in chunks that each commit, so that a kill in the middle loses nothing; a
    repeat at the same moment moves nobody.
    """
    program = Program.objects.first()
    if program is None:
        return 0
    live = list(
        Segment.objects.filter(program=program, where__isnull=False, is_retired=False).order_by(
            "pk"
        )
    )
    moved = 0
    after = 0
    while live:
        members = list(
            Member.objects.filter(program=program, pk__gt=after)
            .exclude(status__in=[Member.Status.ERASED, Member.Status.MERGED])
            .order_by("pk")
            .values_list("pk", flat=True)[:MEMBERS_PER_CHUNK]
        )
        if not members:
            break
        moved += _refresh_chunk(live, members, moment)
        after = members[-1]
    Segment.objects.filter(pk__in=[segment.pk for segment in live]).update(refreshed_at=moment)
    return moved


@transaction.atomic
def _refresh_chunk(live: list[Segment], members: list[int], moment: datetime) -> int:
    contexts = _contexts(members, moment)
    moved = 0
    for segment in live:
        test = compile_tree(segment.where or {})
        wanted = {pk for pk, context in contexts.items() if test(context)}
        present = SegmentMembership.objects.filter(segment=segment, member_id__in=members)
        inside = set(present.values_list("member_id", flat=True))
        SegmentMembership.objects.bulk_create(
            (
                SegmentMembership(segment=segment, member_id=pk, entered_at=moment)
                for pk in sorted(wanted - inside)
            ),
            ignore_conflicts=True,
        )
        present.filter(member_id__in=inside - wanted).delete()
        moved += len(wanted ^ inside)
    return moved


def _contexts(members: list[int], moment: datetime) -> dict[int, Context]:
    book = rulebook.latest()
    # Segments are asked for every fact about a member, whatever the rules need.
    rows = read_members(members, replace(book, needs_segments=True, needs_history=True), moment)
    local = moment.astimezone(book.zone)
    return {
        int(pk): Context(member_state(int(pk), row, book, moment).facts_at(moment), local)
        for pk, row in rows.items()
    }
