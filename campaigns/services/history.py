"""What members did, read for a replay: a range of members with one query for each table.

Nothing is locked and nothing waits: the caller's transaction is READ ONLY and REPEATABLE READ, so
that every range shows the same instant. Memory is bounded by the range.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from django.db.backends.base.base import BaseDatabaseWrapper

from campaigns.earning import triggers
from campaigns.earning.facts import (
    EventFacts,
    LineFacts,
    MemberFacts,
    PurchaseFacts,
)
from campaigns.services import member_facts
from campaigns.trial.history import (
    BOUGHT,
    HAPPENED,
    MOVED,
    RETURNED,
    Bought,
    Fact,
    Happened,
    Moved,
    Order,
    Person,
    Returned,
    Story,
)
from members.grading import Standing

_EXTENT = """
SELECT json_build_object(
  'purchases', (SELECT json_build_array(count(*), coalesce(max(id), 0)) FROM members_purchase
                WHERE member_id IS NOT NULL),
  'events', (SELECT json_build_array(count(*), coalesce(max(id), 0)) FROM campaigns_event),
  'returns', (SELECT json_build_array(count(*), coalesce(max(id), 0)) FROM members_return
              WHERE state = 'applied'),
  'transactions', (SELECT coalesce(max(id), 0) FROM members_ledgertransaction))::text
"""

_MEMBERS = """
SELECT m.id FROM members_member m
WHERE EXISTS (SELECT FROM members_purchase p WHERE p.member_id = m.id)
   OR EXISTS (SELECT FROM campaigns_event e WHERE e.member_id = m.id)
   OR EXISTS (SELECT FROM members_ledgertransaction t WHERE t.member_id = m.id)
ORDER BY m.id
"""

_PEOPLE = """
SELECT m.id, m.public_id::text, m.number, m.status, m.enrolled_at, m.birth_date, m.locale,
  m.source_channel,
  ARRAY(SELECT g.code FROM members_segmentmembership s JOIN members_segment g
        ON g.id = s.segment_id WHERE s.member_id = m.id AND NOT g.is_retired),
  (SELECT json_agg(json_build_array(r.code, t.starts_at, t.valid_until, t.evidence)
      ORDER BY t.starts_at)::text
   FROM members_tiermembership t JOIN members_tier r ON r.id = t.tier_id
   WHERE t.member_id = m.id AND t.superseded_at IS NULL
     AND t.evidence ->> 'cause' NOT IN ('enrolled', 'reached', 'renewed', 'fallen')),
  (SELECT json_agg(json_build_array(t.tag, t.tagged_at, t.expires_at))::text
   FROM members_membertag t WHERE t.member_id = m.id),
  (SELECT json_agg(json_build_array(s.code, s.text, s.value::text))::text
   FROM members_memberscore s WHERE s.member_id = m.id),
  (SELECT json_agg(json_build_array(i.kind, i.added_at, i.verified_at))::text
   FROM members_identifier i WHERE i.member_id = m.id),
  (SELECT json_agg(json_build_array(r.purpose || ':' || r.channel, r.granted, r.at)
      ORDER BY r.at, r.id)::text
   FROM members_consentrecord r WHERE r.member_id = m.id),
  (SELECT json_agg(json_build_array(d.code, v.text, v.number::text, v.flag, v.texts))::text
   FROM members_memberattribute v JOIN members_attributedefinition d ON d.id = v.definition_id
   WHERE v.member_id = m.id AND NOT d.is_retired)
FROM members_member m WHERE m.id = ANY (%(members)s) ORDER BY m.id
"""

_PURCHASES = """
SELECT p.member_id, p.id, coalesce(p.claimed_at, p.recorded_at), p.claimed_at IS NOT NULL,
  p.state <> 'closed', p.occurred_at, p.source, p.currency, p.net, p.store, p.channel, p.cashier,
  p.device, p.coupons, p.tenders::text
