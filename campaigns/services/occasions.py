"""Write down the occasions that are due, each once, and give what their rules say.

Each occasion is an event of the program's own and is posted by the path of every event, in a
transaction of its own. Its business key makes it once: a run that is repeated, late or killed
ends in the same state. Only what a live rule answers to is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from campaigns.earning import triggers
from campaigns.earning.attributes import Context
from campaigns.earning.facts import EventFacts
from campaigns.earning.rules import CompiledRule
from campaigns.models import OccasionMark
from campaigns.queries import occasions, rulebook
from campaigns.queries.occasions import Occasion, Window
from campaigns.queries.rulebook import Rulebook
from campaigns.services.events import process_occasion
from campaigns.services.judging import member_state
from campaigns.services.opening import read_members
from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError
from members.models import Member
from members.queries.program import NoProgram
from members.services.jobs import Job, Trouble

AT_ONCE: Final = 200
MEMBERS_AT_ONCE: Final = 500
# What was committed after a look, and dated before it, is found by the next one.
OVERLAP: Final = timedelta(days=1)


def note_due(moment: datetime, trouble: Trouble) -> int | None:
    """Write down some of the occasions due at ``moment``; None when there were none left."""
    try:
        book = rulebook.latest()
    except NoProgram:
        return None
    for trigger in _live(book):
        since = _since(book, trigger)
        noted = (
            _note_called(book, trigger, since, moment, trouble)
            if trigger.startswith(f"{triggers.SCHEDULE}:")
            else _note(book, trigger, since, moment, trouble)
        )
        if noted:
            return noted
    return None


def _live(book: Rulebook) -> list[str]:
    """Return the occasions that rules of the newest publication answer to."""
    newest = book.publications[:1]
    return sorted(
        trigger
        for published in newest
        for trigger in published.by_trigger
        if triggers.is_occasion(trigger)
    )


def _since(book: Rulebook, trigger: str) -> datetime:
    """Return since when rules answer to the occasion without a break; what was before is over."""
    since = None
    for published in book.publications:
        if trigger not in published.by_trigger:
            break
        since = published.effective_from
        if since is None and published.published_at is not None:
            # Unbounded, it holds for the whole day on which it was published.
            day = calendars.local_day(published.published_at, book.zone)
            since = calendars.start_of_day(day, book.zone)
    if since is None:
        raise AssertionError("a live trigger is in the newest publication")
    return since


def _note(book: Rulebook, trigger: str, since: datetime, moment: datetime, trouble: Trouble) -> int:
    mark = _mark(book, trigger)
    if mark is not None and occasions.is_daily(trigger):
        days = [calendars.local_day(at, book.zone) for at in (mark.noted_through, moment)]
        if days[0] >= days[1]:
            return 0
    start = since if mark is None else max(since, mark.noted_through - OVERLAP)
    # Before any look nothing was left out either: its own first instant counts.
    start -= timedelta(microseconds=1)
    window = Window(start, moment, since, AT_ONCE, tuple(trouble.members))
    found = occasions.find(book, trigger, window)
    noted = sum(_post(each, moment, trouble) for each in found)
    if not found and not trouble.members:
        _advance(book, trigger, moment)
    return noted or (1 if found else 0)


def _post(occasion: Occasion, moment: datetime, trouble: Trouble) -> int:
    """Post one; what cannot be posted leaves its member out of the run, and no other."""
    try:
        if process_occasion(occasion=occasion, moment=moment):
            return 1
        # Another run was quicker; this one does not look at the member again.
        trouble.members.append(occasion.member_id)
    except DomainError as refusal:
        trouble.add(f"{occasion.type}: {refusal.code}", occasion.member_id)
    return 0


def _mark(book: Rulebook, trigger: str) -> OccasionMark | None:
    return OccasionMark.objects.filter(program_id=book.program_id, trigger=trigger).first()


def _advance(book: Rulebook, trigger: str, through: datetime, *, member: int = 0) -> None:
    """Go on from there; a run that came late does not go back."""
    mark, is_new = OccasionMark.objects.get_or_create(
        program_id=book.program_id,
        trigger=trigger,
        defaults={"noted_through": through, "member_reached": member},
    )
    if not is_new and mark.noted_through <= through:
        OccasionMark.objects.filter(pk=mark.pk).update(noted_through=through, member_reached=member)


# By the calendar of a rule -------------------------------------------------------------------


def _note_called(
    book: Rulebook, trigger: str, since: datetime, moment: datetime, trouble: Trouble
) -> int:
    """Ask one rule about some members, at the oldest call that is not answered to its end."""
    (rule, *_others) = book.publications[0].by_trigger[trigger]
    mark = _mark(book, trigger)
    through = since - timedelta(microseconds=1)
    reached = 0
    if mark is not None and mark.noted_through >= through:
        through, reached = mark.noted_through, mark.member_reached
    call = next(_calls(rule, through, moment, book), None)
    if call is None:
        return 0
    members = list(
        Member.objects.filter(status=Member.Status.ACTIVE, pk__gt=reached, enrolled_at__lte=call)
        .order_by("pk")
        .values_list("pk", flat=True)[:MEMBERS_AT_ONCE]
    )
    if not members:
        _advance(book, trigger, call)
        return 1
    for each in _asked(book, rule, trigger, call, members):
        if each.member_id not in trouble.members:
            _post(each, moment, trouble)
    _advance(book, trigger, through, member=members[-1])
    return len(members)


def _calls(
    rule: CompiledRule, after: datetime, until: datetime, book: Rulebook
) -> Iterator[datetime]:
    """Yield the calls of a rule's calendar after one instant through another."""
    assert rule.calls is not None
    day = calendars.local_day(after, book.zone)
    last = calendars.local_day(until, book.zone)
    while day <= last:
        if rule.calls.days.has(day):
            wall = datetime.combine(day, rule.calls.starts, book.zone)
            # A time that the clock skips is read with the offset before the change.
            call = calendars.add_days_to_instant(wall, 0, book.zone)
            if after < call <= until:
                yield call
        day += timedelta(days=1)


def _asked(
    book: Rulebook, rule: CompiledRule, trigger: str, call: datetime, members: Sequence[int]
) -> Iterator[Occasion]:
    """Yield the occasions of those for whom the rule's condition holds at its call.

    Whoever it does not hold for leaves no event behind, since a call asks everybody.
    """
    rows = read_members(members, _curious(book), call)
    local = call.astimezone(book.zone)
    fact = EventFacts(trigger, call, local, {}, is_occasion=True)
    if not rule.is_live(fact):
        return
    for pk, row in rows.items():
        state = member_state(int(pk), row, book, call)
        context = Context(state.facts_at(call), local, event=fact)
        if rule.when is None or rule.when(context):
            key = f"{trigger}:{state.public_id}:{local:%Y-%m-%dT%H:%M}"
            yield Occasion(int(pk), UUID(state.public_id), trigger, key, call, {})


def _curious(book: Rulebook) -> Rulebook:
    """Return the book with every fact about members asked for, whatever its rules name."""
    return replace(book, needs_segments=True, needs_history=True, needs_standing=True)


NOTE_OCCASIONS = Job(name="note_occasions", chunk=note_due, is_exclusive=False)
