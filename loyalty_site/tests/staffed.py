"""A living program with a bit of everything, and people of its staff, to try the admin on."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from campaigns.tests.shop import DAY, apply, basket, bring_back, buy, join, line, program_file
from campaigns.tests.shop import refund as refund_of
from members.models import Heartbeat, JobRun, Member, Program, User
from members.services import jobs, reconciliation
from members.services.consents import Answer
from rewards.services.redemptions import Order, redeem

CAMPAIGN = {
    "code": "dairy-days",
    "name": "Dairy days",
    "status": "active",
    "starts_at": "2020-01-01T00:00",
    "rules": [
        {
            "code": "dairy-plus",
            "trigger": "purchase",
            "lines": {"attr": "line.category", "op": "eq", "value": "dairy"},
            "effects": [
                {
                    "kind": "earn_rate",
                    "currency": "points",
                    "points": 3,
                    "per": "1.00",
                    "basis": "net",
                    "rounding": "floor",
                }
            ],
            "limits": [{"per": "member", "period": "day", "points": 100}],
        }
    ],
}
REWARDS = [
    {
        "code": "coffee",
        "kind": "service",
        "name": {"en": "Coffee"},
        "points_price": 150,
        "voucher": {"valid_days": 30},
    },
    {
        "code": "tote",
        "kind": "physical",
        "name": {"en": "Tote bag", "ru": "Сумка"},
        "points_price": 200,
        "stock": 40,
    },
]


def open_shop() -> Member:
    """Apply a program and return a member who bought, brought back and redeemed."""
    now = timezone.now()
    apply(program_file(campaigns=[CAMPAIGN], rewards=REWARDS), moment=now - 400 * DAY)
    member = join(
        at=now - 300 * DAY,
        first_name="Ada",
        last_name="Lark",
        consents=[Answer("marketing", "email", granted=True)],
    )
    for days in range(12, 2, -1):
        _shop(now, days)
    program = Program.objects.get()
    for reward, minutes in (("coffee", None), ("tote", 60)):
        _redeem(program, member, reward, minutes, now)
    jobs.run(reconciliation.VERIFY_LEDGER, moment=now)
    for name in ("worker", "beat"):
        Heartbeat.objects.create(name=name, beat_at=now)
    return member


def _shop(now: datetime, days: int) -> None:
    body = basket(
        line("1", "80.00", name="Cheese", category="dairy"), line("2"), at=now - days * DAY
    )
    buy(body, moment=now)
    if days % 5 == 0:
        bring_back(refund_of(body, ("2", "1"), at=now), moment=now)


def _redeem(
    program: Program, member: Member, reward: str, minutes: int | None, now: datetime
) -> None:
    order = Order(
        member=member,
        reward=reward,
        quantity=1,
        mode="hold" if minutes else "capture",
        hold_minutes=minutes or 15,
        external_id="",
        caller="client:till",
    )
    redeem(program=program, order=order, moment=now)


def superuser() -> User:
    """Return somebody who may do everything that anybody may."""
    return User.objects.create_superuser("root@example.com", "a long enough password")


def staff(*permissions: str) -> User:
    """Return somebody of the staff with permissions, named by their code names."""
    user = User.objects.create_user("desk@example.com", "a long enough password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def browser_of(user: User) -> Client:
    """Return a browser in which the person is logged in."""
    browser = Client()
    browser.force_login(user)
    return browser


def failed_proof() -> JobRun:
    """Record a proof of the books that found differences."""
    now = timezone.now()
    return JobRun.objects.create(
        name="verify_ledger",
        started_at=now,
        finished_at=now,
        done=7,
        failure="03_balances: 2 differences",
    )