FROM members_purchase p WHERE p.member_id = ANY (%(members)s) ORDER BY p.id
"""

_LINES = """
SELECT l.purchase_id, l.position, l.line_id, l.quantity, l.net, {columns}
FROM members_purchase p JOIN members_purchaseline l ON l.purchase_id = p.id
WHERE p.member_id = ANY (%(members)s) ORDER BY l.purchase_id, l.position
"""

_RETURNS = """
SELECT p.member_id, r.id, r.applied_at, r.occurred_at, r.purchase_id, l.position, q.quantity
FROM members_purchase p
JOIN members_return r ON r.purchase_id = p.id AND r.state = 'applied'
JOIN members_returnline q ON q.goods_return_id = r.id
JOIN members_purchaseline l ON l.id = q.purchase_line_id
WHERE p.member_id = ANY (%(members)s) AND p.state <> 'closed' ORDER BY r.id, l.position
"""

_EVENTS = """
SELECT e.member_id, e.id, e.recorded_at, e.occurred_at, e.type, e.source, e.payload::text,
  CASE WHEN e.payload ? 'purchase' THEN (
    SELECT p.id FROM members_purchase p
    WHERE p.external_id = e.payload -> 'purchase' ->> 'external_id'
      AND p.source = e.payload -> 'purchase' ->> 'source' AND p.program_id = e.program_id) END
FROM campaigns_event e WHERE e.member_id = ANY (%(members)s) ORDER BY e.id
"""

# What earns, what a return takes and what time does is replayed; everything else is as it was.
_MOVEMENTS = """
SELECT t.member_id, t.id, t.recorded_at, t.occurred_at, c.code, sum(e.points)::bigint,
  t.reverses_id, w.code, r.quantity,
  (SELECT max(l.expires_at) FROM members_pointlot l WHERE l.transaction_id = t.id)
FROM members_ledgertransaction t
JOIN members_pointcurrency c ON c.id = t.currency_id AND c.kind = 'redeemable'
JOIN members_ledgerentry e ON e.transaction_id = t.id
JOIN members_ledgeraccount a ON a.id = e.account_id AND a.member_id = t.member_id
LEFT JOIN rewards_redemption r ON r.debit_id = t.id
LEFT JOIN rewards_reward w ON w.id = r.reward_id
WHERE t.member_id = ANY (%(members)s)
  AND t.type NOT IN ('earn', 'activate', 'hold', 'release', 'clawback', 'expire')
GROUP BY t.id, c.code, w.code, r.quantity HAVING sum(e.points) <> 0 ORDER BY t.id
"""

Rows = Sequence[tuple[Any, ...]]

# Columns of a line that are read only where a rule names them, with what stands instead.
_COLUMNS: Final = {
    "sku": "''",
    "name": "''",
    "category": "''",
    "brand": "''",
    "tags": "NULL::text[]",
    "unit_price": "0::numeric",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a replay needs of each line: the columns that a rule names, as SQL."""

    columns: str
    zone: ZoneInfo


def wanted(zone: ZoneInfo, documents: Iterable[Mapping[str, Any]]) -> Wanted:
    """Return what replaying the documents needs to read."""
    text = b"".join(map(orjson.dumps, documents))
    columns = ", ".join(
        f"l.{name}" if _is_asked(name, text) else missing for name, missing in _COLUMNS.items()
    )
    return Wanted(columns, zone)


def _is_asked(column: str, text: bytes) -> bool:
    is_windowed = column == "category" and b'"history.' in text
    return is_windowed or f'"line.{column}"'.encode() in text


def extent(source: BaseDatabaseWrapper) -> dict[str, Any]:
    """Return how far the history reaches: counts and newest rows, which tell two apart."""
    with source.cursor() as cursor:
        cursor.execute(_EXTENT)
        found: dict[str, Any] = orjson.loads(cursor.fetchone()[0])
    return found


def member_rows(source: BaseDatabaseWrapper) -> list[int]:
    """Return the rows of the members who ever did anything."""
    with source.cursor() as cursor:
        cursor.execute(_MEMBERS)
        return [row[0] for row in cursor.fetchall()]


def stories(members: Sequence[int], what: Wanted, source: BaseDatabaseWrapper) -> Iterator[Story]:
    """Yield each of the members with what happened to them, in the order of recording."""
    facts: defaultdict[int, list[Fact]] = defaultdict(list)

    def read(query: str) -> list[tuple[Any, ...]]:
        with source.cursor() as cursor:
            cursor.execute(query, {"members": list(members)})
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    people = _people(read(_PEOPLE))
    lines = _lines(read(_LINES.format(columns=what.columns)))
    _add_purchases(facts, read(_PURCHASES), lines, what.zone)
    _add_returns(facts, read(_RETURNS), lines)
    _add_events(facts, read(_EVENTS), what.zone)
    _add_movements(facts, read(_MOVEMENTS))
    for person in people:
        yield Story(person, sorted(facts.pop(person.id, ()), key=_order))


def _order(fact: Fact) -> Order:
    return fact.order


