"""Two rows of one person become one, and can be taken apart again."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from loyalty_site.lib.errors import DomainError
from members.models import (
    Identifier,
    LedgerAccount,
    Member,
    MemberMerge,
    MergeCandidate,
    Message,
    TierMembership,
    User,
)
from members.queries.lookup import find_member, resolve_member
from members.services import candidates, jobs, merged_rows, merging, periodic, reconciliation
from members.services.merging import CannotMerge, CannotUndoMerge, Wanted
from members.services.moving import DebtTooDeep
from members.tests.people import (
    DAY,
    NOON,
    debit,
    earn,
    make_member,
    make_program,
    owe,
    settle,
)

pytestmark = pytest.mark.django_db

LATER = NOON + 10 * DAY


@pytest.fixture(autouse=True)
def program() -> Any:
    """Open a program."""
    return make_program()


def pair(**second: Any) -> tuple[Member, Member]:
    """Return the one who stays and the one who goes."""
    one = make_member("6011000001", first_name="Ana", last_name="Silva")
    other = make_member("6011000002", first_name="Anna", last_name="Silva", **second)
    return one, other


def join(one: Member, other: Member, *, moment: Any = LATER, **how: Any) -> MemberMerge:
    wanted = Wanted(survivor_id=one.pk, merged_id=other.pk, reason="the same person", **how)
    row = merging.merge(wanted=wanted, by=None, moment=moment)
    one.refresh_from_db()
    other.refresh_from_db()
    return row


def held(member: Member) -> dict[str, int]:
    rows = LedgerAccount.objects.filter(member=member, currency__code="points")
    return {kind: balance for kind, balance in rows.values_list("kind", "balance") if balance}


def differences() -> list[str]:
    """Return what the books alone break; points here come from no purchase."""
    found = reconciliation.verify().findings
    return [each.name for each in found if each.differences and each.name[:2].isdigit()]


def test_points_move_with_their_ends() -> None:
    one, other = pair()
    earn(one, 100, expires_at=NOON + 50 * DAY)
    earn(other, 40, expires_at=NOON + 20 * DAY)
    earn(other, 30, available_at=NOON + 15 * DAY, expires_at=NOON + 90 * DAY)

    join(one, other)

    assert held(one) == {"available": 140, "pending": 30}
    assert held(other) == {}
    settle(one, NOON + 30 * DAY)
    assert held(one) == {"available": 130}
    assert differences() == []


def test_the_survivors_debt_is_paid_by_what_comes() -> None:
    one, other = pair()
    owe(one, 25)
    earn(other, 40)

    join(one, other)

    assert held(one) == {"available": 15}
    assert differences() == []


@pytest.mark.parametrize(
    ("_case", "has", "owes", "expected"),
    [
        ("paid at once", 100, 30, {"available": 70}),
        ("paid in part", 10, 30, {"debt": -20}),
        ("taken over", 0, 30, {"debt": -30}),
    ],
)
def test_a_debt_comes_along(_case: str, has: int, owes: int, expected: dict[str, int]) -> None:
    one, other = pair()
    LedgerAccount.objects.filter(member=other, kind="debt").update(floor=-1000)
    if has:
        earn(one, has)
    owe(other, owes)

    join(one, other)

    assert held(one) == expected
    assert held(other) == {}
    assert differences() == []


def test_a_debt_beyond_the_limit_stops_the_merge() -> None:
    one, other = pair()
    LedgerAccount.objects.filter(member=other, kind="debt").update(floor=-1000)
    owe(other, 700)

    with pytest.raises(DebtTooDeep) as refusal:
        join(one, other)
    assert refusal.value.figures == {"owed": 700, "limit": 500}


def test_identifiers_and_number_lead_to_the_survivor(program: Any) -> None:
    one, other = pair(identifiers=[("card", "6011000002"), ("email", "ana@example.com")])

    join(one, other)

    for text in ("6011000002", "ana@example.com", other.number, "6011000001"):
        assert find_member(program, text, LATER) == one, text
    assert resolve_member(program=program, moment=LATER, id=other.public_id) == one
    primary = Identifier.objects.filter(member=one, is_primary=True).values_list("kind", "value")
    assert sorted(primary) == [("card", "6011000001"), ("email", "ana@example.com")]


def test_one_login_is_left() -> None:
    one, other = pair()
    mine, theirs = (User.objects.create_user(f"{name}@example.com") for name in "ab")
    Member.objects.filter(pk=one.pk).update(user=mine)
    Member.objects.filter(pk=other.pk).update(user=theirs)

    row = join(one, other)

    theirs.refresh_from_db()
    assert (one.user, other.user, theirs.is_active) == (mine, None, False)
    merging.undo(merge_id=row.pk, by=None, moment=LATER + DAY)
    other.refresh_from_db()
    theirs.refresh_from_db()
    assert (other.user, theirs.is_active) == (theirs, True)


def test_a_login_of_the_merged_row_opens_the_survivor() -> None:
    one, other = pair()
    theirs = User.objects.create_user("b@example.com")
    Member.objects.filter(pk=other.pk).update(user=theirs)

    row = join(one, other)

    assert (one.user, other.user) == (theirs, None)
    merging.undo(merge_id=row.pk, by=None, moment=LATER + DAY)
    one.refresh_from_db()
    other.refresh_from_db()
    assert (one.user, other.user) == (None, theirs)


def tier_of(member: Member) -> str:
    open_one = TierMembership.objects.get(member=member, superseded_at=None, ends_at=None)
    return open_one.tier.code


def test_what_both_gained_lifts_the_survivor() -> None:
    one, other = pair()
    earn(one, 300, code="status")
    earn(other, 250, code="status")

    row = join(one, other)

    assert tier_of(one) == "silver"
    merging.undo(merge_id=row.pk, by=None, moment=LATER + DAY)
    assert (tier_of(one), tier_of(other)) == ("bronze", "bronze")


@pytest.mark.parametrize(
    ("_case", "choice", "expected"),
    [("the higher one", "higher", "gold"), ("its own", "own", "silver")],
)
def test_the_survivor_keeps_the_tier_that_staff_chose(
    _case: str, choice: str, expected: str
) -> None:
    one, other = pair()
    earn(one, 10, code="status")
    # Gained so long ago that it lifts nobody today, while the tier still holds.
    earn(other, 2100, code="status", at=NOON - 360 * DAY, recorded_at=NOON - 360 * DAY)
    earn(other, 600, code="status", at=NOON - DAY)
    Member.objects.filter(pk=other.pk).update(enrolled_at=NOON - 380 * DAY)
    gold = TierMembership.objects.get(member=other)
    gold.superseded_at = NOON
    gold.save()
    TierMembership.objects.create(
        member=other,
        tier_id=_tier("gold"),
        starts_at=NOON - 360 * DAY,
        valid_until=NOON + 5 * DAY + 30 * DAY,
        evidence={"cause": "reached", "value": 2100},
        recorded_at=NOON,
    )

    join(one, other, tier=choice)

    assert tier_of(one) == expected


def _tier(code: str) -> int:
    from members.models import Tier

    return Tier.objects.get(code=code).pk


def test_apart_again_each_has_what_is_left_of_theirs() -> None:
    one, other = pair(identifiers=[("card", "6011000002"), ("email", "ana@example.com")])
    earn(one, 100)
    earn(other, 40, expires_at=NOON + 60 * DAY)
    row = join(one, other)
    # The soonest end is taken first, which is the other's.
    debit(one, 15, at=LATER)
    settle(one, LATER + DAY)

    merging.undo(merge_id=row.pk, by=None, moment=LATER + DAY)

    other.refresh_from_db()
    assert (held(one), held(other)) == ({"available": 100}, {"available": 25})
    assert (other.status, other.merged_into) == ("active", None)
    cards = Identifier.objects.filter(member=other, is_primary=True)
    assert sorted(cards.values_list("value", flat=True)) == ["6011000002", "ana@example.com"]
    assert differences() == []
    with pytest.raises(CannotUndoMerge):
        merging.undo(merge_id=row.pk, by=None, moment=LATER + 2 * DAY)


def test_an_undone_merge_can_be_made_again() -> None:
    one, other = pair()
    earn(other, 40)
    merging.undo(merge_id=join(one, other).pk, by=None, moment=LATER + DAY)

    join(one, other, moment=LATER + 2 * DAY)

    assert held(one) == {"available": 40}
    assert differences() == []


def test_merges_stand_on_each_other_and_come_apart_from_the_top() -> None:
    one, other = pair()
    third = make_member("6011000003")
    earn(third, 7)
    low = join(other, third)
    top = join(one, other, moment=LATER + DAY)
    third.refresh_from_db()

    assert (third.merged_into, one.rows) == (one, [one.pk, other.pk, third.pk])
    with pytest.raises(CannotUndoMerge):
        merging.undo(merge_id=low.pk, by=None, moment=LATER + 2 * DAY)
    merging.undo(merge_id=top.pk, by=None, moment=LATER + 2 * DAY)
    merging.undo(merge_id=low.pk, by=None, moment=LATER + 3 * DAY)
    third.refresh_from_db()
    assert (held(third), third.merged_into) == ({"available": 7}, None)
    assert differences() == []


def test_no_merge_while_points_are_held_nor_twice_nor_with_oneself() -> None:
    one, other = pair()
    earn(other, 50)
    debit(other, 10, kind="hold", hold_expires_at=LATER + DAY)

    with pytest.raises(CannotMerge, match="held until"):
        join(one, other)
    join(one, other, moment=LATER + 2 * DAY)
    for first, second in ((one, other), (other, one), (one, one)):
        with pytest.raises(CannotMerge):
            join(first, second, moment=LATER + 3 * DAY)


def test_what_comes_to_a_merged_row_later_is_moved_on() -> None:
    one, other = pair()
    earn(other, 50)
    spent = debit(other, 20)
    join(one, other)
    from members.services import ledger

    members = merged_rows.together(other)
    ledger.settle_due(member_ids=members, moment=LATER, recorded_at=LATER, actor="test")
    ledger.give_back(
        original_id=spent,
        source="redemption",
        external_ref="g-1",
        actor="test",
        occurred_at=LATER,
        recorded_at=LATER,
        reason_code="cancelled",
    )
    merged_rows.forward(member=other, ref="g-1", actor="test", moment=LATER)

    assert (held(one), held(other)) == ({"available": 50}, {})
    assert differences() == []


def test_the_survivor_is_told() -> None:
    one, other = pair()

    join(one, other)
    jobs.run(periodic.JOBS["deliver_outbox"], moment=LATER)

    assert "Your memberships are one now" in Message.objects.filter(member=one).values_list(
        "title", flat=True
    )


FORGERIES = {
    "a pointer without a merge": "UPDATE members_member SET merged_into_id = {one}, "
    "status = 'merged' WHERE id = {other}",
    "a merged row that is active": "UPDATE members_member SET status = 'active' WHERE id = {gone}",
    "a pointer to oneself": "UPDATE members_member SET merged_into_id = id WHERE id = {gone}",
    "a pointer to a merged row": "UPDATE members_member SET merged_into_id = {gone},"
    " status = 'merged' WHERE id = {one}",
    "a merge undone twice": "UPDATE members_membermerge SET undone_at = NULL"
    " WHERE undone_at IS NOT NULL",
    "a merge edited": "UPDATE members_membermerge SET moved = '{{}}'",
    "a merge deleted": "DELETE FROM members_membermerge",
    "a merge of one": "INSERT INTO members_membermerge (public_id, survivor_id, merged_id, tier,"
    " vouchers, reason, moved, made_at) SELECT gen_random_uuid(), {one}, {one}, tier, vouchers,"
    " reason, moved, made_at FROM members_membermerge LIMIT 1",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_merge_is_refused(name: str) -> None:
    one, other = pair()
    gone = make_member("6011000003")
    merging.undo(merge_id=join(one, gone).pk, by=None, moment=LATER + DAY)
    join(one, gone, moment=LATER + 2 * DAY)
    sql = FORGERIES[name].format(one=one.pk, other=other.pk, gone=gone.pk)

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_pairs_are_found_once_and_stay_dismissed() -> None:
    one = make_member(
        "6011000001", first_name="Ana", last_name="Silva", birth_date=date(1990, 2, 28)
    )
    twin = make_member(
        "6011000002", first_name="Anna", last_name="Silva", birth_date=date(1990, 2, 28)
    )
    make_member("6011000003", first_name="Bo", last_name="Silva", birth_date=date(1990, 2, 28))
    namesake = make_member(
        "6011000004", first_name="Ana", last_name="Silva", birth_date=date(1971, 5, 1)
    )

    jobs.run(periodic.JOBS["find_duplicates"], moment=NOON + DAY)
    jobs.run(periodic.JOBS["find_duplicates"], moment=NOON + DAY)

    (found,) = MergeCandidate.objects.all()
    assert (found.first, found.second, found.score) == (one, twin, 70)
    assert found.reasons == ["near_name", "same_birth_date"]
    candidates.dismiss(pair_id=found.pk, by=None, moment=NOON + DAY)
    jobs.run(periodic.JOBS["find_duplicates"], moment=NOON + DAY)
    assert MergeCandidate.objects.get().state == "dismissed"
    named = candidates.name_pair(one=namesake, other=one, moment=NOON + DAY)
    assert (named.score, named.reasons) == (0, ["named_by_staff"])


def test_a_value_of_two_kinds_and_a_plus_address_are_found() -> None:
    one = make_member("6011000001", identifiers=[("card", "6011000001")])
    other = make_member(identifiers=[("external_id", "6011000001")])
    make_member(identifiers=[("email", "ana@example.com")], first_name="Ana", last_name="Sá")
    make_member(identifiers=[("email", "ana+shop@example.com")], first_name="ANA", last_name="Sa")

    candidates.find(member_ids=list(Member.objects.values_list("pk", flat=True)), moment=NOON)

    found = {(row.first_id, row.second_id): row for row in MergeCandidate.objects.all()}
    assert found[one.pk, other.pk].reasons == ["same_value"]
    assert sorted(row.score for row in found.values()) == [60, 85]


def test_an_erased_member_cannot_be_merged() -> None:
    one, other = pair()
    Member.objects.filter(pk=other.pk).update(
        status="erased",
        first_name="",
        last_name="",
        erased_at=NOON,
        enrolled_at=NOON - timedelta(1),
    )

    with pytest.raises(DomainError):
        join(one, other)
