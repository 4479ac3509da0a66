"""The home page: one statement reads what a member's home shows beside the balance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import orjson
from babel.dates import format_skeleton
from django.db import connection
from django.utils.translation import get_language

from campaigns.queries import rulebook
from loyalty_site.lib import calendars
from loyalty_site.pages import catalog, standing
from loyalty_site.pages.lines import FACTS, line
from loyalty_site.pages.transfers import terms_in
from loyalty_site.pages.words import Words
from members.models import Member
from members.netting import OpenLot
from members.queries.balances import Balance, balance_now

ENTRIES_MAX: Final = 5
MESSAGES_MAX: Final = 3
LOTS_MAX: Final = 4
MONTHS: Final = 6
EXPIRING_DAYS: Final = 30

_HOME: Final = f"""
WITH main AS MATERIALIZED (
  SELECT c.id FROM members_pointcurrency c
  WHERE c.program_id = %(program)s::bigint AND c.kind = 'redeemable'
  ORDER BY c.is_retired, c.position, c.id LIMIT 1
), t AS MATERIALIZED (
  SELECT t.* FROM members_ledgertransaction t
  WHERE t.member_id = %(member)s::bigint AND t.currency_id = (SELECT id FROM main)
  ORDER BY t.recorded_at DESC, t.id DESC LIMIT {ENTRIES_MAX}
), gained AS (
  SELECT date_trunc('month', coalesce(o.occurred_at, t.occurred_at) AT TIME ZONE %(zone)s::text)
      ::date AS month, sum(e.points)::bigint AS points
  FROM members_ledgertransaction t
  JOIN members_ledgerentry e ON e.transaction_id = t.id
  JOIN members_ledgeraccount a ON a.id = e.account_id AND a.member_id = t.member_id
  LEFT JOIN members_ledgertransaction o ON o.id = t.reverses_id
  WHERE t.member_id = %(member)s::bigint AND t.currency_id = (SELECT id FROM main)
    AND t.type IN ('earn', 'clawback') AND t.occurred_at >= %(since)s::timestamptz
  GROUP BY 1
)
SELECT jsonb_build_object(
  'entries', (SELECT coalesce(jsonb_agg(to_jsonb(f) ORDER BY f.recorded_at DESC, f.id DESC), '[]')
    FROM ({FACTS}) f),
  'months', (SELECT coalesce(jsonb_object_agg(g.month, g.points), '{{}}') FROM gained g),
  'pending', (SELECT jsonb_build_array(min(l.available_at), max(l.available_at))
    FROM members_ledgeraccount a
    JOIN members_pointlot l ON l.account_id = a.id AND l.remaining > 0
      AND l.available_at > %(moment)s::timestamptz
    WHERE a.member_id = %(member)s::bigint AND a.currency_id = (SELECT id FROM main)
      AND a.kind = 'pending'),
  'messages', (SELECT coalesce(jsonb_agg(to_jsonb(n) ORDER BY n.sent_at DESC, n.id DESC), '[]')
    FROM (SELECT n.id, n.public_id, n.title, n.body, n.sent_at, n.read_at FROM members_message n
          WHERE n.member_id = %(member)s::bigint
          ORDER BY n.sent_at DESC, n.id DESC LIMIT {MESSAGES_MAX}) n),
  'tier', {standing.FACTS},
  'rewards', {catalog.FACTS},
  'segments', (SELECT coalesce(jsonb_agg(g.code), '[]') FROM members_segmentmembership x
    JOIN members_segment g ON g.id = x.segment_id WHERE x.member_id = %(member)s::bigint))
