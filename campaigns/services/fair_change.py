"""Changes that make points worth less: held back, announced, and taken when their time has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from campaigns import fairness
from campaigns.comparing import said
from campaigns.fairness import Devaluation
from campaigns.models import AnnouncedChange
from campaigns.programfile import ProgramDocument, ProgramFileError, from_canonical
from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError
from members.models import Program


class NoticeCannotBeHeld(DomainError):
    """What needs a notice and what does not cannot be told apart."""

    code = "notice_cannot_be_held"
    title = "The change has to be applied in two steps"
    cause = "Without the parts that need a notice, the rest of the file is no whole program."
    remedy = "Apply what devalues nothing first, and the rest once its notice has run."


@dataclass(frozen=True, slots=True)
class Held:
    """A document with what may hold by now, and what becomes of the other changes.

    ``waiting`` are announced, or to be announced, with the instant from which they may hold;
    ``due`` hold by this document, ``dropped`` are announced and not in the document any more.
    """

    wanted: dict[str, Any]
    document: ProgramDocument
    waiting: tuple[tuple[Devaluation, datetime], ...]
    fresh: tuple[Devaluation, ...]
    due: tuple[AnnouncedChange, ...]
    dropped: tuple[AnnouncedChange, ...]
    immediate: tuple[Devaluation, ...]
    notice_days: int


def hold_back(
    *, current: Mapping[str, Any], wanted: dict[str, Any], moment: datetime, is_file: bool
) -> Held:
    """Return what of a document may hold at the moment; nothing is written.

    What is announced and due is part of whatever is applied after its day. A file that does not
    state an announced change withdraws it; a step of staff (``is_file`` false) says nothing of it.

    :raises NoticeCannotBeHeld: the rest is no program without the parts that wait.
    """
    opened = {each.path: each for each in open_changes()} if current else {}
    if not is_file:
        ready = {path: each.after for path, each in opened.items() if each.effective_at <= moment}
        wanted = fairness.with_values(wanted, ready) if ready else wanted
    document = from_canonical(wanted)
    found = _devaluations(current, document)
    notice = (current.get("program") or {}).get("notice_days") or 0 if current else 0
    waiting, fresh, immediate, kept = [], [], [], set()
    due: list[AnnouncedChange] = []
    for each in found:
        told = opened.get(each.path)
        is_told = told is not None and said(told.after) == said(
            fairness.value_at(wanted, each.path)
        )
        if told is not None and is_told:
            kept.add(told.path)
            if told.effective_at <= moment:
                due.append(told)
            else:
                waiting.append((each, told.effective_at))
        elif notice == 0:
            immediate.append(each)
        else:
            fresh.append(each)
            waiting.append((each, effective_from(moment, notice, document.program.zone)))
    if waiting:
        wanted, document = _without(current, wanted, [each for each, _at in waiting])
    dropped = [each for path, each in opened.items() if path not in kept] if is_file else []
    return Held(
        wanted=wanted,
        document=document,
        waiting=tuple(waiting),
        fresh=tuple(fresh),
        due=tuple(due),
        dropped=tuple(dropped),
        immediate=tuple(immediate),
        notice_days=notice,
    )


def _devaluations(current: Mapping[str, Any], document: ProgramDocument) -> tuple[Devaluation, ...]:
    try:
        before = from_canonical(current) if current else None
    except ProgramFileError:
        # Stored by a release that took what this one refuses: a file must be able to mend it.
        before = None
    return fairness.devaluations(before, document) if before else ()


def open_changes() -> list[AnnouncedChange]:
    """Return what is announced and neither holds yet nor was withdrawn, the next first."""
    rows = AnnouncedChange.objects.filter(taken_at__isnull=True, withdrawn_at__isnull=True)
    return list(rows.order_by("effective_at", "pk"))


def _without(
    current: Mapping[str, Any], wanted: dict[str, Any], changes: list[Devaluation]
) -> tuple[dict[str, Any], ProgramDocument]:
    held = fairness.held_back(current, wanted, changes)
    try:
        return held, from_canonical(held)
    except ProgramFileError as error:
        paths = ", ".join(each.path for each in changes)
        raise NoticeCannotBeHeld(f"Without {paths}: {error.detail}") from None


def effective_from(moment: datetime, notice_days: int, zone: ZoneInfo) -> datetime:
    """Return when a change announced now may hold: after so many whole local days."""
    day = calendars.local_day(moment, zone) + timedelta(days=notice_days + 1)
    return calendars.start_of_day(day, zone)


def write(
    *, program: Program, held: Held, wanted: Mapping[str, Any], moment: datetime, actor: str
) -> None:
    """Write down what was announced, taken and withdrawn; ``wanted`` is the whole document."""
    zone = held.document.program.zone
    for each in held.fresh:
        at = effective_from(moment, held.notice_days, zone)
        _announce(program, each, wanted, held.notice_days, moment, at, None, actor)
    for each in held.immediate:
        _announce(program, each, wanted, 0, moment, moment, moment, actor)
    for row in held.due:
        row.taken_at = moment
        row.save(update_fields=["taken_at"])
    for row in held.dropped:
        row.withdrawn_at = moment
        row.save(update_fields=["withdrawn_at"])


def _announce(
    program: Program,
    each: Devaluation,
    wanted: Mapping[str, Any],
    notice_days: int,
    announced_at: datetime,
    effective_at: datetime,
    taken_at: datetime | None,
    actor: str,
) -> None:
    # Announced once more with another figure: the earlier announcement is over.
    AnnouncedChange.objects.filter(
        program=program, path=each.path, taken_at__isnull=True, withdrawn_at__isnull=True
    ).update(withdrawn_at=announced_at)
    AnnouncedChange.objects.create(
        program=program,
        kind=each.kind,
        code=each.code,
        path=each.path,
        before=fairness.value_at(program.document, each.path),
        after=fairness.value_at(wanted, each.path),
        notice_days=notice_days,
        announced_at=announced_at,
        effective_at=effective_at,
        taken_at=taken_at,
        actor=actor,
    )
