"""Turns the Complete Journey data set into members, stores and purchases as API bodies.

A household is a member, a basket a purchase. Same arguments, same result, to the byte.
Decisions and their reasons stand in ``docs/demo.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, tzinfo
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from demo.clock import (
    DAY_SECONDS,
    Seconds,
    date_of,
    rfc3339,
    utc_of_wall,
    wall_clock,
    weeks_to_last_week,
)
from demo.frame import LINE_COLUMNS, Column, Findings, Frame, clean, table
from demo.goods import GASOLINE, Good, good
from demo.people import card_number, draw, person

Body = dict[str, Any]

SOURCE = "complete-journey"
# The data set's moments are UTC; its weeks and its year are whole on the clocks of these shops.
DATA_ZONE = ZoneInfo("America/New_York")

# One household in twenty joins only at this visit; what it bought before has no member.
LATE_ONE_IN = 20
LATE_VISIT = 4
ENROLLED_BEFORE_SECONDS = 300
LEAP_DAY_POSITION = 1


@dataclass(frozen=True, slots=True)
class Store:
    """A shop of the data set; ``code`` is its number there."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Purchases:
    """The bodies of ``POST /purchases`` by moment, made anew by each iteration.

    They are made one by one, since all of them at once would fill 2 GB for the whole data set.
    """

    frame: Frame
    bounds: Column
    goods: Mapping[int, Good]
    enrolled_utc: Mapping[int, int]
    zone: tzinfo
    currency: str

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __iter__(self) -> Iterator[Body]:
        moments = rfc3339(self.frame.utc[self.bounds[:-1]])
        for moment, (first, end) in zip(moments, pairwise(self.bounds.tolist()), strict=True):
            yield self._body(moment, first, end)

    def months(self) -> Iterator[tuple[str, list[Body]]]:
        """Yield the purchases of each calendar month of the program's zone, as ``2026-03``."""
        local = wall_clock(self.frame.utc[self.bounds[:-1]], self.zone)
        days: list[str] = np.datetime_as_string(local.astype("datetime64[s]"), unit="M").tolist()
        month, bodies = "", list[Body]()
        for day, body in zip(days, self, strict=True):
            if day != month and bodies:
                yield month, bodies
                bodies = []
            month = day
            bodies.append(body)
        if bodies:
            yield month, bodies

    def _body(self, moment: str, first: int, end: int) -> Body:
        household = int(self.frame.household[first])
        is_member = int(self.frame.utc[first]) >= self.enrolled_utc[household]
        return {
            "source": SOURCE,
            "external_id": str(self.frame.basket[first]),
            "member": {"identifier": card_number(household)} if is_member else None,
            "occurred_at": moment,
            "store": str(self.frame.store[first]),
            "channel": "store",
            "currency": self.currency,
            "lines": self._lines(first, end),
        }

    def _lines(self, first: int, end: int) -> list[Body]:
        frame = self.frame
        return [
            _line(position, self.goods[product], quantity_e3, unit_price_e4, discount_cents)
            for position, (product, quantity_e3, unit_price_e4, discount_cents) in enumerate(
                zip(
                    frame.product[first:end].tolist(),
                    frame.quantity_e3[first:end].tolist(),
                    frame.unit_price_e4[first:end].tolist(),
                    frame.discount_cents[first:end].tolist(),
                    strict=True,
                ),
                start=1,
            )
        ]


@dataclass(frozen=True, slots=True)
class Journey:
    """What is loaded: ``members`` are bodies of ``POST /members``, in a stable order."""

    stores: tuple[Store, ...]
    members: tuple[Body, ...]
    purchases: Purchases
    first_day: date
    last_day: date
    lines: int
    findings: Findings


def load(households: int | None, today: date, tz: tzinfo, *, currency: str = "EUR") -> Journey:
    """Return the shopping of ``households`` households (None is all) up to the week before.

    Days are moved by whole weeks, so that the data's last day falls in the week before
    ``today``'s; the time on the wall is kept and read in ``tz``, the program's zone. A smaller
    number of households is always part of a larger one.

    :raises ValueError: ``households`` is negative.
    """
    if households is not None and households < 0:
        msg = f"households is {households}, expected 0 or more"
        raise ValueError(msg)
    products = table("products")
    frame, findings = clean(table("transactions", LINE_COLUMNS), _gasoline(products))
    moved, days = _moved(frame, today, tz)
    chosen = spread(_spend_order(moved))[:households]
    sold = moved.take(np.isin(moved.household, chosen))
    return _journey(
        sold,
        chosen=chosen,
        goods=_goods(products, set(np.unique(sold.product).tolist())),
        days=days,
        findings=findings,
        zone=tz,
        currency=currency,
    )


def spread(ordered: list[int]) -> list[int]:
    """Return ``ordered`` rearranged so that every first part of it is spread over the whole.

    Positions are taken in the order of their reversed bits: the middle, the quarters, the
    eighths, and so on.

    Source: van der Corput (1935), "Verteilungsfunktionen", base 2.
    """
    bits = len(ordered).bit_length()
    reversed_places = (int(f"{place:0{bits}b}"[::-1], 2) for place in range(1, 1 << bits))
    places = [place for place in reversed_places if place < len(ordered)]
    return [ordered[place] for place in [*places, *([0] if ordered else [])]]


def decimal_text(units: int, places: int) -> str:
    """Return ``units`` of the ``places``-th decimal as a decimal string, trailing zeros cut."""
    whole, part = divmod(units, 10**places)
    return f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".")


