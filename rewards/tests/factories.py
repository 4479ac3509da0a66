"""A small shop for the tests of rewards: a program, members with points, rewards."""

from __future__ import annotations

import hashlib
import itertools
import secrets
from datetime import UTC, datetime
from typing import Any

from allauth.idp.oidc.models import Client, Token
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client as Browser

from loyalty_site.lib.auth import SCOPES
from members.models import (
    LedgerAccount,
    LedgerTransaction,
    Member,
    PointCurrency,
    Program,
    Tier,
    TierMembership,
    User,
)
from members.services import ledger
from members.services.accounts import open_accounts
from rewards.models import Redemption, Reward
from rewards.services import redemptions

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
CALLER = "client:till"

_numbers = itertools.count(1)


def make_program(**fields: Any) -> Program:
    """Return a program with one redeemable currency and its own accounts."""
    program = Program.objects.create(
        **{
            "code": "main",
            "name": "Alva Club",
            "currency": "EUR",
            "timezone": "Europe/Lisbon",
            "locale": "en",
            **fields,
        }
    )
    currency = PointCurrency.objects.create(
        program=program, code="points", kind="redeemable", debt_limit=100_000, grace_days=30
    )
    for kind in ("issued", "redeemed", "expired", "adjusted", "donated"):
        LedgerAccount.objects.create(
            program=program, currency=currency, currency_kind=currency.kind, kind=kind
        )
    return program


def points_of(program: Program) -> PointCurrency:
    """Return the program's one currency."""
    return PointCurrency.objects.get(program=program)


def make_member(program: Program, **fields: Any) -> Member:
    """Return a member with empty accounts."""
    member = Member.objects.create(
        **{
            "program": program,
            "number": f"9{next(_numbers):011d}",
            "enrolled_at": LONG_AGO,
            "recorded_at": LONG_AGO,
            "changed_at": LONG_AGO,
            **fields,
        }
    )
    open_accounts([member.pk])
    return member


def make_reward(program: Program, code: str = "coffee", **fields: Any) -> Reward:
    """Return a reward of 150 points with a voucher of 30 days."""
    return Reward.objects.create(
        **{
            "program": program,
            "code": code,
            "kind": "service",
            "name": {"en": "Coffee", "pt": "Café"},
            "points_price": 150,
            "voucher_valid_days": 30,
            "changed_at": LONG_AGO,
            **fields,
        }
    )


def account(member: Member, kind: str = "available") -> LedgerAccount:
    """Return the member's account as it stands."""
    return LedgerAccount.objects.get(member=member, kind=kind, currency__kind="redeemable")


def balances(member: Member) -> tuple[int, int, int, int]:
    """Return what is booked as available, pending, held and debt."""
    return (
        account(member).balance,
        account(member, "pending").balance,
        account(member, "held").balance,
        account(member, "debt").balance,
    )


