"""A shop to try intake on: a program from a file, members, and a till that calls the API.

Services are called with moments of the past, so that the figures of a test never change; the
API itself reads the clock, so that a till's purchases are dated around the present.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import orjson
from allauth.idp.oidc.models import Client as ApiClient
from allauth.idp.oidc.models import Token
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from campaigns.bodies import parse_claim, parse_purchase, parse_return
from campaigns.programfile import parse
from campaigns.queries import rulebook
from campaigns.services import claims, intake, program, returns
from campaigns.services.intake import RowOutcome
from campaigns.services.keys import Key, Outcome
from members.models import LedgerAccount, Member, PointCurrency, TierMembership
from members.services import ledger, reconciliation
from members.services.enrolment import enrol

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
JOINED = NOON - 400 * DAY
CARD = "6011000001"

BASE_RATE: dict[str, Any] = {
    "kind": "earn_rate",
    "currency": "points",
    "points": 1,
    "per": "1.00",
    "basis": "net",
    "rounding": "floor",
}
BASE: dict[str, Any] = {
    "code": "base",
    "name": "1 point per euro",
    "trigger": "purchase",
    "effects": [BASE_RATE],
}
BASE_STATUS: dict[str, Any] = {
    "code": "base-status",
    "trigger": "purchase",
    "effects": [{**BASE_RATE, "currency": "status"}],
}
GOLD: dict[str, Any] = {
    "code": "gold-x2",
    "trigger": "purchase",
    "when": {"attr": "member.tier", "op": "eq", "value": "gold"},
    "effects": [{"kind": "multiply_base", "currency": "points", "factor": "2"}],
}
POINTS: dict[str, Any] = {
    "code": "points",
    "kind": "redeemable",
    "names": {"en": {"one": "point", "other": "points"}},
    "value": "0.01",
    "expiry": {"model": "fixed_after", "months": 12, "round_to": "month_end"},
    "pending_days": 0,
    "returns": {"policy": "into_debt", "limit": 100000, "grace_days": 30},
}
PROGRAM: dict[str, Any] = {
    "program": {
        "code": "main",
        "name": "Alva Club",
        "currency": "EUR",
        "timezone": "Europe/Lisbon",
        "locale": "en",
        "claim_days": 30,
    },
    "points": [POINTS, {"code": "status", "kind": "qualifying"}],
    "tiers": {
        "policy": {
            "currency": "status",
            "window": {"model": "rolling", "months": 12},
            "downgrade": "one_step",
            "grace_days": 30,
        },
        "ladder": [
            {"code": "bronze", "name": "Bronze", "threshold": 0},
            {"code": "silver", "name": "Silver", "threshold": 500},
            {"code": "gold", "name": "Gold", "threshold": 2000},
        ],
    },
    "rules": [BASE, BASE_STATUS, GOLD],
}

_numbers = count(1)


def rule(code: str, points: int, *, per: str = "1.00", **more: Any) -> dict[str, Any]:
    """Return a rule that gives ``points`` for every ``per``."""
    effect = {**BASE_RATE, "points": points, "per": per}
    return {"code": code, "trigger": "purchase", "effects": [effect], **more}


def program_file(points: Mapping[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    """Return the shop's program, with other sections and another way of its points."""
    document = {**deepcopy(PROGRAM), **sections}
    document["points"][0] |= points or {}
    return document


def apply(document: Mapping[str, Any] = PROGRAM, moment: datetime = JOINED) -> None:
    """Make the program that of the document; a program file in JSON is one in YAML."""
    rulebook.forget()
    program.apply(document=parse(json.dumps(document)), moment=moment)


def join(card: str = CARD, *, at: datetime = JOINED, **fields: Any) -> Member:
    """Enroll a member by a card."""
    return enrol(
        identifiers=[("card", card)], moment=at, actor="test", enrolled_at=at, **fields
    ).member


def line(line_id: str = "1", price: str = "10.00", **fields: Any) -> dict[str, Any]:
    """Return a line of one piece."""
    return {"line_id": line_id, "quantity": "1", "unit_price": price, **fields}


def basket(
    *lines: Mapping[str, Any], card: str | None = CARD, at: datetime | None = None, **fields: Any
) -> dict[str, Any]:
    """Return the body of a purchase, one line of ten euros unless told, with a name of its own."""
    return {
        "source": "pos",
        "external_id": f"R-{next(_numbers)}",
        "member": {"identifier": card} if card else None,
        "occurred_at": (at or timezone.now() - DAY).isoformat(),
        "currency": "EUR",
        "lines": list(lines) or [line()],
        **fields,
    }


