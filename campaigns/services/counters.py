"""Counters of limits and budgets: read under their locks, released by what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from django.db import connection

from campaigns.earning.results import LimitKey, Used
from campaigns.earning.rules import Bound, budget_of
from campaigns.queries.rulebook import Rulebook
from campaigns.services.judging import CounterState
from loyalty_site.lib.wire import dumps


def reserve(book: Rulebook, keys: Iterable[LimitKey], *, dry_run: bool = False) -> CounterState:
    """Lock and read the counters; without keys nothing is asked of the database."""
    wanted = sorted(set(keys), key=lambda key: (key.scope != "rule", key))
    if not wanted:
        return CounterState()
    bounds = _Bounds(book)
    rows = []
    for key in wanted:
        bound = bounds.of(key)
        rows.append({**key._asdict(), "limit": bound.points, "uses_limit": bound.uses})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT limits_reserve(%s::bigint, %s::jsonb, %s::boolean)",
            [book.program_id, dumps(rows).decode(), dry_run],
        )
        read = orjson.loads(cursor.fetchone()[0])
    return CounterState(used={key: Used(*values) for key, values in zip(wanted, read, strict=True)})


class _Bounds:
    """What the database itself holds counters to: budgets, and the caps of the program."""

    def __init__(self, book: Rulebook) -> None:
        self._campaigns = {
            rule.campaign.code: rule.campaign
            for published in book.publications[:1]
            for rule in published.rules
            if rule.campaign is not None and rule.campaign.has_budget
        }
        self._caps = _caps(book)

    def of(self, key: LimitKey) -> Bound:
        """Return what the counter may reach; a rule's limit is kept by its lock alone."""
        if key.scope == "program":
            return Bound(self._caps.get((key.per, key.period, key.currency)))
        campaign = self._campaigns.get(key.code) if key.scope == "campaign" else None
        return Bound() if campaign is None else budget_of(campaign, key)


def _caps(book: Rulebook) -> dict[tuple[str, str, str], int]:
    """Return the points that the database itself holds a cap's counter to.

    A late purchase is held to the cap of its own day, so the widest of them is the bound.
    """
    widest: dict[tuple[str, str, str], int] = {}
    for published in book.publications:
        for cap in published.caps:
            name = (cap.per, cap.period, cap.currency)
            widest[name] = max(widest.get(name, 0), cap.points)
    return widest


def release(book: Rulebook, uses: Sequence[Mapping[str, Any]]) -> None:
    """Give back what was used of counters; ``points`` and ``uses`` of each are not positive."""
    if not uses:
        return
    fields = LimitKey._fields
    # Locked in the one order first: an update takes rows in any.
    reserve(book, [LimitKey(*(use[name] for name in fields)) for use in uses])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT limits_add(%s::bigint, %s::jsonb)", [book.program_id, dumps(uses).decode()]
        )
