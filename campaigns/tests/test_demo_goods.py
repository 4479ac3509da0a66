"""Names, categories and tags of the demo's goods."""

from __future__ import annotations

import pytest

from demo.goods import GASOLINE, category, good, slug


@pytest.mark.parametrize(
    ("_case", "department", "expected"),
    [
        ("one word", "PRODUCE", "produce"),
        ("sign", "PHOTO & VIDEO", "photo-video"),
        ("alias", "DRUG GM", "health-and-home"),
        ("alias with a hyphen", "MEAT-PCKGD", "packaged-meat"),
        ("crooked", "ELECT &PLUMBING", "electric-and-plumbing"),
        ("none", None, "other"),
        ("blank", " ", "other"),
    ],
)
def test_a_department_is_a_category(_case: str, department: str | None, expected: str) -> None:
    assert category(department) == expected


@pytest.mark.parametrize(
    ("_case", "product_type", "size", "name"),
    [
        ("plain", "FLUID MILK WHITE ONLY", "1 GA", "Fluid milk white only, 1 ga"),
        (
            "cut parenthesis",
            "SFT DRNK SNGL SRV BTL CARB (EX",
            None,
            "Soft drink single serving bottle carbonated",
        ),
        ("colon", "BREAD:ITALIAN/FRENCH", None, "Bread: italian/french"),
        ("whole parenthesis", "ONIONS YELLOW (BULK&BAG)", None, "Onions yellow (bulk & bag)"),
        ("leftover size", "APPLE SAUCE", "EX   16 OZ", "Apple sauce"),
        ("no name", None, "50 OZ", "Article 7"),
    ],
)
def test_a_product_type_is_made_readable(
    _case: str, product_type: str | None, size: str | None, name: str
) -> None:
    item = good(product_id=7, product_type=product_type, package_size=size)

    assert item.name == name


def test_fresh_goods_do_not_carry_the_size_of_their_case() -> None:
    bananas = good(
        product_id=1082185, department="PRODUCE", product_type="BANANAS", package_size="40 LB"
    )

    assert bananas.name == "Bananas"


def test_gasoline_is_fuel_in_whatever_department() -> None:
    item = good(product_id=1, department="MISCELLANEOUS", product_type=GASOLINE)

    assert (item.category, item.is_gasoline) == ("fuel", True)


def test_goods_that_may_not_be_promoted_carry_a_tag() -> None:
    cigarettes = good(product_id=1, department="DRUG GM", commodity="CIGARETTES")
    formula = good(product_id=2, department="DRUG GM", commodity="INFANT FORMULA")
    milk = good(product_id=3, department="GROCERY", commodity="FLUID MILK PRODUCTS")

    assert cigarettes.tags == ("cigarettes", "restricted")
    assert formula.tags == ("infant-formula", "restricted")
    assert milk.tags == ("fluid-milk-products",)


def test_a_product_that_the_list_lacks_has_its_number_only() -> None:
    item = good(product_id=1093587)

    assert (item.sku, item.name, item.category) == ("1093587", "Article 1093587", "other")
    assert (item.brand, item.tags) == ("", ())


def test_a_slug_holds_letters_digits_and_hyphens() -> None:
    assert slug("WATER - CARBONATED/FLVRD DRINK") == "water-carbonated-flvrd-drink"
