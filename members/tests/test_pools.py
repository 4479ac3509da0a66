"""Points that a household holds together: given, shared, returned, and who may do what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from members.models import (
    LedgerTransaction,
    Member,
    MemberMerge,
    Message,
    PointLot,
    Pool,
    PoolInvite,
    PoolMembership,
    Program,
)
from members.queries import pools as reading
from members.queries.balances import balance_as_of, balance_now
from members.queries.held import rows_held
from members.services import (
    delivery,
    jobs,
    ledger,
    merging,
    periodic,
    pool_ends,
    pool_points,
    pools,
    privacy,
    reconciliation,
    status,
)
from members.services.merging import Wanted
from members.services.pool_points import NotInAPool, PoolRefused
from members.services.pools import InviteUnknown, NotYourPool
from members.tests.people import DAY, NOON, account, earn, make_member, make_program, owe

pytestmark = pytest.mark.django_db

TERMS: dict[str, Any] = {
    "kind": "household",
    "members_max": 3,
    "share_pct": 0,
    "cap": None,
    "tenure_days": 0,
    "redeem": ["owner", "adult"],
}
THEN = NOON + 10 * DAY
HOUR = timedelta(hours=1)


def allow(**changes: Any) -> None:
    """Let members found households on these terms."""
    Program.objects.update(pools={"household": TERMS | changes})


@pytest.fixture
def ana(db: None) -> Member:
    """Return a member with 80 points without an end and 120 that end on day 90."""
    make_program()
    allow()
    member = make_member("6011000001", first_name="Ana", last_name="Duarte")
    earn(member, 80)
    earn(member, 120, expires_at=NOON + 90 * DAY)
    return member


@pytest.fixture
def home(ana: Member) -> Pool:
    """Return Ana's household."""
    return pools.found(
        member_id=ana.pk, kind="household", name="At home", actor="test", moment=THEN
    )


def let_in(pool: Pool, number: str, *, role: str = "adult", moment: datetime = THEN) -> Member:
    """Return a new member, let into the pool by its owner."""
    member = make_member(number, first_name=f"M{number[-1]}")
    owner = PoolMembership.objects.get(pool=pool, role="owner", left_at=None)
    _row, code = pools.invite(member_id=owner.member_id, role=role, actor="test", moment=moment)
    pools.join(member_id=member.pk, code=code, actor="test", moment=moment)
    return member


def give(member: Member, points: int, *, ref: str = "", moment: datetime = THEN) -> None:
    """Let a member give points to their pool."""
    pool_points.contribute(
        member_id=member.pk,
        points=points,
        ref=ref or f"{member.pk}-{moment:%Y%m%d%H%M}",
        actor="test",
        moment=moment,
    )


def redeem(pool: Pool, points: int, *, type_: Any = "redeem", moment: datetime = THEN) -> int:
    """Take points from the pool; return the transaction."""
    ledger.settle_due(member_ids=[pool.holder_id], moment=moment, recorded_at=moment, actor="test")
    return ledger.debit(
        wanted=ledger.Debit(
            member_id=pool.holder_id,
            currency_id=pool.currency_id,
            points=points,
            type=type_,
            external_ref=f"r-{points}-{moment:%Y%m%d%H%M}",
            actor="test",
            hold_expires_at=moment + HOUR if type_ == "hold" else None,
        ),
        occurred_at=moment,
        recorded_at=moment,
    )


def has(member: Member, moment: datetime = THEN) -> int:
    """Return the available points of a member, or of the row that holds a pool."""
    found = balance_now(member=member.public_id, moment=moment)
    assert found is not None
    return found.available


def run(job: str, moment: datetime) -> int:
    """Run a job; return how much it did."""
    outcome = jobs.run(periodic.JOBS[job], moment=moment)
    assert outcome.failure == ""
    return outcome.done


def proved() -> bool:
    """Return whether the books themselves add up; the earns made here have no purchase behind."""
    own = [check for check in reconciliation.checks() if check.name[0].isdigit()]
    return reconciliation.verify(own).is_proved


