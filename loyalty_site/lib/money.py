"""Exact money: minor units, rounding in the direction that the program states, wire text."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Final

# Minor units that are not 2, from ISO 4217 list one (2024).
_NO_MINOR_UNIT: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS: Final = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DIGITS: Final = "CLF UYW"
_MINOR_DIGITS: Final[dict[str, int]] = {
    **dict.fromkeys(_NO_MINOR_UNIT.split(), 0),
    **dict.fromkeys(_THREE_DIGITS.split(), 3),
    **dict.fromkeys(_FOUR_DIGITS.split(), 4),
}

_CODES: Final = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP "
    "BYN BZD CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP "
    "GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS "
    "KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR "
    "MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF "
    "SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD "
    "TZS UAH UGX USD UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES: Final[frozenset[str]] = frozenset(_CODES.split())

# Purchases have at most 12 digits of price and quantity each: 60 digits never round.
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)
_UNITS: Final[tuple[Decimal, ...]] = tuple(Decimal(1).scaleb(-digits) for digits in range(5))
ZERO: Final = Decimal(0)


def minor_digits(currency: str) -> int:
    """Return how many decimal places the smallest unit of ``currency`` has (ISO 4217)."""
    return _MINOR_DIGITS.get(currency, 2)


def line_net(quantity: Decimal, unit_price: Decimal, discount: Decimal, digits: int) -> Decimal:
    """Return what was paid for a line, rounded half up to ``digits`` places, never below zero."""
    exact = _EXACT.subtract(_EXACT.multiply(quantity, unit_price), discount)
    return _EXACT.quantize(max(exact, ZERO), _UNITS[digits])


def wire(amount: Decimal, digits: int) -> str:
    """Return ``amount`` as the API writes it, half up: ``12.50``, ``1200`` in yen."""
    return f"{_EXACT.quantize(amount, _UNITS[digits]):f}"


def plain(number: Decimal) -> str:
    """Return ``number`` without exponent and without trailing zeros: ``2``, ``1.5``."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def floor_points(amount: Decimal, points: int, per: Decimal) -> int:
    """Return ``amount x points / per`` rounded down to whole points, without any error."""
    numerator, denominator = amount.as_integer_ratio()
    per_numerator, per_denominator = per.as_integer_ratio()
    return (numerator * points * per_denominator) // (denominator * per_numerator)


def floor_share(points: int, factor: Decimal) -> int:
    """Return ``points x factor`` rounded down to whole points, without any error."""
    numerator, denominator = factor.as_integer_ratio()
    return (points * numerator) // denominator


def share(amount: Decimal, part: int, whole: int, digits: int) -> Decimal:
    """Return ``amount x part / whole``, of the exact fraction, half up to ``digits`` places."""
    numerator, denominator = amount.as_integer_ratio()
    units = Fraction(numerator * part * 10**digits, denominator * whole)
    return Decimal(int(units + Fraction(1, 2))).scaleb(-digits)


def exact_rate(points: int, per: Decimal) -> Fraction:
    """Return the points given for one unit of money, as an exact fraction."""
    return Fraction(points) / Fraction(per)