def refund(
    purchase: Mapping[str, Any],
    *lines: tuple[str, str],
    at: datetime | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Return the body of a return of lines (id, quantity), or of all that is left."""
    wanted = [{"line_id": line_id, "quantity": quantity} for line_id, quantity in lines]
    return {
        "source": "pos",
        "external_id": f"B-{next(_numbers)}",
        "purchase": {"source": purchase["source"], "external_id": purchase["external_id"]},
        "occurred_at": (at or timezone.now()).isoformat(),
        "lines": wanted or None,
        **fields,
    }


# By the services, with a moment -------------------------------------------------------------


def buy(body: Mapping[str, Any], *, moment: datetime, **how: Any) -> dict[str, Any]:
    """Post a purchase at a moment and return its answer as it goes over the wire."""
    raw = orjson.dumps(body)
    return wired(
        intake.process_purchase(body=parse_purchase(raw), actor="test", moment=moment, **how)
    )


def bring_back(body: Mapping[str, Any], *, moment: datetime, **how: Any) -> dict[str, Any]:
    """Post a return at a moment and return its answer as it goes over the wire."""
    raw = orjson.dumps(body)
    return wired(returns.process_return(body=parse_return(raw), actor="test", moment=moment, **how))


def send(bodies: Sequence[Mapping[str, Any]], *, moment: datetime) -> list[RowOutcome]:
    """Post a batch at a moment."""
    rows = [parse_purchase(orjson.dumps(body)) for body in bodies]
    return intake.process_batch(bodies=rows, actor="test", moment=moment)


def wired(outcome: Outcome) -> dict[str, Any]:
    """Return the body as the caller reads it."""
    body: dict[str, Any] = orjson.loads(outcome.text)
    return body


# Over the API --------------------------------------------------------------------------------


class Till:
    """A client of the API with a token of its own."""

    def __init__(self, *scopes: str) -> None:
        self.browser = Client()
        self.bearer = f"Bearer {make_token(*(scopes or ('purchases:write', 'events:write')))}"

    def post(self, path: str, body: Any, *, key: str | None = None, headers: Any = None) -> Any:
        """Post a body under a key of its own, unless one is told; an empty one is left out."""
        sent = {"Authorization": self.bearer, **(headers or {})}
        if key != "":
            sent["Idempotency-Key"] = key or str(uuid4())
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.browser.post(
            f"/api/v1/{path}", raw, content_type="application/json", headers=sent
        )

    def get(self, path: str, **headers: str) -> Any:
        """Read an address."""
        return self.browser.get(
            f"/api/v1/{path}", headers={"Authorization": self.bearer, **headers}
        )


def make_token(*scopes: str) -> str:
    """Return a token of a new client with the scopes, written down as the provider does it."""
    client = ApiClient(name="Till", grant_types="client_credentials", secret="!")
    client.set_scopes(list(scopes))
    client.save()
    token = secrets.token_urlsafe(24)
    row = Token(
        client=client,
        type=Token.Type.ACCESS_TOKEN,
        hash=hashlib.sha256(token.encode()).hexdigest(),
        expires_at=timezone.now() + DAY,
    )
    row.set_scopes(list(scopes))
    row.save()
    return token


def fetched_token(browser: Client, *scopes: str) -> str:
    """Return a token of a new client, got as a till gets it."""
    out = StringIO()
    call_command("create_client", "Till", "--json", "--scope", *scopes, stdout=out)
    form = {"grant_type": "client_credentials", **json.loads(out.getvalue())}
    token: str = browser.post("/identity/o/api/token", form).json()["access_token"]
    return token


def spend(member: Member, points: int, *, moment: datetime) -> int:
    """Redeem points at a moment; return the transaction."""
    ledger.settle_due(member_ids=[member.pk], moment=moment, recorded_at=moment, actor="test")
    wanted = ledger.Debit(
        member_id=member.pk,
        currency_id=PointCurrency.objects.get(code="points").pk,
        points=points,
        type="redeem",
        external_ref=str(uuid4()),
        actor="test",
    )
    return ledger.debit(wanted=wanted, occurred_at=moment, recorded_at=moment)


def claim(purchase_id: str, card: str, *, moment: datetime) -> dict[str, Any]:
    """Claim a purchase at a moment and return its answer."""
    body = parse_claim(orjson.dumps({"member": {"identifier": card}}))
    key = Key("test", str(uuid4()), b"f" * 32)
    return wired(
        claims.process_claim(
            public_id=UUID(purchase_id), body=body, actor="test", moment=moment, key=key
        )
    )


# What is there -------------------------------------------------------------------------------


def balances(member: Member, currency: str = "points") -> dict[str, int]:
    """Return the member's posted balances that are not zero, by kind of account."""
    rows = LedgerAccount.objects.filter(member=member, currency__code=currency)
    return {kind: points for kind, points in rows.values_list("kind", "balance") if points}


def standings(member: Member) -> list[tuple[str, datetime]]:
    """Return the member's tiers with their starts, as they count now."""
    rows = TierMembership.objects.filter(member=member, superseded_at=None)
    return list(rows.order_by("starts_at").values_list("tier__code", "starts_at"))


def differences() -> list[str]:
    """Return which invariants of the books do not hold."""
    return [each.name for each in reconciliation.verify().findings if each.differences]


def negative_balances() -> list[tuple[Any, ...]]:
    """Return every account that was beyond its bounds at some instant of its past.

    Summed by ``occurred_at``, a member's points never fall below zero, and a debt never
    rises above it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT * FROM (
              SELECT a.member_id, a.kind, t.occurred_at, sum(sum(e.points)) OVER (
                PARTITION BY a.id ORDER BY t.occurred_at) AS points
              FROM members_ledgerentry e
              JOIN members_ledgertransaction t ON t.id = e.transaction_id
              JOIN members_ledgeraccount a ON a.id = e.account_id AND a.keeps_balance
              WHERE a.currency_kind = 'redeemable'
              GROUP BY a.id, a.member_id, a.kind, t.occurred_at) s
            WHERE CASE WHEN kind = 'debt' THEN points > 0 ELSE points < 0 END
            """
        )
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
