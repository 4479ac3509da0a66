"""Reads the values of one mapping by type, and collects every mistake instead of the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from .problems import Problem

T = TypeVar("T")

_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_TEXT_MAX: Final = 2000
INTEGER_MAX: Final = 10**12


class Problems:
    """The mistakes of a whole file, each with the line of its path."""

    def __init__(self, lines: Mapping[str, int], found: Sequence[Problem] = ()) -> None:
        self._lines = lines
        self.found = list(found)

    def add(self, path: str, expected: str) -> None:
        """Note that ``path`` should have held something else."""
        self.found.append(Problem(path, expected, self._line(path)))

    def _line(self, path: str) -> int | None:
        """Return the line of the path, or of the nearest one around it that exists."""
        while path and path not in self._lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._lines.get(path)


class Reader:
    """One mapping of the file; a key is read once, what is left unread is refused by ``close``.

    A value that is missing or wrong gives a harmless one of its type, so that reading goes on
    and finds the next mistake. A null counts as a missing key.
    """

    def __init__(self, value: object, path: str, problems: Problems) -> None:
        self.path = path
        self.problems = problems
        self._unread: dict[str, Any] = {}
        if isinstance(value, Mapping):
            self._unread = dict(value)
        else:
            problems.add(path, "a mapping")

    def at(self, key: str) -> str:
        """Return the path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def refuse(self, key: str, expected: str) -> None:
        """Note that the key should have held something else."""
        self.problems.add(self.at(key), expected)

    def raw(self, key: str, *, required: bool = False, expected: str = "a value") -> Any:
        """Return the value as it stands, None when missing."""
        value = self._unread.pop(key, None)
        if value is None and required:
            self.refuse(key, expected)
        return value

    def has(self, key: str) -> bool:
        """Return whether the key is there, not read yet and not null."""
        return self._unread.get(key) is not None

    def rest(self) -> list[str]:
        """Return the keys not read yet."""
        return list(self._unread)

    def close(self) -> None:
        """Refuse every key that nobody read."""
        for key in self._unread:
            self.refuse(key, "no such key")
        self._unread = {}

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return a text that is not empty; required unless there is a default."""
        expected = f"a text of at most {_TEXT_MAX} characters"
        value = self.raw(key, required=default is None, expected=expected)
        if value is None:
            return default or ""
        if not isinstance(value, str) or not value.strip() or len(value) > _TEXT_MAX:
            self.refuse(key, expected)
            return default or ""
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a text, None when missing."""
        return self.text(key) if self.has(key) else self.raw(key)

    def code(self, key: str = "code") -> str:
        """Return a code: small letters, digits, hyphens and underscores."""
        return self._matching(key, _CODE, "a code of a-z, 0-9, - and _, such as gold-x2")

    def locale(self, key: str, *, default: str) -> str:
        """Return a language tag of BCP 47."""
        if not self.has(key):
            self.raw(key)
            return default
        return self._matching(key, _LOCALE, "a language tag, such as en or pt-PT")

    def _matching(self, key: str, pattern: re.Pattern[str], expected: str) -> str:
        value = self.raw(key, required=True, expected=expected)
        if value is None:
            return ""
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.refuse(key, expected)
            return ""
        return value

    def choice(self, key: str, choices: Sequence[str], *, default: str | None = None) -> str:
        """Return one of the choices."""
        expected = f"one of {', '.join(choices)}"
        value = self.raw(key, required=default is None, expected=expected)
        if value is None:
            return default or choices[0]
        if value not in choices:
            self.refuse(key, expected)
            return default or choices[0]
        return str(value)

    def integer(
        self, key: str, *, least: int = 0, most: int = INTEGER_MAX, default: int | None = None
    ) -> int:
        """Return a whole number within the bounds, both included."""
        expected = f"a whole number from {least} to {most}"
        value = self.raw(key, required=default is None, expected=expected)
        if value is None:
            return least if default is None else default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.refuse(key, expected)
            return least
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return yes or no."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
            return default
        return value

    def optional_integer(self, key: str, *, least: int = 0) -> int | None:
        """Return a whole number, None when missing."""
        return self.integer(key, least=least) if self.has(key) else self.raw(key)

    def decimal(
        self,
        key: str,
        *,
        above: Decimal | None = None,
        most: Decimal = Decimal(10**12),
        places: int = 4,
        default: Decimal | None = None,
    ) -> Decimal:
        """Return an exact number, written in quotes or whole; at least zero, or over ``above``."""
        least = f"more than {above}" if above is not None else "at least 0"
        expected = f'a number in quotes, such as "1.50", {least}, at most {places} decimal places'
        value = self.raw(key, required=default is None, expected=expected)
        if value is None:
            return default or Decimal(0)
        number = _exact(value)
        if number is None or not _within(number, above, most, places):
            self.refuse(key, expected)
            return default or Decimal(0)
        return number

    def optional_decimal(self, key: str) -> Decimal | None:
        """Return an exact number, None when missing."""
        return self.decimal(key) if self.has(key) else self.raw(key)

    def moment(self, key: str, zone: ZoneInfo, *, required: bool = False) -> datetime | None:
        """Return an instant; a time without offset is one of ``zone``."""
        expected = "a moment, such as 2026-03-01T00:00, from 1970 to 9000"
        value = self.raw(key, required=required, expected=expected)
        if value is None:
            return None
        instant = _instant(value, zone)
        if instant is None:
            self.refuse(key, expected)
        return instant

    def date(self, key: str) -> date | None:
        """Return a day, None when missing."""
        value = self.raw(key)
        try:
            return date.fromisoformat(value) if value is not None else None
        except (TypeError, ValueError):
            self.refuse(key, "a date, such as 1990-02-28")
            return None

    def localized(self, key: str, locale: str, *, required: bool = True) -> dict[str, str]:
        """Return texts by language; a plain text is one in the program's own language."""
        value = self.raw(key, required=required, expected="a text, or texts by language")
        if value is None:
            return {}
        if isinstance(value, str):
            value = {locale: value}
        inner = Reader(value, self.at(key), self.problems)
        texts = {tag: inner.text(tag) for tag in inner.rest() if inner.is_language(tag)}
        if required and not texts:
            self.refuse(key, "a text, or texts by language")
        # The program's own language stands first: it is what others fall back to.
        own = {locale: texts.pop(locale)} if locale in texts else {}
        return own | texts

    def is_language(self, tag: str) -> bool:
        """Return whether a key is a language tag, refusing it when not."""
        if _LOCALE.fullmatch(tag):
            return True
        self.refuse(tag, "a language tag as the key, such as en or pt-PT")
        return False

    def items(self, key: str) -> Iterator[tuple[str, Any]]:
        """Yield path and value of every item of a list, none when it is missing."""
        value = self.raw(key)
        if value is None:
            return
        if not isinstance(value, list):
            self.refuse(key, "a list")
            return
        for index, each in enumerate(value):
            yield f"{self.at(key)}[{index}]", each

    def readers(self, key: str) -> Iterator[Reader]:
        """Yield a reader for every mapping of a list."""
        for path, value in self.items(key):
            yield Reader(value, path, self.problems)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty when missing."""
        found = []
        for path, value in self.items(key):
            if isinstance(value, str) and value:
                found.append(value)
            else:
                self.problems.add(path, "a text")
        return tuple(found)

    def section(self, key: str, read: Callable[[Reader], T]) -> T | None:
        """Return what ``read`` makes of an inner mapping, None when it is missing."""
        value = self.raw(key)
        if value is None:
            return None
        inner = Reader(value, self.at(key), self.problems)
        result = read(inner)
        inner.close()
        return result


def _exact(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _within(number: Decimal, above: Decimal | None, most: Decimal, places: int) -> bool:
    exponent = number.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > places or number > most:
        return False
    return number > above if above is not None else number >= 0


def _instant(value: object, zone: ZoneInfo) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None or not 1970 <= moment.year < 9000:
        return None
    return moment.replace(tzinfo=moment.tzinfo or zone).astimezone(UTC)
