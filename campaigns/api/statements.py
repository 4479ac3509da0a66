"""Statements of members: every movement of points, with its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from campaigns.api.schemas import RECEIPT
from campaigns.queries.statements import Line, statement_lines
from loyalty_site.lib import cursors, query
from loyalty_site.lib.cursors import Key
from loyalty_site.lib.drf import answer
from loyalty_site.lib.schema import (
    ID,
    INSTANT,
    MEMBER,
    POINTS,
    TEXT,
    choice,
    listing,
    nullable,
    operation,
    parameter,
    record,
)
from members import presenters
from members.api.base import MembersView
from members.models import LedgerTransaction, Member
from members.queries.program import point_currency
from members.queries.statement import statement_rows

ENTRY = record(
    id=ID,
    type=choice(*LedgerTransaction.Type.values),
    points=POINTS,
    occurred_at=INSTANT,
    recorded_at=INSTANT,
    description=TEXT,
    source=record(kind=TEXT, id=nullable(ID), external_id=nullable(TEXT)),
    receipt=RECEIPT,
    balance_after=record(available=POINTS, pending=POINTS, held=POINTS, debt=POINTS),
)
CURRENCY = (
    parameter(
        "currency", TEXT, "Code of the point currency; the first redeemable one unless told."
    ),
)


class _StatementView(MembersView):
    """What both addresses of a statement share."""

    def statement(self, member: Member) -> HttpResponse:
        """Return the page of the member's statement that the query asks for."""
        request = self.request._request
        program = member.program
        currency = point_currency(program, query.text(request, "currency", length_max=64))
        spoken = self.languages(member.locale, program.locale)

        def fetch(*, after: Key | None, before: Key | None, limit: int) -> Sequence[Line]:
            rows = statement_rows(
                member_id=member.pk,
                currency_id=currency.pk,
                after=after,
                before=before,
                limit=limit,
            )
            return statement_lines(rows, spoken)

        page = cursors.answer_page(
            request,
            fetch,
            key_of=lambda line: line.row.key,
            serialize=_entry,
            scope=f"{member.pk} {currency.code}",
        )
        return answer(page)


class MemberEntriesView(_StatementView):
    """The statement of a member."""

    @operation(
        "list_entries",
        "Read a member's statement, newest first",
        access=("members:read",),
        tag="members",
        responses={200: listing(ENTRY)},
        query=CURRENCY,
        problems=(404,),
        listing=True,
    )
    def get(self, request: Request, member_id: str) -> HttpResponse:
        """Answer a page of entries."""
        return self.statement(self.member_of_path(member_id))


class MyEntriesView(_StatementView):
    """The statement of the member who is logged in."""

    @operation(
        "list_my_entries",
        "Read your statement, newest first",
        access=(MEMBER,),
        tag="me",
        responses={200: listing(ENTRY)},
        query=CURRENCY,
        problems=(404,),
        listing=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer a page of entries."""
        return self.statement(self.me())


def _entry(line: Line) -> dict[str, Any]:
    source = line.source
    return presenters.entry_body(
        line.row,
        description=line.description,
        source={"kind": source.kind, "id": source.id, "external_id": source.external_id},
        receipt=line.receipt,
    )
