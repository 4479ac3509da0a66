"""Whatever a household does, points are neither made nor lost, and nobody takes another's.

A story of random acts, all by the product's own services. After every act the touched rows are
what their entries and lots say, and no balance of their past is below zero; at the end the whole
ledger is proved, everybody leaves, and has what the ledger says that they gave less what was used.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection

from campaigns.services import takeback
from campaigns.tests.shop import (
    DAY,
    NOON,
    apply,
    basket,
    bring_back,
    buy,
    differences,
    join,
    line,
    program_file,
    refund,
)
from loyalty_site.lib.errors import DomainError
from members.models import Member, Pool, PoolMembership
from members.queries import pools as reading
from members.services import jobs, ledger, periodic, pool_ends, pool_points, pools
from members.tests import invariants
from rewards.models import Redemption
from rewards.services import redemptions

pytestmark = pytest.mark.django_db

ACTS = 70
TERMS: dict[str, Any] = {
    "kind": "household",
    "share_pct": 30,
    "tenure_days": 0,
    "redeem": ["owner", "adult", "child"],
}
CUP = {"code": "cup", "kind": "discount_fixed", "name": "Cup", "points_price": 15, "value": "1"}
# What a contributor has in a pool, by the lots alone: given, less what came back, less what the
# pool used and did not get back.
_OF_MINE = """
SELECT coalesce(sum(l.remaining), 0)::bigint FROM members_pointlot l
JOIN members_ledgeraccount a ON a.id = l.account_id
WHERE a.member_id = %s AND pool_contributor(l.id) = %s
"""


class House:
    """A household of three; ``now`` only goes on."""

    def __init__(self, seed: str, expiry: dict[str, Any]) -> None:
        self.chance = random.Random(seed)
        self.now: datetime = NOON
        terms = {"expiry": expiry, "returns": {"policy": "into_debt", "limit": 60}}
        apply(program_file(terms, pools=[TERMS], rewards=[CUP]))
        self.members = [join(f"60110000{number:02d}") for number in range(3)]
        owner = self.members[0].pk
        pools.found(member_id=owner, kind="household", name="", actor="test", moment=self.now)
        self.bodies: list[dict[str, Any]] = []
        self.back: set[tuple[str, str]] = set()
        self.gifts = 0
        self.done: Counter[str] = Counter()
        for member in self.members[1:]:
            self.let_in(member)

    @property
    def pool(self) -> Pool:
        """Return the pool as it is."""
        return Pool.objects.get()

    def let_in(self, member: Member) -> None:
        """Invite somebody who is in no pool."""
        owner = PoolMembership.objects.get(role="owner", left_at=None).member_id
        _row, code = pools.invite(member_id=owner, role="adult", actor="test", moment=self.now)
        pools.join(member_id=member.pk, code=code, actor="test", moment=self.now)

    def begin(self) -> None:
        """Do once what chance might never make possible."""
        owner = self.members[0]
        self.do_buy(owner)
        pool_points.contribute(
            member_id=owner.pk, points=10, ref="first", actor="test", moment=self.now
        )
        for member in self.members:
            self.do_buy(member)
        pool_points.contribute(
            member_id=owner.pk, points=10, ref="second", actor="test", moment=self.now
        )
        for kind in ("redeem", "cancel", "back"):
            getattr(self, f"do_{kind}")(owner)
            self.check()
        self.done.update(("give", "redeem", "cancel", "back"))

    def act(self) -> None:
        """Do something, if it can be done."""
        kinds = ["buy", "buy", "give", "give", "share", "redeem", "cancel", "back", "back"]
        kind = self.chance.choice([*kinds, "wait", "leave", "sweep", "hold"])
        try:
            getattr(self, f"do_{kind}")(self.chance.choice(self.members))
        except DomainError:
            return
        self.done[kind] += 1

    def do_buy(self, member: Member) -> None:
        """Buy two lines."""
        card = member.identifiers.get(kind="card").value
        lines = [line(str(n), f"{self.chance.randint(5, 40)}.00") for n in (1, 2)]
        body = basket(*lines, at=self.now, member={"identifier": card})
        buy(body, moment=self.now)
        self.bodies.append(body)

    def do_give(self, member: Member) -> None:
        """Give some points."""
        self.gifts += 1
        pool_points.contribute(
            member_id=member.pk,
            points=self.chance.randint(1, 30),
            ref=str(self.gifts),
            actor="test",
            moment=self.now,
        )

    def do_share(self, _member: Member) -> None:
        """Run the job."""
        assert jobs.run(periodic.JOBS["share_with_pools"], moment=self.now).failure == ""

    def do_sweep(self, _member: Member) -> None:
        """Run the other job."""
        assert jobs.run(periodic.JOBS["sweep_pools"], moment=self.now).failure == ""

    def do_redeem(self, member: Member, mode: Any = "capture") -> None:
        """Redeem with the pool's points."""
        order = redemptions.Order(
            member=member, reward="cup", caller="client:till", with_pool=True, mode=mode
        )
        redemptions.redeem(program=member.program, order=order, moment=self.now)

    def do_hold(self, member: Member) -> None:
        """Hold the pool's points for a quarter of an hour."""
        self.do_redeem(member, "hold")

    def do_cancel(self, _member: Member) -> None:
        """Cancel what somebody redeemed."""
        rows = list(Redemption.objects.exclude(state__in=["cancelled", "expired"]).order_by("pk"))
        if rows:
            row = self.chance.choice(rows)
            redemptions.cancel(public_id=row.public_id, caller="client:till", moment=self.now)

    def do_back(self, _member: Member) -> None:
        """Bring a line of some purchase back."""
        open_ = [
            (body, number)
            for body in self.bodies
            for number in ("1", "2")
            if (body["external_id"], number) not in self.back
        ]
        if open_:
            body, number = self.chance.choice(open_)
            bring_back(refund(body, (number, "1"), at=self.now), moment=self.now)
            self.back.add((body["external_id"], number))

    def do_wait(self, _member: Member) -> None:
        """Let days go by."""
        self.now += self.chance.randint(1, 6) * DAY

    def do_leave(self, member: Member) -> None:
        """Leave, unless it would end the pool, and come again."""
        mine = reading.open_membership(member.pk)
        if mine is None:
            self.let_in(member)
        elif len(reading.members_of(mine.pool_id)) > 1:
            pool_ends.leave(member_id=member.pk, actor="test", moment=self.now)

    def rows(self) -> list[int]:
        """Return everybody's row, that of the pool among them."""
        return [*(member.pk for member in self.members), self.pool.holder_id]

    def check(self) -> None:
        """Hold the books of everybody against themselves."""
        keys = self.rows()
        ledger.settle_due(member_ids=keys, moment=self.now, recorded_at=self.now, actor="test")
        with connection.cursor() as cursor:
            for key in keys:
                cursor.execute(invariants.TOUCHED, {"member": key})
                kept = cursor.fetchone()
                assert all(each is not False for each in kept), kept
            cursor.execute(invariants.NEGATIVE_ONCE, [keys])
            assert cursor.fetchall() == []

    def available(self, row: int) -> int:
        """Return what a row has, less what it owes."""
        accounts = Member.objects.get(pk=row).accounts.filter(currency__code="points")
        return sum(each.balance for each in accounts)

    def of(self, member: Member) -> int:
        """Return what is left in the pool of a member's points."""
        with connection.cursor() as cursor:
            cursor.execute(_OF_MINE, [self.pool.holder_id, member.pk])
            found: int = cursor.fetchone()[0]
        return found


