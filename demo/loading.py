"""Loads the year of purchases through the services of the site, by two processes.

The year is told as it happened: every night the shop sends the day's purchases as a batch, and
what members redeem is recorded after their last visit of the month.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from django.db import connections
from django.utils import timezone

from campaigns.bodies import parse_purchase
from campaigns.services.intake import process_batch
from demo import policy
from demo.journey import Body, Journey
from demo.policy import CANCEL_AFTER, REDEEM_AFTER, DueRedemption, Offer, Visit
from loyalty_site.lib import calendars, wire
from loyalty_site.lib.errors import DomainError
from members.models import LedgerAccount, Member, Program, Store, TierMembership
from members.queries.program import current_program
from members.services.consents import Answer
from members.services.enrolment import enrol
from rewards.models import Redemption, Reward
from rewards.services import redemptions
from rewards.services.redemptions import Order

ACTOR = "demo"
PROCESSES = 2
CARD_HOUSEHOLD = slice(4, 9)


@dataclass(slots=True)
class Tally:
    """What was loaded, and how long posting took in seconds."""

    members: int = 0
    purchases: int = 0
    lines: int = 0
    redemptions: int = 0
    refused: list[str] = field(default_factory=list)
    seconds: float = 0.0


def load(journey: Journey, zone: ZoneInfo) -> Tally:
    """Load stores, members, purchases and simulated redemptions; a repeat adds nothing twice."""
    began = time.monotonic()
    tally = Tally()
    program = current_program()
    Store.objects.bulk_create(
        (Store(program=program, code=store.code, name=store.name) for store in journey.stores),
        ignore_conflicts=True,
    )
    for number, body in enumerate(journey.members, 1):
        _enrol(body)
        _progress("Enrolling members", number, len(journey.members))
    tally.members = len(journey.members)
    total = len(journey.purchases)
    # The connections of a process must not be shared with the ones that it forks.
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(PROCESSES, mp_context=fork) as pool:
        for month, bodies in journey.purchases.months():
            shards = [_shard(bodies, number, zone) for number in range(PROCESSES)]
            for loaded in pool.map(_post_days, shards):
                tally.purchases += loaded.purchases
                tally.lines += loaded.lines
                tally.refused += loaded.refused
            tally.redemptions += _redeem(program, month, bodies, zone, tally)
            _progress("Posting purchases", tally.purchases, total)
    tally.seconds = time.monotonic() - began
    return tally


def _enrol(body: Body) -> Member:
    enrolled_at = wire.instant(body["enrolled_at"])
    born = body["birth_date"]
    return enrol(
        identifiers=[(each["kind"], each["value"]) for each in body["identifiers"]],
        moment=enrolled_at,
        actor=ACTOR,
        first_name=body["first_name"],
        last_name=body["last_name"],
        birth_date=date.fromisoformat(born) if born else None,
        locale=body["locale"],
        timezone=body["timezone"],
        source_channel=body["source_channel"],
        consents=[
            Answer(each["purpose"], each["channel"], each["granted"]) for each in body["consents"]
        ],
        enrolled_at=enrolled_at,
    ).member


# Purchases -----------------------------------------------------------------------------------

Day = tuple[datetime, list[Body]]


def _shard(bodies: Sequence[Body], number: int, zone: ZoneInfo) -> list[Day]:
    """Return one process's part of a month by day, each with the moment of its batch.

    A household stays with one process, so that its purchases keep their order.
    """
    own = [body for body in bodies if _part(body) == number]
    return [
        (calendars.end_of_day(day, zone), list(rows))
        for day, rows in groupby(
            own, lambda body: wire.instant(body["occurred_at"]).astimezone(zone).date()
        )
    ]


def _part(body: Body) -> int:
    member = body["member"]
    return int(member["identifier"][CARD_HOUSEHOLD]) % PROCESSES if member else 0


@dataclass(frozen=True, slots=True)
class _Loaded:
    purchases: int
    lines: int
    refused: list[str]


def _post_days(days: Sequence[Day]) -> _Loaded:
    lines = 0
    refused: list[str] = []
    posted = 0
    for moment, rows in days:
        bodies = [parse_purchase(row) for row in rows]
        for body, outcome in zip(
            bodies, process_batch(bodies=bodies, actor=ACTOR, moment=moment), strict=True
        ):
            posted += 1
            lines += len(body.lines)
            if outcome.problem is not None:
                refused.append(f"{body.external_id}: {outcome.problem}")
    return _Loaded(posted, lines, refused)


# Redemptions ---------------------------------------------------------------------------------


def _redeem(
    program: Program, month: str, bodies: Sequence[Body], zone: ZoneInfo, tally: Tally
) -> int:
    """Make the month's simulated redemptions, each in the night after the visit; count them."""
    members = {
        int(value[CARD_HOUSEHOLD]): member_id
        for member_id, value in Member.objects.filter(identifiers__kind="card").values_list(
            "pk", "identifiers__value"
        )
    }
    due = policy.redemptions_due(
        visits=list(_visits(month, bodies, members, zone)),
        offers=_offers(program),
        taken=_taken(members),
    )
    rows = Member.objects.in_bulk([members[each.household] for each in due])
    for each in due:
        try:
            _redeem_one(program, rows[members[each.household]], each, zone)
        except DomainError as refusal:
            tally.refused.append(f"{each.external_id}: {refusal}")
    return len(due)


