"""Take purchases in: one, many, or as a rehearsal that writes nothing.

One code path serves one purchase and a thousand: open in one call, judge in
memory, post in another. Between them only what is limited needs a third.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.db import Error, connection, transaction

from campaigns import presenters
from campaigns.api.bodies import PurchaseBody, content_key
from campaigns.earning.facts import PurchaseFacts
from campaigns.earning.results import LimitKey, Used
from campaigns.queries import rulebook
from campaigns.queries.rulebook import Rulebook
from campaigns.services import judging
from campaigns.services.judging import Ledger, MemberState
from campaigns.services.posting import Document, evaluation_record
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.idempotency import IdempotencyKeyReused, RequestInProgress
from loyalty_site.lib.retries import retrying
from loyalty_site.lib.wire import dumps
from members.models import Purchase
from members.numbers import candidates
from members.queries.lookup import UnknownMember
from members.queries.program import UnknownCurrency
from members.services.outbox import ring

ROWS_PER_COMMIT = 250
AHEAD_MAX = timedelta(minutes=5)


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


class InTheFuture(DomainError):
    """It is said to have happened later than now."""

    code = "in_the_future"
    status = 422
    title = "It has not happened yet"
    cause = "occurred_at is more than 5 minutes ahead of the server's clock."
    remedy = "Set the till's clock, or wait."


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key with what a repeat must have in common."""

    caller: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer; ``replayed`` when an earlier request did the work."""

    status: int
    body: Any
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row of a batch."""

    status: str
    points: int = 0
    public_id: str | None = None
    problem: DomainError | None = None


@dataclass(slots=True)
class Row:
    """One purchase on its way through; ``found`` is what the opening call knew of it."""

    body: PurchaseBody
    public_id: UUID
    found: Mapping[str, Any] = field(default_factory=dict)
    answer: Outcome | None = None
    refusal: DomainError | None = None

    @property
    def member_pk(self) -> int | None:
        """Return the row of the member, or None for an unidentified sale."""
        return self.found["member"]


def check_occurred_at(occurred_at: datetime, moment: datetime) -> None:
    """Refuse what lies more than 5 minutes ahead.

    :raises InTheFuture: it does.
    """
    if occurred_at > moment + AHEAD_MAX:
        raise InTheFuture


def point_currency(book: Rulebook, code: str | None) -> str:
    """Return the point currency that an answer speaks of.

    :raises UnknownCurrency: there is none of that code.
    """
    if code is None:
        return book.points_code
    if code not in book.currencies:
        raise UnknownCurrency
    return code


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
    point_currency(rulebook.current(), currency)

    def act() -> Outcome:
        run = _Run(actor, moment, currency, key=key, dry_run=dry_run)
        return run.single(body)

    return retrying(act)


def process_batch(
    *, bodies: Sequence[PurchaseBody], actor: str, moment: datetime
) -> list[RowOutcome]:
    """Post many purchases as if they had been sent singly in this order.

    At most 250 rows make a commit. A chunk that fails as a whole is repeated row
    by row; a bad row never stops the others, and a repeat answers ``duplicate``.
    """
    outcomes: list[RowOutcome] = []
    for start in range(0, len(bodies), ROWS_PER_COMMIT):
        chunk = bodies[start : start + ROWS_PER_COMMIT]
        try:
            outcomes.extend(retrying(lambda chunk=chunk: _Run(actor, moment).many(chunk)))
        except (Error, DomainError):
            outcomes.extend(_one_by_one(chunk, actor, moment))
    return outcomes


def _one_by_one(
    bodies: Sequence[PurchaseBody], actor: str, moment: datetime
) -> Iterator[RowOutcome]:
    for body in bodies:
        try:
            yield retrying(lambda body=body: _Run(actor, moment).many([body]))[0]
        except DomainError as refusal:
            yield RowOutcome("error", problem=refusal)


