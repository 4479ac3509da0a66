"""Turn judgements into the document that the posting call writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from campaigns.bodies import PurchaseBody, Tender
from campaigns.earning.facts import PurchaseFacts
from campaigns.earning.results import LimitKey
from campaigns.queries.rulebook import Rulebook
from campaigns.services.giving import Wish, give_all
from campaigns.services.granting import Granted
from campaigns.services.judging import CounterState, Judgement, MemberState
from campaigns.services.keys import Key, Outcome
from loyalty_site.lib.wire import dumps
from members.services import tiers
from members.services.outbox import ring

EVENT = "event:"


@dataclass(slots=True)
class Document:
    """What one call of ``intake_post`` writes; positions refer to each other by index."""

    book: Rulebook
    recorded_at: datetime
    purchases: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    claim: dict[str, Any] | None = None
    event: dict[str, Any] | None = None
    headers: list[dict[str, Any]] = field(default_factory=list)
    lots: list[dict[str, Any]] = field(default_factory=list)
    uses: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    awards: list[dict[str, Any]] = field(default_factory=list)
    outbox: list[dict[str, Any]] = field(default_factory=list)
    settle: list[int] = field(default_factory=list)
    renewals: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[tuple[str, str]] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)

    def add_purchase(
        self,
        *,
        public_id: UUID,
        body: PurchaseBody,
        facts: PurchaseFacts,
        content_key: bytes,
        member: MemberState | None,
        evaluation: Mapping[str, Any],
    ) -> int:
        """Add a purchase with its lines; return its position."""
        position = len(self.purchases)
        self.purchases.append(
            {
                "public_id": public_id,
                "source": body.source,
                "external_id": body.external_id,
                "content_key": content_key.hex(),
                "member": member.id if member else None,
                "occurred_at": body.occurred_at,
                "store": body.store or "",
                "channel": body.channel or "",
                "cashier": body.cashier or "",
                "device": body.device or "",
                "currency": body.currency,
                "net": facts.net,
                "coupons": list(body.coupons),
                "tenders": [_tender(each) for each in body.tenders],
                "evaluation": evaluation,
            }
        )
        self.lines.extend(
            {
                "p": position,
                "position": line.position,
                "line_id": line.line_id,
                "sku": line.sku or "",
                "name": line.name or "",
                "category": line.category or "",
                "brand": line.brand or "",
                "quantity": line.quantity,
                "unit_price": line.unit_price,
                "discount": line.discount,
                "tax": source.tax,
                "tags": list(line.tags),
                "net": line.net,
            }
            for line, source in zip(facts.lines, body.lines, strict=True)
        )
        return position

    def add_awards(
        self,
        *,
        judgement: Judgement,
        member: MemberState,
        occurred_at: datetime,
        source: str,
        ref: UUID | str,
        actor: str,
        position: int = 0,
    ) -> None:
        """Add the awards of one fact, the ledger transactions that they make, and the news.

        ``position`` is that of the purchase. A currency in which nothing was
        granted makes no transaction; its awards stand with zero points.
        """
        headers: dict[str, int] = {}
        for granted in judgement.granted.values():
            if granted.points:
                code = granted.currency.code
                if code not in headers:
                    headers[code] = self._add_header(
                        granted, member, occurred_at, source, str(ref), actor
                    )
                self._add_points(headers[code], granted, member, occurred_at)
                if granted.waits_for.startswith(EVENT):
                    # The event may have come first.
                    self.waiting.append((str(ref), granted.waits_for.removeprefix(EVENT)))
        for number, award in enumerate(judgement.evaluation.awards):
            granted = judgement.part(award)
            self.awards.append(
                {
                    "p": position,
                    "h": headers.get(award.currency) if award.points else None,
                    "member": member.id,
                    "currency": granted.currency.id,
                    "rule_version": judgement.version_ids[award.rule_code, award.rule_version],
                    "position": number,
                    "requested": award.requested,
                    "points": award.points,
                    "capped_by": award.capped_by or "",
                    "text": award.text[:500],
                    "line_id": award.line_id or "",
                    "attribution": list(award.attribution),
                    "limit_uses": [_use(use.key, use.points, use.uses) for use in award.limit_uses],
                    "available_at": granted.known_available_at,
                    "expires_at": granted.expires_at,
                    "occurred_at": occurred_at,
                }
            )
        if judgement.grants:
            versions = judgement.version_ids
            self.wishes.append(
                Wish(source, str(ref), member.id, occurred_at, judgement.grants, versions)
            )
        self._tell_of(judgement, member, ref)

    def _add_header(
        self,
        granted: Granted,
        member: MemberState,
        occurred_at: datetime,
        source: str,
        ref: str,
        actor: str,
    ) -> int:
        self.headers.append(
            {
                "member": member.id,
                "currency": granted.currency.id,
                "type": "earn",
                "source": source,
                "ref": ref,
                "actor": actor,
                "occurred_at": occurred_at,
            }
        )
        return len(self.headers) - 1

    def _add_points(
        self, header: int, granted: Granted, member: MemberState, occurred_at: datetime
    ) -> None:
        """Add points that become available together to the transaction of their currency."""
        currency = granted.currency
        arrives_later = granted.is_pending or granted.is_settled
        account = member.account(currency, "pending" if arrives_later else "available")
        paid_debt = 0 if arrives_later else granted.paid_debt
        if currency.is_redeemable:
            self._add_lot(header, account, granted, occurred_at, paid_debt)
        if granted.is_settled and member.id not in self.settle:
            self.settle.append(member.id)
        if granted.points - paid_debt:
            self._entry(header, account, granted.points - paid_debt)
        if paid_debt:
            self._entry(header, member.account(currency, "debt"), paid_debt)
        self._entry(header, currency.issued_account, -granted.points)

    def _add_lot(
        self, header: int, account: int, granted: Granted, occurred_at: datetime, paid_debt: int
    ) -> None:
        lot = {
            "h": header,
            "account": account,
            "points": granted.points,
            "earned_at": occurred_at,
            "available_at": granted.available_at,
            "expires_at": granted.expires_at,
        }
        if granted.renew_months is not None:
            lot["renew_months"] = granted.renew_months
        if granted.waits_for:
            lot["waits_for"] = granted.waits_for
        self.lots.append(lot)
        if paid_debt:
            new = len(self.lots) - 1
            self.uses.append({"h": header, "new": new, "points": paid_debt, "kind": "debt"})

    def renew(self, member: MemberState, act: str, at: datetime) -> None:
        """Let the act renew the member's points, where points of the program are renewed by it.

        ``act`` is ``purchase`` or ``event:TYPE``, which is also any ``event``.
        """
        for currency in self.book.renewable:
            if act in currency.renewed_by or act.partition(":")[0] in currency.renewed_by:
                account = member.account(currency, "available")
                self.renewals.append({"account": account, "act": act, "at": at})

    def _entry(self, header: int, account: int, points: int) -> None:
        self.entries.append({"h": header, "account": account, "points": points})

    def _tell_of(self, judgement: Judgement, member: MemberState, ref: UUID | str) -> None:
        points = self.book.points_code
        granted = [
            each
            for (code, _pending), each in judgement.granted.items()
            if code == points and each.points
        ]
        if granted:
            is_pending = all(each.is_pending for each in granted)
            total = sum(each.points for each in granted)
            news = {"points": total, "currency": points, "is_pending": is_pending}
            self.tell("points_earned", member, {"source": str(ref), **news})
        if judgement.tier_before != judgement.tier_after:
            moved = {"before": judgement.tier_before, "after": judgement.tier_after}
            self.tell("tier_changed", member, moved)

    def tell(self, kind: str, member: MemberState, payload: Mapping[str, Any]) -> None:
        """Add something to be told to the member."""
        self.outbox.append({"kind": kind, "member": member.id, "payload": payload})

    def standings(self, members: Mapping[int, MemberState]) -> dict[str, list[Any]] | None:
        """Return what changed on the members' timelines, or None where nothing did."""
        if self.book.grading is None:
            return None
        merged: dict[str, list[Any]] = {"supersede": [], "close": [], "insert": []}
        for member in members.values():
            before = [row.standing for row in member.stored]
            if before == member.standings or not member.standings:
                continue
            changed = tiers.changes(
                member_id=member.id,
                tier_ids=self.book.grading.tier_ids,
                stored=member.stored,
                final=member.standings,
            )
            for name, rows in changed.items():
                merged[name].extend(rows)
        return merged if any(merged.values()) else None

    def as_json(
        self, *, limits: Mapping[LimitKey, Any], members: Mapping[int, MemberState]
    ) -> dict[str, Any]:
        """Return the document as ``intake_post`` reads it."""
        document: dict[str, Any] = {
            "ledger": {
                "headers": self.headers,
                "lots": self.lots,
                "uses": self.uses,
                "entries": self.entries,
            },
            "awards": self.awards,
        }
        if self.purchases:
            document["purchases"] = self.purchases
            document["lines"] = self.lines
        if self.claim:
            document["claim"] = self.claim
        if self.event:
            document["event"] = self.event
        standings = self.standings(members)
        if standings:
            document["tiers"] = standings
        if limits:
            document["limits"] = [_use(key, used.points, used.uses) for key, used in limits.items()]
            if any(key.scope == "campaign" for key in limits):
                document["budgets"] = True
        if self.settle:
            document["settle"] = self.settle
        if self.renewals:
            document["renewals"] = self.renewals
        if self.outbox:
            document["outbox"] = self.outbox
        return document


def _tender(tender: Tender) -> dict[str, str]:
    told = {"kind": tender.kind, "amount": str(tender.amount)}
    if tender.redemption is not None:
        told["redemption"] = str(tender.redemption)
    return told


def _use(key: LimitKey, points: int, uses: int) -> dict[str, Any]:
    return {**key._asdict(), "points": points, "uses": uses}


def write(
    document: Document,
    counters: CounterState,
    members: Mapping[int, MemberState],
    kept: Iterable[tuple[Key, Outcome, int | None]] = (),
) -> None:
    """Post the document in the open transaction, and keep answers under their keys.

    With each answer comes the row of the member whose data it holds.
    """
    body = document.as_json(limits=counters.added, members=members)
    keys = [
        [*key.wire, answer.status, orjson.Fragment(answer.text), member_pk]
        for key, answer, member_pk in kept
    ]
    if keys:
        body["keys"] = keys
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT intake_post(%s::bigint, %s::timestamptz, %s::jsonb)",
            [document.book.program_id, document.recorded_at, dumps(body).decode()],
        )
    if document.wishes:
        give_all(
            program_id=document.book.program_id,
            wishes=document.wishes,
            recorded_at=document.recorded_at,
        )
    if document.outbox:
        ring()