def _people(rows: Rows) -> list[Person]:
    return [
        Person(
            id=row[0],
            number=row[2],
            facts=MemberFacts(
                id=row[1],
                status=row[3],
                enrolled_at=row[4],
                birth_date=row[5],
                locale=row[6] or None,
                source_channel=row[7] or None,
                segments=frozenset(row[8]),
                tags=member_facts.tags(_loaded(row[10])),
                scores=member_facts.scores(_loaded(row[11])),
                identifiers=member_facts.identifiers(_loaded(row[12])),
                consents=member_facts.consents(_loaded(row[13])),
                attributes=member_facts.attributes(_loaded(row[14])),
            ),
            enrolled_at=row[4],
            lifts=tuple(_lift(*each) for each in orjson.loads(row[9])) if row[9] else (),
        )
        for row in rows
    ]


def _lift(tier: str, starts_at: str, valid_until: str | None, evidence: Any) -> Standing:
    return Standing(
        tier,
        datetime.fromisoformat(starts_at),
        datetime.fromisoformat(valid_until) if valid_until else None,
        evidence,
    )


def _loaded(text: str | None) -> list[Any]:
    rows: list[Any] = orjson.loads(text) if text else []
    return rows


def _lines(rows: Rows) -> dict[int, list[LineFacts]]:
    lines: dict[int, list[LineFacts]] = {}
    for purchase, position, line_id, quantity, net, *told in rows:
        sku, name, category, brand, tags, unit_price = told
        lines.setdefault(purchase, []).append(
            LineFacts(
                line_id=line_id,
                position=position,
                quantity=quantity,
                unit_price=unit_price,
                net=net,
                sku=sku or None,
                name=name or None,
                category=category or None,
                brand=brand or None,
                tags=tuple(tags) if tags else (),
            )
        )
    return lines


def _add_purchases(
    facts: defaultdict[int, list[Fact]],
    rows: Rows,
    lines: Mapping[int, Sequence[LineFacts]],
    zone: ZoneInfo,
) -> None:
    for row in rows:
        bought = tuple(lines.get(row[1], ()))
        purchase = PurchaseFacts(
            source=row[6],
            occurred_at=row[5],
            local=row[5].astimezone(zone),
            currency=row[7],
            lines=bought,
            net=row[8],
            store=row[9] or None,
            channel=row[10] or None,
            cashier=row[11] or None,
            device=row[12] or None,
            coupons=tuple(row[13]),
            tenders=_tenders(row[14]),
        )
        order = Order(row[2], BOUGHT, row[1])
        facts[row[0]].append(Bought(order, purchase, row[4], row[3]))


def _tenders(text: str) -> tuple[tuple[str, Decimal], ...]:
    if text == "[]":
        return ()
    return tuple((each["kind"], Decimal(str(each["amount"]))) for each in orjson.loads(text))


# The member, the place in their history, the purchase, when, and what of its lines.
_Head = tuple[int, Order, int, datetime, list[tuple[int, Decimal]]]


def _add_returns(
    facts: defaultdict[int, list[Fact]],
    rows: Rows,
    lines: Mapping[int, Sequence[LineFacts]],
) -> None:
    found: dict[int, _Head] = {}
    for member, row, applied_at, occurred_at, purchase, position, quantity in rows:
        places = [line.position for line in lines[purchase]]
        head: _Head = (member, Order(applied_at, RETURNED, row), purchase, occurred_at, [])
        found.setdefault(row, head)[4].append((places.index(position), quantity))
    for member, order, purchase, occurred_at, parts in found.values():
        facts[member].append(Returned(order, purchase, occurred_at, tuple(parts)))


def _add_events(facts: defaultdict[int, list[Fact]], rows: Rows, zone: ZoneInfo) -> None:
    for member, row, recorded_at, occurred_at, kind, source, payload, purchase in rows:
        event = EventFacts(
            type=kind,
            occurred_at=occurred_at,
            local=occurred_at.astimezone(zone),
            payload=orjson.loads(payload),
            is_occasion=source == triggers.SOURCE,
        )
        facts[member].append(Happened(Order(recorded_at, HAPPENED, row), event, purchase))


def _add_movements(facts: defaultdict[int, list[Fact]], rows: Rows) -> None:
    for row in rows:
        facts[row[0]].append(
            Moved(
                order=Order(row[2], MOVED, row[1]),
                currency=row[4],
                points=row[5],
                occurred_at=row[3],
                reward=row[7],
                pieces=row[8] or 1,
                reverses=row[6],
                expires_at=row[9],
            )
        )