def money_text(cents: int) -> str:
    """Return cents as a decimal string with two places."""
    return f"{cents // 100}.{cents % 100:02d}"


def _line(
    position: int, item: Good, quantity_e3: int, unit_price_e4: int, discount_cents: int
) -> Body:
    unit_price = decimal_text(unit_price_e4, 4) if unit_price_e4 % 100 else None
    return {
        "line_id": str(position),
        "sku": item.sku,
        "name": item.name,
        "category": item.category,
        "brand": item.brand,
        "quantity": decimal_text(quantity_e3, 3),
        "unit_price": unit_price or money_text(unit_price_e4 // 100),
        "discount": money_text(discount_cents),
        "tags": list(item.tags),
    }


def _journey(
    frame: Frame,
    *,
    chosen: list[int],
    goods: dict[int, Good],
    days: tuple[date, date],
    findings: Findings,
    zone: tzinfo,
    currency: str,
) -> Journey:
    ordered = frame.take(np.lexsort((np.arange(len(frame)), frame.basket, frame.utc)))
    bounds = _bounds(ordered.basket)
    starts = bounds[:-1]
    enrolled = _enrolled_utc(ordered.household[starts], ordered.utc[starts])
    return Journey(
        stores=tuple(
            Store(code=str(number), name=f"Shop {number}")
            for number in np.unique(ordered.store).tolist()
        ),
        members=tuple(
            _member(household, enrolled[household], position, zone)
            for position, household in enumerate(chosen)
        ),
        purchases=Purchases(ordered, bounds, goods, enrolled, zone, currency),
        first_day=days[0],
        last_day=days[1],
        lines=len(ordered),
        findings=findings,
    )


def _member(household: int, enrolled_utc: int, position: int, zone: tzinfo) -> Body:
    who = person(household, born_on_leap_day=position == LEAP_DAY_POSITION)
    told = [("card", who.card), ("email", who.email), ("phone", who.phone)]
    return {
        "identifiers": [
            *({"kind": kind, "value": value} for kind, value in told if value),
            {"kind": "external_id", "value": f"household-{household}"},
        ],
        "first_name": who.first_name,
        "last_name": who.last_name,
        "birth_date": who.birth_date.isoformat() if who.birth_date else None,
        "locale": who.locale,
        "timezone": str(zone),
        "source_channel": ("pos", "web", "app")[draw(household, "channel", 3)],
        "consents": [{"purpose": "marketing", "channel": "email", "granted": who.wants_marketing}],
        "enrolled_at": rfc3339(np.array([enrolled_utc]))[0],
    }


def _gasoline(products: dict[str, Any]) -> Column:
    is_gasoline = [product_type == GASOLINE for product_type in products["product_type"]]
    ids: Column = products["product_id"][np.array(is_gasoline, dtype=np.bool_)]
    return ids


def _goods(products: dict[str, Any], wanted: set[int]) -> dict[int, Good]:
    """Return the goods of ``wanted``; those that the product list lacks get their number only."""
    names = ("department", "brand", "product_category", "product_type", "package_size")
    rows = zip(products["product_id"].tolist(), *(products[name] for name in names), strict=True)
    listed = {
        product_id: good(
            product_id=product_id,
            department=department,
            brand=brand,
            commodity=commodity,
            product_type=product_type,
            package_size=size,
        )
        for product_id, department, brand, commodity, product_type, size in rows
        if product_id in wanted
    }
    return listed | {lost: good(product_id=lost) for lost in wanted - listed.keys()}


def _moved(frame: Frame, today: date, zone: tzinfo) -> tuple[Frame, tuple[date, date]]:
    """Return the frame with its moments moved, its first day and its last."""
    wall = wall_clock(frame.utc, DATA_ZONE)
    weeks = weeks_to_last_week(date_of(int(wall.max())), today)
    wall = wall + weeks * 7 * DAY_SECONDS
    days = (date_of(int(wall.min())), date_of(int(wall.max())))
    return replace(frame, utc=utc_of_wall(wall, zone)), days


def _spend_order(frame: Frame) -> list[int]:
    """Return the households from the lightest shopper to the heaviest, ties by number."""
    households, where = np.unique(frame.household, return_inverse=True)
    spent = np.zeros(len(households), dtype=np.int64)
    np.add.at(spent, where, frame.net_cents)
    ordered: list[int] = households[np.lexsort((households, spent))].tolist()
    return ordered


def _bounds(basket: Column) -> Column:
    changes = np.flatnonzero(np.diff(basket)) + 1
    if not len(basket):
        return np.zeros(1, dtype=np.int64)
    return np.concatenate(([0], changes, [len(basket)])).astype(np.int64)


def _enrolled_utc(household: Column, utc: Seconds) -> dict[int, int]:
    """Return when each household joined: days before its first visit, or late, at its fourth."""
    visits: dict[int, list[int]] = {}
    for number, moment in zip(household.tolist(), utc.tolist(), strict=True):
        visits.setdefault(number, []).append(moment)
    return {
        number: moments[LATE_VISIT - 1] - ENROLLED_BEFORE_SECONDS
        if is_late(number) and len(moments) >= LATE_VISIT
        else moments[0] - (1 + draw(number, "joined", 90)) * DAY_SECONDS
        for number, moments in visits.items()
    }


def is_late(household: int) -> bool:
    """Return whether the household shops a few times before it becomes a member."""
    return draw(household, "late", LATE_ONE_IN) == 0
