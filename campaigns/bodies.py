"""The bodies of purchases, returns, claims and events, and what makes two of them equal."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import orjson
from msgspec import Meta

from loyalty_site.lib.problems import FieldError, Invalid, Malformed
from loyalty_site.lib.reading import (
    Amount,
    Body,
    Currency,
    Id,
    Instant,
    MemberRef,
    Payload,
    Quantity,
    Text32,
    Text64,
    Text128,
    convert,
    document,
    unstorable,
)
from loyalty_site.lib.wire import NotJson, Refused, instant_text, is_suspect, loads

LINES_MAX = 500
ROWS_MAX = 1000
BATCH_BYTES_MAX = 16 * 2**20

# The value of a purchase stays below this, so that no rate of a sensible program
# can turn it into more points than a bigint holds.
VALUE_MAX = Decimal(10) ** 12

ZERO = Decimal(0)
# The kind of a tender that points have paid.
POINTS_TENDER = "points"

OptionalText32 = Annotated[str, Meta(max_length=32)] | None
OptionalText64 = Annotated[str, Meta(max_length=64)] | None
OptionalText128 = Annotated[str, Meta(max_length=128)] | None
OptionalText200 = Annotated[str, Meta(max_length=200)] | None

B = TypeVar("B", bound=Body)


class PurchaseLine(Body, frozen=True):
    """One line as the till sent it; ``discount`` is off the whole line."""

    line_id: Text64
    quantity: Quantity
    unit_price: Amount
    sku: OptionalText128 = None
    name: OptionalText200 = None
    category: OptionalText128 = None
    brand: OptionalText128 = None
    discount: Amount = ZERO
    tax: Amount | None = None
    tags: Annotated[list[Text64], Meta(max_length=50)] = []


class Tender(Body, frozen=True):
    """How a part of the purchase was paid; ``redemption`` says by which points."""

    kind: Text32
    amount: Amount
    redemption: Id | None = None


class PurchaseBody(Body, frozen=True):
    """A purchase; without ``member`` an unidentified sale."""

    source: Text64
    external_id: Text128
    occurred_at: Instant
    currency: Currency
    lines: Annotated[list[PurchaseLine], Meta(min_length=1, max_length=LINES_MAX)]
    member: MemberRef | None = None
    store: OptionalText64 = None
    channel: OptionalText32 = None
    cashier: OptionalText64 = None
    device: OptionalText64 = None
    coupons: Annotated[list[Text128], Meta(max_length=50)] = []
    tenders: Annotated[list[Tender], Meta(max_length=50)] = []

    def __post_init__(self) -> None:
        _refuse_repeated([line.line_id for line in self.lines])
        if self.tenders:
            _refuse_redemptions(self.tenders)
        value = sum((line.quantity * line.unit_price for line in self.lines), ZERO)
        if value >= VALUE_MAX:
            raise Refused("out_of_range", f"A purchase is worth less than {VALUE_MAX}.", "/lines")


class BusinessKey(Body, frozen=True):
    """The name that the till gave a purchase."""

    source: Text64
    external_id: Text128


class ReturnLine(Body, frozen=True):
    """How much of a line comes back."""

    line_id: Text64
    quantity: Quantity


class ReturnBody(Body, frozen=True):
    """A return; ``lines`` None brings back all that is left."""

    source: Text64
    external_id: Text128
    purchase: BusinessKey
    occurred_at: Instant
    lines: Annotated[list[ReturnLine], Meta(min_length=1, max_length=LINES_MAX)] | None = None

    def __post_init__(self) -> None:
        _refuse_repeated([line.line_id for line in self.lines or ()])


class ClaimBody(Body, frozen=True):
    """To whom an unidentified purchase is given."""

    member: MemberRef


class EventBody(Body, frozen=True):
    """Something that a member did and that is not a purchase."""

    type: Text64
    member: MemberRef
    source: Text64
    external_id: Text128
    occurred_at: Instant
    payload: Payload = {}


class BatchBody(Body, frozen=True):
    """Many purchases; each row is read by itself."""

    purchases: Annotated[list[Any], Meta(min_length=1, max_length=ROWS_MAX)]


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One row of a batch: its body, or its faults where ``body`` is None.

    ``external_id`` is what the row says, where that is a text.
    """

    index: int
    external_id: str | None
    body: PurchaseBody | None
    errors: tuple[FieldError, ...] = ()


def _refuse_repeated(line_ids: list[str]) -> None:
    if len(set(line_ids)) == len(line_ids):
        return
    seen = Counter[str]()
    found = []
    for index, line_id in enumerate(line_ids):
        seen[line_id] += 1
        if seen[line_id] > 1:
            at = f"/lines/{index}/line_id"
            found.append(Refused("repeated", "This line_id stands on an earlier line.", at))
    raise Refused(found[0].code, found[0].detail, found[0].pointer, *found[1:])


