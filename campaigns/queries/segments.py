"""Whom a condition over members holds for, all of them in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection

from campaigns.earning.conditions import Tree
from campaigns.earning.conditions_sql import compile_sql
from loyalty_site.lib.money import minor_digits
from members.models import Program

# Whoever is erased, went into another or has not enrolled by then is in no segment.
_HOLDS: Final = """
FROM members_member m
WHERE m.program_id = %(program)s::bigint AND m.status NOT IN ('erased', 'merged', 'pool')
  AND m.enrolled_at <= %(moment)s::timestamptz AND """


@dataclass(frozen=True, slots=True)
class Audience:
    """A condition as a WHERE clause over members ``m``, with the values of its parameters."""

    sql: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """How many members a condition holds for, and the names and numbers of some of them."""

    count: int
    sample: tuple[tuple[int, str, str], ...]


def audience(*, program: Program, where: Tree, moment: datetime) -> Audience:
    """Return the members for whom the condition holds at the moment, as a query.

    :raises NotInSql: it names what the database cannot tell of many members at once.
    """
    compiled = compile_sql(where)
    values = {
        **compiled.values,
        "program": program.pk,
        "moment": moment,
        "today": moment.astimezone(ZoneInfo(program.timezone)).date(),
        "zone": program.timezone,
        "digits": minor_digits(program.currency),
        "graded": bool(program.tier_policy) and program.tiers.filter(is_retired=False).exists(),
    }
    return Audience(f"{_HOLDS}{compiled.sql}", values)


def members_of(*, program: Program, where: Tree, moment: datetime) -> set[int]:
    """Return the rows of the members for whom the condition holds."""
    whom = audience(program=program, where=where, moment=moment)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT m.id {whom.sql}", whom.values)
        return {pk for (pk,) in cursor.fetchall()}


def find(*, program: Program, where: Tree, moment: datetime, limit: int = 10) -> Found:
    """Return how many there are, and a sample of them that every look at a moment repeats."""
    whom = audience(program=program, where=where, moment=moment)
    # The order is by a hash, so that the sample is not always of the oldest members.
    sample = f"""SELECT count(*) OVER (), m.id, m.number, m.first_name, m.last_name {whom.sql}
      ORDER BY md5(m.id::text || %(today)s::text), m.id LIMIT %(limit)s::int"""
    with connection.cursor() as cursor:
        cursor.execute(sample, {**whom.values, "limit": limit})
        rows = cursor.fetchall()
    named = tuple((pk, number, f"{first} {last}".strip()) for _, pk, number, first, last in rows)
    return Found(rows[0][0] if rows else 0, named)
