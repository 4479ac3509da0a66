"""What is asked about members beside their profile, with what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from members.attributes import Value
from members.models import AttributeDefinition, Member, MemberAttribute


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with its answer, as the API tells it; None without one."""

    definition: AttributeDefinition
    told: Any


def answers_of(member: Member, *, editable: bool = False) -> list[Asked]:
    """Return what is asked now, in the order of the program; ``editable`` by the member alone."""
    asked = AttributeDefinition.objects.filter(program_id=member.program_id, is_retired=False)
    if editable:
        asked = asked.filter(is_member_editable=True)
    held = {row.definition_id: row for row in MemberAttribute.objects.filter(member=member)}
    return [
        Asked(each, value_of(held[each.pk]).told if each.pk in held else None)
        for each in asked.order_by("position", "pk")
    ]


def value_of(row: MemberAttribute) -> Value:
    """Return the value that the row holds."""
    return Value(row.text, row.number, row.flag, list(row.texts))
