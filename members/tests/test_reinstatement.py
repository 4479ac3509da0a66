"""Expired points that staff give back: how many, for how long, why, and never twice."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
import pytest
from django.db import connection

from members.models import (
    Approval,
    LedgerAccount,
    LedgerNote,
    LedgerTransaction,
    Member,
    PointCurrency,
    PointLot,
    Reinstatement,
    User,
)
from members.queries.balances import balance_as_of, balance_now
from members.queries.expired import expiries_of
from members.services import approvals, ledger, privacy, reconciliation, reinstatement
from members.services.adjustments import ExpiryPassed, ReasonUnsuitable
from members.services.approvals import OwnAccount, SamePerson
from members.services.reinstatement import NothingToReinstate
from members.tests import staff
from members.tests.people import DAY, NOON, account, earn, make_member, make_program
from members.tests.test_adjustments import held, owe

State = Approval.State
LATE = NOON + 40 * DAY


@pytest.fixture
def member(db: None) -> Member:
    """Return a member whose 60 and 40 points expired together; staff may move 100 alone."""
    make_program()
    staff.set_limits(100, 250)
    found = make_member()
    for points in (60, 40):
        earn(found, points, expires_at=NOON + 30 * DAY)
    settle(found)
    return found


@pytest.fixture
def ann(member: Member) -> User:
    """Return one of the staff."""
    return staff.clerk("ann")


def settle(member: Member, moment: datetime = LATE) -> None:
    """Post what is due by the moment."""
    ledger.settle_due(member_ids=[member.pk], moment=moment, recorded_at=moment, actor="test")


def expiry_of(member: Member) -> int:
    """Return the latest expiry of the member."""
    return LedgerTransaction.objects.filter(member=member, type="expire").latest("pk").pk


def wish(member: Member, points: int | None = None, **told: Any) -> reinstatement.Wish:
    reason = staff.wish(member, 1, reason=told.pop("reason", "goodwill")).reason
    expiry_id = told.pop("expiry_id", None) or expiry_of(member)
    return reinstatement.Wish(
        member_id=member.pk, expiry_id=expiry_id, reason=reason, points=points, **told
    )


def reinstate(member: Member, by: User, points: int | None = None, **told: Any) -> Reinstatement:
    return reinstatement.reinstate(wish=wish(member, points, **told), by=by, moment=LATE)


def test_expired_points_come_back_as_new_lots_that_continue_the_old_ones(
    member: Member, ann: User
) -> None:
    made = reinstate(member, ann, note="As promised on the telephone")

    posted = made.transaction
    assert posted is not None
    lots = PointLot.objects.filter(transaction=posted).order_by("moved_from_id")
    assert made.approval.state == State.POSTED
    assert held(member) == {"available": 100}
    assert (posted.type, posted.source, posted.reason_code) == (
        *("reinstate", "reinstatement", "goodwill"),
    )
    assert [(lot.points, lot.moved_from.points) for lot in lots if lot.moved_from] == [
        *((60, 60), (40, 40)),
    ]
    # Without an end of their own they last for 30 days of grace, through a whole day.
    assert {lot.expires_at for lot in lots} == {(LATE + 31 * DAY).replace(hour=0)}
    assert LedgerNote.objects.get(transaction=posted).text == "As promised on the telephone"
    assert reconciliation.verify().is_proved


def test_points_come_back_in_parts_and_never_more_than_expired(member: Member, ann: User) -> None:
    reinstate(member, ann, 70)
    left = expiries_of(member_id=member.pk, expiry_id=expiry_of(member))[0]
    with pytest.raises(NothingToReinstate, match="31 points asked, 30 can be given back"):
        reinstate(member, ann, 31)

    reinstate(member, ann)

    assert [(lot.given_back, lot.left) for lot in left.lots] == [(60, 0), (10, 30)]
    assert held(member) == {"available": 100}
    with pytest.raises(NothingToReinstate, match="0 points asked, 0 can be given back"):
        reinstate(member, ann)
    assert reconciliation.verify().is_proved


def test_a_form_that_is_sent_twice_gives_back_once(member: Member, ann: User) -> None:
    once = wish(member, 30)

    made = [reinstatement.reinstate(wish=once, by=ann, moment=LATE) for _ in range(2)]

    assert made[0].pk == made[1].pk
    assert held(member) == {"available": 30}


def test_points_above_the_limit_wait_for_a_second_person(member: Member, ann: User) -> None:
    staff.set_limits(50, 250)
    made = reinstate(member, ann)
    assert (made.approval.state, held(member)) == (State.REQUESTED, {})
    with pytest.raises(SamePerson):
        approvals.approve(approval_id=made.pk, by=ann, moment=LATE)

    approvals.approve(approval_id=made.pk, by=staff.clerk("ben"), moment=LATE + DAY)

    assert held(member) == {"available": 100}
    lot = PointLot.objects.filter(moved_from__isnull=False)[0]
    assert lot.expires_at == (LATE + 32 * DAY).replace(hour=0)


def test_what_was_given_back_while_another_request_waited_is_not_given_twice(
    member: Member, ann: User
) -> None:
    staff.set_limits(50, 250)
    waiting = reinstate(member, ann)
    reinstate(member, ann, 1)

    with pytest.raises(NothingToReinstate):
        approvals.approve(approval_id=waiting.pk, by=staff.clerk("ben"), moment=LATE)

    assert held(member) == {"available": 1}
    assert Approval.objects.get(pk=waiting.pk).state == State.REQUESTED


def test_points_given_back_pay_debt_first(member: Member, ann: User) -> None:
    owe(member, 70)

    made = reinstate(member, ann)

    assert held(member) == {"available": 30}
    lots = PointLot.objects.filter(transaction=made.transaction).order_by("moved_from_id")
    assert [(lot.points, lot.remaining) for lot in lots] == [(60, 0), (40, 30)]
    assert reconciliation.verify().is_proved


def test_points_given_back_can_have_an_end_of_their_own_and_expire_again(
    member: Member, ann: User
) -> None:
    reinstate(member, ann, 100, expires_at=LATE + 5 * DAY)

    settle(member, LATE + 6 * DAY)

    assert held(member) == {}
    again, first = expiries_of(member_id=member.pk, limit=5)
    assert (again.left, again.expired_at) == (100, LATE + 5 * DAY)
    assert (first.left, first.given_back) == (0, 100)
    assert reconciliation.verify().is_proved


def test_points_that_activity_renews_are_renewed_again_when_they_came_back(
    member: Member, ann: User
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_post(%s::bigint, %s::timestamptz, jsonb_build_object('headers',"
            " jsonb_build_array(jsonb_build_object('member', %s::bigint, 'currency', %s::bigint,"
            " 'type', 'earn', 'source', 'grant', 'ref', 'i-1', 'actor', 'test',"
            " 'occurred_at', %s::timestamptz)), 'lots', jsonb_build_array(jsonb_build_object("
            "'h', 0, 'account', %s::bigint, 'points', 25, 'earned_at', %s::timestamptz,"
            " 'available_at', %s::timestamptz, 'expires_at', %s::timestamptz, 'renew_months', 1)),"
            " 'uses', '[]'::jsonb, 'entries', jsonb_build_array("
            "jsonb_build_object('h', 0, 'account', %s::bigint, 'points', -25),"
            "jsonb_build_object('h', 0, 'account', %s::bigint, 'points', 25))))",
            [
                *(member.program_id, NOON, member.pk, staff.points().pk, NOON),
                *(account(member), NOON, NOON, NOON + 31 * DAY),
                LedgerAccount.objects.get(member=None, kind="issued", currency__code="points").pk,
                account(member),
            ],
        )
    settle(member)

    made = reinstate(member, ann, expires_at=LATE + 3 * DAY)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_renew(jsonb_build_array(jsonb_build_object('account', %s::bigint,"
            " 'act', 'purchase', 'at', %s::timestamptz)), %s::timestamptz)",
            [account(member), LATE + DAY, LATE + DAY],
        )
    settle(member, LATE + 4 * DAY)

    assert PointLot.objects.get(transaction=made.transaction).renew_months == 1
    assert held(member) == {"available": 25}


def test_balances_of_the_past_know_nothing_of_what_came_back_later(
    member: Member, ann: User
) -> None:
    reinstate(member, ann)

    instants = (NOON + DAY, NOON + 31 * DAY, LATE)
    found = [
        balance_as_of(member=member.public_id, as_of=at, known_at=LATE, currency="points")
        for at in instants
    ]

    assert [each.available for each in found if each] == [100, 0, 100]
    now = balance_now(member=member.public_id, moment=LATE, currency="points")
    assert now is not None
    assert [part.points for part in now.expiring] == [100]


@pytest.mark.parametrize(
    ("_case", "told", "refusal"),
    [
        ("a reason for taking", {"reason": "misuse"}, ReasonUnsuitable),
        ("an end that is over", {"expires_at": LATE}, ExpiryPassed),
        ("no expiry", {"expiry_id": 1}, NothingToReinstate),
        ("fewer than none", {"points": -5}, NothingToReinstate),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_given_back_is_refused_and_moves_nothing(
    _case: str, told: dict[str, Any], refusal: type[Exception], member: Member, ann: User
) -> None:
    with pytest.raises(refusal):
        reinstate(member, ann, told.pop("points", None), **told)

    assert held(member) == {}
    assert not Approval.objects.exists()


def test_nobody_gives_points_back_to_themself(member: Member, ann: User) -> None:
    Member.objects.filter(pk=member.pk).update(user=ann)

    with pytest.raises(OwnAccount):
        reinstate(member, ann)

    assert held(member) == {}


def test_expiries_of_others_and_of_the_erased_give_nothing_back(member: Member, ann: User) -> None:
    other = make_member("6011000002")
    with pytest.raises(NothingToReinstate):
        reinstate(other, ann, expiry_id=expiry_of(member))
    reinstate(member, ann, 10, note="For Ada")

    privacy.erase(member=member, confirm=member.number, actor="test", moment=LATE)

    assert expiries_of(member_id=member.pk, limit=5) == ()
    assert Reinstatement.objects.get().note == ""
    assert not LedgerNote.objects.exists()
    with pytest.raises(NothingToReinstate):
        reinstate(member, ann)


def test_the_proof_finds_a_lot_that_got_more_back_than_expired(
    committed_database: str, database_urls: dict[str, str]
) -> None:
    make_program()
    staff.set_limits(100, 250)
    member = make_member()
    earn(member, 80, expires_at=NOON + 30 * DAY)
    settle(member)
    reinstate(member, staff.clerk("ann"))
    check = next(c for c in reconciliation.checks() if c.name == "22_reinstated_within")

    with psycopg.connect(database_urls["superuser"]) as root:
        sound = root.execute(check.sql.encode()).fetchall()
        root.execute(b"SET session_replication_role = replica")
        root.execute(b"UPDATE members_lotuse SET points = 79 WHERE kind = 'expire'")
        damaged = root.execute(check.sql.encode()).fetchall()
        root.rollback()

    assert sound == []
    assert [row[1] for row in damaged] == [80]


def test_a_currency_whose_points_never_end_has_nothing_to_give_back(db: None) -> None:
    make_program()
    member = make_member()
    earn(member, 50)
    settle(member)

    assert PointCurrency.objects.count() == 2
    assert expiries_of(member_id=member.pk, limit=5) == ()