"""


def context(*, member: Member, moment: datetime) -> dict[str, Any]:
    """Return what the member's home shows; two statements, three where something is due."""
    program = member.program
    words = Words(program)
    balance = balance_now(member=member.public_id, moment=moment)
    if balance is None:
        raise Member.DoesNotExist
    grading = rulebook.current(program.version).grading
    first_month = calendars.add_months(words.day(moment).replace(day=1), 1 - MONTHS)
    found = _read(
        {
            "program": program.pk,
            "member": member.pk,
            "moment": moment,
            "zone": program.timezone,
            "since": calendars.start_of_day(first_month, words.zone),
            **standing.values(grading),
            **catalog.values(moment, words.zone),
        }
    )
    tier = standing.tier_of(words, program, grading, found["tier"], moment)
    holding = catalog.holding(member, balance, tier.code if tier else None, found["segments"])
    return {
        "first_name": member.first_name,
        "balance": balance_shown(words, balance),
        "pending_on": _pending_on(words, found["pending"]),
        "tier": tier,
        "expiring": _expiring(words, balance.expiring, moment),
        "next_reward": catalog.next_reward(words, found["rewards"], holding, moment),
        "lots": [_lot(words, lot, moment) for lot in balance.expiring[:LOTS_MAX]],
        "lots_hidden": max(len(balance.expiring) - LOTS_MAX, 0),
        "entries": [line(words, facts) for facts in found["entries"]],
        "months": list(_months(words, found["months"], first_month)),
        "inbox": [_message(facts) for facts in found["messages"]],
        "can_send": terms_in(program) is not None,
    }


def balance_of(words: Words, member: Member, moment: datetime) -> dict[str, Any]:
    """Return what the member holds at the moment, by state."""
    balance = balance_now(member=member.public_id, moment=moment)
    if balance is None:
        raise Member.DoesNotExist
    return balance_shown(words, balance)


def balance_shown(words: Words, balance: Balance) -> dict[str, Any]:
    """Return the balance by state; what is zero is None, but for what is available."""
    worth = balance.worth * balance.available
    return {
        "available": words.points(balance.available),
        "pending": words.points(balance.pending) if balance.pending else None,
        "held": words.points(balance.held) if balance.held else None,
        "debt": words.points(balance.debt) if balance.debt else None,
        "worth": words.money(worth.quantize(Decimal("0.01"))) if worth > 0 else "",
    }


def _read(values: Mapping[str, Any]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(_HOME, values)
        (found,) = cursor.fetchone()
    return orjson.loads(found)


def _pending_on(words: Words, span: Sequence[str | None]) -> date | None:
    # Only where all pending points become available on one day can that day be named.
    days = {words.day(datetime.fromisoformat(at)) for at in span if at}
    return days.pop() if len(days) == 1 else None


def _days_left(words: Words, ends_at: datetime, moment: datetime) -> int:
    last_day = words.last_day(ends_at)
    return 0 if last_day is None else (last_day - words.day(moment)).days


def _expiring(words: Words, lots: Sequence[OpenLot], moment: datetime) -> dict[str, Any] | None:
    ends_at = lots[0].expires_at if lots else None
    if ends_at is None or _days_left(words, ends_at, moment) > EXPIRING_DAYS:
        return None
    return {
        "amount": words.points(lots[0].points),
        "last_day": words.last_day(ends_at),
        "days_left": _days_left(words, ends_at, moment),
    }


def _lot(words: Words, lot: OpenLot, moment: datetime) -> dict[str, Any]:
    ends_at = lot.expires_at
    return {
        "amount": words.points(lot.points),
        "last_day": words.last_day(ends_at),
        "is_soon": ends_at is not None and _days_left(words, ends_at, moment) <= EXPIRING_DAYS,
    }


def _months(words: Words, gained: Mapping[str, int], first: date) -> Iterator[dict[str, Any]]:
    months = [calendars.add_months(first, number) for number in range(MONTHS)]
    points = [max(gained.get(month.isoformat(), 0), 0) for month in months]
    highest = max(points)
    if not highest:
        return
    language = (get_language() or "en").replace("-", "_")
    for month, number in zip(months, points, strict=True):
        yield {
            "label": format_skeleton("MMM", month, locale=language),
            "name": format_skeleton("yMMMM", month, locale=language),
            "amount": words.points(number),
            # A month with few points still shows that it is not empty.
            "height": max(number * 100 // highest, 2) if number else 0,
            "is_current": month == months[-1],
        }


def _message(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "public_id": facts["public_id"],
        "title": facts["title"],
        "body": facts["body"],
        "sent_at": datetime.fromisoformat(facts["sent_at"]),
        "is_read": facts["read_at"] is not None,
    }
