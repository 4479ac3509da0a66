"""Old debts are listed, asked for by one person and forgiven by another."""

from __future__ import annotations

import pytest

from members.models import Approval, LedgerTransaction, Member, User
from members.services import approvals, reconciliation, write_offs
from members.services.approvals import OwnAccount, SamePerson
from members.services.write_offs import NothingOwed
from members.tests import staff
from members.tests.people import DAY, NOON, account, earn, make_member, make_program
from members.tests.test_adjustments import held, owe

LATER = NOON + 400 * DAY


@pytest.fixture
def member(db: None) -> Member:
    """Return a member who owes 60 points since noon."""
    make_program()
    found = make_member()
    owe(found, 60)
    return found


@pytest.fixture
def ann(member: Member) -> User:
    """Return one of the staff."""
    return staff.clerk("ann")


def ask(member: Member, by: User) -> Approval:
    return write_offs.request(
        account_id=account(member, "debt"), by=by, why="Moved away", moment=LATER
    )


def test_a_debt_is_listed_when_it_did_not_move_for_a_year(member: Member) -> None:
    young = write_offs.old_debts(moment=NOON + 360 * DAY)
    (old,) = write_offs.old_debts(moment=LATER)

    assert young == []
    assert (old.number, old.currency, old.points, old.since) == (member.number, "points", 60, NOON)


def test_a_small_debt_too_is_forgiven_by_a_second_person_alone(member: Member, ann: User) -> None:
    asked = ask(member, ann)
    with pytest.raises(SamePerson):
        approvals.approve(approval_id=asked.pk, by=ann, moment=LATER)
    assert held(member) == {"debt": -60}

    approvals.approve(approval_id=asked.pk, by=staff.clerk("ben"), moment=LATER)

    assert held(member) == {}
    assert LedgerTransaction.objects.latest("pk").type == "write_off"
    assert write_offs.old_debts(moment=LATER) == []
    assert reconciliation.verify().is_proved


def test_what_was_paid_meanwhile_is_not_forgiven(member: Member, ann: User) -> None:
    asked = ask(member, ann)
    earn(member, 45, at=LATER)

    approvals.approve(approval_id=asked.pk, by=staff.clerk("ben"), moment=LATER)

    assert held(member) == {}
    assert reconciliation.verify().is_proved


def test_a_debt_that_is_paid_is_not_written_off(member: Member, ann: User) -> None:
    asked = ask(member, ann)
    earn(member, 60, at=LATER)

    with pytest.raises(NothingOwed):
        approvals.approve(approval_id=asked.pk, by=staff.clerk("ben"), moment=LATER)

    assert Approval.objects.get().state == "requested"


def test_a_debt_is_asked_for_once_and_never_by_whoever_owes_it(member: Member, ann: User) -> None:
    ben = staff.clerk("ben")
    Member.objects.filter(pk=member.pk).update(user=ben)
    with pytest.raises(OwnAccount):
        ask(member, ben)
    ask(member, ann)

    with pytest.raises(NothingOwed):
        ask(member, ann)

    assert Approval.objects.count() == 1
    assert held(member) == {"debt": -60}
