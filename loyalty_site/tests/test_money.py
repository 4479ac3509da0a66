"""Money is exact, and rounded once in the direction that the program states."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_site.lib import money


@pytest.mark.parametrize(
    ("_case", "currency", "digits"),
    [
        ("most have two", "EUR", 2),
        ("yen has none", "JPY", 0),
        ("Kuwaiti dinar has three", "KWD", 3),
        ("the Chilean unit of account has four", "CLF", 4),
    ],
)
def test_minor_units_are_those_of_iso_4217(_case: str, currency: str, digits: int) -> None:
    assert money.minor_digits(currency) == digits


@pytest.mark.parametrize(
    ("_case", "quantity", "price", "discount", "digits", "net"),
    [
        ("the contract's example", "2", "1.10", "0.00", 2, "2.20"),
        ("half a cent rounds up", "1", "0.125", "0", 2, "0.13"),
        ("below half rounds down", "0.333", "1.00", "0", 2, "0.33"),
        ("the discount comes before rounding", "3", "4.00", "2.505", 2, "9.50"),
        ("never below zero", "1", "1.00", "5.00", 2, "0.00"),
        ("yen has no cents", "1.5", "333", "0", 0, "500"),
        ("fuel", "30.123", "1.459", "0", 2, "43.95"),
        ("three places", "1", "0.0005", "0", 3, "0.001"),
        ("largest figures", "999999999.999", "99999999.9999", "0", 2, "99999999999800000.00"),
    ],
)
def test_line_net_rounds_half_up_and_not_below_zero(
    _case: str, quantity: str, price: str, discount: str, digits: int, net: str
) -> None:
    paid = money.line_net(Decimal(quantity), Decimal(price), Decimal(discount), digits)

    assert str(paid) == net


@pytest.mark.parametrize(
    ("_case", "amount", "digits", "text"),
    [
        ("euro", "12.5", 2, "12.50"),
        ("yen", "1200", 0, "1200"),
        ("no exponent", "1E+3", 2, "1000.00"),
        ("zero", "0", 2, "0.00"),
    ],
)
def test_money_is_written_with_its_minor_digits(
    _case: str, amount: str, digits: int, text: str
) -> None:
    assert money.wire(Decimal(amount), digits) == text


@pytest.mark.parametrize(
    ("_case", "amount", "points", "per", "expected"),
    [
        ("the contract's example", "2.20", 1, "1.00", 2),
        ("a third is exact", "1.00", 1, "3.00", 0),
        ("three thirds are one", "3.00", 1, "3.00", 1),
        ("no float residue", "0.30", 10, "0.1", 30),
        ("268.28 stays 268.28", "268.28", 100, "1.00", 26828),
        ("nothing", "0.00", 5, "1.00", 0),
    ],
)
def test_points_of_an_amount_are_rounded_down_exactly(
    _case: str, amount: str, points: int, per: str, expected: int
) -> None:
    assert money.floor_points(Decimal(amount), points, Decimal(per)) == expected


@given(
    amount=st.decimals(0, 10**6, places=2),
    points=st.integers(1, 1000),
    per=st.decimals(Decimal("0.01"), 1000, places=2),
)
def test_points_never_exceed_the_exact_share_and_miss_it_by_less_than_one(
    amount: Decimal, points: int, per: Decimal
) -> None:
    exact = Fraction(amount) * points / Fraction(per)

    assert 0 <= exact - money.floor_points(amount, points, per) < 1
