"""Reads what the file says of the partners of the coalition."""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from .partner_document import PartnerCapsSection, PartnerRateSection, PartnerSection
from .reader import Reader

_POINTS_MAX: Final = 10**9
_RATE_MAX: Final = Decimal(10**9)
_PRICE_MAX: Final = Decimal(10**5)
_CODE_MAX: Final = 48


def read(reader: Reader, zone: ZoneInfo, locale: str) -> PartnerSection:
    """Return a partner; funding and a first rate have to be said."""
    code = reader.code()
    if len(code) > _CODE_MAX:
        reader.refuse("code", f"a code of at most {_CODE_MAX} characters")
    rates = []
    for each in reader.readers("rates"):
        rates.append(_rate(each, zone))
        each.close()
    starts = [each.starts_at for each in rates if each.starts_at is not None]
    if not starts or starts != sorted(set(starts)):
        reader.refuse("rates", "at least one rate, in the order of their beginnings")
    return PartnerSection(
        code=code,
        name=reader.localized("name", locale),
        unit=reader.optional_text("unit"),
        currency=reader.optional_text("currency"),
        funding=reader.choice("funding", ("prepaid", "postpaid")),
        caps=reader.section("caps", _caps) or PartnerCapsSection(),
        rates=tuple(rates),
    )


def _caps(reader: Reader) -> PartnerCapsSection:
    return PartnerCapsSection(
        given_per_day=reader.optional_integer("given_per_day", least=1),
        taken_per_day=reader.optional_integer("taken_per_day", least=1),
    )


def _rate(reader: Reader, zone: ZoneInfo) -> PartnerRateSection:
    return PartnerRateSection(
        starts_at=reader.moment("starts_at", zone, required=True),
        rate_in=_exact(reader, "rate_in"),
        rate_out=_exact(reader, "rate_out"),
        price_in=reader.decimal("price_in", most=_PRICE_MAX, places=6),
        price_out=reader.decimal("price_out", most=_PRICE_MAX, places=6, default=Decimal(0)),
    )


def _exact(reader: Reader, key: str) -> Decimal | None:
    if reader.has(key):
        return reader.decimal(key, above=Decimal(0), most=_RATE_MAX, places=6)
    reader.raw(key)
    return None
