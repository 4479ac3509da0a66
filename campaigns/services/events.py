"""Take in what members did beside buying, and give what its rules say."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction

from campaigns import presenters
from campaigns.api.bodies import EventBody, content_key
from campaigns.models import Event
from campaigns.queries import rulebook
from campaigns.services import claims, intake, judging
from campaigns.services.intake import Key, Outcome
from campaigns.services.posting import Document, evaluation_record
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.retries import retrying


class EventConflict(DomainError):
    """The source's name for the event belongs to another one."""

    code = "event_conflict"
    title = "Another event has this source and external_id"
    cause = "An event is named once and for ever; this name came with other content before."
    remedy = "Send the first content again, or give the new event a name of its own."


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
    """
    code = intake.point_currency(rulebook.current(), currency)

    def act() -> Outcome:
        with transaction.atomic():
            if dry_run:
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION READ ONLY")
            kept = intake.begin(key) if key and not dry_run else None
            if kept is not None:
                return kept
            return _take(body, actor, moment, None if dry_run else key, code, dry_run)

    return retrying(act)


def _take(
    body: EventBody,
    actor: str,
    moment: datetime,
    key: Key | None,
    currency: str,
    dry_run: bool,
) -> Outcome:
    if not dry_run:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT lock_business_key('event', %s::text, %s::text)",
                [body.source, body.external_id],
            )
    member = claims.claimant_of(body.member, moment)
    stored = Event.objects.filter(source=body.source, external_id=body.external_id).first()
    if stored is not None:
        if bytes(stored.content_key) != content_key(body, str(member.public_id)):
            raise EventConflict
        outcome = Outcome(
            200,
            _present(stored.public_id, body, str(member.public_id), stored.evaluation, currency,
                     dry_run=dry_run),
            replayed=True,
        )
        if key is not None:
            intake.keep_answer(key, outcome, member.pk, moment)
        return outcome
    intake.check_occurred_at(body.occurred_at, moment)
    book = rulebook.current()
    state = claims.read_state(book, member, body.occurred_at, moment, settle=not dry_run)
    facts = judging.event_facts(body, book)
    counters = intake.reserve(
        book, judging.keys_of(book, state, facts, asked_only=True), dry_run=dry_run
    )
    judgement = judging.judge(book, state, facts, counters, moment)
    record = evaluation_record(judgement)
    public_id = uuid4()
    answer = _present(
        None if dry_run else public_id, body, state.public_id, record, currency, dry_run=dry_run
    )
    if dry_run:
        return Outcome(200, answer)
    document = Document(book, moment, actor)
    document.event = {
        "public_id": public_id,
        "member": state.id,
        "type": body.type,
        "source": body.source,
        "external_id": body.external_id,
        "content_key": content_key(body, state.public_id).hex(),
        "payload": body.payload,
        "occurred_at": body.occurred_at,
        "evaluation": record,
    }
    document.add_awards(
        judgement=judgement,
        member=state,
        occurred_at=body.occurred_at,
        source="event",
        ref=public_id,
    )
    intake.tell_of(document, judgement, state, public_id)
    outcome = Outcome(201, answer)
    intake.write(
        document, counters, {state.id: state}, key=key, answer=outcome, member_pk=state.id
    )
    return outcome


def _present(
    public_id: UUID | None,
    body: EventBody,
    member: str,
    evaluation: Any,
    currency: str,
    *,
    dry_run: bool,
) -> dict[str, Any]:
    answer = {
        "id": None if public_id is None else str(public_id),
        "type": body.type,
        "source": body.source,
        "external_id": body.external_id,
        "member": member,
        "occurred_at": body.occurred_at,
        **presenters.earned(evaluation, currency),
    }
    if dry_run:
        answer["dry_run"] = True
    return answer
