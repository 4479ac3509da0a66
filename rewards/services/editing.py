"""Changing a reward by hand, between two applications of the program file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from members.models import Program
from members.services import program as program_service
from rewards.models import Reward

# That of applying a program file, which writes the same rows and the same document.
LOCK_KEY = program_service.LOCK_KEY

STATED = ("name", "description", "redeemable_from", "redeemable_to")


@transaction.atomic
def edit_reward(*, reward_id: int, changes: Mapping[str, Any], moment: datetime) -> Reward:
    """Return the reward with the changes of its texts, its dates or its stock.

    Texts are merged by language; an empty text removes its language. Texts and dates are
    written into the program's document too, so that an export states them and the plan of an
    older file shows that it would undo them. Stock is not: a file refills only where it
    states another number than the file before it.

    :raises ValueError: something else is to change, which only the program file can do.
    """
    if unknown := set(changes) - {*STATED, "stock"}:
        raise ValueError(f"not to be edited: {', '.join(sorted(unknown))}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
    reward = Reward.objects.select_for_update(no_key=True).get(pk=reward_id)
    for name, value in changes.items():
        is_text = name in {"name", "description"}
        setattr(reward, name, _merged(getattr(reward, name), value) if is_text else value)
    reward.changed_at = moment
    reward.save(update_fields=[*changes, "changed_at"])
    _state(reward, [name for name in STATED if name in changes])
    return reward


def _merged(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    return {code: text for code, text in {**before, **after}.items() if text}


def _state(reward: Reward, names: list[str]) -> None:
    """Write what changed into the reward's section of the program's document."""
    program = Program.objects.get(pk=reward.program_id)
    zone = ZoneInfo(program.timezone)
    sections = [
        section
        for section in program.document.get("rewards") or []
        if section["code"] == reward.code
    ]
    if not names or not sections:
        return
    for name in names:
        value = getattr(reward, name)
        is_instant = isinstance(value, datetime)
        sections[0][name] = value.astimezone(zone).isoformat() if is_instant else value or None
    program.version += 1
    program.save(update_fields=["document", "version"])
