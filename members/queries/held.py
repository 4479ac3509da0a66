"""Every row that the site holds about a member, wherever it lies.

The tables are found by their keys, so that a table added later is in the copy without being
named here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from django.db.models import BinaryField, Field, ForeignKey, ManyToOneRel, Model

from members.models import Member, Transfer, User

Held = dict[str, list[dict[str, Any]]]

# What proves who somebody is; it would be of use to a thief only.
SECRETS: Final = frozenset({"password", "hash", "secret", "card_secret", "session_key", "data"})
ROOTS: Final = (Member, User)
# Whoever sends points to an address is never told whether a member is behind it, and whoever is
# to get some not before they arrive (docs/transfers.md).
WITHHELD: Final[Mapping[type[Model], frozenset[str]]] = {
    Transfer: frozenset({"recipient", "reason", "arrival", "changed_by"})
}
NOT_BEFORE: Final[Mapping[tuple[type[Model], str], Mapping[str, str]]] = {
    (Transfer, "recipient"): {"state": Transfer.State.COMPLETED}
}


def rows_held(member: Member) -> Held:
    """Return the rows by table, each row by column; tables and rows in a settled order."""
    keys: dict[type[Model], set[Any]] = {Member: set(member.rows)}
    waiting: list[tuple[type[Model], set[Any]]] = [(Member, set(member.rows))]
    if member.user_id is not None:
        keys[User] = {member.user_id}
        waiting.append((User, {member.user_id}))
    while waiting:
        model, of = waiting.pop()
        for child, name in _children(model):
            known = {f"{name}__in": of, **NOT_BEFORE.get((child, name), {})}
            found = child._default_manager.filter(**known).values_list("pk", flat=True)
            new = set(found) - keys.setdefault(child, set())
            if new:
                keys[child] |= new
                waiting.append((child, new))
    tables = sorted((model._meta.label_lower, model) for model, found in keys.items() if found)
    return {label: _rows(model, keys[model]) for label, model in tables}


def _rows(model: type[Model], keys: set[Any]) -> list[dict[str, Any]]:
    hidden = SECRETS | WITHHELD.get(model, frozenset())
    columns = [field for field in model._meta.concrete_fields if _is_shown(field, hidden)]
    rows = model._default_manager.filter(pk__in=keys).order_by("pk")
    return [{field.attname: field.value_from_object(row) for field in columns} for row in rows]


def _is_shown(field: Field[Any, Any], hidden: frozenset[str]) -> bool:
    return field.name not in hidden and not isinstance(field, BinaryField)


@cache
def _children(model: type[Model]) -> tuple[tuple[type[Model], str], ...]:
    found = []
    for relation in model._meta.get_fields(include_hidden=True):
        if isinstance(relation, ManyToOneRel):
            child: Any = relation.related_model
            if _belongs_by(child, relation.field):
                found.append((child, relation.field.name))
    return tuple(found)


def _belongs_by(child: type[Model], field: Any) -> bool:
    """Return whether the key says whose the row is.

    A key that may be empty says it only where no other does: a voucher used in a purchase
    belongs to whom it was issued to, not to the buyer, and what staff decided about a member to
    that member.
    """
    if field.null and field.related_model is User:
        return not any(not each.null and each.related_model is Member for each in _keys(child))
    if not field.null or field.related_model in ROOTS:
        return True
    others = [each for each in _keys(child) if not each.null]
    return not any(_is_owned(each.related_model) for each in others)


@cache
def _is_owned(model: type[Model]) -> bool:
    if model in ROOTS:
        return True
    targets = [key.related_model for key in _keys(model) if key.related_model is not model]
    if any(target in ROOTS for target in targets):
        return True
    return any(
        _is_owned(key.related_model)
        for key in _keys(model)
        if not key.null and key.related_model is not model
    )


def _keys(model: type[Model]) -> Iterator[Any]:
    return (field for field in model._meta.concrete_fields if isinstance(field, ForeignKey))