# Founding and joining ------------------------------------------------------------------------


def test_a_pool_is_held_by_a_row_that_is_nobody(home: Pool, ana: Member) -> None:
    mine = reading.open_membership(ana.pk)

    assert mine is not None
    assert (mine.pool, mine.role, mine.share_pct) == (home, "owner", 0)
    assert (home.holder.status, home.holder.first_name, home.holder.user) == ("pool", "", None)
    assert has(home.holder) == 0
    assert proved()


@pytest.mark.parametrize(
    ("_case", "changes", "before", "reason"),
    [
        ("off", None, None, "pools_off"),
        ("suspended", {}, "suspend", "member_suspended"),
        ("too new", {"tenure_days": 11}, None, "too_new"),
    ],
)
def test_what_stands_against_founding_is_said(
    ana: Member, _case: str, changes: dict[str, Any] | None, before: str | None, reason: str
) -> None:
    if changes is None:
        Program.objects.update(pools={})
    else:
        allow(**changes)
    if before == "suspend":
        status.suspend(member_id=ana.pk, moment=THEN)

    with pytest.raises(PoolRefused) as refused:
        pools.found(member_id=ana.pk, kind="household", name="", actor="test", moment=THEN)

    assert [each["code"] for each in refused.value.figures["reasons"]] == [reason]
    assert Pool.objects.count() == 0


def test_an_invitation_lets_one_person_in_once(home: Pool) -> None:
    _row, code = pools.invite(member_id=_owner(home), role="child", actor="test", moment=THEN)
    bea, cai = make_member("6011000002"), make_member("6011000003")

    joined = pools.join(member_id=bea.pk, code=code.lower(), actor="test", moment=THEN)
    with pytest.raises(InviteUnknown):
        pools.join(member_id=cai.pk, code=code, actor="test", moment=THEN)

    assert (joined.pool, joined.role) == (home, "child")
    assert code.encode() not in bytes(PoolInvite.objects.get().digest)
    assert [each.member for each in reading.members_of(home.pk)][1:] == [bea]


def test_an_invitation_is_good_for_seven_days(home: Pool) -> None:
    _row, code = pools.invite(member_id=_owner(home), role="adult", actor="test", moment=THEN)
    bea = make_member("6011000002")

    with pytest.raises(InviteUnknown):
        pools.join(member_id=bea.pk, code=code, actor="test", moment=THEN + 7 * DAY)
    pools.join(
        member_id=bea.pk, code=code, actor="test", moment=THEN + 7 * DAY - timedelta(seconds=1)
    )


def test_nobody_is_in_two_pools_nor_one_too_many_in_one(home: Pool) -> None:
    bea = let_in(home, "6011000002")
    with pytest.raises(PoolRefused, match="already"):
        pools.found(member_id=bea.pk, kind="household", name="", actor="test", moment=THEN)
    _row, spare = pools.invite(member_id=_owner(home), role="adult", actor="test", moment=THEN)
    let_in(home, "6011000003")

    with pytest.raises(PoolRefused, match="as many members"):
        pools.join(member_id=make_member("6011000004").pk, code=spare, actor="test", moment=THEN)

    assert PoolMembership.objects.count() == 3


def test_only_the_owner_invites_and_removes(home: Pool, ana: Member) -> None:
    bea = let_in(home, "6011000002")

    with pytest.raises(NotYourPool):
        pools.invite(member_id=bea.pk, role="adult", actor="test", moment=THEN)
    with pytest.raises(NotYourPool):
        pool_ends.remove(owner_id=bea.pk, member=ana.public_id, actor="test", moment=THEN)
    with pytest.raises(NotYourPool):
        pool_ends.close(owner_id=bea.pk, actor="test", moment=THEN)


# Giving --------------------------------------------------------------------------------------


