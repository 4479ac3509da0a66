"""Take in what members did beside buying, and give what its rules say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from campaigns import presenters
from campaigns.bodies import EventBody, content_key
from campaigns.earning import triggers
from campaigns.earning.results import Evaluation
from campaigns.models import Event
from campaigns.queries import rulebook
from campaigns.queries.occasions import Occasion
from campaigns.services import counters, event_checks, judging
from campaigns.services.checks import check_occurred_at, lock_business_key, read_only
from campaigns.services.judging import Judgement, MemberState
from campaigns.services.keys import Key, Outcome, begin, keep
from campaigns.services.opening import settled_state
from campaigns.services.posting import Document, write
from campaigns.services.records import evaluation_record
from campaigns.services.releasing import release_by_event
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.reading import MemberRef
from loyalty_site.lib.retries import retrying
from members.queries.lookup import resolve_member
from members.queries.program import current_program

ACTOR = "job:occasions"


class EventConflict(DomainError):
    """The source's name for the event belongs to another one."""

    code = "event_conflict"
    title = "Another event has this source and external_id"
    cause = "An event is named once and for ever; this name came with other content before."
    remedy = "Send the first content again, or give the new event a name of its own."


class ReservedSource(DomainError):
    """The source is the program's own."""

    code = "reserved_source"
    status = 422
    title = "This source is the program's own"
    cause = "The program writes its own occasions down under it, such as birthdays."
    remedy = "Name the event's source after the system that it comes from."


def process_event(
    *,
    body: EventBody,
    actor: str,
    moment: datetime,
    key: Key | None = None,
    currency: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Keep an event and post what its rules give; a type that no rule names grants nothing.

    The same content under the same business key answers the first result for ever.

    :raises UnknownMember: the member reference leads to nobody.
    :raises EventConflict: the business key belongs to other content.
    :raises InTheFuture: it is dated more than 5 minutes ahead.
    :raises ReservedSource: it claims to be an occasion of the program's own.
    """
    if body.source == triggers.SOURCE:
        raise ReservedSource
    code = rulebook.spoken_currency(currency)

    def rehearse() -> Outcome:
        with transaction.atomic():
            read_only()
            return _process(body, None, moment, code, dry_run=True)[0]

    def act() -> Outcome:
        with transaction.atomic():
            kept = begin(key) if key else None
            if kept is not None:
                return kept
            lock_business_key("event", body.source, body.external_id)
            outcome, member_pk = _process(body, actor, moment, code, dry_run=False)
            if key is not None:
                keep(key, outcome, member_pk, moment)
            return outcome

    return retrying(rehearse if dry_run else act)


def process_occasion(*, occasion: Occasion, moment: datetime) -> bool:
    """Write an occasion down and post what its rules give; False where it was before.

    :raises UnknownMember: the member was erased meanwhile.
    """
    body = EventBody(
        type=occasion.type,
        member=MemberRef(id=occasion.member),
        source=triggers.SOURCE,
        external_id=occasion.external_id,
        occurred_at=occasion.occurred_at,
        payload=dict(occasion.payload),
    )
    return _once(body, ACTOR, moment)


def process_click(*, body: EventBody, moment: datetime) -> bool:
    """Write down that a member followed a link of the program; False where it was before.

    :raises UnknownMember: the member was erased meanwhile.
    """
    return _once(body, "click", moment, is_click=True)


def _once(body: EventBody, actor: str, moment: datetime, *, is_click: bool = False) -> bool:
    def act() -> bool:
        with transaction.atomic():
            lock_business_key("event", body.source, body.external_id)
            if Event.objects.filter(source=body.source, external_id=body.external_id).exists():
                return False
            code = rulebook.spoken_currency(None)
            _process(body, actor, moment, code, dry_run=False, is_click=is_click)
            return True

    return retrying(act)


def _process(
    body: EventBody,
    actor: str | None,
    moment: datetime,
    currency: str,
    *,
    dry_run: bool,
    is_click: bool = False,
) -> tuple[Outcome, int]:
    member = resolve_member(
        program=current_program(),
        moment=moment,
        id=body.member.id,
        identifier=body.member.identifier,
    )
    said = str(member.public_id)
    stored = Event.objects.filter(source=body.source, external_id=body.external_id).first()
    if stored is not None:
        if bytes(stored.content_key) != content_key(body, said):
            raise EventConflict
        answer = _present(stored.public_id, body, said, stored.evaluation, currency)
        return Outcome(200, _marked(answer, dry_run), replayed=True), member.pk
    check_occurred_at(body.occurred_at, moment)
    book = rulebook.latest()
    known = None if body.source == triggers.SOURCE else book.event_types.get(body.type)
    event_checks.check(body, known, is_click=is_click)
    state = settled_state(book, member.pk, body.occurred_at, moment, settle=not dry_run)
    facts = judging.event_facts(body, book)
    beyond = event_checks.beyond_limit(book, body, known, member.rows)
    if beyond is not None:
        # It is kept all the same, and no rule is asked about it.
        book = replace(book, publications=())
    used = counters.reserve(
        book, judging.keys_of(book, state, facts, asked_only=True), dry_run=dry_run
    )
    judgement = judging.judge(book, state, facts, used, moment)
    if beyond is not None:
        judgement = replace(judgement, evaluation=Evaluation((), (beyond,)))
    if dry_run:
        record = evaluation_record(judgement, is_rehearsed=True)
        answer = _present(None, body, said, record, currency)
        return Outcome(200, _marked(answer, dry_run)), member.pk
    document = Document(book, moment)
    public_id = _add(document, body, state, judgement, actor or "")
    write(document, used, {state.id: state})
    if not facts.is_occasion:
        release_by_event(
            kind=body.type,
            payload=body.payload,
            member_id=member.pk,
            occurred_at=body.occurred_at,
            recorded_at=moment,
            actor=actor or "",
        )
    answer = _present(public_id, body, said, evaluation_record(judgement), currency)
    return Outcome(201, answer), member.pk


def _marked(answer: dict[str, Any], dry_run: bool) -> dict[str, Any]:
    return {**answer, "dry_run": True} if dry_run else answer


def _add(
    document: Document, body: EventBody, state: MemberState, judgement: Judgement, actor: str
) -> UUID:
    public_id = uuid4()
    document.event = {
        "public_id": public_id,
        "member": state.id,
        "type": body.type,
        "source": body.source,
        "external_id": body.external_id,
        "content_key": content_key(body, state.public_id).hex(),
        "payload": body.payload,
        "occurred_at": body.occurred_at,
        "evaluation": evaluation_record(judgement),
    }
    document.add_awards(
        judgement=judgement,
        member=state,
        occurred_at=body.occurred_at,
        source="event",
        ref=public_id,
        actor=actor,
    )
    if body.source != triggers.SOURCE:
        # An occasion is nothing that the member did: it keeps no points alive.
        document.renew(state, f"event:{body.type}", body.occurred_at)
    return public_id


def _present(
    public_id: UUID | None, body: EventBody, member: str, evaluation: Any, currency: str
) -> dict[str, Any]:
    return {
        "id": None if public_id is None else str(public_id),
        "type": body.type,
        "source": body.source,
        "external_id": body.external_id,
        "member": member,
        "occurred_at": body.occurred_at,
        **presenters.earned(evaluation, currency),
    }
