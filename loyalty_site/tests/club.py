"""The demo's club with a member or two, built through the services, for the tests of pages."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client

from campaigns.bodies import parse_purchase, parse_return
from campaigns.programfile import parse
from campaigns.queries import rulebook
from campaigns.services import intake, returns
from campaigns.services import program as program_service
from demo.program_window import moved_to
from members.models import LedgerTransaction, Member, Program, Purchase, Transfer, User
from members.services import jobs, ledger, logins, sealing, transfer_ends, transfers
from members.services.enrolment import enrol
from rewards.models import Redemption
from rewards.services import redemptions

# A Wednesday in the weeks that the demo's program file is written for: no promotion touches
# groceries bought then.
NOW = datetime(2026, 6, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
JOINED = NOW - 300 * DAY
PASSWORD = "correct horse battery"
FILE = Path(__file__).resolve().parents[2] / "demo" / "program.yaml"

_numbers = count(1)


def open_club(*, moment: datetime = JOINED, last_day: date | None = None) -> Program:
    """Return the demo's program, applied as written or moved so that it ends on a day."""
    text = FILE.read_text(encoding="utf-8")
    rulebook.forget()
    document = parse(moved_to(text, last_day) if last_day else text)
    program_service.apply(document=document, moment=moment)
    return Program.objects.get()


def join(first_name: str = "Ana", *, at: datetime = JOINED, password: str | None = None) -> Member:
    """Return a member with a login that their address was confirmed for."""
    email = f"{first_name.lower()}@example.com"
    enrol(
        identifiers=[("email", email), ("card", f"601100000{next(_numbers)}")],
        moment=at,
        actor="client:till",
        first_name=first_name,
        last_name="Duarte",
    )
    user = User.objects.create_user(email, password)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    member = logins.join(user=user, moment=at)
    assert member is not None
    return member


def browser_of(member: Member, **options: Any) -> Client:
    """Return a browser in which the member is logged in."""
    browser = Client(**options)
    assert member.user is not None
    browser.force_login(member.user)
    return browser


def buy(member: Member, net: str = "64.10", *, at: datetime = NOW, **line: Any) -> Purchase:
    """Post a purchase of one line, groceries unless said otherwise."""
    number = next(_numbers)
    body = {
        "source": "till-1",
        "external_id": f"receipt-{number}",
        "member": {"id": str(member.public_id)},
        "occurred_at": at.isoformat(),
        "store": "lisboa-1",
        "currency": "EUR",
        "lines": [
            {
                "line_id": "1",
                "sku": "A1",
                "name": "Groceries",
                "category": "grocery",
                "quantity": "1",
                "unit_price": net,
                **line,
            }
        ],
    }
    intake.process_purchase(body=parse_purchase(body), actor="client:till", moment=at)
    return Purchase.objects.get(external_id=f"receipt-{number}")


def bring_back(purchase: Purchase, *, at: datetime = NOW) -> None:
    """Return everything of a purchase."""
    body = {
        "source": "till-1",
        "external_id": f"back-{purchase.external_id}",
        "purchase": {"source": purchase.source, "external_id": purchase.external_id},
        "occurred_at": at.isoformat(),
    }
    returns.process_return(body=parse_return(body), actor="client:till", moment=at)


def redeem(member: Member, reward: str = "coffee", *, at: datetime = NOW) -> Redemption:
    """Redeem points through the service."""
    order = redemptions.Order(member=member, reward=reward, caller="client:till")
    return redemptions.redeem(program=member.program, order=order, moment=at)


def send(member: Member, to: str, points: int, *, at: datetime = NOW) -> Transfer:
    """Send points through the service."""
    return transfers.request(sender=member, to=to, points=points, actor="client:till", moment=at)


def take_back(member: Member, *, at: datetime = NOW) -> Transfer:
    """Take back the latest points that the member has sent."""
    row = Transfer.objects.filter(sender=member).latest("pk")
    return transfer_ends.cancel(
        public_id=row.public_id, actor="client:till", moment=at, sender_id=member.pk
    )


def seal() -> None:
    """Seal until nothing waits for it; for tests that commit."""
    for _ in range(600):
        jobs.run(sealing.SEAL_LEDGER, moment=NOW)
        with connection.cursor() as cursor:
            cursor.execute("SELECT is_waiting FROM ledger_sealing()")
            if not cursor.fetchone()[0]:
                return
        time.sleep(0.1)
    raise AssertionError("something of another test holds back every seal")


def settle(member: Member, at: datetime) -> None:
    """Post what is due on the member's accounts."""
    ledger.settle_due(member_ids=[member.pk], moment=at, recorded_at=at, actor="job:due")


def latest(member: Member, kind: str) -> LedgerTransaction:
    """Return the member's latest transaction of a type, of redeemable points."""
    found = LedgerTransaction.objects.filter(
        member=member, type=kind, currency__kind="redeemable"
    ).order_by("-recorded_at", "-pk")
    return found[0]


def why(browser: Client, posted: LedgerTransaction) -> str:
    """Return the page that explains a transaction."""
    return browser.get(f"/activity/{posted.public_id}/why").content.decode()
