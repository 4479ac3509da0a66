"""Condition trees over a member as one SQL expression, with the meaning of ``conditions``.

The expression is over the row ``m`` of ``members_member``. It names parameters only, never a
value: ``moment`` (the instant asked about), ``today`` (its day in the program's calendar),
``zone`` (the program's), ``digits`` (of its money) and ``graded`` (whether the program has tiers)
come from whoever asks, the others from the tree. Every leaf is true or false and never NULL, so
that ``not`` inverts it like any other answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from . import attributes, conditions, windows
from .attributes import Attribute
from .conditions import Tree

# How values of a type stand beside a column: text by code point, in Unicode's composed form.
_CASTS: Final[Mapping[str, str]] = {
    "text": "text",
    "text_set": "text",
    "number": "numeric",
    "integer": "numeric",
    "date": "date",
    "time": "time",
    "flag": "boolean",
}
_COMPARISONS: Final[Mapping[str, str]] = {
    "eq": "=",
    "ne": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
}


class NotInSql(ValueError):
    """The attribute is no fact about a member that the database can tell of many at once."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An SQL expression and the values of its parameters."""

    sql: str
    values: Mapping[str, Any]


def compile_sql(tree: Tree) -> Compiled:
    """Return the tree as an expression that is true for exactly the members it holds for.

    :raises NotInSql: it names an attribute without an SQL expression.
    :raises ValueError: the tree was not validated.
    """
    values: dict[str, Any] = {}

    def bound(value: Any) -> str:
        name = f"v{len(values)}"
        values[name] = value
        return name

    return Compiled(_node(tree, bound), values)


def is_in_sql(name: str) -> bool:
    """Return whether a condition on the attribute compiles."""
    attribute = attributes.find(name)
    if attribute is None or not attribute.sql:
        return False
    return attribute.type in _CASTS or attribute.type == "any"


Bind = Callable[[Any], str]


def _node(tree: Tree, bound: Bind) -> str:
    if "all" in tree:
        return _joined(tree["all"], " AND ", bound)
    if "any" in tree:
        return _joined(tree["any"], " OR ", bound)
    if "not" in tree:
        return f"(NOT {_node(tree['not'], bound)})"
    return _leaf(tree, bound)


def _joined(trees: Sequence[Tree], word: str, bound: Bind) -> str:
    return f"({word.join(_node(each, bound) for each in trees)})"


def _leaf(tree: Tree, bound: Bind) -> str:
    if not is_in_sql(tree["attr"]):
        raise NotInSql(f"{tree['attr']} is not known of many members at once")
    attribute, operand = conditions.operand_of(tree)
    expression = attribute.sql
    if attribute.scope == "history":
        expression = windows.sql(expression, windows.window_of(tree), bound)
    if attribute.key:
        expression = expression.replace("%(key)s", f"%({bound(attribute.key)})s")
    if attribute.type == "any":
        return _of_any(expression, tree["op"], operand, bound)
    if attribute.type == "text_set":
        return _of_set(expression, tree["op"], operand, bound)
    return _of_value(attribute, expression, tree["op"], operand, bound)


def _of_value(attribute: Attribute, expression: str, op: str, operand: Any, bound: Bind) -> str:
    if op == "exists":
        return f"(({expression}) IS {'NOT ' if operand else ''}NULL)"
    cast = _CASTS[attribute.type]
    column = f'({expression})::text COLLATE "C"' if cast == "text" else f"({expression})::{cast}"

    def value(told: Any) -> str:
        return f"%({bound(told)})s::{cast}"

    if op in _COMPARISONS:
        test = f"{column} {_COMPARISONS[op]} {value(operand)}"
    elif op == "between":
        test = f"{column} BETWEEN {value(operand[0])} AND {value(operand[1])}"
    elif op == "contains":
        test = f"strpos({column}, {value(operand)}) > 0"
    else:
        word = "= ANY" if op == "in" else "<> ALL"
        test = f"{column} {word} (%({bound(sorted(operand))})s::{cast}[])"
    # A missing value makes every comparison NULL, which is no answer here.
    return f"coalesce({test}, false)"


def _of_any(expression: str, op: str, operand: Any, bound: Bind) -> str:
    """Compile an operator over a value that stands in the column of its kind.

    As ``conditions`` has it: values of two types are never equal and never in order.
    """
    known = f"({expression.format(column='true')} IS NOT NULL)"

    def compared(word: str, told: Any) -> str:
        column, cast = _column(told)
        side = f"{expression.format(column=column)}{_collated(cast)}"
        return f"coalesce({side} {word} %({bound(told)})s::{cast}, false)"

    if op == "exists":
        return known if operand else f"(NOT {known})"
    if op in ("in", "not_in"):
        found = " OR ".join(compared("=", each) for each in sorted(operand, key=repr))
        return f"({known} AND NOT ({found}))" if op == "not_in" else f"({found})"
    if op == "ne":
        return f"({known} AND NOT {compared('=', operand)})"
    if op == "between":
        return f"({compared('>=', operand[0])} AND {compared('<=', operand[1])})"
    if op == "contains":
        if not isinstance(operand, str):
            return "false"
        name = bound(operand)
        part = expression.format(column=f"strpos(nullif(v.text, ''), %({name})s::text) > 0")
        among = expression.format(column=f"%({name})s::text = ANY (v.texts)")
        return f"(coalesce({part}, false) OR coalesce({among}, false))"
    return compared(_COMPARISONS[op], operand)


def _column(told: Any) -> tuple[str, str]:
    """Return the column in which values of the type stand, and the type."""
    if isinstance(told, bool):
        return "v.flag", "boolean"
    return ("nullif(v.text, '')", "text") if isinstance(told, str) else ("v.number", "numeric")


def _collated(cast: str) -> str:
    return '::text COLLATE "C"' if cast == "text" else ""


def _of_set(expression: str, op: str, operand: Any, bound: Bind) -> str:
    """Compile an operator over a set, which may be empty but is never missing."""
    if op == "exists":
        return f"(cardinality({expression}) {'>' if operand else '='} 0)"
    told = [operand] if op == "contains" else sorted(operand)
    test = f"({expression})::text[] && %({bound(told)})s::text[]"
    return f"(NOT ({test}))" if op == "not_in" else f"({test})"
