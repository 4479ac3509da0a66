"""The lines of a member's activity: what moved points, told in a few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from loyalty_site.lib.cursors import Key
from loyalty_site.pages.words import Amount, Words


@dataclass(frozen=True, slots=True)
class Line:
    """One ledger transaction as a line; ``kind`` chooses the color of its figure."""

    id: int
    public_id: UUID
    title: str
    detail: str
    occurred_at: datetime
    amount: Amount
    kind: str
    icon: str
    key: Key


# A statement's rows with what caused them, of a relation ``t`` of ledger transactions.
FACTS: Final = """
SELECT t.id, t.public_id, t.type, t.source, t.occurred_at, t.recorded_at, c.points, c.moved,
  s.name AS store, p.net::text AS net,
  rw.name AS reward,
  CASE WHEN t.type IN ('adjust_credit', 'adjust_debit', 'reinstate') THEN
    (SELECT why.text FROM members_adjustmentreason why WHERE why.code = t.reason_code)
    END AS reason,
  CASE WHEN t.type IN ('adjust_credit', 'adjust_debit')
      AND t.source IN ('points_order', 'reversal') THEN
    (SELECT jsonb_build_object('money', o.money,
        'price', coalesce(o.refunded_price, o.price)::text, 'full', o.price::text)
     FROM members_pointsorder o WHERE o.transaction_id = t.id OR o.refund_id = t.id)
    END AS bought,
  (SELECT v.definition -> 'name' FROM campaigns_award w
   JOIN campaigns_ruleversion v ON v.id = w.rule_version_id
   WHERE t.source = 'event' AND w.transaction_id = t.id ORDER BY w.position LIMIT 1) AS rule
FROM t
CROSS JOIN LATERAL (SELECT
    coalesce(sum(e.points) FILTER (WHERE a.id IS NOT NULL), 0)::bigint AS points,
    coalesce(sum(e.points) FILTER (WHERE e.points > 0), 0)::bigint AS moved
  FROM members_ledgerentry e
  LEFT JOIN members_ledgeraccount a ON a.id = e.account_id AND a.member_id = t.member_id
  WHERE e.transaction_id = t.id) c
CROSS JOIN LATERAL (SELECT CASE
    WHEN t.external_ref ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    THEN t.external_ref::uuid END AS id) ref
LEFT JOIN members_return r ON t.source = 'return' AND r.public_id = ref.id
LEFT JOIN members_purchase p ON (t.source = 'purchase' AND p.public_id = ref.id)
LEFT JOIN members_purchase q ON q.id = r.purchase_id
LEFT JOIN members_store s ON s.program_id = t.program_id AND s.code = coalesce(p.store, q.store)
LEFT JOIN rewards_redemption x ON t.source = 'redemption' AND x.public_id = ref.id
LEFT JOIN rewards_reward rw ON rw.id = x.reward_id
"""

_BEYOND: Final = {
    "": "",
    "after": "AND t.recorded_at <= %(at)s::timestamptz"
    " AND (t.recorded_at, t.id) < (%(at)s::timestamptz, %(id)s::bigint)",
    "before": "AND t.recorded_at >= %(at)s::timestamptz"
    " AND (t.recorded_at, t.id) > (%(at)s::timestamptz, %(id)s::bigint)",
}


def _page(place: str) -> str:
    order = "ASC" if place == "before" else "DESC"
    return f"""
WITH t AS MATERIALIZED (
  SELECT t.* FROM members_ledgertransaction t
  WHERE t.member_id = %(member)s::bigint AND t.currency_id = %(currency)s::bigint
    {_BEYOND[place]}
  ORDER BY t.recorded_at {order}, t.id {order} LIMIT %(limit)s::int)
SELECT to_jsonb(f) FROM ({FACTS}) f ORDER BY f.recorded_at {order}, f.id {order}
"""


_PAGES: Final = {place: _page(place) for place in _BEYOND}
_ONE: Final = f"""
WITH t AS MATERIALIZED (
  SELECT t.* FROM members_ledgertransaction t
  WHERE t.member_id = %s::bigint AND t.public_id = %s::uuid)