@pytest.mark.parametrize("seed", ["one", "two", "three"])
@pytest.mark.parametrize(
    ("_case", "expiry"),
    [("for ever", {"model": "never"}), ("for 20 days", {"model": "fixed_after", "days": 20})],
)
def test_points_are_neither_made_nor_lost_in_a_household(
    seed: str, _case: str, expiry: dict[str, Any]
) -> None:
    house = House(f"{seed} {_case}", expiry)

    house.begin()
    for _ in range(ACTS):
        house.act()
        house.check()

    assert differences() == []
    assert {"give", "redeem", "cancel", "back", "buy"} <= house.done.keys()
    house.now += DAY
    house.check()
    house.do_share(house.members[0])
    for member in house.members:
        before, mine = house.available(member.pk), house.of(member)
        if reading.open_membership(member.pk) is not None:
            came = pool_ends.leave(member_id=member.pk, actor="test", moment=house.now)
            assert (came, house.available(member.pk)) == (mine, before + mine)
    house.do_sweep(house.members[0])
    house.check()
    assert house.available(house.pool.holder_id) == 0
    assert differences() == []


def test_control_the_stories_find_a_service_that_takes_points_where_they_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A return that forgets the pool takes points of a lot of somebody else."""

    def nothing(*_purchase: object, **_told: object) -> dict[int, int]:
        return {}

    monkeypatch.setattr(takeback, "recalled", nothing)
    house = House("mistaken", {"model": "never"})
    house.do_buy(house.members[0])
    house.do_share(house.members[0])
    assert house.of(house.members[0]) > 0

    with pytest.raises(IntegrityError):
        bring_back(refund(house.bodies[0], at=house.now), moment=house.now)


def test_control_the_stories_find_points_that_nobody_returns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who leaves and gets nothing is missed by the last comparison."""
    house = House("mistaken", {"model": "never"})
    member = house.members[0]
    house.do_buy(member)
    house.do_share(member)
    mine = house.of(member)
    assert mine > 0

    monkeypatch.setattr(pool_points, "return_own", lambda **_told: 0)

    assert pool_ends.leave(member_id=member.pk, actor="test", moment=house.now) != mine