def test_points_given_keep_their_end_and_their_giver(home: Pool, ana: Member) -> None:
    give(ana, 150)

    assert (has(ana), has(home.holder)) == (50, 150)
    lots = PointLot.objects.filter(account__member=home.holder).order_by("expires_at")
    assert [(lot.points, lot.expires_at) for lot in lots] == [
        (120, NOON + 90 * DAY),
        (30, None),
    ]
    assert {lot.contributor_id for lot in reading.lots_of(home)} == {ana.pk}
    assert {lot.moved_from and lot.moved_from.account.member_id for lot in lots} == {ana.pk}
    types = LedgerTransaction.objects.filter(source="pool").order_by("pk")
    assert [(each.type, each.member_id) for each in types] == [
        ("pool_out", ana.pk),
        ("pool_in", home.holder_id),
    ]
    assert proved()


@pytest.mark.parametrize(
    ("_case", "points", "cap", "before", "reason"),
    [
        ("more than there is", 201, None, "", "insufficient_points"),
        ("more than fits", 101, 100, "", "pool_full"),
        ("suspended", 10, None, "suspend", "member_suspended"),
        ("in debt", 10, None, "owe", "in_debt"),
    ],
)
def test_what_stands_against_giving_is_said(
    home: Pool, ana: Member, _case: str, points: int, cap: int | None, before: str, reason: str
) -> None:
    allow(cap=cap)
    if before == "suspend":
        status.suspend(member_id=ana.pk, moment=THEN)
    if before == "owe":
        owe(ana, 250)

    with pytest.raises(PoolRefused) as refused:
        give(ana, points)

    assert refused.value.figures["reasons"][0]["code"] == reason
    assert has(home.holder) == 0


def test_who_is_in_no_pool_gives_to_none(ana: Member) -> None:
    with pytest.raises(NotInAPool):
        give(ana, 10)


# Shares --------------------------------------------------------------------------------------


def test_a_share_of_each_earn_goes_to_the_pool(home: Pool, ana: Member) -> None:
    pools.set_share(member_id=ana.pk, share_pct=30, actor="test", moment=THEN)
    earn(ana, 99, at=THEN + HOUR)
    earn(ana, 10, at=THEN + 2 * HOUR)

    assert run("share_with_pools", THEN + 3 * HOUR) == 1

    # 29.7 and 3, rounded down; nothing of the 200 earned before.
    assert (has(ana, THEN + DAY), has(home.holder, THEN + DAY)) == (200 + 109 - 32, 32)
    assert run("share_with_pools", THEN + 4 * HOUR) == 0
    assert proved()


def test_a_share_is_dated_at_its_earn_however_late_the_job_runs(home: Pool, ana: Member) -> None:
    pools.set_share(member_id=ana.pk, share_pct=50, actor="test", moment=THEN)
    earn(ana, 100, at=THEN + HOUR)

    run("share_with_pools", THEN + 5 * DAY)

    late = THEN + 6 * DAY
    for at, held in [(THEN + HOUR - timedelta(seconds=1), 0), (THEN + HOUR, 50), (late, 50)]:
        found = balance_as_of(member=home.holder.public_id, as_of=at, known_at=late)
        assert found is not None
        assert found.available == held


def test_what_waits_is_shared_when_it_becomes_available(home: Pool, ana: Member) -> None:
    pools.set_share(member_id=ana.pk, share_pct=50, actor="test", moment=THEN)
    earn(ana, 100, at=THEN + HOUR, available_at=THEN + 3 * DAY)

    run("share_with_pools", THEN + DAY)
    before = has(home.holder, THEN + DAY)
    ledger.settle_due(
        member_ids=[ana.pk], moment=THEN + 3 * DAY, recorded_at=THEN + 3 * DAY, actor="test"
    )
    run("share_with_pools", THEN + 4 * DAY)

    assert (before, has(home.holder, THEN + 4 * DAY)) == (0, 50)


