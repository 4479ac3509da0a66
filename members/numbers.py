"""Member numbers and identifiers: how they are written, checked and compared.

Pure: no database, no clock and no chance. Everything that recognizes a member by a text goes
through ``normalized`` or ``candidates``, so that what was stored is what is looked for.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, get_args

import phonenumbers

Kind = Literal["email", "phone", "card", "external_id"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)

# The place of a member number among the candidates of a look-up.
NUMBER: Final = "number"

# Eleven digits leave room for a hundred thousand million members; the twelfth checks them.
BODY_DIGITS: Final = 11
BODY_MIN: Final = 10 ** (BODY_DIGITS - 1)
BODY_MAX: Final = 10**BODY_DIGITS - 1

VALUE_LENGTH_MAX: Final = 254

_LOCAL_PART = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PHONE_SHAPE = re.compile(r"\+[0-9 ().\-\u00a0/]+")
_NUMBER_SHAPE = re.compile(rf"[1-9][0-9]{{{BODY_DIGITS}}}")


class Identified(NamedTuple):
    """A way to recognize a member; ``value`` is normalized."""

    kind: str
    value: str


class NotAnIdentifier(ValueError):
    """A text that cannot be an identifier of its kind; ``code`` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def check_digit(digits: str) -> int:
    """Return the digit that, appended to ``digits``, lets a misread number be noticed.

    It finds every single wrong digit and every swap of neighbors but 09 and 90.

    Source: ISO/IEC 7812-1, annex B (Luhn's formula).
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10


def member_number(body: int) -> str:
    """Return the member number with this body (``BODY_MIN`` to ``BODY_MAX``).

    :raises ValueError: the body has another length.
    """
    if not BODY_MIN <= body <= BODY_MAX:
        raise ValueError(f"the body of a member number has {BODY_DIGITS} digits")
    return f"{body}{check_digit(str(body))}"


def is_member_number(text: str) -> bool:
    """Return whether the text has the form of a member number and its check digit fits."""
    return bool(_NUMBER_SHAPE.fullmatch(text)) and check_digit(text[:-1]) == int(text[-1])


def grouped(number: str) -> str:
    """Return a member number in groups of four, as people read it."""
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))


def normalized(kind: str, value: str) -> str:
    """Return the value as it is stored and compared; normalizing it again changes nothing.

    :raises NotAnIdentifier: the kind is unknown, or no such identifier is written so.
    """
    text = value.strip()
    if not text:
        raise NotAnIdentifier("required", "The value is empty.")
    if len(text) > VALUE_LENGTH_MAX:
        raise NotAnIdentifier("too_long", f"At most {VALUE_LENGTH_MAX} characters are kept.")
    if kind == "email":
        return _email(text)
    if kind == "phone":
        return _phone(text)
    if kind not in KINDS:
        raise NotAnIdentifier("invalid_choice", f"One of {', '.join(KINDS)} is expected.")
    if not text.isprintable():
        raise NotAnIdentifier("invalid_character", "Control characters are not allowed.")
    return text


def candidates(value: str) -> list[Identified]:
    """Return what a text may name, the likeliest first: identifiers, then a member number.

    Nothing that was normalized away at enrollment can be missed: each kind reads the text as
    it would have stored it. A text that fits no kind gives an empty list.
    """
    found = []
    for kind in KINDS:
        try:
            found.append(Identified(kind, normalized(kind, value)))
        except NotAnIdentifier:
            continue
    number = "".join(value.split())
    if is_member_number(number):
        found.append(Identified(NUMBER, number))
    return found


def _email(text: str) -> str:
    local, at, domain = text.rpartition("@")
    # Only ASCII: letters that merely look like others, or fold into them, would let the owner
    # of one mailbox pass for the owner of another. Domains have an ASCII form of their own.
    if at and local.isascii() and _LOCAL_PART.fullmatch(local.lower()):
        labels = _ascii_domain(domain).split(".")
        if len(labels) > 1 and all(map(_LABEL.fullmatch, labels)):
            address = f"{local.lower()}@{'.'.join(labels)}"
            if len(local) <= 64 and len(address) <= VALUE_LENGTH_MAX:
                return address
    raise NotAnIdentifier("invalid_email", "An e-mail address is expected.")


def _ascii_domain(domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    try:
        return domain.encode("idna").decode().lower()
    except UnicodeError:
        return ""


def _phone(text: str) -> str:
    if _PHONE_SHAPE.fullmatch(text):
        try:
            number = phonenumbers.parse(text, None)
        except phonenumbers.NumberParseException:
            pass
        else:
            if phonenumbers.is_possible_number(number):
                return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    raise NotAnIdentifier(
        "invalid_phone", "An international phone number is expected, such as +351912345678."
    )