def _redeem_one(program: Program, member: Member, due: DueRedemption, zone: ZoneInfo) -> None:
    if Redemption.objects.filter(caller=ACTOR, external_id=due.external_id).exists():
        return
    night = calendars.end_of_day(calendars.local_day(due.occurred_at, zone), zone) + REDEEM_AFTER
    made = redemptions.redeem(
        program=program,
        order=Order(member=member, reward=due.reward, external_id=due.external_id, caller=ACTOR),
        moment=night,
        is_simulated=True,
    )
    if due.cancelled_at is not None:
        redemptions.cancel(
            public_id=made.public_id,
            caller=ACTOR,
            moment=night + CANCEL_AFTER,
            reason="simulated",
        )


def _visits(
    month: str, bodies: Sequence[Body], members: dict[int, int], zone: ZoneInfo
) -> Iterator[Visit]:
    last = {
        int(body["member"]["identifier"][CARD_HOUSEHOLD]): wire.instant(body["occurred_at"])
        for body in bodies
        if body["member"]
    }
    holdings = _holdings([members[household] for household in last])
    for household, occurred_at in last.items():
        available, owed, tier = holdings[members[household]]
        yield Visit(
            household=household,
            month=month,
            occurred_at=occurred_at,
            available=available,
            tier=tier,
            in_debt=owed > 0,
        )


def _holdings(member_ids: Sequence[int]) -> dict[int, tuple[int, int, str]]:
    balances: dict[int, dict[str, int]] = {pk: {} for pk in member_ids}
    accounts = LedgerAccount.objects.filter(
        member_id__in=member_ids, currency_kind="redeemable", kind__in=["available", "debt"]
    ).values_list("member_id", "kind", "balance")
    for member_id, kind, balance in accounts:
        balances[member_id or 0][kind] = balance
    tiers = dict(
        TierMembership.objects.filter(
            member_id__in=member_ids, superseded_at__isnull=True, ends_at__isnull=True
        ).values_list("member_id", "tier__code")
    )
    return {
        pk: (held.get("available", 0), -held.get("debt", 0), tiers.get(pk, ""))
        for pk, held in balances.items()
    }


def _offers(program: Program) -> list[Offer]:
    return [
        Offer(
            code=reward.code,
            kind=reward.kind,
            points_price=reward.points_price,
            stock=reward.stock,
            tiers=frozenset(reward.tiers),
            uses_max=reward.limit_uses,
            redeemable_from=reward.redeemable_from,
            redeemable_to=reward.redeemable_to,
        )
        for reward in Reward.objects.filter(program=program, is_retired=False).order_by("pk")
        # The policy knows no segments, so that what only a segment may have stays for people.
        if not reward.segment
    ]


def _taken(members: dict[int, int]) -> dict[tuple[int, str], int]:
    households = {member_id: household for household, member_id in members.items()}
    taken: dict[tuple[int, str], int] = {}
    rows = Redemption.objects.filter(caller=ACTOR).values_list("member_id", "reward__code")
    for member_id, code in rows:
        key = (households[member_id], code)
        taken[key] = taken.get(key, 0) + 1
    return taken


def _progress(title: str, done: int, total: int) -> None:
    """Draw the bar where somebody looks; elsewhere say it once, at the end."""
    if not sys.stderr.isatty():
        if done == total:
            sys.stderr.write(f"  {title} ... {total:,}\n")
        return
    width = 30
    filled = width * done // max(total, 1)
    bar = "#" * filled + "." * (width - filled)
    sys.stderr.write(f"\r  {title:<20} [{bar}] {done:>7,}/{total:,}")
    if done == total:
        sys.stderr.write("\n")
    sys.stderr.flush()


def today(zone: ZoneInfo) -> date:
    """Return the day in the program's zone."""
    return timezone.now().astimezone(UTC).astimezone(zone).date()
