"""Cleaning of the data set's rows, on frames made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from demo.frame import clean, posted_net_cents, unit_price_e4

MILK, FUEL = 1, 9


def _raw(*rows: tuple[int, int, float, float, float, float]) -> dict[str, Any]:
    """Make the columns of one basket: product, quantity, sales, retail, coupon, match."""
    product, quantity, sales, retail, coupon, match = zip(*rows, strict=True)
    one = np.ones(len(rows), dtype=np.int64)
    return {
        "household_id": one,
        "store_id": one,
        "basket_id": one,
        "product_id": np.array(product),
        "quantity": np.array(quantity),
        "sales_value": np.array(sales, dtype=np.float64),
        "retail_disc": np.array(retail, dtype=np.float64),
        "coupon_disc": np.array(coupon, dtype=np.float64),
        "coupon_match_disc": np.array(match, dtype=np.float64),
        "transaction_timestamp": one,
    }


@pytest.mark.parametrize(
    ("_case", "row", "quantity_e3", "price_e4", "discount", "net"),
    [
        ("no discount", (MILK, 2, 2.20, 0, 0, 0), 2000, 11000, 0, 220),
        ("loyalty discount", (MILK, 1, 1.39, 0.60, 0, 0), 1000, 19900, 60, 139),
        ("a coupon lowers what was paid", (MILK, 1, 3.00, 0, 1.00, 0), 1000, 30000, 100, 200),
        ("a matched coupon", (MILK, 1, 2.50, 0.20, 0.50, 0.50), 1000, 32000, 120, 200),
        ("a coupon above the price", (MILK, 1, 0.84, 0, 1.00, 0), 1000, 8400, 84, 0),
        ("given away", (MILK, 1, 0, 1.99, 0, 0), 1000, 19900, 199, 0),
        ("three for a euro", (MILK, 3, 1.00, 0, 0, 0), 3000, 3333, 0, 100),
        ("quantity 0 with money", (MILK, 0, 0.50, 0, 0, 0), 1000, 5000, 0, 50),
        ("fuel in thousandths", (FUEL, 10296, 25.73, 0, 0, 0), 10296, 24990, 0, 2573),
        ("a full tank", (FUEL, 89638, 241.11, 8.96, 0, 0), 89638, 27898, 896, 24111),
        ("fuel by the amount", (FUEL, 1, 15.00, 0, 0, 0), 1000, 150000, 0, 1500),
        ("a fraction with binary dust", (MILK, 1, 0.1 + 0.2, 0, 0, 0), 1000, 3000, 0, 30),
    ],
)
def test_a_row_becomes_a_line_that_is_exact_to_the_cent(
    _case: str,
    row: tuple[int, int, float, float, float, float],
    quantity_e3: int,
    price_e4: int,
    discount: int,
    net: int,
) -> None:
    frame, _ = clean(_raw(row), np.array([FUEL]))

    assert frame.quantity_e3.tolist() == [quantity_e3]
    assert frame.unit_price_e4.tolist() == [price_e4]
    assert frame.discount_cents.tolist() == [discount]
    assert frame.net_cents.tolist() == [net]
    assert posted_net_cents(frame).tolist() == [net]


def test_rows_without_quantity_and_money_are_no_sales() -> None:
    rows = [(MILK, 0, 5.551115e-17, 0, 0, 0), (MILK, 0, 0, 0, 0.75, 0), (MILK, 1, 1.00, 0, 0, 0)]

    frame, findings = clean(_raw(*rows), np.array([FUEL]))

    assert len(frame) == 1
    assert (findings.rows_read, findings.rows_dropped) == (3, 2)
    assert findings.coupon_cents_dropped == 75
    assert findings.sales_cents == 100


def test_what_the_cleaning_did_is_counted() -> None:
    rows = [
        (MILK, 0, 0.01, 0, 0, 0),
        (FUEL, 10296, 25.73, 0, 0, 0),
        (FUEL, 1, 15.00, 0, 0, 0),
        (MILK, 1, 0.84, 0, 1.00, 0),
        (MILK, 1, 2.00, 0, 0.50, 0),
    ]

    _, findings = clean(_raw(*rows), np.array([FUEL]))

    assert findings.quantity_zero_made_one == 1
    assert (findings.fuel_in_thousandths, findings.fuel_prepaid) == (1, 1)
    assert (findings.coupons_capped, findings.coupon_cents_capped) == (1, 16)
    assert findings.coupon_cents == 150


def test_a_unit_price_is_rounded_half_up() -> None:
    prices = unit_price_e4(np.array([100, 200, 1]), np.array([3000, 3000, 200_000]))

    assert prices.tolist() == [3333, 6667, 1]
