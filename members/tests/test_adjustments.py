"""Points given and taken by hand: what one person may do, what needs a second, and what stays."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from members.lots import InsufficientPoints
from members.models import (
    Adjustment,
    Approval,
    Evidence,
    LedgerAccount,
    LedgerNote,
    LedgerTransaction,
    Member,
    PointLot,
    StaffDay,
    TierMembership,
    User,
)
from members.services import adjustments, approvals, privacy, reconciliation
from members.services.adjustments import ExpiryPassed, ReasonUnsuitable
from members.services.approvals import (
    DailyCapReached,
    NotWaiting,
    OwnAccount,
    SamePerson,
    SecondPersonNeeded,
)
from members.services.evidence import BYTES_MAX, EvidenceUnsuitable, File
from members.tests import staff
from members.tests.people import DAY, NOON, earn, make_member, make_program

State = Approval.State
PDF = File("letter.pdf", b"%PDF-1.7 a letter")


@pytest.fixture
def member(db: None) -> Member:
    """Return a member of a program in which one person may move 100 points at once, 250 a day."""
    make_program()
    staff.set_limits(100, 250)
    return make_member()


@pytest.fixture
def ann(member: Member) -> User:
    """Return one of the staff."""
    return staff.clerk("ann")


@pytest.fixture
def ben(member: Member) -> User:
    """Return another."""
    return staff.clerk("ben")


def held(member: Member) -> dict[str, int]:
    """Return the balances of points that are not zero."""
    rows = LedgerAccount.objects.filter(member=member, currency__code="points").exclude(balance=0)
    return dict(rows.values_list("kind", "balance"))


def owe(member: Member, number: int) -> None:
    """Let the member owe points, as after a return of what was spent."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM ledger_adjust_debit(%s::bigint, %s::bigint, %s::bigint, 'adjust_debit',"
            " 'adjusted', 'test', 'owed', 'test', %s::timestamptz, %s::timestamptz, '',"
            " NULL::bigint, false, 'debt')",
            [member.pk, staff.points().pk, number, NOON, NOON],
        )


def test_a_small_credit_is_posted_at_once_with_its_expiry_reason_and_note(
    member: Member, ann: User
) -> None:
    made = staff.adjust(member, 100, ann, reason="goodwill", note="Sorry for the wait", file=PDF)

    posted = made.transaction
    assert posted is not None
    lot = PointLot.objects.get(transaction=posted)
    assert made.approval.state == State.POSTED
    assert held(member) == {"available": 100}
    assert (posted.type, posted.source, posted.reason_code) == (
        *("adjust_credit", "adjustment", "goodwill"),
    )
    assert (posted.external_ref, posted.actor) == (
        *(str(made.approval.public_id), f"staff:{ann.pk}"),
    )
    assert (lot.points, lot.expires_at) == (100, NOON + 365 * DAY)
    assert LedgerNote.objects.get(transaction=posted).text == "Sorry for the wait"
    assert Evidence.objects.get(approval=made.approval).content_type == "application/pdf"
    assert reconciliation.verify().is_proved


def test_a_form_that_is_sent_twice_gives_once(member: Member, ann: User) -> None:
    wish = staff.wish(member, 40)

    first, second = (adjustments.adjust(wish=wish, by=ann, moment=NOON) for _ in range(2))

    assert first.pk == second.pk
    assert held(member) == {"available": 40}


def test_a_large_credit_waits_for_a_second_person(member: Member, ann: User, ben: User) -> None:
    made = staff.adjust(member, 101, ann)
    assert made.approval.state == State.REQUESTED
    assert held(member) == {}

    approvals.approve(approval_id=made.pk, by=ben, moment=NOON + DAY)

    made.refresh_from_db()
    assert (made.approval.state, made.approval.decided_by) == (State.POSTED, ben)
    assert held(member) == {"available": 101}
    assert not StaffDay.objects.exists()
    assert reconciliation.verify().is_proved


def test_nobody_approves_what_they_asked_for(member: Member, ann: User) -> None:
    made = staff.adjust(member, 101, ann)

    with pytest.raises(SamePerson):
        approvals.approve(approval_id=made.pk, by=ann, moment=NOON)

    made.refresh_from_db()
    assert made.approval.state == State.REQUESTED
    assert held(member) == {}


def test_nobody_moves_points_of_their_own_account(member: Member, ann: User, ben: User) -> None:
    waiting = staff.adjust(member, 101, ann)
    Member.objects.filter(pk=member.pk).update(user=ben)

    with pytest.raises(OwnAccount):
        staff.adjust(member, 1, ben)
    with pytest.raises(OwnAccount):
        approvals.approve(approval_id=waiting.pk, by=ben, moment=NOON)

    assert held(member) == {}
    assert Approval.objects.get().state == State.REQUESTED


