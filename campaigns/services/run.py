"""One database transaction of intake: open, judge, post.

One code path serves one purchase and a thousand: open in one call, judge in
memory, post in another. Between them only what is limited needs a third.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from campaigns import presenters
from campaigns.bodies import content_key
from campaigns.earning.facts import PurchaseFacts
from campaigns.queries import rulebook
from campaigns.services import counters, judging, opening, returns
from campaigns.services.checks import check_occurred_at, read_only
from campaigns.services.judging import CounterState, Judgement, MemberState
from campaigns.services.keys import Outcome, keep
from campaigns.services.opening import Row
from campaigns.services.posting import Document, write
from campaigns.services.records import evaluation_record
from campaigns.services.releasing import release_known
from loyalty_site.lib.errors import DomainError
from members.models import Member
from members.queries.lookup import UnknownMember
from rewards.services import tenders


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


class Run:
    """One database transaction of intake; the rows that it is given are filled by it.

    ``before_writing`` is called when everything is decided and locked, before it is written.
    """

    def __init__(
        self,
        moment: datetime,
        *,
        dry_run: bool = False,
        before_writing: Callable[[], None] | None = None,
    ) -> None:
        self.moment = moment
        self.dry_run = dry_run
        self.before_writing = before_writing
        self.book = rulebook.current()
        self.members: Mapping[int, MemberState] = {}

    def single(self, row: Row) -> Outcome:
        """Return the answer about one purchase; its refusal undoes everything."""
        with transaction.atomic():
            if self.dry_run:
                read_only()
            self._process([row])
            if row.refusal is not None:
                raise row.refusal
        if row.answer is None:
            raise AssertionError("a judged purchase has an answer")
        return row.answer

    def many(self, rows: Sequence[Row]) -> None:
        """Answer or refuse each of the rows, in order, as many as one commit can take.

        At least one; those after it which are neither have to come in another transaction.
        """
        with transaction.atomic():
            self._process(rows)

    def _process(self, rows: Sequence[Row]) -> None:
        self._open(rows)
        fresh = [row for row in rows if row.is_fresh]
        if fresh:
            self._post(_until_parked(fresh))

    def _open(self, rows: Sequence[Row]) -> None:
        opened = opening.open_rows(rows, book=self.book, moment=self.moment, dry_run=self.dry_run)
        self.book, self.members = opened.book, opened.members
        for row in rows:
            if not row.is_fresh:
                continue
            try:
                if row.found["known"] is None:
                    self._check(row)
                else:
                    row.answer = self._repeat(row, opened)
                    if row.key is not None:
                        keep(row.key, row.answer, row.member_pk, self.moment)
            except DomainError as refusal:
                row.refusal = refusal

    # Deciding --------------------------------------------------------------------------------

    def _check(self, row: Row) -> None:
        check_occurred_at(row.body.occurred_at, self.moment)
        if row.body.currency != self.book.currency:
            raise CurrencyMismatch(
                f"The program counts {self.book.currency}.", expected=self.book.currency
            )
        if row.body.member is not None and row.member_pk is None:
            raise UnknownMember
        paying = _paying(row)
        if paying:
            tenders.check(
                member_id=row.member_pk,
                redemptions=[redemption for redemption, _ in paying],
                moment=self.moment,
            )

    def _repeat(self, row: Row, opened: opening.Opened) -> Outcome:
        stored = opened.known[row.found["known"]]
        said = None
        if row.body.member is not None:
            said = self._member_said(row, stored.member)
        if content_key(row.body, said) != bytes(stored.content_key):
            raise PurchaseConflict
        body = presenters.first_answer(stored, row.currency)
        if self.dry_run:
            body["dry_run"] = True
        return Outcome(200, body, replayed=True)

    def _member_said(self, row: Row, first: Member | None) -> str:
        if row.member_pk is not None:
            if first is not None and first.merged_into_id == row.member_pk:
                # Bought before the member went into the one that is named today.
                return str(first.public_id)
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
        kept = [
            (row.key, row.answer, row.member_pk)
            for row in rows
            if row.key is not None and row.answer is not None
        ]
        if self.before_writing is not None:
            self.before_writing()
        write(document, used, self.members, kept)
        release_known(waiting=document.waiting, recorded_at=self.moment)
        for row in rows:
            if row.answer is not None and (paying := _paying(row)):
                tenders.keep(purchase=row.public_id, tenders=paying)
            if row.answer is not None and row.found["parked"]:
                returns.apply_parked(
                    book=self.book, purchase=row.public_id, moment=self.moment, actor=row.actor
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
        document = Document(self.book, self.moment)
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
        record = evaluation_record(judgement, is_rehearsed=self.dry_run)
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
                actor=row.actor,
                position=position,
            )
            document.renew(owner, "purchase", row.body.occurred_at)
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
            currency=row.currency,
        )
        if self.dry_run:
            body["dry_run"] = True
        return body


def _paying(row: Row) -> list[tuple[UUID, Decimal]]:
    """Return the redemptions that paid a part of the purchase; nearly always none."""
    return [
        (each.redemption, each.amount) for each in row.body.tenders if each.redemption is not None
    ]


def _until_parked(rows: Sequence[Row]) -> Sequence[Row]:
    """Cut the rows after the first purchase that returns are waiting for: they come next."""
    for place, row in enumerate(rows, 1):
        if row.found["parked"]:
            return rows[:place]
    return rows