SELECT to_jsonb(f) FROM ({FACTS}) f
"""


def lines_of(
    *,
    words: Words,
    member_id: int,
    currency_id: int,
    after: Key | None,
    before: Key | None,
    limit: int,
) -> list[Line]:
    """Return at most ``limit`` lines, nearest first: below ``after``, or above ``before``."""
    place = "before" if before is not None else "after" if after is not None else ""
    values: dict[str, Any] = {"member": member_id, "currency": currency_id, "limit": limit}
    if place:
        values |= dict(zip(("at", "id"), before or after or (), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_PAGES[place], values)
        return [line(words, orjson.loads(row)) for (row,) in cursor.fetchall()]


def facts_of(*, member_id: int, public_id: UUID) -> dict[str, Any] | None:
    """Return the facts of one of the member's transactions; None for anybody else's."""
    with connection.cursor() as cursor:
        cursor.execute(_ONE, [member_id, public_id])
        row = cursor.fetchone()
    return None if row is None else orjson.loads(row[0])


def line(words: Words, facts: Mapping[str, Any]) -> Line:
    """Return one transaction as a line of activity."""
    speak, icon, kind = _KINDS.get(facts["type"], _OTHER)
    title, detail = speak(words, facts)
    points = facts["points"]
    if kind == "by sign":
        kind = "plus" if points > 0 else "minus"
    is_moved_only = points == 0 and facts["moved"]
    return Line(
        id=facts["id"],
        public_id=UUID(facts["public_id"]),
        title=title,
        detail=detail,
        occurred_at=datetime.fromisoformat(facts["occurred_at"]),
        amount=words.moved(facts["moved"]) if is_moved_only else words.points(points),
        kind="none" if is_moved_only else kind,
        icon=icon,
        key=(datetime.fromisoformat(facts["recorded_at"]), facts["id"]),
    )


Told = tuple[str, str]
Speaker = Callable[[Words, Mapping[str, Any]], Told]


def _earn(words: Words, facts: Mapping[str, Any]) -> Told:
    if facts["source"] == "event":
        return words.pick(facts["rule"]) or _("Points for something you did"), ""
    net = words.money(Decimal(facts["net"])) if facts["net"] else ""
    # People know their purchases by the shop.
    return facts["store"] or pgettext("activity", "Purchase"), net


def _clawback(words: Words, facts: Mapping[str, Any]) -> Told:
    return pgettext("activity", "Goods returned"), facts["store"] or ""


def _of_reward(title: Callable[[], str]) -> Speaker:
    def speak(words: Words, facts: Mapping[str, Any]) -> Told:
        return title(), words.pick(facts["reward"])

    return speak


def _adjusted(title: Callable[[], str]) -> Speaker:
    def speak(words: Words, facts: Mapping[str, Any]) -> Told:
        if facts["bought"]:
            return _bought(words, facts)
        if facts["source"] == "reversal":
            return pgettext("activity", "Correction taken back"), words.pick(facts["reason"])
        return title(), words.pick(facts["reason"])

    return speak


def _bought(words: Words, facts: Mapping[str, Any]) -> Told:
    bought = facts["bought"]
    if facts["source"] == "reversal":
        returned = words.money(Decimal(bought["price"]), bought["money"])
        return pgettext("activity", "Bought points given back"), returned
    paid = words.money(Decimal(bought["full"]), bought["money"])
    return pgettext("activity", "Points bought"), paid


def _given_back(words: Words, facts: Mapping[str, Any]) -> Told:
    if facts["source"] == "partner":
        return pgettext("activity", "Points back from a partner"), ""
    return pgettext("activity", "Redemption cancelled"), words.pick(facts["reward"])


def _plain(title: Callable[[], str]) -> Speaker:
    return lambda words, facts: (title(), "")


_OTHER: Final[tuple[Speaker, str, str]] = (
    _plain(lambda: pgettext("activity", "Correction")),
    "info",
    "by sign",
)
_KINDS: Final[Mapping[str, tuple[Speaker, str, str]]] = {
    "earn": (_earn, "earn", "plus"),
    "activate": (
        _plain(lambda: pgettext("activity", "Points became available")),
        "clock",
        "none",
    ),
    "hold": (_of_reward(lambda: pgettext("activity", "Points reserved")), "lock", "none"),
    "release": (_of_reward(lambda: pgettext("activity", "Points released")), "lock", "none"),
    "redeem": (_of_reward(lambda: pgettext("activity", "Reward redeemed")), "gift", "minus"),
    "donate": (_of_reward(lambda: pgettext("activity", "Donated")), "gift", "minus"),
    "exchange_in": (_plain(lambda: pgettext("activity", "Points from a partner")), "earn", "plus"),
    "exchange_out": (_plain(lambda: pgettext("activity", "Points to a partner")), "info", "minus"),
    "redemption_reversal": (
        _given_back,
        "return",
        "plus",
    ),
    "clawback": (_clawback, "return", "minus"),
    "expire": (_plain(lambda: pgettext("activity", "Points expired")), "hourglass", "warn"),
    "merge_out": (
        _plain(lambda: pgettext("activity", "Moved to your other membership")),
        "info",
        "minus",
    ),
    "merge_in": (
        _plain(lambda: pgettext("activity", "Moved from your other membership")),
        "info",
        "by sign",
    ),
    "import": (_plain(lambda: pgettext("activity", "Points brought along")), "info", "by sign"),
    "write_off": (_plain(lambda: pgettext("activity", "Debt written off")), "info", "plus"),
    "transfer_out": (_plain(lambda: pgettext("activity", "Points sent")), "gift", "minus"),
    "transfer_in": (_plain(lambda: pgettext("activity", "Points received")), "gift", "plus"),
    "pool_out": (_plain(lambda: pgettext("activity", "Given to your pool")), "gift", "minus"),
    "pool_in": (_plain(lambda: pgettext("activity", "Back from your pool")), "gift", "plus"),
    "adjust_credit": (_adjusted(lambda: pgettext("activity", "Points credited")), "info", "plus"),
    "reinstate": (
        _adjusted(lambda: pgettext("activity", "Expired points given back")),
        "return",
        "plus",
    ),
    "adjust_debit": (_adjusted(lambda: pgettext("activity", "Points taken off")), "info", "minus"),
}