def test_a_person_who_became_the_member_posts_nothing_alone_and_reverses_nothing(
    member: Member, ann: User
) -> None:
    made = staff.adjust(member, 50, ann)
    Member.objects.filter(pk=member.pk).update(user=ann)

    with pytest.raises(OwnAccount):
        adjustments.reverse(approval_id=made.pk, by=ann, moment=NOON)

    assert held(member) == {"available": 50}


def test_what_one_person_gives_alone_in_a_day_is_capped(
    member: Member, ann: User, ben: User
) -> None:
    for _ in range(2):
        staff.adjust(member, 100, ann)
    third = staff.adjust(member, 100, ann)
    fits = staff.adjust(member, 50, ann)
    others = staff.adjust(member, 100, ben)
    next_day = staff.adjust(member, 100, ann, moment=NOON + DAY)

    assert third.approval.state == State.REQUESTED
    assert [each.approval.state for each in (fits, others, next_day)] == [State.POSTED] * 3
    assert held(member) == {"available": 450}
    assert StaffDay.objects.get(user=ann, day=NOON.date()).points == 250
    with pytest.raises(DailyCapReached):
        approvals.ACTS[third.approval.act].post(third.approval, NOON)


def test_taking_points_counts_against_the_day_too(member: Member, ann: User) -> None:
    earn(member, 500)

    made = [staff.adjust(member, -100, ann).approval.state for _ in range(3)]

    assert made == [State.POSTED, State.POSTED, State.REQUESTED]
    assert held(member) == {"available": 300}


def test_a_debit_that_exceeds_the_balance_is_refused_and_leaves_nothing(
    member: Member, ann: User
) -> None:
    earn(member, 30)

    with pytest.raises(InsufficientPoints, match="31 points asked, 30 available"):
        staff.adjust(member, -31, ann)

    assert not Approval.objects.exists()
    assert held(member) == {"available": 30}


def test_a_debit_within_the_balance_takes_what_is_there(member: Member, ann: User) -> None:
    earn(member, 30)

    made = staff.adjust(member, -100, ann, is_within_balance=True)
    nothing = staff.adjust(member, -10, ann, is_within_balance=True)

    assert (made.moved_points, nothing.moved_points, nothing.transaction) == (30, 0, None)
    assert held(member) == {}


def test_a_debit_counts_what_became_available_meanwhile(member: Member, ann: User) -> None:
    waiting = make_member("6011000099")
    earn(waiting, 60, available_at=NOON + DAY)

    done = staff.adjust(waiting, -50, ann, moment=NOON + 2 * DAY)

    assert (done.moved_points, held(waiting)) == (50, {"available": 10})


def test_a_debit_takes_what_ends_first(member: Member, ann: User) -> None:
    earn(member, 30, expires_at=NOON + 90 * DAY)
    earn(member, 30, expires_at=NOON + 10 * DAY)

    staff.adjust(member, -40, ann)

    assert list(PointLot.objects.order_by("pk").values_list("remaining", flat=True)) == [20, 0]


def test_a_debit_that_no_longer_fits_waits_on_and_moves_nothing(
    member: Member, ann: User, ben: User
) -> None:
    earn(member, 200)
    made = staff.adjust(member, -150, ann)
    staff.adjust(member, -100, ann)

    with pytest.raises(InsufficientPoints):
        approvals.approve(approval_id=made.pk, by=ben, moment=NOON)

    made.refresh_from_db()
    assert made.approval.state == State.REQUESTED
    assert held(member) == {"available": 100}


def test_a_credit_pays_debt_first(member: Member, ann: User) -> None:
    owe(member, 60)

    staff.adjust(member, 100, ann)

    lot = PointLot.objects.get()
    assert held(member) == {"available": 40}
    assert (lot.points, lot.remaining) == (100, 40)
    assert reconciliation.verify().is_proved