class _Run:
    """One database transaction of intake."""

    def __init__(
        self,
        actor: str,
        moment: datetime,
        currency: str | None = None,
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
        self.members: dict[int, MemberState] = {}

    def single(self, body: PurchaseBody) -> Outcome:
        """Return the answer about one purchase."""
        with transaction.atomic():
            if self.dry_run:
                _read_only()
            row = Row(body, uuid4())
            kept = self._open([row])
            if kept is not None:
                return kept
            self._classify(row)
            if row.refusal is not None:
                raise row.refusal
            if row.answer is None:
                self._post([row])
                if row.found["parked"] and not self.dry_run:
                    self._apply_parked(row)
            elif self.key is not None and not self.dry_run:
                keep_answer(self.key, row.answer, row.member_pk, self.moment)
        if row.answer is None:
            raise AssertionError("a judged purchase has an answer")
        return row.answer

    def many(self, bodies: Sequence[PurchaseBody]) -> list[RowOutcome]:
        """Return what became of each row, in order."""
        rows = [Row(body, uuid4()) for body in bodies]
        with transaction.atomic():
            for run in _runs(rows):
                self.members.clear()
                self._open(run)
                fresh = []
                for row in run:
                    self._classify(row)
                    if row.refusal is None and row.answer is None:
                        fresh.append(row)
                for part in _until_parked(fresh):
                    self._post(part)
                    if part[-1].found["parked"]:
                        self._apply_parked(part[-1])
                        self._reload(run)
        return [_row_outcome(row) for row in rows]

    # Reading ---------------------------------------------------------------------------------

    def _open(self, rows: Sequence[Row]) -> Outcome | None:
        opened = self._call_open(rows)
        kept = opened.get("idempotency")
        if kept is not None:
            return _kept(kept)
        if opened["version"] != self.book.version:
            self.book = rulebook.current(opened["version"])
            opened["members"] = self._read_members(rows, opened["rows"])
        for row, found in zip(rows, opened["rows"], strict=True):
            row.found = found
        self._fill(opened["members"])
        return None

    def _call_open(self, rows: Sequence[Row]) -> dict[str, Any]:
        request = {**self._facts(rows), "rows": [_reference(row.body) for row in rows]}
        key = None if self.dry_run else self.key
        return _fetch(
            "SELECT intake_open(%s::bigint, %s::jsonb, %s::text, %s::text, %s::bytea,"
            " %s::timestamptz, %s::boolean)",
            [
                self.book.program_id,
                dumps(request).decode(),
                key.caller if key else None,
                key.key if key else None,
                key.fingerprint if key else None,
                self.moment,
                self.dry_run,
            ],
        )

    def _facts(self, rows: Sequence[Row]) -> dict[str, Any]:
        grading = self.book.grading
        return {
            "since": min(row.body.occurred_at for row in rows),
            "months": grading.grading.policy.months if grading else 0,
            "qualifying": grading.currency_id if grading else None,
            "segments": self.book.needs_segments,
            "history": self.book.needs_history,
        }

    def _read_members(self, rows: Sequence[Row], found: Sequence[Any]) -> dict[str, Any]:
        members = sorted({each["member"] for each in found if each["member"] is not None})
        return _fetch(
            "SELECT intake_members(%s::bigint[], %s::jsonb)",
            [members, dumps(self._facts(rows)).decode()],
        )

    def _fill(self, members: Mapping[str, Any]) -> None:
        self.members = {
            int(pk): judging.member_state(int(pk), row, self.book, self.moment)
            for pk, row in members.items()
        }

    def _reload(self, rows: Sequence[Row]) -> None:
        self._fill(self._read_members(rows, [row.found for row in rows]))

    # Deciding --------------------------------------------------------------------------------

    def _classify(self, row: Row) -> None:
        try:
            self._check(row)
        except DomainError as refusal:
            row.refusal = refusal

    def _check(self, row: Row) -> None:
        body, found = row.body, row.found
        if found["known"] is not None:
            self._compare(row)
            return
        check_occurred_at(body.occurred_at, self.moment)
        if body.currency != self.book.currency:
            raise CurrencyMismatch(
                f"The program counts {self.book.currency}.", expected=self.book.currency
            )
        if body.member is not None and found["member"] is None:
            raise UnknownMember

    def _compare(self, row: Row) -> None:
        if content_key(row.body, self._member_said(row)).hex() != row.found["content_key"]:
            raise PurchaseConflict
        stored = Purchase.objects.select_related("member").get(pk=row.found["known"])
        body = presenters.first_answer(stored, point_currency(self.book, self.currency))
        if self.dry_run:
            body["dry_run"] = True
        row.answer = Outcome(200, body, replayed=True)

    def _member_said(self, row: Row) -> str | None:
        # The member counts as resolved when the purchase first came. A reference that leads to
        # nobody any more (the member was erased) is taken for the one that it led to then.
        if row.body.member is None:
            return None
        if row.member_pk is None:
            return str(row.found["known_member"])
        return self.members[row.member_pk].public_id

    # Posting ---------------------------------------------------------------------------------

    def _post(self, rows: Sequence[Row]) -> None:
        facts = [judging.purchase_facts(row.body, self.book) for row in rows]
        counters = self._reserve(rows, facts, asked_only=True)
        try:
            document, counters = self._judge(rows, facts, counters)
        except judging.Unreserved:
            self._reload(rows)
            counters = self._reserve(rows, facts, asked_only=False)
            document, counters = self._judge(rows, facts, counters)
        if not self.dry_run:
            self._write(document, counters, rows)

    def _reserve(
        self, rows: Sequence[Row], facts: Sequence[PurchaseFacts], *, asked_only: bool
    ) -> Ledger:
        keys: dict[LimitKey, None] = {}
        for row, fact in zip(rows, facts, strict=True):
            member = self._earning_member(row)
            if member is not None:
                wanted = judging.keys_of(self.book, member, fact, asked_only=asked_only)
                keys.update(dict.fromkeys(wanted))
        return reserve(self.book, list(keys), dry_run=self.dry_run)

    def _earning_member(self, row: Row) -> MemberState | None:
        if row.member_pk is None:
            return None
        member = self.members[row.member_pk]
        # What was bought before joining earns only through a claim.
        return member if row.body.occurred_at >= member.enrolled_at else None

    def _judge(
        self, rows: Sequence[Row], facts: Sequence[PurchaseFacts], counters: Ledger
    ) -> tuple[Document, Ledger]:
        document = Document(self.book, self.moment, self.actor)
        currency = point_currency(self.book, self.currency)
        for row, fact in zip(rows, facts, strict=True):
            member = self._earning_member(row)
            judgement = None
            if member is not None:
                judgement = judging.judge(self.book, member, fact, counters, self.moment)
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
            if judgement is not None and member is not None:
                document.add_awards(
                    judgement=judgement,
                    member=member,
                    occurred_at=row.body.occurred_at,
                    source="purchase",
                    ref=row.public_id,
                    position=position,
                )
                tell_of(document, judgement, member, row.public_id)
            row.answer = Outcome(
                200 if self.dry_run else 201,
                self._present(row, fact, owner, record, currency),
            )
        return document, counters

    def _present(
        self,
        row: Row,
        fact: PurchaseFacts,
        owner: MemberState | None,
        record: Mapping[str, Any],
        currency: str,
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
            currency=currency,
        )
        if self.dry_run:
            body["dry_run"] = True
        return body

    def _write(self, document: Document, counters: Ledger, rows: Sequence[Row]) -> None:
        answer = rows[0].answer
        write(
            document,
            counters,
            self.members,
            key=self.key,
            answer=answer,
            member_pk=rows[0].member_pk,
        )

    def _apply_parked(self, row: Row) -> None:
        # Imported here because returns build upon intake's own calls.
        from campaigns.services.returns import apply_parked  # noqa: PLC0415

        apply_parked(
            source=row.body.source,
            external_id=row.body.external_id,
            moment=self.moment,
            actor=self.actor,
        )


def tell_of(
    document: Document, judgement: judging.Judgement, member: MemberState, ref: UUID
) -> None:
    """Add to the outbox what the member will be told of a judgement."""
    points = document.book.points_code
    granted = judgement.granted.get(points)
    if granted is not None and granted.points:
        document.tell(
            "points_earned",
            member,
            {
                "source": str(ref),
                "points": granted.points,
                "currency": points,
                "is_pending": granted.is_pending,
            },
        )
    if judgement.tier_before != judgement.tier_after:
        document.tell(
            "tier_changed",
            member,
            {"before": judgement.tier_before, "after": judgement.tier_after},
        )


def reserve(book: Rulebook, keys: Sequence[LimitKey], *, dry_run: bool) -> Ledger:
    """Lock and read the counters; without keys nothing is asked of the database."""
    if not keys:
        return Ledger()
    ordered = sorted(keys, key=lambda key: (key.scope != "rule", key))
    limits = _limits(book)
    rows = [
        {**key._asdict(), "limit": limits.get((key.scope, key.code)) if key.currency else None}
        for key in ordered
    ]
    read = _fetch(
        "SELECT limits_reserve(%s::bigint, %s::jsonb, %s::boolean)",
        [book.program_id, dumps(rows).decode(), dry_run],
    )
    return Ledger(
        used={key: Used(*values) for key, values in zip(ordered, read, strict=True)}
    )


def _limits(book: Rulebook) -> dict[tuple[str, str], int]:
    """Return the budget that the database itself holds a campaign's counter to."""
    return {
        ("campaign", rule.campaign.code): rule.campaign.budget_points
        for published in book.publications[:1]
        for rule in published.rules
        if rule.campaign is not None and rule.campaign.budget_points is not None
    }


def write(
    document: Document,
    counters: Ledger,
    members: Mapping[int, MemberState],
    *,
    key: Key | None,
    answer: Outcome | None,
    member_pk: int | None,
) -> None:
    """Post the document and keep the answer under the key, in the open transaction."""
    body = document.as_json(limits=counters.added, members=members)
    keep = key is not None and answer is not None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT intake_post(%s::bigint, %s::timestamptz, %s::jsonb, %s::text, %s::text,"
            " %s::bytea, %s::int, %s::jsonb, %s::bigint)",
            [
                document.book.program_id,
                document.recorded_at,
                dumps(body).decode(),
                key.caller if key and keep else None,
                key.key if key and keep else None,
                key.fingerprint if key and keep else None,
                answer.status if answer and keep else None,
                dumps(answer.body).decode() if answer and keep else None,
                member_pk,
            ],
        )
    if document.outbox:
        ring()


def _fetch(sql: str, parameters: Sequence[Any]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return orjson.loads(cursor.fetchone()[0])


def _read_only() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")


def _reference(body: PurchaseBody) -> dict[str, Any]:
    row: dict[str, Any] = {"source": body.source, "external_id": body.external_id}
    if body.member is not None:
        if body.member.id is not None:
            row["member"] = body.member.id
        else:
            row["candidates"] = [list(each) for each in candidates(body.member.identifier or "")]
    return row


def _kept(kept: Mapping[str, Any]) -> Outcome:
    if kept["state"] == "busy":
        raise RequestInProgress
    if kept["state"] == "reused":
        raise IdempotencyKeyReused
    return Outcome(kept["status"], kept["body"], replayed=True)


def begin(key: Key) -> Outcome | None:
    """Take the key for the open transaction; return the kept answer of an earlier request.

    :raises RequestInProgress: another request holds the key.
    :raises IdempotencyKeyReused: the key belongs to another request.
    """
    found = _fetch(
        "SELECT idempotency_begin(%s::text, %s::text, %s::bytea)",
        [key.caller, key.key, key.fingerprint],
    )
    return None if found["state"] == "new" else _kept(found)


def keep_answer(key: Key, answer: Outcome, member_pk: int | None, moment: datetime) -> None:
    """Keep an answer under the key in the open transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT idempotency_store(%s::text, %s::text, %s::bytea, %s::int, %s::jsonb,"
            " %s::bigint, %s::timestamptz)",
            [
                key.caller,
                key.key,
                key.fingerprint,
                answer.status,
                dumps(answer.body).decode(),
                member_pk,
                moment,
            ],
        )


def _runs(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Cut the rows where a business key comes again: the second must find the first."""
    run: list[Row] = []
    seen: set[tuple[str, str]] = set()
    for row in rows:
        name = (row.body.source, row.body.external_id)
        if name in seen:
            yield run
            run, seen = [], set()
        run.append(row)
        seen.add(name)
    if run:
        yield run


def _until_parked(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Cut the rows after each purchase that returns are waiting for: they come next."""
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if row.found["parked"]:
            yield part
            part = []
    if part:
        yield part


def _row_outcome(row: Row) -> RowOutcome:
    if row.answer is None:
        return RowOutcome("error", problem=row.refusal)
    body = row.answer.body
    return RowOutcome(
        "duplicate" if row.answer.replayed else "created",
        points=body["points"]["granted"],
        public_id=body["id"],
    )
