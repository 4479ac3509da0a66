"""The first call of intake: keys, locks, what is due, and the facts about members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from campaigns.bodies import PurchaseBody
from campaigns.queries import rulebook
from campaigns.queries.rulebook import Rulebook
from campaigns.services import judging
from campaigns.services.judging import MemberState
from campaigns.services.keys import Key, Outcome, kept_answer
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.wire import dumps
from members import cards
from members.models import Purchase
from members.numbers import candidates
from members.queries.lookup import find_member
from members.queries.program import current_program


@dataclass(slots=True)
class Row:
    """One purchase on its way through; ``found`` is what the opening call knew of it."""

    body: PurchaseBody
    public_id: UUID
    actor: str
    currency: str
    key: Key | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    answer: Outcome | None = None
    refusal: DomainError | None = None

    @property
    def member_pk(self) -> int | None:
        """Return the row of the member, or None for an unidentified sale."""
        member: int | None = self.found["member"]
        return member

    @property
    def is_fresh(self) -> bool:
        """Return whether it still has to be posted."""
        return self.refusal is None and self.answer is None


@dataclass(frozen=True, slots=True)
class Opened:
    """What the opening call gave beside the rows."""

    book: Rulebook
    members: Mapping[int, MemberState] = field(default_factory=dict)
    known: Mapping[int, Purchase] = field(default_factory=dict)


def open_rows(rows: Sequence[Row], *, book: Rulebook, moment: datetime, dry_run: bool) -> Opened:
    """Take the keys and locks, settle what is due, and fill what was found into the rows.

    A row whose key is known is answered, or refused, at once; nothing is found for it.
    """
    opened = _call_open(rows, book, moment, dry_run)
    rows = _unkept(rows, opened.get("kept"))
    if not rows:
        return Opened(book)
    for row, found in zip(rows, opened["rows"], strict=True):
        row.found = found
    members = opened["members"]
    if opened["version"] != book.version:
        # Other rules may ask for other facts.
        book = rulebook.current(opened["version"])
        members = _read_members(rows, book)
    return Opened(book, _states(members, book, moment), _known(rows))


def _unkept(rows: Sequence[Row], kept: Mapping[str, Any] | None) -> Sequence[Row]:
    """Answer the rows whose keys are known, and return the others."""
    if not kept:
        return rows
    for place, found in kept.items():
        row = rows[int(place)]
        try:
            row.answer = kept_answer(found)
        except DomainError as refusal:
            row.refusal = refusal
    return [row for row in rows if row.is_fresh]


def _call_open(
    rows: Sequence[Row], book: Rulebook, moment: datetime, dry_run: bool
) -> dict[str, Any]:
    since = min(row.body.occurred_at for row in rows)
    request = {
        **judging.asked_facts(book, since),
        "rows": [_reference(row.body, moment) for row in rows],
    }
    if any(row.key is not None for row in rows):
        request["keys"] = [row.key and row.key.wire for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT intake_open(%s::bigint, %s::jsonb, %s::timestamptz, %s::boolean)::text",
            [book.program_id, dumps(request).decode(), moment, dry_run],
        )
        opened: dict[str, Any] = orjson.loads(cursor.fetchone()[0])
    return opened


def _reference(body: PurchaseBody, moment: datetime) -> dict[str, Any]:
    row: dict[str, Any] = {"source": body.source, "external_id": body.external_id}
    if body.member is None:
        return row
    if body.member.id is not None:
        return {**row, "member": body.member.id}
    text = body.member.identifier or ""
    if cards.number_in(text) is None:
        return {**row, "candidates": [list(each) for each in candidates(text)]}
    # The code of a card is signed: who it names is not a matter of looking a text up.
    member = find_member(current_program(), text, moment)
    return {**row, "member": member.public_id} if member else {**row, "candidates": []}


def _read_members(rows: Iterable[Row], book: Rulebook) -> Mapping[str, Any]:
    rows = list(rows)
    since = min(row.body.occurred_at for row in rows)
    return read_members({row.member_pk for row in rows if row.member_pk is not None}, book, since)


def read_members(
    members: Iterable[int], book: Rulebook, since: datetime
) -> Mapping[str, Mapping[str, Any]]:
    """Return the facts of members by their row, as far as rules and tiers need them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT intake_members(%s::bigint[], %s::jsonb)::text",
            [sorted(members), dumps(judging.asked_facts(book, since)).decode()],
        )
        found: Mapping[str, Mapping[str, Any]] = orjson.loads(cursor.fetchone()[0])
    return found


def read_states(rows: Iterable[Row], book: Rulebook, moment: datetime) -> Mapping[int, MemberState]:
    """Return the members of the rows as they stand now; they are locked already."""
    return _states(_read_members(rows, book), book, moment)


def settled_state(
    book: Rulebook, member_pk: int, since: datetime, moment: datetime, *, settle: bool = True
) -> MemberState:
    """Lock a member, post what is due, and return their facts; unlocked without ``settle``."""
    if settle:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT ledger_settle_due(ARRAY[%s]::bigint[], %s, %s, 'intake')",
                [member_pk, moment, moment],
            )
    return _states(read_members([member_pk], book, since), book, moment)[member_pk]


def _states(
    members: Mapping[str, Mapping[str, Any]], book: Rulebook, moment: datetime
) -> dict[int, MemberState]:
    return {
        int(pk): judging.member_state(int(pk), row, book, moment) for pk, row in members.items()
    }


def _known(rows: Iterable[Row]) -> Mapping[int, Purchase]:
    known = [row.found["known"] for row in rows if row.found["known"] is not None]
    return Purchase.objects.select_related("member").in_bulk(known) if known else {}