@pytest.mark.parametrize(
    ("_case", "told", "refusal"),
    [
        ("a reason for the other direction", {"reason": "misuse"}, ReasonUnsuitable),
        ("an end in the past", {"expires_at": NOON}, ExpiryPassed),
        ("a program as evidence", {"file": File("run.pdf", b"MZ")}, EvidenceUnsuitable),
        (
            "a file that is too large",
            {"file": File("long.pdf", b"%PDF-" + bytes(BYTES_MAX))},
            EvidenceUnsuitable,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unsound_wishes_are_refused_and_leave_nothing(
    _case: str, told: dict[str, Any], refusal: type[Exception], member: Member, ann: User
) -> None:
    with pytest.raises(refusal):
        staff.adjust(member, 50, ann, **told)

    assert not Approval.objects.exists()
    assert held(member) == {}


def test_an_act_is_decided_once(member: Member, ann: User, ben: User) -> None:
    made = staff.adjust(member, 101, ann)
    approvals.approve(approval_id=made.pk, by=ben, moment=NOON)

    with pytest.raises(NotWaiting):
        approvals.approve(approval_id=made.pk, by=ben, moment=NOON)
    with pytest.raises(NotWaiting):
        approvals.reject(approval_id=made.pk, by=ben, answer="", moment=NOON)

    assert held(member) == {"available": 101}


def test_whoever_asked_may_take_it_back_and_it_never_moves(
    member: Member, ann: User, ben: User
) -> None:
    made = staff.adjust(member, 101, ann)

    approvals.reject(approval_id=made.pk, by=ann, answer="A mistake", moment=NOON)

    with pytest.raises(NotWaiting):
        approvals.approve(approval_id=made.pk, by=ben, moment=NOON)
    assert held(member) == {}


def test_the_limit_is_that_of_the_day_on_which_it_was_asked(
    member: Member, ann: User, ben: User
) -> None:
    made = staff.adjust(member, 101, ann)
    staff.set_limits(10_000, 10_000)

    with pytest.raises(SecondPersonNeeded), transaction.atomic():
        approvals.ACTS[made.approval.act].post(made.approval, NOON)

    assert held(member) == {}


def test_reversing_a_credit_takes_its_points_then_others_and_reports_the_rest(
    member: Member, ann: User, ben: User
) -> None:
    made = staff.adjust(member, 100, ann)
    staff.adjust(member, -70, ann)
    earn(member, 20)

    undone = adjustments.reverse(approval_id=made.pk, by=ben, moment=NOON)

    assert undone.reversal is not None
    assert (undone.reversal.type, undone.reversal.source) == ("adjust_debit", "reversal")
    assert undone.kept_points == 50
    assert held(member) == {}
    with pytest.raises(NotWaiting):
        adjustments.reverse(approval_id=made.pk, by=ben, moment=NOON)
    assert reconciliation.verify().is_proved


def test_reversing_a_credit_into_debt_keeps_nothing_within_the_limit(
    member: Member, ann: User, ben: User
) -> None:
    made = staff.adjust(member, 100, ann)
    staff.adjust(member, -70, ann)

    undone = adjustments.reverse(approval_id=made.pk, by=ben, missing="debt", moment=NOON)

    assert undone.kept_points == 0
    assert held(member) == {"debt": -70}
    assert reconciliation.verify().is_proved


def test_reversing_a_debit_gives_back_what_it_took(member: Member, ann: User, ben: User) -> None:
    earn(member, 80, expires_at=NOON + 90 * DAY)
    made = staff.adjust(member, -70, ann)

    adjustments.reverse(approval_id=made.pk, by=ben, moment=NOON)

    assert held(member) == {"available": 80}
    assert PointLot.objects.latest("pk").expires_at == NOON + 90 * DAY
    assert reconciliation.verify().is_proved


def test_status_points_given_by_hand_lift_the_tier(member: Member, ann: User, ben: User) -> None:
    status = staff.points().program.currencies.get(code="status")

    made = staff.adjust(member, 600, ann, currency=status, expires_at=None)
    assert made.approval.state == State.POSTED

    standing = TierMembership.objects.get(member=member, superseded_at=None, ends_at=None)
    assert standing.tier.code == "silver"


def test_erasure_empties_the_words_and_removes_the_evidence(member: Member, ann: User) -> None:
    made = staff.adjust(member, 40, ann, note="For Ada", why="Ada called", file=PDF)
    staff.adjust(member, 101, ann, note="More for Ada", why="Ada called again")

    privacy.erase(member=member, confirm=member.number, actor="test", moment=NOON + DAY)

    assert not Evidence.objects.exists()
    assert set(Approval.objects.values_list("why", "answer")) == {("", "")}
    assert set(Adjustment.objects.values_list("note", flat=True)) == {""}
    assert LedgerTransaction.objects.filter(adjustment=made).exists()


@pytest.mark.parametrize(
    ("_case", "change"),
    [
        ("more points", {"points": 1_000}),
        ("a higher limit", {"limit_points": 1_000}),
        ("another member's", {"member_id": None}),
        ("another asker", {"requested_by_id": 0}),
        ("back to a request", {"state": "requested", "posted_at": None}),
        ("other words", {"why": "Something else"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_was_posted_never_changes(
    _case: str, change: dict[str, Any], member: Member, ann: User
) -> None:
    made = staff.adjust(member, 40, ann)
    before = Approval.objects.filter(pk=made.pk).values().get()

    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=made.pk).update(**change)

    assert Approval.objects.filter(pk=made.pk).values().get() == before
