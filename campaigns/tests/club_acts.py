"""What can be done in a club: each act is done by the product's own service and told the model.

An act returns the people whom it touched. What the services answer is held against what the model
said of it in advance, as far as the model can know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from fractions import Fraction
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from campaigns.tests import shop
from campaigns.tests.club_machine import PRICES, Club, Person
from campaigns.tests.club_model import Bought, Held, Line, Redeemed
from campaigns.tests.shop import DAY, basket, refund
from loyalty_site.lib.errors import DomainError
from members.models import (
    PointLot,
    Purchase,
    Return,
)
from rewards.services import redemptions
from rewards.services.refusals import AlreadyResolved

Touched = Sequence[Person]
Act = Callable[[Club], Touched]

CALLER = "client:till"

# Purchases and returns ----------------------------------------------------------------------


def _order(club: Club, card: str | None, **fields: Any) -> tuple[dict[str, Any], dict[str, Line]]:
    """Draw a purchase; return its body and what the model expects of its lines."""
    chance = club.chance
    at = club.now - chance.choice([0, 0, 0, 1, 40]) * DAY / 24
    rate = club.rate_at(at)
    sent, lines = [], {}
    for number in range(chance.randint(1, 3)):
        price, pieces = chance.randint(1, 40), chance.randint(1, 4)
        category = chance.choice(["dairy", "toys"])
        net = price * pieces
        sent.append(shop.line(str(number), f"{price}.00", quantity=str(pieces), category=category))
        awards = [net * rate, net if category == "dairy" else 0]
        lines[str(number)] = Line(net, awards, net, Fraction(pieces))
    return basket(*sent, card=card, at=at, **fields), lines


def _told_of(club: Club, bought: Bought, body: dict[str, Any]) -> None:
    """Tell the model of a purchase that the books have."""
    club.bought[bought.name], club.bodies[bought.name] = bought, body
    purse = club.purse(bought.member)
    club.people[bought.member].purse.status += sum(line.status for line in bought.lines.values())
    lots = PointLot.objects.filter(
        transaction__type="earn",
        transaction__currency__code="points",
        transaction__external_ref=str(Purchase.objects.get(external_id=bought.name).public_id),
    )
    assert sum(lot.points for lot in lots) == bought.granted
    for lot in lots[:1]:
        until = None if lot.waits_for else lot.available_at
        if until is None or until > club.now:
            purse.wait(bought.name, bought.granted, until)
        else:
            purse.give(bought.granted)


def buy(club: Club) -> Touched:
    """Buy something, told late or at once."""
    person = club.anybody()
    body, lines = _order(club, person.card)
    club.settle(person)
    answer = shop.buy(body, moment=club.now)
    bought = Bought(body["external_id"], person.number, lines)
    assert answer["points"]["granted"] == bought.granted
    club.answers[bought.name] = answer
    _told_of(club, bought, body)
    return [person]


def buy_many(club: Club) -> Touched:
    """Send a batch in which some purchases were sent before."""
    rows = [
        (person, *_order(club, person.card)) for person in club.chance.choices(club.there(), k=3)
    ]
    old = club.chance.sample(sorted(club.bodies), min(2, len(club.bodies)))
    club.settle(*(person for person, _, _ in rows))
    outcomes = shop.send(
        [body for _, body, _ in rows] + [club.bodies[name] for name in old], moment=club.now
    )
    assert [each.status for each in outcomes] == ["created"] * 3 + ["duplicate"] * len(old)
    for person, body, lines in rows:
        _told_of(club, Bought(body["external_id"], person.number, lines), body)
    return [person for person, _, _ in rows]


def buy_again(club: Club) -> Touched:
    """Send a purchase a second time: the first answer, and nothing moves."""
    if not club.answers:
        return []
    name = club.chance.choice(sorted(club.answers))
    assert shop.buy(club.bodies[name], moment=club.now) == club.answers[name]
    return [club.people[club.bought[name].member]]


def buy_unknown_and_claim(club: Club) -> Touched:
    """Buy without a card, and claim it days later."""
    body, lines = _order(club, None)
    answer = shop.buy(body, moment=club.now)
    assert answer["points"]["granted"] == 0
    club.now += club.chance.randint(0, 3) * DAY
    person = club.anybody()
    club.settle(person)
    shop.claim(answer["id"], person.card, moment=club.now)
    _told_of(club, Bought(body["external_id"], person.number, lines), body)
    return [person]


def buy_with_points(club: Club) -> Touched:
    """Pay a part of an order with points."""
    person = club.anybody()
    paid = _redeem(club, person, "euro", "capture")
    if paid is None:
        return [person]
    tender = {"kind": "points", "amount": f"{paid.pieces}.00", "redemption": paid.name}
    body, lines = _order(club, person.card, tenders=[tender])
    shop.buy(body, moment=club.now)
    paid.pays_for = body["external_id"]
    _told_of(club, Bought(paid.pays_for, person.number, lines, paid_with=paid.name), body)
    return [person]


def _parts(club: Club, bought: Bought) -> dict[str, Fraction]:
    """Draw which pieces come back."""
    found = {}
    for name, line in bought.lines.items():
        if line.left and club.chance.random() < 0.6:
            pieces = [Fraction(1), Fraction(1, 2), Fraction(1, 8), line.left]
            found[name] = club.chance.choice([each for each in pieces if each <= line.left])
    return found or {name: line.left for name, line in bought.lines.items() if line.left}


def _wire(parts: dict[str, Fraction]) -> list[tuple[str, str]]:
    return [(name, f"{float(pieces):.3f}") for name, pieces in parts.items()]


def bring_back(club: Club) -> Touched:
    """Bring a part of a purchase back, or all that is left, dated now or before."""
    open_ones = [name for name, each in club.bought.items() if not each.is_whole]
    if not open_ones:
        return []
    bought = club.bought[club.chance.choice(sorted(open_ones))]
    parts = _parts(club, bought)
    is_all = all(parts.get(name) == line.left for name, line in bought.lines.items() if line.left)
    wanted = [] if is_all else _wire(parts)
    body = refund(
        club.bodies[bought.name], *wanted, at=club.now - club.chance.choice([0, 0, 30]) * DAY / 24
    )
    club.settle(club.holder(bought.member))
    answer = shop.bring_back(body, moment=club.now)
    _returned(club, bought, parts, body["external_id"])
    if club.chance.random() < 0.3:
        assert shop.bring_back(body, moment=club.now) == answer
    return [club.people[bought.member]]


def bring_back_first(club: Club) -> Touched:
    """Bring goods back before their purchase is told."""
    person = club.anybody()
    body, lines = _order(club, person.card)
    bought = Bought(body["external_id"], person.number, lines)
    parts = _parts(club, bought)
    back = refund(body, *_wire(parts), at=club.now)
    assert shop.bring_back(back, moment=club.now)["state"] == "parked"
    club.settle(person)
    shop.buy(body, moment=club.now)
    _told_of(club, bought, body)
    _returned(club, bought, parts, back["external_id"])
    return [person]


def _returned(club: Club, bought: Bought, parts: dict[str, Fraction], name: str) -> None:
    """Tell the model of a return that the books have, and compare its figures."""
    person = club.holder(bought.member)
    points, status = bought.bring_back(parts)
    row = Return.objects.get(external_id=name)
    assert row.state == "applied"
    told = {**row.points["by_currency"].get("points", {})}
    expired = told.pop("already_expired", 0)
    assert sum(told.values()) + expired == points
    back = 0
    if bought.paid_with and not person.is_erased:
        paid = club.redeemed[bought.paid_with]
        back = paid.goes_back(bought.share_returned())
    assert row.points.get("given_back", {}).get("points", 0) == back
    person.purse.give(back)
    if club.is_exact:
        said = person.purse.claw_back(bought.name, points, club.policy, club.debt_limit)
        assert {key: value for key, value in said.items() if value} == {
            key: value for key, value in told.items() if value
        }
        assert expired == 0
    else:
        moved = ("from_pending", "from_available", "to_debt")
        person.purse.available -= sum(told.get(each, 0) for each in moved)
    club.people[bought.member].purse.status -= status
    if bought.is_whole:
        assert bought.taken_back == bought.granted


# Rewards ------------------------------------------------------------------------------------


def _redeem(club: Club, person: Person, reward: str, mode: Any) -> Redeemed | None:
    """Redeem some pieces; None where there is too little, as the model says."""
    pieces = club.chance.randint(1, 5)
    club.settle(person)
    order = redemptions.Order(
        member=club.member(person), reward=reward, quantity=pieces, mode=mode, caller=CALLER,
        hold_minutes=60,
    )  # fmt: skip
    points = pieces * PRICES[reward]
    is_refused = person.purse.debt > 0 or person.purse.available < points
    try:
        row = redemptions.redeem(program=order.member.program, order=order, moment=club.now)
    except DomainError:
        row = None
    if club.is_exact:
        assert is_refused == (row is None)
    if row is None:
        return None
    made = Redeemed(str(row.public_id), person.number, pieces, PRICES[reward], mode == "hold")
    club.redeemed[made.name] = made
    person.purse.available -= points
    if made.is_held:
        person.purse.holds[made.name] = Held(points, club.now + timedelta(hours=1))
    return made


def redeem(club: Club) -> Touched:
    """Redeem at once."""
    person = club.anybody()
    _redeem(club, person, "cup", "capture")
    return [person]


def hold(club: Club) -> Touched:
    """Hold points for an hour."""
    person = club.anybody()
    _redeem(club, person, "cup", "hold")
    return [person]


def _drawn(club: Club, wanted: Callable[[Redeemed], bool]) -> Redeemed | None:
    found = [each for each in club.redeemed.values() if wanted(each)]
    found = [each for each in found if not club.holder(each.member).is_erased]
    # Those of late are the ones that something can still become of.
    return club.chance.choice(found[-8:]) if found else None


def capture(club: Club) -> Touched:
    """Pay what is held, or a part of it; what lapsed is refused."""
    made = _drawn(club, lambda each: each.is_held and not each.is_over)
    if made is None:
        return []
    person = club.people[made.member]
    club.settle(person)
    pieces = club.chance.choice([None, *range(1, made.pieces + 1)])
    kept = person.purse.holds.pop(made.name, None)
    pay = partial(
        redemptions.capture,
        program=club.member(person).program,
        public_id=UUID(made.name),
        caller=CALLER,
        moment=club.now,
        quantity=pieces,
    )
    if kept is None:
        made.is_over = True
        with pytest.raises(AlreadyResolved):
            pay()
        return [person]
    pay()
    made.is_held, made.pieces = False, pieces or made.pieces
    person.purse.give(kept.points - made.points)
    return [person]


def cancel(club: Club) -> Touched:
    """Give a redemption back, also after its time or after goods came back."""
    made = _drawn(club, lambda each: not each.is_over)
    if made is None:
        return []
    person = club.holder(made.member)
    club.settle(person)
    made.is_over = True
    give_back = partial(
        redemptions.cancel, public_id=UUID(made.name), caller=CALLER, moment=club.now
    )
    if made.is_held:
        kept = person.purse.holds.pop(made.name, None)
        if kept is None:
            with pytest.raises(AlreadyResolved):
                give_back()
            return [person]
        person.purse.give(kept.points)
    else:
        person.purse.give(made.goes_back(Fraction(1)))
    give_back()
    return [person, club.people[made.member]]
