"""Keep what members answered beside their profile, with its history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from loyalty_site.lib.problems import FieldError, Invalid
from members.attributes import Unfitting, Value, fitted
from members.models import AttributeChange, AttributeDefinition, Member, MemberAttribute, Program
from members.queries.attributes import value_of


def apply_definitions(*, program: Program, rows: Iterable[Mapping[str, Any]]) -> None:
    """Create, change and retire what is asked, as the program file says; answers stay."""
    kept = []
    for position, row in enumerate(rows):
        definition, _ = AttributeDefinition.objects.update_or_create(
            program=program,
            code=row["code"],
            defaults={
                "name": row["name"],
                "kind": row["kind"],
                "choices": row["choices"],
                "is_personal": row["pii"],
                "is_member_editable": row["member_editable"],
                "position": position,
                "is_retired": False,
            },
        )
        kept.append(definition.pk)
    AttributeDefinition.objects.filter(program=program).exclude(pk__in=kept).update(is_retired=True)


def change(
    *,
    member: Member,
    values: Mapping[str, Any],
    actor: str,
    moment: datetime,
    by_member: bool = False,
) -> None:
    """Write the answers that are named and differ, None takes one away; the member is locked.

    The members themselves (``by_member``) answer what they may edit.

    :raises Invalid: an attribute is unknown, its value does not fit it, or it is not the
        member's to say. Nothing is written then.
    """
    asked = {
        each.code: each
        for each in AttributeDefinition.objects.filter(
            program_id=member.program_id, code__in=list(values), is_retired=False
        )
    }
    errors: list[FieldError] = []
    wanted: list[tuple[AttributeDefinition, Value | None]] = []
    for code, value in values.items():
        pointer = f"/attributes/{code.replace('~', '~0').replace('/', '~1')}"
        definition = asked.get(code)
        if definition is None:
            errors.append(
                FieldError(pointer, "unknown_attribute", "Nothing of that code is asked.")
            )
        elif by_member and not definition.is_member_editable:
            errors.append(FieldError(pointer, "not_editable", "It is not yours to say."))
        else:
            try:
                fits = None if value is None else fitted(definition.kind, definition.codes, value)
                wanted.append((definition, fits))
            except Unfitting as refused:
                errors.append(FieldError(pointer, "unfitting_value", f"Expected {refused}."))
    if errors:
        raise Invalid(errors)
    for definition, fits in wanted:
        _write(member, definition, fits, actor, moment)


def _write(
    member: Member,
    definition: AttributeDefinition,
    value: Value | None,
    actor: str,
    moment: datetime,
) -> None:
    row = MemberAttribute.objects.filter(member=member, definition=definition).first()
    before = value_of(row) if row is not None else None
    if before == value:
        return
    if value is None:
        MemberAttribute.objects.filter(member=member, definition=definition).delete()
    else:
        MemberAttribute.objects.update_or_create(
            member=member,
            definition=definition,
            defaults={
                "text": value.text,
                "number": value.number,
                "flag": value.flag,
                "texts": value.texts,
                "actor": actor[:64],
                "changed_at": moment,
            },
        )
    hidden = definition.is_personal
    AttributeChange.objects.create(
        member=member,
        definition=definition,
        before=None if hidden or before is None else before.told,
        after=None if hidden or value is None else value.told,
        actor=actor[:64],
        changed_at=moment,
    )


def give(*, member_id: int, code: str, value: Any, actor: str, moment: datetime) -> Any:
    """Write an answer that a rule gives; return what was there before, None where nothing was.

    A value that does not fit any more, and an attribute that is asked no more or is personal, are
    passed over: a rule of before must not stop a purchase. The member is locked.
    """
    member = Member.objects.get(pk=member_id)
    definition = AttributeDefinition.objects.filter(
        program_id=member.program_id, code=code, is_retired=False, is_personal=False
    ).first()
    if definition is None:
        return None
    row = MemberAttribute.objects.filter(member=member, definition=definition).first()
    try:
        _write(member, definition, fitted(definition.kind, definition.codes, value), actor, moment)
    except Unfitting:
        return None
    return None if row is None else {"value": value_of(row).told, "actor": row.actor}


def put_back(
    *, member_id: int, code: str, given_by: str, before: Mapping[str, Any] | None, moment: datetime
) -> bool:
    """Bring an answer back to what ``give`` said was before, if ``given_by`` gave it last.

    Returns False, and changes nothing, where somebody else has answered since.
    """
    row = (
        MemberAttribute.objects.select_related("definition", "member")
        .filter(member_id=member_id, definition__code=code, actor=given_by[:64])
        .first()
    )
    if row is None:
        return False
    value, actor = None, given_by
    if before is not None:
        try:
            value = fitted(row.definition.kind, row.definition.codes, before["value"])
        except Unfitting:
            return False
        actor = before["actor"]
    _write(row.member, row.definition, value, actor, moment)
    return True
