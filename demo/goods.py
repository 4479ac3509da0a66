"""Makes the product list of the data set readable: categories, tags and names of goods."""

from __future__ import annotations

import re
from dataclasses import dataclass

GASOLINE = "GASOLINE-REG UNLEADED"
FUEL = "fuel"
UNLISTED = "other"

# Goods that the law of the program's country keeps out of promotions: tobacco (Directive
# 2003/33/EC) and infant formula (Regulation (EU) 2016/127). The program's rules skip the tag.
RESTRICTED = "restricted"
RESTRICTED_COMMODITIES = frozenset({"CIGARETTES", "CIGARS", "TOBACCO OTHER", "INFANT FORMULA"})

# Departments whose own word would not be read as a category by a member.
CATEGORY_ALIASES = {
    "charitable-cont": "charity",
    "chef-shoppe": "kitchen",
    "cntrl-store-sup": "store-supplies",
    "coupon": UNLISTED,
    "drug-gm": "health-and-home",
    "elect-plumbing": "electric-and-plumbing",
    "frozen-grocery": "frozen",
    "gm-merch-exp": "general-merchandise",
    "meat-pckgd": "packaged-meat",
    "miscellaneous": UNLISTED,
    "pastry": "bakery",
    "prod-whs-sales": "produce",
    "seafood-pckgd": "packaged-seafood",
    "travel-leisure": "travel-and-leisure",
}

# Sizes in any other shape are leftovers of neighboring columns ("EX   16 OZ").
SIZE = re.compile(r"(\d{1,3}(?:\.\d+)?|\.\d+) ?(OZ|LB|CT|GA|LTR|ML|PK|SQ FT|IN)")

WORDS = {
    "bkfst": "breakfast",
    "brkfst": "breakfast",
    "btl": "bottle",
    "carb": "carbonated",
    "ckn": "chicken",
    "dnrs": "dinners",
    "dogfd": "dog food",
    "catfd": "cat food",
    "drnk": "drink",
    "drnks": "drinks",
    "drsng": "dressing",
    "fd": "food",
    "frz": "frozen",
    "frzn": "frozen",
    "hh": "household",
    "combin": "combination",
    "juces": "juices",
    "mach": "machine",
    "mstrd": "mustard",
    "mxs": "mixes",
    "dps": "dips",
    "prep": "prepared",
    "prpck": "prepacked",
    "pwdr": "powder",
    "refrgratd": "chilled",
    "sal": "salad",
    "sald": "salad",
    "sft": "soft",
    "sgl": "single",
    "sndwch": "sandwich",
    "sngl": "single",
    "sprd": "spread",
    "srv": "serving",
    "sv": "serving",
    "ss": "single serving",
    "vend": "vending",
    "veg": "vegetable",
    "yel": "yellow",
}


@dataclass(frozen=True, slots=True)
class Good:
    """What a purchase line says of its product."""

    sku: str
    name: str
    category: str
    brand: str
    tags: tuple[str, ...]
    is_gasoline: bool


def good(
    *,
    product_id: int,
    department: str | None = None,
    brand: str | None = None,
    commodity: str | None = None,
    product_type: str | None = None,
    package_size: str | None = None,
) -> Good:
    """Return the line texts of a product; a product that the list lacks has its number only."""
    is_gasoline = product_type == GASOLINE
    # The size of fresh goods is that of the case which the shop received.
    by_case = category(department) == "produce"
    tags = [slug(commodity)] if commodity else []
    if commodity in RESTRICTED_COMMODITIES:
        tags.append(RESTRICTED)
    return Good(
        sku=str(product_id),
        name=_name(product_id, product_type or commodity, None if by_case else package_size),
        category=FUEL if is_gasoline else category(department),
        brand=(brand or "").lower(),
        tags=tuple(tags),
        is_gasoline=is_gasoline,
    )


def category(department: str | None) -> str:
    """Return the category of a department; goods without one are ``other``."""
    code = slug(department or "")
    return CATEGORY_ALIASES.get(code, code) or UNLISTED


def slug(text: str) -> str:
    """Return ``text`` in lower case with hyphens for everything but letters and digits."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _name(product_id: int, text: str | None, package_size: str | None) -> str:
    # The list cuts long names off, often inside a parenthesis that then never closes.
    whole = re.sub(r"\([^)]*$", "", text or "")
    words = re.findall(r"[a-z0-9%']+|[^a-z0-9%'\s]", whole.lower())
    joined = " ".join(WORDS.get(word, word) for word in words)
    readable = re.sub(r"\s*([/-])\s*", r"\1", joined).replace(" :", ":")
    readable = readable.replace("( ", "(").replace(" )", ")").strip(" -/:.,")
    if not readable:
        return f"Article {product_id}"
    size = SIZE.fullmatch((package_size or "").strip())
    return readable.capitalize() + (f", {size[1]} {size[2].lower()}" if size else "")
