"""Reads how long the points of a currency last, model by model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Final

from .document import ExpirySection, PeriodSection
from .reader import Reader

NOTICE_DAYS: Final = (60, 30, 7)
ACTS: Final = ("purchase", "redemption", "event")
_EVENT: Final = "event:"
_MONTH_DAY: Final = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_MONTHS_MAX: Final = 1200
_DAYS_MAX: Final = 36_500
_NOTICES_MAX: Final = 10
_ROUNDINGS: Final = ("none", "day_end", "month_end", "quarter_end", "year_end")


def read(reader: Reader) -> ExpirySection:
    """Return the section; a key that its model does not have is refused."""
    model = reader.choice("model", tuple(_MODELS))
    section = _MODELS[model](reader)
    for each in fields(ExpirySection):
        if reader.raw(each.name) is not None:
            reader.refuse(each.name, f"no {each.name} with the model {model}")
    return section


def _never(_reader: Reader) -> ExpirySection:
    return ExpirySection()


def _inactivity(reader: Reader) -> ExpirySection:
    return ExpirySection(
        "inactivity",
        months=reader.integer("months", least=1, most=_MONTHS_MAX),
        renewed_by=_renewed_by(reader),
        notice_days=_notice_days(reader),
    )


def _renewed_by(reader: Reader) -> tuple[str, ...]:
    if not reader.has("renewed_by"):
        reader.raw("renewed_by")
        return ACTS
    acts = reader.texts("renewed_by")
    wrong = [each for each in acts if each not in ACTS and not _is_event(each)]
    if wrong or not acts or len(set(acts)) < len(acts):
        expected = f"a list of {', '.join(ACTS)} or event:<type>, each once"
        reader.refuse("renewed_by", expected)
    return acts


def _is_event(act: str) -> bool:
    return act.startswith(_EVENT) and len(act) > len(_EVENT)


def _fixed_date(reader: Reader) -> ExpirySection:
    month_day = reader.text("month_day")
    if month_day and not _MONTH_DAY.fullmatch(month_day):
        reader.refuse("month_day", "a month and a day, such as 12-31")
    return ExpirySection(
        "fixed_date",
        month_day=month_day,
        minimum_months=reader.integer("minimum_months", most=_MONTHS_MAX, default=0),
        notice_days=_notice_days(reader),
    )


def _fixed_after(reader: Reader) -> ExpirySection:
    years, months, days = _length(reader)
    return ExpirySection(
        "fixed_after",
        years=years,
        months=months,
        days=days,
        round_to=reader.choice("round_to", _ROUNDINGS, default="none"),
        notice_days=_notice_days(reader),
    )


def _by_tier(reader: Reader) -> ExpirySection:
    periods = tuple(_period(each) for each in reader.readers("periods"))
    if not periods:
        reader.refuse("periods", "a list of periods, such as {tier: bronze, months: 6}")
    return ExpirySection(
        "by_tier",
        round_to=reader.choice("round_to", _ROUNDINGS, default="none"),
        periods=periods,
        notice_days=_notice_days(reader),
    )


def _period(reader: Reader) -> PeriodSection:
    period = PeriodSection(reader.code("tier"), *_length(reader))
    reader.close()
    return period


def _length(reader: Reader) -> tuple[int, int, int]:
    years = reader.integer("years", most=100, default=0)
    months = reader.integer("months", most=_MONTHS_MAX, default=0)
    days = reader.integer("days", most=_DAYS_MAX, default=0)
    if not (years or months or days):
        reader.refuse("months", "years, months or days after which points expire")
    return years, months, days


def _notice_days(reader: Reader) -> tuple[int, ...]:
    """Return the days of notice, the longest first; an empty list gives none."""
    if not reader.has("notice_days"):
        reader.raw("notice_days")
        return NOTICE_DAYS
    days = [value for _, value in reader.items("notice_days")]
    is_days = all(type(each) is int and 1 <= each <= 365 for each in days)
    if not is_days or len(set(days)) < len(days) or len(days) > _NOTICES_MAX:
        reader.refuse("notice_days", "at most 10 different numbers of days from 1 to 365")
        return NOTICE_DAYS
    return tuple(sorted(days, reverse=True))


_MODELS: Final[Mapping[str, Callable[[Reader], ExpirySection]]] = {
    "fixed_after": _fixed_after,
    "fixed_date": _fixed_date,
    "inactivity": _inactivity,
    "by_tier": _by_tier,
    "never": _never,
}