@pytest.mark.parametrize(
    ("_case", "cap", "spent", "suspended", "shared"),
    [
        ("whole", None, 0, False, 50),
        ("up to the cap", 20, 0, False, 20),
        ("what is left of it", None, 280, False, 20),
        ("not of a suspended member", None, 0, True, 0),
    ],
)
def test_no_more_is_shared_than_is_left_and_fits(
    home: Pool,
    ana: Member,
    _case: str,
    cap: int | None,
    spent: int,
    suspended: bool,
    shared: int,
) -> None:
    allow(cap=cap)
    pools.set_share(member_id=ana.pk, share_pct=50, actor="test", moment=THEN)
    earn(ana, 100, at=THEN + HOUR)
    if spent:
        ledger.debit(
            wanted=ledger.Debit(
                member_id=ana.pk,
                currency_id=home.currency_id,
                points=spent,
                type="redeem",
                external_ref="spent",
                actor="test",
            ),
            occurred_at=THEN + 2 * HOUR,
            recorded_at=THEN + 2 * HOUR,
        )
    if suspended:
        status.suspend(member_id=ana.pk, moment=THEN)

    run("share_with_pools", THEN + 3 * HOUR)

    assert has(home.holder, THEN + 3 * HOUR) == shared
    assert run("share_with_pools", THEN + 4 * HOUR) == 0


def test_a_new_share_holds_for_what_is_earned_from_then_on(home: Pool, ana: Member) -> None:
    pools.set_share(member_id=ana.pk, share_pct=50, actor="test", moment=THEN)
    earn(ana, 100, at=THEN + HOUR)
    pools.set_share(member_id=ana.pk, share_pct=10, actor="test", moment=THEN + 2 * HOUR)
    earn(ana, 100, at=THEN + 3 * HOUR)

    run("share_with_pools", THEN + DAY)

    assert has(home.holder, THEN + DAY) == 50 + 10


# Leaving -------------------------------------------------------------------------------------


def test_who_leaves_takes_their_own_points_that_are_left(home: Pool, ana: Member) -> None:
    bea = let_in(home, "6011000002")
    earn(bea, 100, expires_at=NOON + 30 * DAY)
    give(ana, 120)
    give(bea, 100)
    # Bea's end first.
    redeem(home, 130, moment=THEN + HOUR)

    came_back = pool_ends.leave(member_id=bea.pk, actor="test", moment=THEN + 2 * HOUR)

    assert came_back == 0
    assert (has(bea, THEN + DAY), has(home.holder, THEN + DAY)) == (0, 90)
    assert pool_ends.leave(member_id=ana.pk, actor="test", moment=THEN + DAY) == 90
    lots = PointLot.objects.filter(account__member=ana, remaining__gt=0)
    assert sorted((lot.remaining, lot.expires_at) for lot in lots) == [
        (80, None),
        (90, NOON + 90 * DAY),
    ]
    assert proved()


def test_an_owner_who_leaves_hands_the_pool_on(home: Pool, ana: Member) -> None:
    let_in(home, "6011000002", role="child")
    cai = let_in(home, "6011000003", moment=THEN + HOUR)
    give(ana, 50)

    pool_ends.leave(member_id=ana.pk, actor="test", moment=THEN + DAY)

    home.refresh_from_db()
    assert (home.closed_at, _owner(home)) == (None, cai.pk)
    assert has(ana, THEN + DAY) == 200


def test_a_pool_of_children_ends_and_everybody_has_theirs_back(home: Pool, ana: Member) -> None:
    child = let_in(home, "6011000002", role="child")
    earn(child, 40)
    give(child, 40)
    give(ana, 50)

    pool_ends.leave(member_id=ana.pk, actor="test", moment=THEN + DAY)

    home.refresh_from_db()
    assert (home.closed_at, home.name) == (THEN + DAY, "")
    assert (has(ana), has(child), has(home.holder)) == (200, 40, 0)
    assert reading.open_membership(child.pk) is None
    delivery.deliver_due(moment=THEN + DAY)
    told = Message.objects.get(member=child, kind="pool_ended")
    assert (told.title, told.body) == ("Your pool has ended", "40 points came back to you.")


