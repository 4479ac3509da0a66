"""Batches of points: each row once, by chunks, approved by the total, reversible as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from members.models import (
    AdjustmentReason,
    LedgerAccount,
    LedgerTransaction,
    Member,
    PointBatch,
    PointBatchRow,
    PointLot,
    Program,
    TierMembership,
    User,
)
from members.services import (
    approvals,
    batch_posting,
    batches,
    jobs,
    merging,
    reconciliation,
)
from members.services.batches import BatchKnown, BatchUnsuitable, Spec
from members.tests import staff
from members.tests.people import DAY, NOON, make_member, make_program
from members.tests.test_adjustments import owe

Kind = PointBatch.Kind
FILE = [
    "member,points,earned_date,last_day,pending_until,tier,tier_until\n",
    "6011000001,300,2025-12-01,2026-12-31,,gold,2027-03-31\n",
    "6011000002,200,,never,,,\n",
    "6011000001,50,,,2026-04-01,,\n",
]


@pytest.fixture
def people(db: None) -> list[Member]:
    """Return two members of a program."""
    make_program()
    return [make_member(f"601100000{number}") for number in (1, 2)]


@pytest.fixture
def ann(people: list[Member]) -> User:
    """Return one of the staff."""
    return staff.clerk("ann")


@pytest.fixture
def ben(people: list[Member]) -> User:
    """Return another."""
    return staff.clerk("ben")


def spec(kind: PointBatch.Kind = Kind.IMPORT, **told: Any) -> Spec:
    return Spec(
        program=Program.objects.get(),
        currency=staff.points(),
        kind=kind,
        name="old-system.csv",
        ending=lambda moment: moment + 365 * DAY,
        **told,
    )


def bring(lines: list[str], by: User, kind: PointBatch.Kind = Kind.IMPORT) -> PointBatch:
    """Take a file and ask for it."""
    reason = AdjustmentReason.objects.get(code="correction")
    batch = batches.take(spec=spec(kind, reason=reason), lines=lines, by=by, moment=NOON)
    return batches.request(batch_id=batch.pk, by=by, leaves_out_refused=True, why="", moment=NOON)


def post() -> str:
    return jobs.run(batch_posting.POST_BATCHES, moment=NOON).failure


def held(member: Member) -> dict[str, int]:
    rows = LedgerAccount.objects.filter(member=member, currency__code="points").exclude(balance=0)
    return dict(rows.values_list("kind", "balance"))


def test_opening_balances_come_with_their_dates_ends_and_tiers(
    people: list[Member], ann: User
) -> None:
    """Opening balances are brought in by a file (edge case 39)."""
    batch = bring(FILE, ann)

    assert post() == ""
    batch.refresh_from_db()
    standing = TierMembership.objects.get(member=people[0], superseded_at=None, ends_at=None)
    old = PointLot.objects.order_by("pk").first()
    assert (batch.state, batch.points, batch.row_count) == ("posted", 550, 3)
    assert [held(member) for member in people] == [
        {"available": 300, "pending": 50},
        {"available": 200},
    ]
    assert old is not None
    assert (f"{old.earned_at:%Y-%m-%d}", f"{old.expires_at:%Y-%m-%d}") == (
        *("2025-12-01", "2027-01-01"),
    )
    assert (standing.tier.code, f"{standing.valid_until:%Y-%m-%d}") == ("gold", "2027-04-01")
    assert set(LedgerTransaction.objects.values_list("type", "source")) == {("import", "import")}
    assert reconciliation.verify().is_proved


def test_the_same_file_twice_brings_nothing_twice(people: list[Member], ann: User) -> None:
    bring(FILE, ann)
    post()

    with pytest.raises(BatchKnown):
        bring([line.replace("\n", "\r\n") for line in FILE], ann)

    assert held(people[1]) == {"available": 200}


def test_a_check_says_what_is_wrong_and_writes_nothing(people: list[Member]) -> None:
    lines = [*FILE, "nobody@example.com,5,,,,,\n", "6011000002,five,,,,,\n"]

    report = batches.check(spec=spec(), lines=lines, moment=NOON)

    assert (report.rows, report.points, report.refused) == (5, 550, 2)
    assert [f"{each.line} {each}" for each in report.problems] == [
        "5 member: somebody who is enrolled is expected",
        "6 points: a whole number of points is expected",
    ]
    assert not PointBatch.objects.exists()


def test_refused_rows_stop_a_batch_unless_they_are_left_out(
    people: list[Member], ann: User
) -> None:
    batch = batches.take(spec=spec(), lines=[*FILE, "nobody,5,,,,,\n"], by=ann, moment=NOON)

    with pytest.raises(BatchUnsuitable, match="1 rows are refused"):
        batches.request(batch_id=batch.pk, by=ann, leaves_out_refused=False, why="", moment=NOON)

    assert PointBatch.objects.get().state == "checked"
    assert "nobody" not in str(PointBatchRow.objects.filter(state="refused").values().get())


def test_a_batch_above_the_limit_waits_for_a_second_person(
    people: list[Member], ann: User, ben: User
) -> None:
    staff.set_limits(549, 10_000)
    batch = bring(FILE, ann)
    post()
    assert (batch.state, held(people[1])) == ("requested", {})

    with pytest.raises(approvals.SamePerson):
        approvals.approve(approval_id=batch.approval_id or 0, by=ann, moment=NOON)
    approvals.approve(approval_id=batch.approval_id or 0, by=ben, moment=NOON)
    post()

    assert held(people[1]) == {"available": 200}
    assert reconciliation.verify().is_proved


def test_a_row_of_somebody_who_asked_or_agreed_is_refused(people: list[Member], ann: User) -> None:
    Member.objects.filter(pk=people[1].pk).update(user=ann)
    batch = bring(FILE, ann)

    assert post() == ""

    assert held(people[1]) == {}
    assert batch.rows.get(state="refused").problem.startswith("member: somebody else's")


def test_a_credit_of_a_batch_pays_debt_first(people: list[Member], ann: User) -> None:
    owe(people[1], 150)

    bring(FILE, ann)
    post()

    assert held(people[1]) == {"available": 50}
    assert reconciliation.verify().is_proved


def test_points_of_somebody_merged_meanwhile_come_to_the_survivor(
    people: list[Member], ann: User
) -> None:
    """Edge case 37: nothing is stranded with a row that went into another."""
    one, other = people
    bring(["member,points\n", f"{other.number},40\n"], ann)
    wanted = merging.Wanted(survivor_id=one.pk, merged_id=other.pk, reason="the same person")
    merging.merge(wanted=wanted, by=None, moment=NOON)

    assert post() == ""

    assert (held(one), held(other)) == ({"available": 40}, {})
    assert reconciliation.verify().is_proved


def test_a_run_that_is_killed_goes_on_where_it_stood(
    people: list[Member], ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_posting, "ROWS_PER_CHUNK", 1)
    batch = bring(FILE, ann)
    batch_posting.post_due(NOON, jobs.Trouble())
    assert batch.rows.filter(state="posted").count() == 1

    for _ in range(2):
        assert post() == ""

    assert [held(member) for member in people] == [
        {"available": 300, "pending": 50},
        {"available": 200},
    ]
    assert LedgerTransaction.objects.count() == 3


@pytest.mark.parametrize(
    ("_case", "is_into_debt", "left", "kept"),
    [
        ("what is gone stays", False, {}, 120),
        ("what is gone becomes debt", True, {"debt": -120}, 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_batch_is_reversed_as_a_whole(
    _case: str,
    is_into_debt: bool,
    left: dict[str, int],
    kept: int,
    people: list[Member],
    ann: User,
    ben: User,
) -> None:
    batch = bring(FILE, ann)
    post()
    staff.adjust(people[1], -120, ben)

    batches.reverse(batch_id=batch.pk, by=ben, is_into_debt=is_into_debt, moment=NOON + DAY)
    assert jobs.run(batch_posting.POST_BATCHES, moment=NOON + DAY).failure == ""

    batch.refresh_from_db()
    standing = TierMembership.objects.get(member=people[0], superseded_at=None, ends_at=None)
    assert (batch.state, standing.tier.code) == ("reversed", "bronze")
    assert [held(member) for member in people] == [{}, left]
    assert sum(row.kept_points or 0 for row in batch.rows.all()) == kept
    assert reconciliation.verify().is_proved
    assert bring(FILE, ann).state == "posting"


def test_points_are_taken_from_many_as_far_as_they_go(
    people: list[Member], ann: User, ben: User
) -> None:
    staff.adjust(people[0], 100, ann)
    lines = ["member,points\n", "6011000001,60\n", "6011000001,60\n", "6011000002,5\n"]

    batch = bring(lines, ann, Kind.DEBIT)
    post()
    taken = held(people[0])
    batches.reverse(batch_id=batch.pk, by=ben, is_into_debt=False, moment=NOON)
    post()

    assert taken == {}
    assert [held(member) for member in people] == [{"available": 100}, {}]
    assert reconciliation.verify().is_proved


@pytest.mark.parametrize(
    ("_case", "change"),
    [
        ("more points", {"points": 10**6}),
        ("another member", {"member_id": None}),
        ("an end later", {"expires_at": None}),
        ("reversed before it is posted", {"state": "reversed"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_that_was_asked_for_never_changes(
    _case: str, change: dict[str, Any], people: list[Member], ann: User
) -> None:
    staff.set_limits(0, 0)
    batch = bring(FILE, ann)
    before = list(batch.rows.order_by("line").values())

    with pytest.raises(IntegrityError), transaction.atomic():
        batch.rows.filter(line=2).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        PointBatchRow.objects.create(
            batch=batch, line=9, member=people[0], points=5, earned_at=NOON
        )

    assert list(batch.rows.order_by("line").values()) == before
