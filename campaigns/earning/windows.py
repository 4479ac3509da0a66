"""What a member bought within a window before the fact: ``history.*`` with days or months.

A condition on these says over which window: ``{attr: history.net, op: gte, value: "100.00",
days: 30}``. A window of days is the day of the fact and the days before it, one of months begins
with the day after the same day so many months ago; days are the program's. Only what happened
before the fact counts, and not what came back of it, whenever that was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from loyalty_site.lib import calendars

from .attributes import HISTORY, Context, nfc
from .facts import BoughtFacts

DAYS_MAX: Final = 3660
MONTHS_MAX: Final = 120
KEYS: Final = frozenset({"days", "months", "category", "store"})
# The longest day that a zone can add on either side of one of UTC.
_SLACK: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Window:
    """The purchases that count: the latest ``days`` or ``months``, of one category or store."""

    days: int | None = None
    months: int | None = None
    category: str | None = None
    store: str | None = None

    def first_day(self, today: date) -> date:
        """Return the first day of the window that ends with ``today``."""
        if self.days is not None:
            return today - timedelta(days=self.days - 1)
        return calendars.add_months(today, -(self.months or 0)) + timedelta(days=1)

    def before(self, moment: datetime) -> datetime:
        """Return an instant before every window of this length that ends at ``moment`` or later."""
        return datetime.combine(self.first_day(moment.date()), time(), UTC) - _SLACK


def window_of(leaf: Mapping[str, Any]) -> Window:
    """Return the window of a validated condition."""
    category, store = leaf.get("category"), leaf.get("store")
    return Window(
        days=leaf.get("days"),
        months=leaf.get("months"),
        category=None if category is None else nfc(category),
        store=None if store is None else nfc(store),
    )


def asked_by(definitions: Iterable[Mapping[str, Any]]) -> frozenset[Window]:
    """Return over how long rules ask what a member bought, whatever the category or store."""
    trees = [body.get(key) for body in definitions for key in ("when", "lines")]
    return frozenset(
        Window(leaf.get("days"), leaf.get("months")) for tree in trees for leaf in _leaves(tree)
    )


def _leaves(tree: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    if not tree:
        return
    for each in (*tree.get("all", ()), *tree.get("any", ()), tree.get("not")):
        yield from _leaves(each)
    if str(tree.get("attr", "")).startswith(HISTORY):
        yield tree


def problems(leaf: Mapping[str, Any], join: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the window of a condition; ``join`` gives the path of a key."""
    if ("days" in leaf) == ("months" in leaf):
        yield join("days"), "either days or months"
    for key, most in (("days", DAYS_MAX), ("months", MONTHS_MAX)):
        value = leaf.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            yield join(key), f"a whole number from 1 to {most}"
    for key in ("category", "store"):
        if key in leaf and not (isinstance(leaf[key], str) and leaf[key]):
            yield join(key), "a text"


def keys_allowed(keys: Collection[str]) -> bool:
    """Return whether a condition has the keys of one with a window, and no others."""
    return {"attr", "op", "value"} <= set(keys) <= {"attr", "op", "value"} | KEYS


def getter(name: str, window: Window) -> Callable[[Context], Any]:
    """Return what reads the figure of the window that ends with the fact."""
    measure = _MEASURES[name.removeprefix(HISTORY)]

    def get(context: Context) -> Any:
        return measure(_within(context, window))

    return get


def _within(context: Context, window: Window) -> Iterator[list[tuple[Decimal, Decimal]]]:
    """Yield of each purchase in the window the net and quantity of the parts that count."""
    local = context.local
    first = window.first_day(local.date())
    for bought in context.member.bought:
        if (
            bought.occurred_at >= local
            or bought.occurred_at.astimezone(local.tzinfo).date() < first
        ):
            continue
        if window.store is not None and nfc(bought.store) != window.store:
            continue
        parts = _parts(bought, window.category)
        if parts:
            yield parts


def _parts(bought: BoughtFacts, category: str | None) -> list[tuple[Decimal, Decimal]]:
    return [
        (net, quantity)
        for of, net, quantity in bought.parts
        if category is None or nfc(of) == category
    ]


# What is left of each purchase in the window stands in ``b``, without lines that came back whole.
_SQL: Final = """(SELECT {measure} FROM members_purchase h
  CROSS JOIN LATERAL (
    SELECT sum(l.quantity - r.quantity) AS quantity,
      sum(round(l.net * (l.quantity - r.quantity) / l.quantity, %(digits)s::int)) AS net
    FROM members_purchaseline l
    CROSS JOIN LATERAL (SELECT coalesce(sum(x.quantity), 0) AS quantity
      FROM members_returnline x WHERE x.purchase_line_id = l.id) r
    WHERE l.purchase_id = h.id AND l.quantity > r.quantity{category}) b
  WHERE h.member_id = ANY (m.id || m.absorbed) AND h.occurred_at < %(moment)s::timestamptz
    AND (h.occurred_at AT TIME ZONE %(zone)s::text)::date >= {first}
    AND b.quantity IS NOT NULL{store})"""


def sql(measure: str, window: Window, bound: Callable[[Any], str]) -> str:
    """Return the figure of the window over the member's row ``m``; ``bound`` names a parameter."""
    if window.months is None:
        first = f"%(today)s::date - %({bound((window.days or 1) - 1)})s::int"
    else:
        # As calendars.add_months has it, clamped to the last day of a shorter month.
        span = f"make_interval(months => %({bound(window.months)})s::int)"
        first = f"(%(today)s::date - {span})::date + 1"
    return _SQL.format(
        measure=measure,
        first=first,
        category=_equal("l.category", window.category, bound),
        store=_equal("h.store", window.store, bound),
    )


def _equal(column: str, text: str | None, bound: Callable[[Any], str]) -> str:
    return "" if text is None else f" AND normalize({column}, NFC) = %({bound(text)})s::text"


_Purchases = Iterator[list[tuple[Decimal, Decimal]]]
_MEASURES: Final[Mapping[str, Callable[[_Purchases], Any]]] = {
    "purchases": lambda purchases: sum(1 for _ in purchases),
    "net": lambda purchases: sum((net for parts in purchases for net, _ in parts), Decimal(0)),
    "quantity": lambda purchases: sum(
        (many for parts in purchases for _, many in parts), Decimal(0)
    ),
}


def words(leaf: Mapping[str, Any]) -> str:
    """Return the window as a phrase: " of dairy in the last 30 days"."""
    category = f" of {leaf['category']}" if "category" in leaf else ""
    store = f" in {leaf['store']}" if "store" in leaf else ""
    unit = "days" if "days" in leaf else "months"
    number = leaf[unit]
    span = f"{unit[:-1]}" if number == 1 else f"{number} {unit}"
    return f"{category}{store} in the last {span}"