def test_an_owner_removes_somebody_and_closes_the_pool(home: Pool, ana: Member) -> None:
    bea = let_in(home, "6011000002")
    earn(bea, 70)
    give(bea, 70)

    assert pool_ends.remove(owner_id=ana.pk, member=bea.public_id, actor="test", moment=THEN) == 70
    pool_ends.close(owner_id=ana.pk, actor="test", moment=THEN)

    assert has(bea) == 70
    assert PoolMembership.objects.filter(left_at=None).count() == 0
    endings = PoolMembership.objects.order_by("pk").values_list("ending", flat=True)
    assert list(endings) == ["closed", "removed"]


def test_what_was_earned_until_somebody_leaves_is_shared_first(home: Pool, ana: Member) -> None:
    bea = let_in(home, "6011000002")
    pools.set_share(member_id=bea.pk, share_pct=50, actor="test", moment=THEN)
    earn(bea, 100, at=THEN + HOUR)

    assert pool_ends.leave(member_id=bea.pk, actor="test", moment=THEN + DAY) == 50

    assert (has(bea, THEN + DAY), has(home.holder, THEN + DAY)) == (100, 0)


def test_points_that_come_back_later_follow_who_left(home: Pool, ana: Member) -> None:
    bea = let_in(home, "6011000002")
    earn(bea, 100)
    give(bea, 100)
    redeem(home, 60, type_="hold")
    assert pool_ends.leave(member_id=bea.pk, actor="test", moment=THEN) == 40

    ledger.settle_due(
        member_ids=[home.holder_id], moment=THEN + DAY, recorded_at=THEN + DAY, actor="test"
    )
    assert has(home.holder, THEN + DAY) == 60
    assert run("sweep_pools", THEN + DAY) == 1

    assert (has(bea, THEN + DAY), has(home.holder, THEN + DAY)) == (100, 0)
    assert run("sweep_pools", THEN + DAY) == 0
    assert proved()


def test_points_of_a_pool_end_and_its_owner_is_told(home: Pool, ana: Member) -> None:
    give(ana, 120)
    ends = NOON + 90 * DAY

    run("expire_points", ends)
    delivery.deliver_due(moment=ends)

    assert has(home.holder, ends) == 0
    told = Message.objects.get(kind="points_expired")
    assert (told.member, told.title) == (ana, "120 points expired")
    assert told.body.endswith("They are points of your pool.")
    assert proved()


# Members who go, and what they owe -----------------------------------------------------------


def test_a_debt_is_paid_by_what_comes_back(home: Pool, ana: Member) -> None:
    give(ana, 200)
    owe(ana, 70)

    pool_ends.leave(member_id=ana.pk, actor="test", moment=THEN + DAY)

    found = balance_now(member=ana.public_id, moment=THEN + DAY)
    assert found is not None
    assert (found.available, found.debt) == (130, 0)


def test_erasure_ends_the_time_in_a_pool(home: Pool, ana: Member) -> None:
    bea = let_in(home, "6011000002")
    earn(bea, 30)
    give(bea, 30)
    give(ana, 50)

    forfeited = privacy.erase(member=ana, confirm=ana.number, actor="test", moment=THEN + DAY)

    home.refresh_from_db()
    assert forfeited == {"points": 200}
    assert (home.name, _owner(home), has(home.holder)) == ("", bea.pk, 30)
    assert proved()


def test_a_merged_member_leaves_and_the_survivor_has_the_points(home: Pool, ana: Member) -> None:
    bea, again = let_in(home, "6011000002"), make_member("6011000003")
    earn(bea, 30)
    give(bea, 30)

    merging.merge(
        wanted=Wanted(
            survivor_id=again.pk,
            merged_id=bea.pk,
            reason="twice",
            tier=MemberMerge.KeepTier.OWN,
        ),
        by=None,
        moment=THEN + DAY,
    )

    assert (has(again), has(home.holder)) == (30, 0)
    assert PoolMembership.objects.get(member=bea).ending == "merged"
    assert proved()