def _refuse_redemptions(tenders: list[Tender]) -> None:
    seen: set[Any] = set()
    for index, tender in enumerate(tenders):
        if tender.redemption is None:
            continue
        at = f"/tenders/{index}/redemption"
        if tender.kind != POINTS_TENDER:
            raise Refused("not_points", f"Only a tender of kind {POINTS_TENDER} names one.", at)
        if tender.redemption in seen:
            raise Refused("repeated", "An earlier tender names this redemption.", at)
        seen.add(tender.redemption)


def parse(kind: type[B], raw: bytes | dict[str, Any]) -> B:
    """Return the body, read from bytes or from JSON decoded before.

    :raises Invalid: it has faults, each named by a pointer.
    """
    return convert(kind, document(raw) if isinstance(raw, bytes) else raw)


def parse_purchase(raw: bytes | dict[str, Any]) -> PurchaseBody:
    """Return the purchase in the body.

    :raises Invalid: it has faults, each named by a pointer.
    """
    return parse(PurchaseBody, raw)


def parse_return(raw: bytes | dict[str, Any]) -> ReturnBody:
    """Return the return in the body.

    :raises Invalid: it has faults, each named by a pointer.
    """
    return parse(ReturnBody, raw)


def parse_batch(raw: bytes) -> list[BatchRow]:
    """Return the rows of a batch in the order sent, the bad ones with their faults.

    :raises Invalid: it is no batch, has no rows, or more than 1,000.
    """
    try:
        data = loads(raw)
    except NotJson as error:
        raise Malformed(detail=str(error)) from None
    suspect = is_suspect(raw)
    return [
        _row(index, row, suspect) for index, row in enumerate(convert(BatchBody, data).purchases)
    ]


def _row(index: int, data: Any, suspect: bool) -> BatchRow:
    found = unstorable(data) if suspect else []
    if not found:
        try:
            body = convert(PurchaseBody, data)
        except Invalid as error:
            found = list(error.errors)
        else:
            return BatchRow(index, body.external_id, body)
    return BatchRow(index, _external_id(data), None, tuple(found))


def _external_id(data: Any) -> str | None:
    found = data.get("external_id") if isinstance(data, dict) else None
    return found if isinstance(found, str) and not unstorable(found) else None


def parse_claim(raw: bytes | dict[str, Any]) -> ClaimBody:
    """Return the claim in the body.

    :raises Invalid: it has faults, each named by a pointer.
    """
    return parse(ClaimBody, raw)


def parse_event(raw: bytes | dict[str, Any]) -> EventBody:
    """Return the event in the body.

    :raises Invalid: it has faults, each named by a pointer.
    """
    return parse(EventBody, raw)


# Equality ------------------------------------------------------------------------------------


def content_key(body: PurchaseBody | ReturnBody | EventBody, member_id: Any = None) -> bytes:
    """Return 32 bytes that two bodies share exactly when they say the same.

    The same means after normalization: numbers by value, instants by the moment,
    defaults filled, lines by ``line_id``. The member is not compared as written
    but as resolved: ``member_id`` is what the reference led to, or None.
    """
    match body:
        case PurchaseBody():
            content = _of_purchase(body)
        case ReturnBody():
            content = _of_return(body)
        case EventBody():
            content = [body.type, instant_text(body.occurred_at), body.payload]
    # Sorted keys, since the order of a payload's fields says nothing.
    text = orjson.dumps([content, member_id], str, orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).digest()


def _of_purchase(body: PurchaseBody) -> list[Any]:
    heading = [body.store, body.channel, body.cashier, body.device]
    return [
        instant_text(body.occurred_at),
        body.currency,
        [text or "" for text in heading],
        [_of_line(line) for line in sorted(body.lines, key=_line_id)],
        body.coupons,
        [_of_tender(tender) for tender in body.tenders],
    ]


def _of_line(line: PurchaseLine) -> list[Any]:
    return [
        line.line_id,
        line.sku or "",
        line.name or "",
        line.category or "",
        line.brand or "",
        _plain(line.quantity),
        _plain(line.unit_price),
        _plain(line.discount),
        None if line.tax is None else _plain(line.tax),
        line.tags,
    ]


def _of_tender(tender: Tender) -> list[str]:
    told = [tender.kind, _plain(tender.amount)]
    # Purchases without one keep the key that they have always had.
    return told if tender.redemption is None else [*told, str(tender.redemption)]


def _of_return(body: ReturnBody) -> list[Any]:
    lines = None
    if body.lines is not None:
        lines = [[line.line_id, _plain(line.quantity)] for line in sorted(body.lines, key=_line_id)]
    return [body.purchase.source, body.purchase.external_id, instant_text(body.occurred_at), lines]


def _line_id(line: PurchaseLine | ReturnLine) -> str:
    return line.line_id


@lru_cache(maxsize=4096)
def _plain(value: Decimal) -> str:
    # Equal decimals hash alike, so that one entry of the cache serves 2 and 2.00.
    return format(value.normalize(), "f")
