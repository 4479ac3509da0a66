"""Take purchases in: one, many, or as a rehearsal that writes nothing.

One code path serves one purchase and a thousand: open in one call, judge in
memory, post in another. Between them only what is limited needs a third.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import Error, InterfaceError, OperationalError, transaction

from campaigns import presenters
from campaigns.bodies import PurchaseBody, content_key
from campaigns.earning.facts import PurchaseFacts
from campaigns.queries import rulebook
from campaigns.services import counters, judging, opening, returns
from campaigns.services.checks import check_occurred_at, read_only
from campaigns.services.judging import CounterState, Judgement, MemberState
from campaigns.services.keys import Key, Outcome, keep
from campaigns.services.opening import Row
from campaigns.services.posting import Document, write
from campaigns.services.records import evaluation_record
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import InternalError, Unavailable
from loyalty_site.lib.retries import retrying
from members.models import Member
from members.queries.lookup import UnknownMember

ROWS_PER_COMMIT = 250

logger = logging.getLogger(__name__)


class PurchaseConflict(DomainError):
    """The till's name for the purchase belongs to another one."""

    code = "purchase_conflict"
    title = "Another purchase has this source and external_id"
    cause = "A purchase is named once and for ever; this name came with other content before."
    remedy = "Send the first content again, or give the new purchase a name of its own."


class CurrencyMismatch(DomainError):
    """The money is not the program's."""

    code = "currency_mismatch"
    status = 422
    title = "The purchase is not in the program's currency"
    cause = "Points are counted in one money only."
    remedy = "Convert the amounts, or leave the purchase out of the program."


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row of a batch."""

    status: str
    points: int = 0
    public_id: str | None = None
    problem: DomainError | None = None


def process_purchase(
    *,
    body: PurchaseBody,
    actor: str,
    moment: datetime,
    key: Key | None = None,
    currency: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Post one purchase and return the answer to its till.

    The same content under the same business key answers the first result for
    ever. A dry run judges in a read-only transaction and writes nothing.

    :raises UnknownMember: the member reference leads to nobody.
    :raises PurchaseConflict: the business key belongs to other content.
    :raises CurrencyMismatch: the money is not the program's.
    :raises InTheFuture: it is dated more than 5 minutes ahead.
    :raises RequestInProgress: another request holds the key.
    :raises IdempotencyKeyReused: the key belongs to another request.
    """
    code = rulebook.spoken_currency(currency)

    def act() -> Outcome:
        run = _Run(actor, moment, code, key=None if dry_run else key, dry_run=dry_run)
        return run.single(body)

    return retrying(act)


def process_batch(
    *, bodies: Sequence[PurchaseBody], actor: str, moment: datetime
) -> list[RowOutcome]:
    """Post many purchases as if they had been sent singly in this order.

    At most 250 rows make a commit. A chunk that fails as a whole is repeated row
    by row; a bad row never stops the others, and a repeat answers ``duplicate``.
    """
    code = rulebook.spoken_currency(None)
    outcomes: list[RowOutcome] = []
    size = ROWS_PER_COMMIT
    while len(outcomes) < len(bodies):
        chunk = _until_repeated(bodies[len(outcomes) : len(outcomes) + size])
        try:
            done = retrying(_Run(actor, moment, code).many_of(chunk))
        except (Error, DomainError):
            done = list(_one_by_one(chunk, actor, moment, code))
        outcomes += done
        # Where rows have to be committed one after the other, few are opened at once.
        size = min(ROWS_PER_COMMIT, max(2 * len(done), 1))
    return outcomes


def _until_repeated(bodies: Sequence[PurchaseBody]) -> Sequence[PurchaseBody]:
    """Cut the rows where a business key comes again: the second must find the first."""
    seen: set[tuple[str, str]] = set()
    for place, body in enumerate(bodies):
        name = (body.source, body.external_id)
        if name in seen:
            return bodies[:place]
        seen.add(name)
    return bodies


