"""Orders that points helped to pay: they go back to their own lots with the goods."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from campaigns.tests.shop import (
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
    negative_balances,
    program_file,
    refund,
    send,
    spend,
)
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import Invalid
from members.models import Member, PointLot, Program, Purchase
from members.services import privacy
from rewards.models import PointsTender, Redemption
from rewards.services import redemptions

pytestmark = pytest.mark.django_db

EURO = {
    "code": "euro",
    "kind": "discount_fixed",
    "name": "1 euro",
    "points_price": 100,
    "value": "1",
}


@pytest.fixture
def member() -> Member:
    """Open a shop where 100 points pay a euro, and enroll a member with 1,000 points."""
    return opened()


def opened(points: dict[str, Any] | None = None, **sections: Any) -> Member:
    apply(program_file(points, **{"rewards": [EURO], **sections}))
    found = join()
    buy(basket(line(price="1000.00"), at=NOON - 10 * DAY), moment=NOON - 10 * DAY)
    return found


def redeem(member: Member, euros: int, *, mode: Any = "capture", at: datetime = NOON) -> Redemption:
    """Turn points into euros at the till."""
    order = redemptions.Order(
        member=member, reward="euro", quantity=euros, mode=mode, caller="client:till"
    )
    return redemptions.redeem(program=Program.objects.get(), order=order, moment=at)


def paid_by(redemption: Redemption, *, kind: str = "points") -> dict[str, Any]:
    """Return the tender that names the redemption."""
    amount = f"{redemption.quantity}.00"
    return {"kind": kind, "amount": amount, "redemption": str(redemption.public_id)}


def order_of(
    redemption: Redemption, *lines: dict[str, Any], at: datetime = NOON, **fields: Any
) -> dict[str, Any]:
    """Buy what points paid a part of; return the body that was sent."""
    body = basket(*lines, at=at, tenders=[paid_by(redemption)], **fields)
    buy(body, moment=at)
    return body


def given(answer: dict[str, Any]) -> tuple[int, int]:
    """Return what a return took back and gave back."""
    return answer["points"]["clawed_back"], answer["points"]["given_back"]


def back(body: dict[str, Any], *lines: tuple[str, str], at: datetime = NOON) -> tuple[int, int]:
    """Bring lines back, all that is left without any; return what was taken and given."""
    return given(bring_back(refund(body, *lines, at=at), moment=at))


# What goes back -----------------------------------------------------------------------------


def test_the_whole_order_gives_all_points_back(member: Member) -> None:
    body = order_of(redeem(member, 5), line(price="40.00"))
    assert balances(member) == {"available": 540}

    assert back(body) == (40, 500)
    assert balances(member) == {"available": 1000}
    assert Redemption.objects.get().points_given_back == 500
    assert differences() == []
    assert negative_balances() == []


def test_only_other_lines_returned_take_no_points_a_second_time(member: Member) -> None:
    """Edge case 2: points pay for the order, so every line brings its share of them back."""
    body = order_of(redeem(member, 5), line("1", "30.00"), line("2", "10.00"))

    # A quarter of the order comes back: a quarter of the points, and what the line had earned.
    assert back(body, ("2", "1")) == (10, 125)
    assert balances(member) == {"available": 500 + 40 - 10 + 125}
    assert back(body) == (30, 375)
    assert balances(member) == {"available": 1000}
    assert differences() == []


@pytest.mark.parametrize(
    "order", list(permutations([("1", "1"), ("1", "2"), ("2", "1"), ("3", "1.5")]))[::4]
)
def test_line_by_line_in_any_order_comes_to_exactly_zero(
    member: Member, order: tuple[tuple[str, str], ...]
) -> None:
    """The order of the parts does not matter: nothing is left, and nothing is made."""
    body = order_of(
        redeem(member, 7),
        line("1", "3.33", quantity="3"),
        line("2", "0.01"),
        line("3", "19.99", quantity="1.5"),
    )

    parts = [back(body, part) for part in order]

    assert sum(points for _, points in parts) == 700
    assert balances(member) == {"available": 1000}
    assert Purchase.objects.order_by("-pk")[0].state == "returned"
    assert differences() == []


@pytest.mark.parametrize(
    ("_case", "lines", "part", "points"),
    [
        ("the floor", [("1", "10.00", "3")], ("1", "1"), 166),
        ("a line that cost nothing", [("1", "10.00", "1"), ("2", "0.00", "1")], ("2", "1"), 0),
        ("nothing cost anything", [("1", "0.00", "1"), ("2", "0.00", "1")], ("1", "1"), 0),
        ("all that was worth anything", [("1", "9.00", "1"), ("2", "0.00", "1")], ("1", "1"), 500),
    ],
)
def test_a_part_gives_its_share_by_net(
    member: Member,
    _case: str,
    lines: list[tuple[str, str, str]],
    part: tuple[str, str],
    points: int,
) -> None:
    body = order_of(
        redeem(member, 5), *(line(name, price, quantity=pieces) for name, price, pieces in lines)
    )

    assert back(body, part)[1] == points
    assert back(body)[1] == 500 - points


def test_points_go_back_to_their_own_lots_and_get_grace_where_those_have_ended() -> None:
    """Edge case 11: what has expired meanwhile comes back with days of grace."""
    member = opened({"expiry": {"model": "fixed_after", "days": 20}})
    body = order_of(redeem(member, 5), line(price="10.00"))
    late = NOON + 15 * DAY

    assert back(body, at=late) == (10, 500)
    fresh = PointLot.objects.get(moved_from__isnull=False)
    assert (fresh.points, fresh.remaining) == (500, 500)
    assert fresh.expires_at is not None
    assert timedelta(days=30) < fresh.expires_at - late <= timedelta(days=31)
    assert balances(member) == {"available": 500}
    assert differences() == []


def test_what_goes_back_pays_a_debt_first(member: Member) -> None:
    first = basket(line(price="200.00"), at=NOON)
    buy(first, moment=NOON)
    body = order_of(redeem(member, 5), line(price="10.00"))
    spend(member, 710, moment=NOON + DAY)
    assert back(first, at=NOON + 2 * DAY) == (200, 0)
    assert balances(member) == {"debt": -200}

    answer = bring_back(refund(body, at=NOON + 3 * DAY), moment=NOON + 3 * DAY)

    # First 500 come back, of which 200 pay the debt; then the 10 are taken from what is left.
    assert answer["points"] | {"given_back": 500, "from_available": 10} == answer["points"]
    assert balances(member) == {"available": 290}
    assert negative_balances() == []


@pytest.mark.parametrize(
    ("policy", "taken"),
    [
        ("only_pending", {"forgiven": 10}),
        ("within_balance", {"from_available": 10}),
        ("into_debt", {"from_available": 10}),
    ],
)
def test_points_that_go_back_are_there_to_be_taken(policy: str, taken: dict[str, int]) -> None:
    member = opened({"returns": {"policy": policy, "limit": 0, "grace_days": 30}})
    body = order_of(redeem(member, 5), line(price="10.00"))
    spend(member, 510, moment=NOON)
    sent = refund(body, at=NOON + DAY)

    rehearsed = bring_back(sent, moment=NOON + DAY, dry_run=True)
    answer = bring_back(sent, moment=NOON + DAY)

    figures = {name: points for name, points in answer["points"].items() if points}
    assert figures == {"clawed_back": 10, "given_back": 500, **taken}
    # A rehearsal moves nothing and says the same.
    assert rehearsed["points"] == answer["points"]
    assert balances(member) == {"available": 500 - (0 if policy == "only_pending" else 10)}
    assert differences() == []


def test_two_redemptions_of_one_order_each_give_their_own_back(member: Member) -> None:
    tenders = [paid_by(redeem(member, euros)) for euros in (2, 3)]
    body = basket(line(price="10.00", quantity="4"), at=NOON, tenders=tenders)
    buy(body, moment=NOON)

    assert [back(body, ("1", "1"))[1], back(body, ("1", "2"))[1], back(body)[1]] == [125, 250, 125]
    assert sorted(Redemption.objects.values_list("points_given_back", flat=True)) == [200, 300]
    assert differences() == []


def test_a_hold_that_was_captured_in_part_gives_back_what_it_paid(member: Member) -> None:
    held = redeem(member, 5, mode="hold")
    paid = redemptions.capture(
        program=held.program,
        public_id=held.public_id,
        caller="client:till",
        moment=NOON,
        quantity=3,
    )
    body = order_of(paid, line(price="10.00"))

    assert back(body) == (10, 300)
    assert balances(member) == {"available": 1000}
    assert differences() == []


# Whatever happened in between ----------------------------------------------------------------


def test_a_cancellation_after_a_part_came_back_gives_only_the_rest(member: Member) -> None:
    """Edge case 6: no more and no fewer points come back than were paid."""
    paid = redeem(member, 5)
    body = order_of(paid, line(price="10.00", quantity="4"))
    assert back(body, ("1", "1")) == (10, 125)

    found = redemptions.cancel(public_id=paid.public_id, caller="client:till", moment=NOON)

    assert (found.state, found.points_given_back) == ("cancelled", 500)
    assert balances(member) == {"available": 1030}
    assert back(body) == (30, 0)
    assert balances(member) == {"available": 1000}
    assert differences() == []


def test_a_cancellation_after_everything_came_back_gives_nothing(member: Member) -> None:
    paid = redeem(member, 5)
    body = order_of(paid, line(price="10.00"))
    back(body)

    found = redemptions.cancel(public_id=paid.public_id, caller="client:till", moment=NOON)

    assert found.state == "cancelled"
    assert balances(member) == {"available": 1000}
    assert differences() == []


def test_the_price_of_the_reward_now_does_not_matter(member: Member) -> None:
    """Edge case 3: what was paid goes back, whatever program and tier say by now."""
    body = order_of(redeem(member, 5), line(price="10.00"))
    apply(program_file(rewards=[{**EURO, "points_price": 200}], rules=[]), NOON + DAY)

    assert back(body, at=NOON + 2 * DAY) == (10, 500)
    assert balances(member) == {"available": 1000}


def test_a_purchase_that_arrives_after_its_return_gives_the_points_back(member: Member) -> None:
    body = basket(line(price="10.00"), at=NOON, tenders=[paid_by(redeem(member, 5))])
    parked = bring_back(refund(body, at=NOON), moment=NOON)
    assert (parked["state"], balances(member)) == ("parked", {"available": 500})

    buy(body, moment=NOON + DAY)

    assert balances(member) == {"available": 1000}
    assert differences() == []


def test_an_erased_member_gets_nothing_back_and_the_books_hold(member: Member) -> None:
    body = order_of(redeem(member, 5), line(price="10.00"))
    privacy.erase(member=member, confirm=member.number, moment=NOON + DAY, actor="test")

    _, points = back(body, at=NOON + 2 * DAY)

    assert points == 0
    assert differences() == []


# What a tender may name ----------------------------------------------------------------------


def test_only_a_paid_redemption_of_the_member_pays_and_only_one_order(member: Member) -> None:
    stranger = join("6011000002")
    buy(basket(line(price="500.00"), card="6011000002", at=NOON), moment=NOON)
    used = redeem(member, 1)
    order_of(used)
    cancelled = redeem(member, 1)
    redemptions.cancel(public_id=cancelled.public_id, caller="client:till", moment=NOON)
    cases = {
        "unknown_redemption": [
            {"kind": "points", "amount": "1.00", "redemption": str(uuid4())},
            paid_by(redeem(stranger, 1)),
        ],
        "redemption_not_paid": [paid_by(redeem(member, 1, mode="hold")), paid_by(cancelled)],
        "redemption_used": [paid_by(used)],
    }
    before = balances(member)

    for code, tenders in cases.items():
        for tender in tenders:
            with pytest.raises(DomainError) as refused:
                buy(basket(at=NOON, tenders=[tender]), moment=NOON)
            assert (refused.value.code, refused.value.status) == (code, 422)
    with pytest.raises(DomainError, match="unknown"):
        buy(basket(at=NOON, card=None, tenders=[paid_by(redeem(member, 1))]), moment=NOON)

    assert Purchase.objects.count() == 3
    assert PointsTender.objects.count() == 1
    assert before["available"] - balances(member)["available"] == 100


@pytest.mark.parametrize(
    ("_case", "kinds", "pointer"),
    [
        ("on a card", ["card"], "/tenders/0/redemption"),
        ("twice", ["points", "points"], "/tenders/1/redemption"),
    ],
)
def test_a_redemption_stands_once_and_on_points(
    member: Member, _case: str, kinds: list[str], pointer: str
) -> None:
    paid = redeem(member, 1)

    with pytest.raises(Invalid) as refused:
        buy(basket(at=NOON, tenders=[paid_by(paid, kind=kind) for kind in kinds]), moment=NOON)

    assert [error.pointer for error in refused.value.errors] == [pointer]


def test_the_database_lets_a_redemption_pay_one_order(member: Member) -> None:
    paid = redeem(member, 1)
    order_of(paid)
    buy(basket(at=NOON), moment=NOON)
    other = Purchase.objects.order_by("-pk")[0]

    with pytest.raises(IntegrityError, match="rewards_pointstender_once"), transaction.atomic():
        PointsTender.objects.create(purchase=other, redemption=paid, amount=1)


def test_a_batch_refuses_the_second_order_of_a_redemption_and_posts_the_rest(
    member: Member,
) -> None:
    tender = paid_by(redeem(member, 1))
    bodies = [
        basket(at=NOON, tenders=[tender]),
        basket(at=NOON, tenders=[tender]),
        basket(at=NOON),
    ]

    outcomes = send(bodies, moment=NOON)

    assert [each.status for each in outcomes] == ["created", "error", "created"]
    assert outcomes[1].problem is not None
    assert outcomes[1].problem.code == "redemption_used"
    assert [each.status for each in send(bodies, moment=NOON)] == [
        "duplicate",
        "error",
        "duplicate",
    ]


def test_points_of_another_scheme_need_no_redemption(member: Member) -> None:
    """A tender of points without a redemption is somebody else's: it gives nothing back."""
    body = basket(line(price="10.00"), at=NOON, tenders=[{"kind": "points", "amount": "4.00"}])
    buy(body, moment=NOON)

    assert back(body) == (10, 0)
    assert balances(member) == {"available": 1000}


def test_a_repeat_is_the_same_purchase_and_another_redemption_is_another(member: Member) -> None:
    first, second = redeem(member, 1), redeem(member, 1)
    body = basket(at=NOON, tenders=[paid_by(first)])
    posted = buy(body, moment=NOON)

    assert buy(body, moment=NOON + DAY) == posted
    with pytest.raises(DomainError) as refused:
        buy({**body, "tenders": [paid_by(second)]}, moment=NOON)
    assert refused.value.code == "purchase_conflict"
    assert PointsTender.objects.count() == 1