def earn(
    member: Member,
    points: int,
    *,
    at: datetime = LONG_AGO,
    available_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> LedgerTransaction:
    """Give points in one lot, pending where they become available after they were earned."""
    kind = "pending" if available_at and available_at > at else "available"
    lot_account, number = account(member, kind), next(_numbers)
    currency_id = lot_account.currency_id
    issued = LedgerAccount.objects.get(member=None, currency=currency_id, kind="issued")
    (posted,) = ledger.post(
        program_id=member.program_id,
        recorded_at=at,
        posting=ledger.Posting(
            headers=[
                ledger.Header(
                    member_id=member.pk,
                    currency_id=currency_id,
                    type=LedgerTransaction.Type.EARN,
                    source="purchase",
                    external_ref=f"purchase-{number}",
                    actor=CALLER,
                    occurred_at=at,
                )
            ],
            lots=[
                ledger.NewLot(
                    header=0,
                    account_id=lot_account.pk,
                    points=points,
                    earned_at=at,
                    available_at=available_at or at,
                    expires_at=expires_at,
                )
            ],
            entries=[
                ledger.Entry(header=0, account_id=lot_account.pk, points=points),
                ledger.Entry(header=0, account_id=issued.pk, points=-points),
            ],
        ),
    )
    return LedgerTransaction.objects.get(pk=posted)


def owe(member: Member, points: int) -> None:
    """Put the member into debt, as a return after spending does."""
    earned = earn(member, points)
    use_all = LedgerAccount.objects.get(member=None, currency=earned.currency_id, kind="issued")
    ledger.debit(
        wanted=ledger.Debit(
            member_id=member.pk,
            currency_id=earned.currency_id,
            points=points,
            type="redeem",
            external_ref=f"spent-{next(_numbers)}",
            actor=CALLER,
        ),
        occurred_at=LONG_AGO,
        recorded_at=LONG_AGO,
    )
    ledger.post(
        program_id=member.program_id,
        recorded_at=LONG_AGO,
        posting=ledger.Posting(
            headers=[
                ledger.Header(
                    member_id=member.pk,
                    currency_id=earned.currency_id,
                    type=LedgerTransaction.Type.CLAWBACK,
                    source="return",
                    external_ref=f"return-{next(_numbers)}",
                    actor=CALLER,
                    occurred_at=LONG_AGO,
                    reverses_id=earned.pk,
                )
            ],
            entries=[
                ledger.Entry(header=0, account_id=account(member, "debt").pk, points=-points),
                ledger.Entry(header=0, account_id=use_all.pk, points=points),
            ],
        ),
    )


def put_in_tier(member: Member, code: str, *, threshold: int = 0) -> Tier:
    """Put the member on a rung that is named in English."""
    tier, _made = Tier.objects.get_or_create(
        program=member.program,
        code=code,
        defaults={"name": {"en": code.title()}, "threshold": threshold},
    )
    TierMembership.objects.create(
        member=member, tier=tier, starts_at=LONG_AGO, recorded_at=LONG_AGO
    )
    return tier


def redeem(
    member: Member, reward: str = "coffee", *, at: datetime = NOW, **fields: Any
) -> Redemption:
    """Redeem through the service."""
    order = redemptions.Order(member=member, reward=reward, **{"caller": CALLER, **fields})
    return redemptions.redeem(program=member.program, order=order, moment=at)


def cancel(redemption: Redemption, *, at: datetime = NOW, **fields: Any) -> Redemption:
    """Cancel through the service."""
    return redemptions.cancel(public_id=redemption.public_id, caller=CALLER, moment=at, **fields)


def capture(redemption: Redemption, *, at: datetime = NOW) -> Redemption:
    """Capture through the service."""
    return redemptions.capture(
        program=redemption.program, public_id=redemption.public_id, caller=CALLER, moment=at
    )


def app_of(member: Member) -> dict[str, str]:
    """Return the header of the member's app."""
    user = User.objects.create_user(f"{member.number}@example.com")
    Member.objects.filter(pk=member.pk).update(user=user)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return {"x-session-token": str(session.session_key)}


def order(member: Member, **fields: Any) -> dict[str, Any]:
    """Return the body of a redemption of a coffee."""
    return {"member": {"id": str(member.public_id)}, "reward": "coffee", **fields}


def make_token(*scopes: str) -> str:
    """Return an access token of a client with these scopes, or with all."""
    client = Client(name="till", grant_types="client_credentials", secret="!")
    client.set_scopes(list(SCOPES))
    client.save()
    token = secrets.token_urlsafe(24)
    row = Token(
        client=client,
        type=Token.Type.ACCESS_TOKEN,
        hash=hashlib.sha256(token.encode()).hexdigest(),
    )
    row.set_scopes(list(scopes or SCOPES))
    row.save()
    return token


class Till:
    """A client of the API, for tests within one process."""

    def __init__(self, *scopes: str) -> None:
        self.browser = Browser()
        self.headers = {"authorization": f"Bearer {make_token(*scopes)}"}

    def get(self, path: str, **headers: str) -> Any:
        """Send a GET below `/api/v1/`."""
        return self.browser.get(f"/api/v1/{path}", headers=self.headers | _named(headers))

    def post(self, path: str, body: Any = None, *, key: str | None = "", **headers: str) -> Any:
        """Send a POST below `/api/v1/`, with a new key unless one is given; None sends none."""
        if key is not None:
            headers["idempotency_key"] = key or secrets.token_hex(16)
        return self.browser.post(
            f"/api/v1/{path}",
            data=body,
            content_type="application/json",
            headers=self.headers | _named(headers),
        )


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