def _one_by_one(
    bodies: Sequence[PurchaseBody], actor: str, moment: datetime, currency: str
) -> Iterator[RowOutcome]:
    for body in bodies:
        try:
            yield retrying(_Run(actor, moment, currency).many_of([body]))[0]
        except DomainError as refusal:
            yield RowOutcome("error", problem=refusal)
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database gave a row up.", exc_info=error)
            yield RowOutcome("error", problem=Unavailable(retry_after=1))
        except Error:
            logger.exception("The database refused a row.")
            yield RowOutcome("error", problem=InternalError())


class _Run:
    """One database transaction of intake."""

    def __init__(
        self,
        actor: str,
        moment: datetime,
        currency: str,
        *,
        key: Key | None = None,
        dry_run: bool = False,
    ) -> None:
        self.actor = actor
        self.moment = moment
        self.currency = currency
        self.key = key
        self.dry_run = dry_run
        self.book = rulebook.current()
        self.members: Mapping[int, MemberState] = {}

    def single(self, body: PurchaseBody) -> Outcome:
        """Return the answer about one purchase."""
        with transaction.atomic():
            if self.dry_run:
                read_only()
            row = Row(body, uuid4())
            kept = self._open([row])
            if kept is not None:
                return kept
            if row.is_fresh:
                self._post([row])
            elif row.answer is not None and self.key is not None:
                keep(self.key, row.answer, row.member_pk, self.moment)
            if row.refusal is not None:
                raise row.refusal
        if row.answer is None:
            raise AssertionError("a judged purchase has an answer")
        return row.answer

    def many_of(self, bodies: Sequence[PurchaseBody]) -> Any:
        """Return the act that posts the first of the rows, as many as one commit can take.

        Called, it returns what became of each of them, in order; at least one.
        """

        def act() -> list[RowOutcome]:
            rows = [Row(body, uuid4()) for body in bodies]
            with transaction.atomic():
                self._open(rows)
                fresh = [row for row in rows if row.is_fresh]
                if fresh:
                    self._post(_until_parked(fresh))
            posted = next((n for n, row in enumerate(rows) if row.is_fresh), len(rows))
            return [_row_outcome(row) for row in rows[:posted]]

        return act

    def _open(self, rows: Sequence[Row]) -> Outcome | None:
        opened = opening.open_rows(
            rows, book=self.book, key=self.key, moment=self.moment, dry_run=self.dry_run
        )
        if opened.kept is not None:
            return opened.kept
        self.book, self.members = opened.book, opened.members
        for row in rows:
            try:
                if row.found["known"] is None:
                    self._check(row)
                else:
                    row.answer = self._repeat(row, opened)
            except DomainError as refusal:
                row.refusal = refusal
        return None

    # Deciding --------------------------------------------------------------------------------

    def _check(self, row: Row) -> None:
        check_occurred_at(row.body.occurred_at, self.moment)
        if row.body.currency != self.book.currency:
            raise CurrencyMismatch(
                f"The program counts {self.book.currency}.", expected=self.book.currency
            )
        if row.body.member is not None and row.member_pk is None:
            raise UnknownMember

    def _repeat(self, row: Row, opened: opening.Opened) -> Outcome:
        stored = opened.known[row.found["known"]]
        said = None
        if row.body.member is not None:
            said = self._member_said(row, stored.member)
        if content_key(row.body, said) != bytes(stored.content_key):
            raise PurchaseConflict
        body = presenters.first_answer(stored, self.currency)
        if self.dry_run:
            body["dry_run"] = True
        return Outcome(200, body, replayed=True)

    def _member_said(self, row: Row, first: Member | None) -> str:
        if row.member_pk is not None:
            return self.members[row.member_pk].public_id
        # The references of an erased member lead nowhere; a repeat of theirs is still a repeat.
        if first is None or first.status != Member.Status.ERASED:
            raise PurchaseConflict
        return str(first.public_id)

    # Posting ---------------------------------------------------------------------------------

    def _post(self, rows: Sequence[Row]) -> None:
        """Post the rows up to the first that has to be committed before the next is judged."""
        facts = [judging.purchase_facts(row.body, self.book) for row in rows]
        used = self._reserve(rows, facts, asked_only=True)
        try:
            document = self._judge(rows, facts, used)
        except judging.Unreserved:
            self.members = opening.read_states(rows, self.book, self.moment)
            used = self._reserve(rows, facts, asked_only=False)
            document = self._judge(rows, facts, used)
        if self.dry_run or not document.purchases:
            return
        # Only a purchase sent singly has a key, and its answer is that of the first row.
        write(
            document,
            used,
            self.members,
            key=self.key,
            answer=rows[0].answer,
            member_pk=rows[0].member_pk,
        )
        for row in rows:
            if row.answer is not None and row.found["parked"]:
                returns.apply_parked(
                    book=self.book, purchase=row.public_id, moment=self.moment, actor=self.actor
                )

    def _reserve(
        self, rows: Sequence[Row], facts: Sequence[PurchaseFacts], *, asked_only: bool
    ) -> CounterState:
        keys = [
            key
            for row, fact in zip(rows, facts, strict=True)
            if (member := self._earning_member(row)) is not None
            for key in judging.keys_of(self.book, member, fact, asked_only=asked_only)
        ]
        return counters.reserve(self.book, keys, dry_run=self.dry_run)

    def _earning_member(self, row: Row) -> MemberState | None:
        if row.member_pk is None:
            return None
        member = self.members[row.member_pk]
        # What was bought before joining earns only through a claim.
        return member if row.body.occurred_at >= member.enrolled_at else None

    def _judge(
        self, rows: Sequence[Row], facts: Sequence[PurchaseFacts], used: CounterState
    ) -> Document:
        document = Document(self.book, self.moment, self.actor)
        for row in rows:
            row.answer = None
        for row, fact in zip(rows, facts, strict=True):
            member = self._earning_member(row)
            judgement = None
            if member is not None:
                try:
                    judgement = judging.judge(self.book, member, fact, used, self.moment)
                except DomainError as refusal:
                    row.refusal = refusal
                    continue
            self._add(document, row, fact, judgement)
            if judgement is not None and judgement.is_settled_first:
                break
        return document

    def _add(
        self, document: Document, row: Row, fact: PurchaseFacts, judgement: Judgement | None
    ) -> None:
        owner = None if row.member_pk is None else self.members[row.member_pk]
        record = evaluation_record(judgement)
        if judgement is None and owner is not None:
            tier = judging.held_tier(owner, row.body.occurred_at)
            record["tier"] = {"before": tier, "after": tier}
        position = document.add_purchase(
            public_id=row.public_id,
            body=row.body,
            facts=fact,
            content_key=content_key(row.body, owner.public_id if owner else None),
            member=owner,
            evaluation=record,
        )
        if judgement is not None and owner is not None:
            document.add_awards(
                judgement=judgement,
                member=owner,
                occurred_at=row.body.occurred_at,
                source="purchase",
                ref=row.public_id,
                position=position,
            )
        row.answer = Outcome(200 if self.dry_run else 201, self._present(row, fact, owner, record))

    def _present(
        self, row: Row, fact: PurchaseFacts, owner: MemberState | None, record: Mapping[str, Any]
    ) -> dict[str, Any]:
        body = presenters.purchase(
            public_id=None if self.dry_run else row.public_id,
            source=row.body.source,
            external_id=row.body.external_id,
            state="closed",
            member=owner.public_id if owner else None,
            occurred_at=row.body.occurred_at,
            net=fact.net,
            money_currency=row.body.currency,
            evaluation=record,
            currency=self.currency,
        )
        if self.dry_run:
            body["dry_run"] = True
        return body


def _until_parked(rows: Sequence[Row]) -> Sequence[Row]:
    """Cut the rows after the first purchase that returns are waiting for: they come next."""
    for place, row in enumerate(rows, 1):
        if row.found["parked"]:
            return rows[:place]
    return rows


def _row_outcome(row: Row) -> RowOutcome:
    if row.answer is None:
        return RowOutcome("error", problem=row.refusal)
    body = row.answer.body
    return RowOutcome(
        "duplicate" if row.answer.replayed else "created",
        points=body["points"]["granted"],
        public_id=body["id"],
    )
