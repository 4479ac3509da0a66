"""Posting and reversing the rows of batches, so many a transaction that no till waits.

Credits of members without debt are posted together in one call; the others, row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import IntegrityError, connection, transaction

from members.models import (
    Approval,
    LedgerAccount,
    LedgerNote,
    LedgerTransaction,
    Member,
    PointBatch,
    PointBatchRow,
)
from members.queries.grading import ProgramGrading, grading_of
from members.services import ledger, merged_rows, outbox, tiers
from members.services.adjustments import REVERSAL
from members.services.jobs import Job, Trouble

# A chunk holds the locks of its members: few enough that no till waits for half a second.
ROWS_PER_CHUNK: Final = 200
Kind = PointBatch.Kind
State = PointBatch.State
Row = PointBatchRow.State
Type = LedgerTransaction.Type
TYPES: Final = {
    Kind.IMPORT: Type.IMPORT,
    Kind.CREDIT: Type.ADJUST_CREDIT,
    Kind.DEBIT: Type.ADJUST_DEBIT,
}


@dataclass(frozen=True, slots=True)
class _Run:
    """One chunk: its batch, its moment, and the accounts of its members by kind."""

    batch: PointBatch
    approval: Approval
    moment: datetime
    actor: str
    reason: str
    accounts: Mapping[tuple[int, str], LedgerAccount]
    adjusted: int

    def reference(self, row: PointBatchRow) -> str:
        """Return the business key of the row."""
        return f"{self.approval.public_id}:{row.line}"


def post_due(moment: datetime, trouble: Trouble) -> int | None:
    """Do a chunk of the oldest batch that is being posted or reversed; None when none is."""
    batch = (
        PointBatch.objects.filter(state__in=[State.POSTING, State.REVERSING])
        .exclude(pk__in=trouble.members)
        .order_by("pk")
        .first()
    )
    if batch is None:
        return None
    try:
        return _chunk(batch.pk, moment)
    except IntegrityError as error:
        # The batch is left out of this run, and keeps no other waiting.
        trouble.add(str(error).partition("\n")[0][:200], batch.pk)
        return 0


@transaction.atomic
def _chunk(batch_id: int, moment: datetime) -> int:
    batch = PointBatch.objects.select_for_update(no_key=True).get(pk=batch_id)
    forward = batch.state == State.POSTING
    state = Row.READY if forward else Row.POSTED
    if batch.state not in {State.POSTING, State.REVERSING}:
        return 0
    rows = list(batch.rows.filter(state=state).order_by("line")[:ROWS_PER_CHUNK])
    if not rows:
        batch.state = State.POSTED if forward else State.REVERSED
        batch.save(update_fields=["state"])
        return 0
    run = _run(batch, rows, moment)
    _post(run, rows) if forward else _reverse(run, rows)
    grading = grading_of(batch.program)
    for row in rows:
        _tier(run, row, grading, forward=forward)
    outbox.ring()
    return len(rows)


def _run(batch: PointBatch, rows: Sequence[PointBatchRow], moment: datetime) -> _Run:
    approval = Approval.objects.get(batch=batch)
    found = Member.objects.filter(pk__in=[row.member_id for row in rows])
    members = sorted({key for member in found for key in merged_rows.together(member)})
    actor = f"staff:{approval.requested_by_id}"
    ledger.settle_due(member_ids=members, moment=moment, recorded_at=moment, actor=actor)
    held = LedgerAccount.objects.filter(currency_id=batch.currency_id, member_id__in=members)
    adjusted = LedgerAccount.objects.get(
        currency_id=batch.currency_id, member=None, kind="adjusted"
    )
    return _Run(
        batch=batch,
        approval=approval,
        moment=moment,
        actor=actor,
        reason=batch.reason.code if batch.reason else "",
        accounts={(each.member_id or 0, each.kind): each for each in held},
        adjusted=adjusted.pk,
    )


def _post(run: _Run, rows: Sequence[PointBatchRow]) -> None:
    sound = _sound(run, rows)
    plain = [row for row in sound if row.points and not _owes(run, row)]
    singly = [row for row in sound if row.points and _owes(run, row)]
    if run.batch.kind == Kind.DEBIT:
        plain, singly = [], [row for row in sound if row.points]
    posted = _post_together(run, plain)
    posted |= {row.pk: _post_one(run, row) for row in singly}
    _forward(run, sound)
    _write(sound, Row.POSTED, "transaction_id", posted)
    if run.batch.note:
        LedgerNote.objects.bulk_create(
            LedgerNote(transaction_id=key, text=run.batch.note)
            for key in posted.values()
            if key is not None
        )


def _forward(run: _Run, rows: Sequence[PointBatchRow]) -> None:
    """Move on what came to members who went into another meanwhile."""
    merged = Member.objects.filter(
        pk__in=[row.member_id for row in rows], status=Member.Status.MERGED
    )
    for member in merged.order_by("pk"):
        first = next(row for row in rows if row.member_id == member.pk)
        merged_rows.forward(
            member=member,
            ref=f"batch-{run.reference(first)}",
            actor=run.actor,
            moment=run.moment,
        )


def _sound(run: _Run, rows: Sequence[PointBatchRow]) -> list[PointBatchRow]:
    """Return the rows that can be posted; the others are refused with what changed."""
    people = (run.approval.requested_by_id, run.approval.decided_by_id)
    staff = [person for person in people if person is not None]
    members = Member.objects.filter(pk__in=[row.member_id for row in rows])
    own = set(members.filter(user_id__in=staff).values_list("pk", flat=True))
    gone = set(members.filter(status=Member.Status.ERASED).values_list("pk", flat=True))
    sound = []
    for row in rows:
        problem = ""
        if row.member_id in own:
            problem = "member: somebody else's account is expected"
        elif row.member_id in gone or (row.member_id, "available") not in run.accounts:
            problem = "member: somebody who is enrolled is expected"
        elif row.expires_at is not None and row.expires_at <= run.moment:
            problem = "last_day: a day that is not over is expected"
        if problem:
            PointBatchRow.objects.filter(pk=row.pk).update(state=Row.REFUSED, problem=problem)
        else:
            sound.append(row)
    return sound


def _owes(run: _Run, row: PointBatchRow) -> bool:
    debt = run.accounts.get((row.member_id or 0, "debt"))
    return debt is not None and debt.balance < 0


def _waits(run: _Run, row: PointBatchRow) -> bool:
    return row.available_at is not None and row.available_at > run.moment


def _target(run: _Run, row: PointBatchRow) -> LedgerAccount:
    return run.accounts[row.member_id or 0, "pending" if _waits(run, row) else "available"]


def _post_together(run: _Run, rows: Sequence[PointBatchRow]) -> dict[int, int | None]:
    headers, lots, entries = [], [], []
    for number, row in enumerate(rows):
        earned_at = row.earned_at or run.moment
        target = _target(run, row)
        headers.append(
            ledger.Header(
                member_id=row.member_id or 0,
                currency_id=run.batch.currency_id,
                type=TYPES[Kind(run.batch.kind)],
                source=run.batch.kind,
                external_ref=run.reference(row),
                actor=run.actor,
                occurred_at=earned_at,
                reason_code=run.reason,
            )
        )
        if target.keeps_lots:
            lots.append(
                ledger.NewLot(
                    header=number,
                    account_id=target.pk,
                    points=row.points,
                    earned_at=earned_at,
                    available_at=(row.available_at or earned_at) if _waits(run, row) else earned_at,
                    expires_at=row.expires_at,
                )
            )
        entries += [
            ledger.Entry(header=number, account_id=run.adjusted, points=-row.points),
            ledger.Entry(header=number, account_id=target.pk, points=row.points),
        ]
    posting = ledger.Posting(headers=headers, entries=entries, lots=lots)
    ids = ledger.post(program_id=run.batch.program_id, posting=posting, recorded_at=run.moment)
    return {row.pk: key for row, key in zip(rows, ids, strict=True)}


def _post_one(run: _Run, row: PointBatchRow) -> int | None:
    if run.batch.kind == Kind.DEBIT:
        # A batch takes what is there; what it did not find stands on the row.
        return _debit(run, row, row.points, source=run.batch.kind, missing="leave", of=None)[0]
    return _credit(run, row, run.batch.kind, TYPES[Kind(run.batch.kind)], row.earned_at)


def _reverse(run: _Run, rows: Sequence[PointBatchRow]) -> None:
    reversals: dict[int, int | None] = {}
    for row in rows:
        if row.transaction_id is None:
            continue
        if run.batch.kind == Kind.DEBIT:
            reversals[row.pk] = _credit(run, row, REVERSAL, Type.ADJUST_CREDIT, run.moment)
            continue
        missing = "debt" if run.batch.is_into_debt else "leave"
        reversals[row.pk], taken = _debit(
            run, row, row.points, source=REVERSAL, missing=missing, of=row.transaction_id
        )
        PointBatchRow.objects.filter(pk=row.pk).update(kept_points=row.points - taken)
    _write(rows, Row.REVERSED, "reversal_id", reversals)


def _credit(
    run: _Run, row: PointBatchRow, source: str, kind: str, occurred_at: datetime | None
) -> int | None:
    points = row.points
    if source == REVERSAL:
        points -= row.kept_points or 0
        if points == 0:
            return None
    found = ledger.call_row(
        "ledger_adjust_credit(%s::bigint, %s::bigint, %s::bigint, %s::text, 'adjusted',"
        " %s::text, %s::text, %s::text, %s::timestamptz, %s::timestamptz, %s::text,"
        " %s::timestamptz, %s::timestamptz)",
        *(row.member_id, run.batch.currency_id, points, kind, source, run.reference(row)),
        *(run.actor, occurred_at or run.moment, run.moment, run.reason),
        *(row.available_at or occurred_at or run.moment, row.expires_at),
    )
    return int(found[0])


def _debit(
    run: _Run, row: PointBatchRow, points: int, *, source: str, missing: str, of: int | None
) -> tuple[int | None, int]:
    kind = Type.IMPORT if run.batch.kind == Kind.IMPORT else Type.ADJUST_DEBIT
    posted, taken, _debt = ledger.call_row(
        "ledger_adjust_debit(%s::bigint, %s::bigint, %s::bigint, %s::text, 'adjusted',"
        " %s::text, %s::text, %s::text, %s::timestamptz, %s::timestamptz, %s::text,"
        " %s::bigint, false, %s::text)",
        *(row.member_id, run.batch.currency_id, points, kind, source, run.reference(row)),
        *(run.actor, run.moment, run.moment, run.reason, of, missing),
    )
    if source != REVERSAL:
        PointBatchRow.objects.filter(pk=row.pk).update(kept_points=points - taken)
    return posted, taken


def _write(
    rows: Sequence[PointBatchRow], state: str, column: str, posted: Mapping[int, int | None]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE members_pointbatchrow r SET state = %s::text, {column} = u.key"
            " FROM unnest(%s::bigint[], %s::bigint[]) u(id, key) WHERE r.id = u.id",
            [state, [row.pk for row in rows], [posted.get(row.pk) for row in rows]],
        )


def _tier(run: _Run, row: PointBatchRow, grading: ProgramGrading | None, *, forward: bool) -> None:
    """Set the tier that a row brings, or bring the tier up to date with its points."""
    if grading is None:
        return
    row.refresh_from_db(fields=["state"])
    if row.tier_id is not None and forward and row.state == Row.POSTED:
        tiers.set_tier(
            member_id=row.member_id or 0,
            tier_id=row.tier_id,
            valid_until=row.tier_until,
            evidence={"cause": "import", "batch": str(run.batch.public_id)},
            moment=run.moment,
        )
    elif row.tier_id is not None and not forward:
        tiers.unset_tier(
            member_id=row.member_id or 0, batch=str(run.batch.public_id), moment=run.moment
        )
    elif grading.currency_id == run.batch.currency_id:
        tiers.regrade_member(
            program=run.batch.program,
            grading=grading,
            member_id=row.member_id or 0,
            moment=run.moment,
        )


POST_BATCHES = Job(name="post_batches", chunk=post_due, is_exclusive=False)
