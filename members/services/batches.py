"""Batches of points: a file is checked row by row, asked for as a whole, and posted in chunks.

A row is posted once: its line is part of the ledger's business key. A killed run leaves whole
chunks, and the next one goes on with what is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import Sum

from loyalty_site.lib.errors import DomainError
from members.batch_rows import Problem, Wanted, read
from members.models import (
    AdjustmentReason,
    Approval,
    Member,
    PointBatch,
    PointBatchRow,
    PointCurrency,
    Program,
    Segment,
    SegmentMembership,
    Tier,
    User,
)
from members.numbers import candidates
from members.queries.lookup import owners
from members.services import approvals, outbox
from members.services.approvals import Asked

ROWS_PER_LOOKUP: Final = 1000
Kind = PointBatch.Kind
State = PointBatch.State
Row = PointBatchRow.State

# When points that are earned at a moment end, by the currency's policy; None is never.
Ending = Callable[[datetime], datetime | None]


class BatchKnown(DomainError):
    """The same file stands already."""

    code = "batch_known"
    title = "This file was taken before"
    cause = "A batch of the same content is waiting or posted; taken again it would count twice."
    remedy = "Open the batch that stands. To take the file anew, reverse or discard that first."


class BatchUnsuitable(DomainError):
    """The batch is not in the state that the step starts from, or has nothing to post."""

    code = "batch_unsuitable"
    title = "This cannot be done with the batch"
    cause = "A batch is checked, asked for, posted and perhaps reversed, in this order."
    remedy = "Read its page: it says how far it is and which rows were refused."


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """What a batch is; ``ending`` gives the end of points whose row has none."""

    program: Program
    currency: PointCurrency
    kind: PointBatch.Kind
    name: str
    ending: Ending
    reason: AdjustmentReason | None = None
    note: str = ""


@dataclass(slots=True)
class Report:
    """What a check found; ``problems`` are the first thousand."""

    rows: int = 0
    points: int = 0
    refused: int = 0
    problems: list[Problem] = field(default_factory=list)

    def count(self, found: Wanted | Problem) -> None:
        """Add a row."""
        self.rows += 1
        if isinstance(found, Wanted):
            self.points += found.points
            return
        self.refused += 1
        if len(self.problems) < 1000:
            self.problems.append(found)


def check(*, spec: Spec, lines: Iterable[str], moment: datetime) -> Report:
    """Return what a file would do, row by row; nothing is written.

    :raises NotSuchAFile: it has no first line with the columns.
    """
    report = Report()
    for found, _member in _resolved(spec, lines, moment):
        report.count(found)
    return report


@transaction.atomic
def take(*, spec: Spec, lines: Iterable[str], by: User, moment: datetime) -> PointBatch:
    """Keep the rows of a file with what the check says of each; nothing moves yet.

    :raises NotSuchAFile: it has no first line with the columns.
    :raises BatchKnown: the same file is kept already.
    """
    digest = hashlib.sha256()
    batch = _new(spec, by, moment)
    report = Report()
    tiers = _tiers(spec.program)
    found = _resolved(spec, _digested(lines, digest), moment)
    while chunk := list(islice(found, ROWS_PER_LOOKUP)):
        for row, _member in chunk:
            report.count(row)
        PointBatchRow.objects.bulk_create(_row(batch, spec, tiers, *each) for each in chunk)
    return _finish(batch, digest.hexdigest(), report.rows, report.refused, report.points)


@transaction.atomic
def take_segment(
    *, spec: Spec, segment: Segment, points: int, by: User, moment: datetime
) -> PointBatch:
    """Keep a row of so many points for each member whom the segment holds now.

    The same segment can be taken once a day.

    :raises BatchKnown: it was taken today.
    """
    batch = _new(spec, by, moment)
    members = SegmentMembership.objects.filter(segment=segment).order_by("member_id")
    ids = members.values_list("member_id", flat=True)
    expires_at = spec.ending(moment)
    count = 0
    for line, member_id in enumerate(ids.iterator(chunk_size=ROWS_PER_LOOKUP), 1):
        count = line
        PointBatchRow.objects.create(
            batch=batch,
            line=line,
            member_id=member_id,
            points=points,
            earned_at=moment,
            expires_at=expires_at,
        )
    day = moment.astimezone(ZoneInfo(spec.program.timezone)).date()
    told = f"segment {segment.pk} {points} {day}"
    return _finish(batch, hashlib.sha256(told.encode()).hexdigest(), count, 0, count * points)


@transaction.atomic
def request(
    *, batch_id: int, by: User, leaves_out_refused: bool, why: str, moment: datetime
) -> PointBatch:
    """Ask for a checked batch by its total; what one person may do alone begins at once.

    :raises BatchUnsuitable: it was asked for, has no points, or has refused rows that are not
        to be left out.
    """
    batch = PointBatch.objects.select_for_update(no_key=True).get(pk=batch_id)
    total = batch.rows.filter(state=Row.READY).aggregate(points=Sum("points"))["points"] or 0
    if batch.state != State.CHECKED or not total:
        raise BatchUnsuitable
    if batch.refused_count and not leaves_out_refused:
        raise BatchUnsuitable(f"{batch.refused_count} rows are refused; mend or leave them out.")
    batch.approval = approvals.request(
        asked=Asked(
            program_id=batch.program_id,
            act=batch.kind,
            member_id=None,
            currency_id=batch.currency_id,
            points=total,
            is_credit=batch.kind != Kind.DEBIT,
            why=why,
        ),
        by=by,
        moment=moment,
    )
    batch.state = State.REQUESTED
    batch.save(update_fields=["approval", "state"])
    approvals.post_alone(approval=batch.approval, moment=moment)
    batch.refresh_from_db()
    return batch


def begin(approval: Approval, moment: datetime) -> None:
    """Let the job post the rows of a batch that may be posted."""
    approvals.mark_posted(approval=approval, moment=moment)
    PointBatch.objects.filter(approval=approval).update(state=State.POSTING)
    outbox.ring("members.tasks.post_batches")


@transaction.atomic
def discard(*, batch_id: int) -> PointBatch:
    """Put a batch away that was checked only, so that its file can be taken anew.

    :raises BatchUnsuitable: it was asked for.
    """
    batch = PointBatch.objects.select_for_update(no_key=True).get(pk=batch_id)
    waits = batch.approval is not None and batch.approval.state == Approval.State.REJECTED
    if batch.state != State.CHECKED and not waits:
        raise BatchUnsuitable
    batch.state = State.DISCARDED
    batch.save(update_fields=["state"])
    return batch


@transaction.atomic
def reverse(*, batch_id: int, by: User, is_into_debt: bool, moment: datetime) -> PointBatch:
    """Undo a batch: the job takes back of each row what is still there, and reports the rest.

    :raises BatchUnsuitable: it is not posted.
    """
    approval_id = PointBatch.objects.values_list("approval_id", flat=True).get(pk=batch_id)
    if approval_id is None:
        raise BatchUnsuitable
    approval = approvals.locked(approval_id, Approval.State.POSTED)
    batch = PointBatch.objects.select_for_update(no_key=True).get(pk=batch_id)
    if batch.state != State.POSTED:
        raise BatchUnsuitable
    approvals.mark_reversed(approval=approval, by=by, moment=moment)
    batch.state, batch.is_into_debt = State.REVERSING, is_into_debt
    batch.save(update_fields=["state", "is_into_debt"])
    outbox.ring("members.tasks.post_batches")
    return batch


def _new(spec: Spec, by: User, moment: datetime) -> PointBatch:
    # The digest is known when the last line was read.
    return PointBatch.objects.create(
        program=spec.program,
        currency=spec.currency,
        kind=spec.kind,
        name=spec.name[:120],
        digest=hashlib.sha256(str(moment).encode()).hexdigest(),
        reason=spec.reason,
        note=spec.note,
        created_by=by,
        created_at=moment,
        state=State.DISCARDED,
    )


def _finish(batch: PointBatch, digest: str, rows: int, refused: int, points: int) -> PointBatch:
    batch.digest, batch.state = digest, State.CHECKED
    batch.row_count, batch.refused_count, batch.points = rows, refused, points
    try:
        with transaction.atomic():
            batch.save()
    except IntegrityError as error:
        if "members_pointbatch_once" not in str(error):
            raise
        raise BatchKnown from None
    return batch


def _digested(lines: Iterable[str], digest: hashlib._Hash) -> Iterator[str]:
    for line in lines:
        # A file that was saved with other ends of its lines is the same file.
        digest.update(line.rstrip("\r\n").encode() + b"\n")
        yield line


def _tiers(program: Program) -> dict[str, int]:
    return dict(Tier.objects.filter(program=program, is_retired=False).values_list("code", "pk"))


def _resolved(
    spec: Spec, lines: Iterable[str], moment: datetime
) -> Iterator[tuple[Wanted | Problem, int | None]]:
    """Yield each row with the member whom it means."""
    zone = ZoneInfo(spec.program.timezone)
    rows = read(lines, zone=zone, moment=moment, tiers=_tiers(spec.program))
    while chunk := list(islice(rows, ROWS_PER_LOOKUP)):
        wanted = [row for row in chunk if isinstance(row, Wanted)]
        found = owners(spec.program.pk, [candidates(row.member) for row in wanted])
        members = dict(zip((row.line for row in wanted), found, strict=True))
        gone = _gone([member for member in found if member is not None])
        for row in chunk:
            member = members.get(row.line)
            if isinstance(row, Wanted) and (member is None or member in gone):
                yield Problem(row.line, "member", "somebody who is enrolled is expected"), None
            elif isinstance(row, Wanted) and _is_over(row, spec, moment):
                yield Problem(row.line, "earned_date", "points that have not expired"), None
            else:
                yield row, member


def _gone(members: Sequence[int]) -> set[int]:
    standing = [Member.Status.ACTIVE, Member.Status.SUSPENDED]
    rows = Member.objects.filter(pk__in=members).exclude(status__in=standing)
    return set(rows.values_list("pk", flat=True))


def _is_over(row: Wanted, spec: Spec, moment: datetime) -> bool:
    ends = _end(row, spec)
    return ends is not None and ends <= max(moment, row.available_at or moment)


def _end(row: Wanted, spec: Spec) -> datetime | None:
    return None if row.is_endless else row.expires_at or spec.ending(row.earned_at)


def _row(
    batch: PointBatch,
    spec: Spec,
    tiers: dict[str, int],
    found: Wanted | Problem,
    member_id: int | None,
) -> PointBatchRow:
    if isinstance(found, Problem):
        return PointBatchRow(
            batch=batch, line=found.line, state=Row.REFUSED, problem=str(found)[:200]
        )
    return PointBatchRow(
        batch=batch,
        line=found.line,
        member_id=member_id,
        points=found.points,
        earned_at=found.earned_at,
        available_at=found.available_at,
        expires_at=_end(found, spec),
        tier_id=tiers.get(found.tier),
        tier_until=found.tier_until,
    )


for _kind in Kind:
    approvals.ACTS.add(_kind, _kind.label, begin)
