"""Codes that earn: made once, told once, redeemed once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from campaigns.models import CodeBatch, EarningCode, Event
from campaigns.services import codes
from campaigns.services.codes import BatchExists, BatchSpec, CodeNotFound
from campaigns.tests.shop import NOON, apply, balances, differences, join, program_file
from members.models import Member, User, WrongTries
from members.services import tries
from members.services.tries import TriedTooOften

pytestmark = pytest.mark.django_db

LID = {
    "code": "lids",
    "trigger": "event:code",
    "when": {"attr": "event.payload.batch", "op": "eq", "value": "lids"},
    "effects": [{"kind": "earn_fixed", "currency": "points", "points": 25}],
}


@pytest.fixture
def member() -> Member:
    """Open a shop whose lids give 25 points, and enroll its member."""
    apply(program_file(rules=[LID]))
    return join()


def make(count: int = 3, *, moment: datetime = NOON, **fields: Any) -> list[str]:
    """Make a batch and return its codes."""
    user, _ = User.objects.get_or_create(email="staff@example.com")
    spec = BatchSpec(**{"code": "lids", "name": "Lids", "count": count, **fields})
    return codes.make(spec=spec, user=user, moment=moment)[1]


def redeem(member: Member, code: str, moment: datetime = NOON) -> Any:
    return codes.redeem(member=member, code=code, actor="test", moment=moment)


def test_a_code_gives_what_its_rules_say_once(member: Member) -> None:
    first, *_ = make()

    given = redeem(member, first)
    again = redeem(member, first.lower().replace("-", " "), NOON + timedelta(days=400))

    assert (given.status, given.body["points"]["granted"]) == (201, 25)
    assert (again.status, again.replayed, again.body["id"]) == (200, True, given.body["id"])
    assert balances(member)["available"] == 25
    assert differences() == []


def test_a_code_of_somebody_else_is_not_told_from_an_unknown_one(member: Member) -> None:
    first, *_ = make()
    redeem(join("6011000002"), first)

    for code in (first, "AAAAA-AAAAA-AAAAA", "no code at all", ""):
        with pytest.raises(CodeNotFound):
            redeem(member, code)

    assert balances(member) == {}


@pytest.mark.parametrize(
    ("fields", "opens", "closes"),
    [
        pytest.param({}, -1, None, id="without a window"),
        pytest.param({"valid_from": NOON}, 0, None, id="from an instant on"),
        pytest.param({"valid_until": NOON}, -1, 0, id="until an instant, exclusive"),
    ],
)
def test_a_code_holds_within_its_window(
    member: Member, fields: dict[str, Any], opens: int, closes: int | None
) -> None:
    first, second, third = make(**fields)
    second_of = timedelta(seconds=1)

    redeem(member, first, NOON + opens * second_of)
    if "valid_from" in fields:
        with pytest.raises(CodeNotFound):
            redeem(member, second, NOON - second_of)
    if closes is not None:
        with pytest.raises(CodeNotFound):
            redeem(member, third, NOON + closes * second_of)


def test_what_is_withdrawn_cannot_be_redeemed_and_what_was_redeemed_stays(member: Member) -> None:
    first, second, _ = make()
    redeem(member, first)

    codes.withdraw(batch=CodeBatch.objects.get(), moment=NOON)

    with pytest.raises(CodeNotFound):
        redeem(member, second)
    assert redeem(member, first).replayed
    assert balances(member)["available"] == 25


def test_two_batches_cannot_share_what_rules_know_them_by(member: Member) -> None:
    make()

    with pytest.raises(BatchExists):
        make()
    assert EarningCode.objects.count() == 3


def test_a_rule_reads_the_store_and_the_amount_of_the_receipt(member: Member) -> None:
    first, *_ = make(store="lisbon-1", amount="12.50")

    redeem(member, first)

    payload = Event.objects.get().payload
    assert payload == {"batch": "lids", "store": "lisbon-1", "amount": "12.5"}


def test_no_code_stands_in_the_database(member: Member) -> None:
    made = make()

    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(c::text, ' ') FROM campaigns_earningcode c")
        kept = cursor.fetchone()[0]

    assert not [code for code in made if code in kept or code.replace("-", "") in kept]


def test_five_wrong_codes_let_the_member_wait_and_a_right_one_forgets_them(member: Member) -> None:
    first, second, _ = make()
    left = []
    for _ in range(4):
        with pytest.raises(CodeNotFound) as refused:
            redeem(member, "WRONG")
        left.append(refused.value.figures["tries_left"])
    redeem(member, first)
    for _ in range(5):
        with pytest.raises(CodeNotFound) as refused:
            redeem(member, "WRONG")

    assert left == [4, 3, 2, 1]
    assert refused.value.figures["tries_left"] == 0
    with pytest.raises(TriedTooOften) as waiting:
        redeem(member, second, NOON + timedelta(minutes=5))
    assert waiting.value.figures["retry_after"] == 600
    assert redeem(member, second, NOON + tries.LOCKED).status == 201
    assert not WrongTries.objects.exists()


def test_wrong_codes_of_yesterday_do_not_count(member: Member) -> None:
    for _ in range(4):
        tries.wrong(member_id=member.pk, act="code", moment=NOON)

    left = tries.wrong(member_id=member.pk, act="code", moment=NOON + timedelta(hours=25))

    assert left == 4


ATTACKS = {
    "paid again": "UPDATE campaigns_earningcode SET redeemed_at = NULL, member_id = NULL,"
    " event_id = NULL WHERE redeemed_at IS NOT NULL",
    "another member": "UPDATE campaigns_earningcode SET member_id = (SELECT max(id) FROM"
    " members_member) WHERE redeemed_at IS NOT NULL",
    "without an event": "UPDATE campaigns_earningcode SET redeemed_at = now()"
    " WHERE redeemed_at IS NULL",
    "another code": "UPDATE campaigns_earningcode SET digest = '\\x00' WHERE redeemed_at IS NULL",
    "gone": "DELETE FROM campaigns_earningcode",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_redeemed_code_is_never_made_unredeemed(member: Member, attack: str) -> None:
    first, *_ = make(2)
    redeem(member, first)
    join("6011000002")

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ATTACKS[attack])
