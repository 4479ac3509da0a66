"""Points that a member misses: matched by the receipt, once, or left to staff."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from campaigns.models import ClaimCase
from campaigns.programfile import canonical, parse
from campaigns.queries.missing import Receipt, before_joining, candidates
from campaigns.services import erasure, missing
from campaigns.services.claims import AlreadyClaimed, ClaimTooLate
from campaigns.services.missing import CaseDecided, ClaimsOff, TooManyCases
from campaigns.tests.shop import (
    CARD,
    DAY,
    NOON,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    differences,
    join,
    line,
    program_file,
    refund,
    rule,
)
from campaigns.tests.test_programfile import SMALLEST, problems
from members.models import LedgerTransaction, Member, Message, Purchase, User
from members.queries.held import rows_held
from members.services import delivery
from members.services.tries import TriedTooOften
from members.tests import staff

pytestmark = pytest.mark.django_db

OTHER = "6011000002"
LATER = NOON + 2 * DAY


@pytest.fixture
def member() -> Member:
    """Open a shop whose members look back 30 days, and enroll one."""
    apply(program_file(claims={"lookback_days": 30}))
    return join(CARD)


def sold(price: str = "40.00", *, at: Any = NOON, **fields: Any) -> dict[str, Any]:
    """Sell to nobody."""
    body = basket(line("1", price), line("2", "10.00"), card=None, at=at, **fields)
    buy(body, moment=at)
    return body


def receipt_of(body: dict[str, Any], **changes: Any) -> Receipt:
    bought = Purchase.objects.get(external_id=body["external_id"])
    said: dict[str, Any] = {
        "number": bought.external_id,
        "day": bought.occurred_at.date(),
        "total": bought.net,
    }
    return Receipt(**(said | changes))


def claim(member: Member, receipt: Receipt, *, moment: Any = LATER) -> missing.Told:
    return missing.claim_by_receipt(member=member, receipt=receipt, actor="test", moment=moment)


def clerk() -> User:
    return User.objects.filter(is_staff=True).first() or staff.clerk("counter")


def test_a_receipt_that_names_one_purchase_gives_its_points(member: Member) -> None:
    body = sold()

    told = claim(member, receipt_of(body))

    assert told.case is None
    assert told.purchase is not None
    assert told.purchase["points"]["granted"] == 50
    assert balances(member)["available"] == 50
    earned = LedgerTransaction.objects.filter(member=member, type="earn")
    assert {(each.reason_code, each.occurred_at) for each in earned} == {("retro", NOON)}
    assert differences() == []


def test_the_points_of_a_receipt_are_given_once(member: Member) -> None:
    other, body = join(OTHER), sold()
    claim(member, receipt_of(body))

    with pytest.raises(AlreadyClaimed):
        claim(member, receipt_of(body))
    told = claim(other, receipt_of(body))

    # Nothing tells the other member that it is somebody's.
    assert (told.purchase, told.case is None) == (None, False)
    assert (balances(member)["available"], balances(other)) == (50, {})


def test_rules_of_the_day_of_the_purchase_hold(member: Member) -> None:
    body = sold()
    apply(program_file(claims={"lookback_days": 30}, rules=[rule("base", 9)]), moment=NOON + DAY)

    claim(member, receipt_of(body))

    assert balances(member)["available"] == 50


def test_what_came_back_before_earns_nothing(member: Member) -> None:
    body = sold()
    bring_back(refund(body, ("1", "1"), at=NOON + DAY), moment=NOON + DAY)

    claim(member, receipt_of(body))

    assert balances(member)["available"] == 10


@pytest.mark.parametrize(
    ("_case", "changes"),
    [
        ("another number", {"number": "no-such"}),
        ("another day", {"day": NOON.date() + DAY}),
        ("another total", {"total": Decimal("49.99")}),
    ],
)
def test_all_three_have_to_fit_else_staff_look(
    member: Member, _case: str, changes: dict[str, Any]
) -> None:
    body = sold()

    told = claim(member, receipt_of(body, **changes))

    assert told.purchase is None
    assert ClaimCase.objects.get().state == "open"
    assert balances(member) == {}


def test_two_purchases_of_one_receipt_number_are_left_to_staff(member: Member) -> None:
    body = sold()
    twin = body | {"source": "other-till"}
    buy(twin, moment=NOON)

    told = claim(member, _same(body))

    assert told.case is not None
    assert len(candidates(member, _same(body))) == 2


def _same(body: dict[str, Any]) -> Receipt:
    return Receipt(body["external_id"], NOON.date(), Decimal("50"))


@pytest.mark.parametrize(
    ("_case", "days", "is_taken"),
    [("the last day", 30, True), ("a day too late", 31, False)],
)
def test_members_look_back_so_many_days(
    member: Member, _case: str, days: int, is_taken: bool
) -> None:
    body = sold()

    if is_taken:
        claim(member, receipt_of(body), moment=NOON + days * DAY)
    else:
        with pytest.raises(ClaimTooLate):
            claim(member, receipt_of(body), moment=NOON + days * DAY)

    assert balances(member).get("available", 0) == (50 if is_taken else 0)


def test_a_day_ahead_is_refused(member: Member) -> None:
    with pytest.raises(ClaimTooLate):
        claim(member, Receipt("1", LATER.date() + timedelta(days=1), Decimal(1)))


def test_it_is_off_unless_the_file_says_so(member: Member) -> None:
    body = sold()
    apply(program_file(), moment=NOON + DAY)
    member = Member.objects.select_related("program").get(pk=member.pk)

    with pytest.raises(ClaimsOff):
        claim(member, receipt_of(body))


# Guessing ------------------------------------------------------------------------------------


def test_five_wrong_receipts_in_a_row_have_to_wait(member: Member) -> None:
    apply(
        program_file(claims={"lookback_days": 30, "cases_max": 100}),
        moment=NOON + timedelta(hours=1),
    )
    member = Member.objects.select_related("program").get(pk=member.pk)
    body = sold()
    for guess in range(5):
        claim(member, receipt_of(body, number=f"guess-{guess}"))

    with pytest.raises(TriedTooOften):
        claim(member, receipt_of(body))

    assert balances(member) == {}
    told = claim(member, receipt_of(body), moment=LATER + timedelta(minutes=15))
    assert told.purchase is not None


def test_who_has_cases_enough_guesses_no_further(member: Member) -> None:
    body = sold()
    for guess in range(3):
        claim(member, receipt_of(body, number=f"guess-{guess}"))

    with pytest.raises(TooManyCases):
        claim(member, receipt_of(body))

    assert (ClaimCase.objects.count(), balances(member)) == (3, {})


def test_the_same_receipt_again_finds_its_case(member: Member) -> None:
    receipt = Receipt("lost", NOON.date(), Decimal("12.50"))

    first, again = claim(member, receipt), claim(member, receipt)

    assert first.case == again.case
    assert ClaimCase.objects.count() == 1


# Before joining ------------------------------------------------------------------------------


def test_purchases_of_before_joining_are_claimed_by_who_they_named(member: Member) -> None:
    late = join(OTHER, at=NOON + DAY)
    body = basket(line("1", "30.00"), card=OTHER, at=NOON)
    buy(body, moment=LATER)
    assert balances(late) == {}
    (found,) = before_joining(late, since=NOON.date())

    answer = missing.claim_from_before(
        member=late, public_id=found.public_id, actor="test", moment=LATER
    )

    assert (answer["points"]["granted"], balances(late)["available"]) == (30, 30)
    assert before_joining(late, since=NOON.date()) == []
    with pytest.raises(AlreadyClaimed):
        missing.claim_from_before(
            member=late, public_id=found.public_id, actor="test", moment=LATER
        )
    with pytest.raises(AlreadyClaimed):
        missing.claim_from_before(
            member=member, public_id=found.public_id, actor="test", moment=LATER
        )


# Staff ---------------------------------------------------------------------------------------


def test_staff_give_the_purchase_that_they_found(member: Member) -> None:
    body = sold()
    case = claim(member, receipt_of(body, total=Decimal("49.99"))).case
    assert case is not None
    (found,) = candidates(member, Receipt(case.receipt, case.day, case.total))

    missing.grant(case_id=case.pk, purchase=found.public_id, by=clerk(), moment=NOON + 90 * DAY)

    case.refresh_from_db()
    assert (case.state, case.purchase, balances(member)["available"]) == ("granted", found, 50)
    delivery.deliver_due(moment=NOON + 90 * DAY)
    told = Message.objects.get(kind="claim_decided")
    assert told.title == "We found the points that you missed"
    assert told.body.startswith("50 points")
    with pytest.raises(CaseDecided):
        missing.refuse(case_id=case.pk, answer="no", by=clerk(), moment=LATER)


def test_a_purchase_of_somebody_is_not_given_again(member: Member) -> None:
    body = sold()
    claim(join(OTHER), receipt_of(body))
    case = claim(member, receipt_of(body)).case
    assert case is not None
    found = Purchase.objects.get(external_id=body["external_id"])

    with pytest.raises(AlreadyClaimed):
        missing.grant(case_id=case.pk, purchase=found.public_id, by=clerk(), moment=LATER)

    case.refresh_from_db()
    assert (case.state, balances(member)) == ("open", {})


def test_a_refusal_is_told_with_its_answer(member: Member) -> None:
    case = claim(member, Receipt("lost", NOON.date(), Decimal("12.50"))).case
    assert case is not None

    missing.refuse(case_id=case.pk, answer="This shop is not ours.", by=clerk(), moment=LATER)

    case.refresh_from_db()
    assert (case.state, case.answer) == ("refused", "This shop is not ours.")


def test_erasure_takes_what_was_said_of_receipts(member: Member) -> None:
    body = sold()
    granted = claim(member, receipt_of(body, total=Decimal("49.99"))).case
    claim(member, Receipt("lost", NOON.date(), Decimal("12.50")))
    assert granted is not None
    found = Purchase.objects.get(external_id=body["external_id"])
    missing.grant(case_id=granted.pk, purchase=found.public_id, by=clerk(), moment=LATER)

    erasure.erase_member(member=member, confirm=member.number, actor="test", moment=NOON + 3 * DAY)

    assert list(ClaimCase.objects.values_list("receipt", "state")) == [("", "granted")]


def test_a_case_is_granted_with_a_purchase_only(member: Member) -> None:
    claim(member, Receipt("lost", NOON.date(), Decimal("12.50")))

    with pytest.raises(IntegrityError), transaction.atomic():
        ClaimCase.objects.update(state="granted", decided_at=LATER)


# The file ------------------------------------------------------------------------------------


def test_the_terms_of_claims_are_read_with_their_defaults() -> None:
    text = SMALLEST + "\nclaims: {}\n"

    assert canonical(parse(text))["claims"] == {"lookback_days": 30, "cases_max": 3}
    assert canonical(parse(SMALLEST))["claims"] is None


@pytest.mark.parametrize(
    ("_case", "claims", "path"),
    [
        ("too long", "{lookback_days: 366}", "claims.lookback_days"),
        ("a word", "{lookback_days: long}", "claims.lookback_days"),
        ("a typing mistake", "{look_back: 3}", "claims.look_back"),
    ],
)
def test_terms_of_claims_that_cannot_hold_are_refused(_case: str, claims: str, path: str) -> None:
    assert {found for found, _line in problems(f"{SMALLEST}\nclaims: {claims}\n")} == {path}


def test_the_copy_of_a_member_of_staff_holds_no_receipt_of_another(member: Member) -> None:
    case = claim(member, Receipt("lost", NOON.date(), Decimal("12.50"))).case
    assert case is not None
    missing.refuse(case_id=case.pk, answer="Not ours.", by=clerk(), moment=LATER)
    colleague = join(OTHER)
    Member.objects.filter(pk=colleague.pk).update(user=clerk())
    colleague.refresh_from_db()

    assert "campaigns.claimcase" not in rows_held(colleague)
    assert [row["receipt"] for row in rows_held(member)["campaigns.claimcase"]] == ["lost"]
