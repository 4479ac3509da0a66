"""The member's card: a code that changes every half minute, and its picture.

Pure: the secret and the moment are arguments. A photographed card is of no use a minute later.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import re
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import segno

from members.numbers import is_member_number

STEP_SECONDS: Final = 30
# A code is still accepted in the step after its own, so that a slow queue finds it valid.
STEPS_ACCEPTED: Final = 2

_SHAPE = re.compile(r"M(?P<number>[0-9]{12})\.(?P<seal>[A-Z2-7]{16})")


def code(secret: UUID, number: str, moment: datetime) -> str:
    """Return the text of the card's QR code at a moment."""
    return f"M{number}.{_seal(secret, number, _step(moment))}"


def valid_until(moment: datetime) -> datetime:
    """Return the instant at which the code of a moment is replaced by the next."""
    return datetime.fromtimestamp((_step(moment) + 1) * STEP_SECONDS, UTC)


def number_in(text: str) -> str | None:
    """Return the member number that a card's code names, unproven; None for other texts."""
    found = _SHAPE.fullmatch(text.strip())
    return found["number"] if found and is_member_number(found["number"]) else None


def is_valid(text: str, secret: UUID, number: str, moment: datetime) -> bool:
    """Return whether the text is the member's code of this moment or of the step before it."""
    found = _SHAPE.fullmatch(text.strip())
    if found is None or found["number"] != number:
        return False
    steps = [_step(moment) - back for back in range(STEPS_ACCEPTED)]
    seals = [_seal(secret, number, step) for step in steps]
    return any(hmac.compare_digest(found["seal"], seal) for seal in seals)


def svg(text: str) -> str:
    """Return the QR code of a text as inline SVG, in black for a light ground.

    Neither style nor script stands in it, so that it passes a strict policy.
    """
    out = io.BytesIO()
    segno.make_qr(text, error="m").save(
        out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2
    )
    return out.getvalue().decode()


def _step(moment: datetime) -> int:
    return int(moment.timestamp()) // STEP_SECONDS


def _seal(secret: UUID, number: str, step: int) -> str:
    message = f"{number} {step}".encode()
    digest = hmac.new(secret.bytes, message, hashlib.sha256).digest()
    return base64.b32encode(digest[:10]).decode()
