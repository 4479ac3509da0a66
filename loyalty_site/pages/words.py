"""Figures, names and days of one program, in the active language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency, format_decimal
from django.conf import settings
from django.utils.translation import get_language, npgettext

from loyalty_site.lib import calendars
from loyalty_site.lib.languages import pick, preferred
from members.models import Member, Program

MINUS: Final = "\N{MINUS SIGN}"
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Amount:
    """Points as pages show them: "1,240", "points", "1,240 points", "+1,240"."""

    points: int
    figure: str
    unit: str
    text: str
    signed: str


class Words:
    """Speaks of one program in the active language; nothing is read from the database."""

    def __init__(self, program: Program) -> None:
        language = get_language() or settings.LANGUAGE_CODE
        self.languages = preferred("", language, program.locale)
        self.zone = ZoneInfo(program.timezone)
        self.money_code = program.currency
        self._babel = _babel_locale(language)
        # The program file names the currencies; reading their rows would cost every page a query.
        self._currencies: list[Mapping[str, Any]] = program.document.get("points") or []

    def pick(self, texts: Mapping[str, str] | str | None, otherwise: str = "") -> str:
        """Return a text that is kept per language."""
        if isinstance(texts, str):
            return texts
        return pick(texts or {}, self.languages, otherwise)

    def number(self, value: int | Decimal) -> str:
        """Return a number with the language's grouping."""
        return str(format_decimal(value, locale=self._babel))

    def money(self, value: Decimal, code: str = "") -> str:
        """Return money of the program, or of another ISO 4217 code."""
        return str(format_currency(value, code or self.money_code, locale=self._babel))

    def points(self, number: int) -> Amount:
        """Return points that buy rewards."""
        return self._amount(number, "redeemable")

    def status(self, number: int) -> Amount:
        """Return points that lift tiers."""
        return self._amount(number, "qualifying")

    def moved(self, number: int) -> Amount:
        """Return points that changed their state without becoming more or fewer."""
        amount = self.points(number)
        return Amount(number, amount.figure, amount.unit, amount.text, amount.figure)

    def day(self, instant: datetime) -> date:
        """Return the day of the program's calendar."""
        return calendars.local_day(instant, self.zone)

    def day_text(self, day: date) -> str:
        """Return a day in words, for use within a sentence."""
        return str(format_date(day, "long", locale=self._babel))

    def month_day(self, month: int, day: int) -> str:
        """Return a day of every year in words."""
        # A leap year, so that every day of the calendar can be named.
        return str(format_skeleton("MMMMd", date(2000, month, day), locale=self._babel))

    def last_day(self, ends_at: datetime | None) -> date | None:
        """Return the last day on which something can be used that ends at ``ends_at``.

        It is a day of the program's calendar, since that is where points are used.
        """
        return None if ends_at is None else self.day(ends_at - _INSTANT)

    def _amount(self, number: int, kind: str) -> Amount:
        figure = self.number(number).replace("-", MINUS)
        unit = self._unit(abs(number), kind)
        sign = "+" if number > 0 else ""
        return Amount(number, figure, unit, f"{figure} {unit}", f"{sign}{figure}")

    def _unit(self, number: int, kind: str) -> str:
        named = next((c["names"] for c in self._currencies if c["kind"] == kind), None)
        forms: Any = pick(named, self.languages) if named else None
        if not forms:
            return npgettext("unit", "point", "points", number)
        return str(forms.get(self._babel.plural_form(number)) or forms.get("other") or "")


def zone_of(member: Member) -> ZoneInfo:
    """Return the zone in which a member reads times: their own, or the program's."""
    try:
        return ZoneInfo(member.timezone or member.program.timezone)
    except (KeyError, ValueError):
        return ZoneInfo(member.program.timezone)


def _babel_locale(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale.parse(settings.LANGUAGE_CODE, sep="-")