def test_a_survivor_stays_in_their_pool(home: Pool, ana: Member) -> None:
    other = make_member("6011000003")
    earn(other, 30)
    give(ana, 50)

    merging.merge(
        wanted=Wanted(survivor_id=ana.pk, merged_id=other.pk, reason="twice"),
        by=None,
        moment=THEN + DAY,
    )
    give(ana, 180, moment=THEN + DAY)

    assert (has(ana), has(home.holder)) == (0, 230)
    assert pool_ends.leave(member_id=ana.pk, actor="test", moment=THEN + 2 * DAY) == 230


def test_the_copy_says_in_which_pools_somebody_was_and_not_who_else(
    home: Pool, ana: Member
) -> None:
    bea = let_in(home, "6011000002")
    pool_ends.leave(member_id=bea.pk, actor="test", moment=THEN + DAY)

    held = rows_held(bea)

    assert [(row["role"], row["ending"]) for row in held["members.poolmembership"]] == [
        ("adult", "left")
    ]
    assert {row["number"] for row in held["members.member"]} == {bea.number}


# What the database refuses -------------------------------------------------------------------


def test_nobody_gets_out_of_a_pool_what_another_gave(home: Pool, ana: Member) -> None:
    bea = let_in(home, "6011000002")
    give(ana, 50)
    lot = reading.lots_of(home)[0]

    with pytest.raises(IntegrityError, match="out of it to who gave them"), transaction.atomic():
        pool_points._move(home, home.holder_id, bea.pk, {lot.id: 10}, "x", "test", THEN, THEN)

    assert has(home.holder) == 50


def test_nobody_outside_gives_to_a_pool(home: Pool, ana: Member) -> None:
    stranger = make_member("6011000009")
    earn(stranger, 10)
    lot = PointLot.objects.get(account=account(stranger))

    with pytest.raises(IntegrityError, match="by its members"), transaction.atomic():
        pool_points._move(home, stranger.pk, home.holder_id, {lot.pk: 10}, "x", "test", THEN, THEN)

    assert has(stranger) == 10


@pytest.mark.parametrize(
    ("_case", "change"),
    [
        ("somebody becomes a pool", lambda home, ana: _set(Member, ana.pk, status="pool")),
        (
            "a pool becomes somebody",
            lambda home, ana: _set(Member, home.holder_id, status="active"),
        ),
        (
            "a pool has a name of a person",
            lambda home, ana: _set(Member, home.holder_id, first_name="X"),
        ),
        ("another kind", lambda home, ana: _set(Pool, home.pk, kind="company")),
        ("closed with somebody in it", lambda home, ana: _set(Pool, home.pk, closed_at=THEN)),
        ("a pool deleted", lambda home, ana: Pool.objects.all()._raw_delete("default")),
        ("another member", lambda home, ana: PoolMembership.objects.update(member=home.holder)),
        ("joined earlier", lambda home, ana: PoolMembership.objects.update(joined_at=NOON)),
        ("shared anew", lambda home, ana: PoolMembership.objects.update(shared_through=-1)),
        ("more than all", lambda home, ana: PoolMembership.objects.update(share_pct=101)),
        ("left without a word", lambda home, ana: PoolMembership.objects.update(left_at=THEN)),
        (
            "a pool in a pool",
            lambda home, ana: PoolMembership.objects.create(
                pool=home, member=home.holder, role="adult", share_pct=0,
                joined_at=THEN, shared_at=THEN,
            ),
        ),
    ],
)  # fmt: skip
def test_the_database_keeps_pools_true(home: Pool, ana: Member, _case: str, change: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        change(home, ana)


def _set(model: Any, pk: int, **values: Any) -> None:
    assert model.objects.filter(pk=pk).update(**values) == 1


def _owner(pool: Pool) -> int:
    return PoolMembership.objects.get(pool=pool, role="owner", left_at=None).member_id
