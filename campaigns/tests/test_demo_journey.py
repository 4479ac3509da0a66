"""The demo's data as it is loaded: all of the real data set, against figures measured once."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from demo.frame import posted_net_cents
from demo.journey import Journey, decimal_text, is_late, load, money_text, spread

LISBON = ZoneInfo("Europe/Lisbon")
TODAY = date(2026, 10, 7)


@pytest.fixture(scope="module")
def journey() -> Journey:
    """Return the whole data set."""
    return load(None, TODAY, LISBON)


@pytest.fixture(scope="module")
def small() -> Journey:
    """Return thirty households of it."""
    return load(30, TODAY, LISBON)


def test_the_whole_data_set_is_loaded(journey: Journey) -> None:
    assert len(journey.members) == 2_469
    assert len(journey.stores) == 457
    assert len(journey.purchases) == 155_520
    assert journey.lines == 1_460_467
    assert (journey.first_day, journey.last_day) == (date(2025, 10, 5), date(2026, 10, 4))


def test_what_is_left_out_is_known_to_the_row(journey: Journey) -> None:
    found = journey.findings

    assert (found.rows_read, found.rows_dropped) == (1_469_307, 8_840)
    assert found.rows_read - found.rows_dropped == journey.lines
    assert found.quantity_zero_made_one == 29
    assert (found.fuel_in_thousandths, found.fuel_prepaid) == (13_520, 1_177)
    assert (found.coupons_capped, found.coupon_cents_capped) == (529, 32_547)


def test_net_is_what_the_shops_received_less_the_coupons(journey: Journey) -> None:
    frame, found = journey.purchases.frame, journey.findings

    net = int(frame.net_cents.sum())

    assert net == found.sales_cents - found.coupon_cents + found.coupon_cents_capped
    assert net == 457_654_945


def test_the_api_computes_the_same_net_of_every_line(journey: Journey) -> None:
    frame = journey.purchases.frame

    assert int((posted_net_cents(frame) != frame.net_cents).sum()) == 0


def test_every_line_has_what_the_api_asks(journey: Journey) -> None:
    frame, bounds = journey.purchases.frame, journey.purchases.bounds
    sizes = np.diff(bounds)

    assert int(frame.quantity_e3.min()) > 0
    assert int(frame.unit_price_e4.min()) >= 0
    assert int(frame.discount_cents.min()) >= 0
    assert (int(sizes.min()), int(sizes.max())) == (1, 161)
    assert len(np.unique(frame.basket)) == len(journey.purchases)
    assert len(np.unique(np.stack([frame.basket, frame.product]), axis=1).T) == journey.lines


def test_purchases_come_in_order_and_none_is_in_the_future(journey: Journey) -> None:
    moments = journey.purchases.frame.utc

    assert bool((np.diff(moments) >= 0).all())
    assert int(moments.max()) < datetime(2026, 10, 5, tzinfo=LISBON).timestamp()


def test_a_body_adds_up_as_the_api_adds_it(small: Journey) -> None:
    total = Decimal(0)
    for body in small.purchases:
        line_ids = [line["line_id"] for line in body["lines"]]
        assert len(set(line_ids)) == len(line_ids)
        for line in body["lines"]:
            gross = Decimal(line["quantity"]) * Decimal(line["unit_price"])
            net = gross - Decimal(line["discount"])
            total += max(net.quantize(Decimal("0.01"), ROUND_HALF_UP), Decimal(0))

    assert total * 100 == int(small.purchases.frame.net_cents.sum())


def test_a_body_reads_as_a_till_would_send_it(small: Journey) -> None:
    body = next(iter(small.purchases))

    assert {key: body[key] for key in body if key != "lines"} == {
        "source": "complete-journey",
        "external_id": "31198895566",
        "member": {"identifier": "6011018568"},
        "occurred_at": "2025-10-05T11:44:39Z",
        "store": "420",
        "channel": "store",
        "currency": "EUR",
    }
    assert body["lines"][0] == {
        "line_id": "1",
        "sku": "986912",
        "name": "Prepared food: side dishes (hot)",
        "category": "deli",
        "brand": "national",
        "quantity": "1",
        "unit_price": "3.00",
        "discount": "0.86",
        "tags": ["prepared-food"],
    }


def test_members_join_before_they_shop_but_for_the_late_ones(small: Journey) -> None:
    enrolled = {
        member["identifiers"][0]["value"]: member["enrolled_at"] for member in small.members
    }
    unknown: Counter[int] = Counter()
    for position, body in enumerate(small.purchases):
        household = int(small.purchases.frame.household[small.purchases.bounds[position]])
        if body["member"] is None:
            unknown[household] += 1
        else:
            assert enrolled[body["member"]["identifier"]] <= body["occurred_at"]

    assert unknown == {
        household: 3 for household in small.purchases.enrolled_utc if is_late(household)
    }


def test_one_member_is_born_on_a_leap_day(small: Journey) -> None:
    births = [member["birth_date"] for member in small.members]

    assert births.count("1988-02-29") == 1
    assert births[1] == "1988-02-29"


def test_a_smaller_load_is_part_of_a_larger_one_and_as_spread(
    journey: Journey, small: Journey
) -> None:
    cards = [member["identifiers"][0]["value"] for member in small.members]
    frame = journey.purchases.frame
    spent = np.bincount(frame.household, weights=frame.net_cents)

    assert cards == [member["identifiers"][0]["value"] for member in journey.members[:30]]
    households = [int(card[4:9]) for card in cards]
    light = sum(spent[household] < np.median(spent[spent > 0]) for household in households)
    assert 12 <= light <= 18


def test_months_hold_every_purchase_once(small: Journey) -> None:
    months = list(small.purchases.months())

    assert [month for month, _ in months] == sorted({month for month, _ in months})
    assert (months[0][0], months[-1][0]) == ("2025-10", "2026-10")
    assert [body for _, bodies in months for body in bodies] == list(small.purchases)


def test_the_same_day_gives_the_same_data(small: Journey) -> None:
    again = load(30, TODAY, LISBON)

    assert again.members == small.members
    assert list(again.purchases) == list(small.purchases)


def test_no_household_can_be_asked_for_but_not_less_than_none() -> None:
    nobody = load(0, TODAY, LISBON)

    assert (nobody.members, len(nobody.purchases), nobody.lines) == ((), 0, 0)
    assert list(nobody.purchases) == []
    assert list(nobody.purchases.months()) == []
    assert nobody.last_day == date(2026, 10, 4)
    with pytest.raises(ValueError, match="households is -1"):
        load(-1, TODAY, LISBON)


def test_a_spread_takes_the_middle_then_the_quarters() -> None:
    assert spread([0, 1, 2, 3, 4, 5, 6, 7]) == [4, 2, 6, 1, 5, 3, 7, 0]
    assert sorted(spread(list(range(2469)))) == list(range(2469))
    assert spread([7]) == [7]
    assert spread([]) == []


@pytest.mark.parametrize(
    ("_case", "units", "places", "text"),
    [
        ("whole", 2000, 3, "2"),
        ("three places", 10296, 3, "10.296"),
        ("trailing zeros", 1500, 3, "1.5"),
        ("below one", 3333, 4, "0.3333"),
        ("nothing", 0, 3, "0"),
        ("tens keep their zero", 10000, 3, "10"),
    ],
)
def test_a_decimal_is_written_without_a_float(
    _case: str, units: int, places: int, text: str
) -> None:
    assert decimal_text(units, places) == text


def test_money_has_two_places() -> None:
    assert [money_text(cents) for cents in (0, 5, 1099)] == ["0.00", "0.05", "10.99"]
