"""Condition trees: checked once, compiled once to closures, then asked many times.

A condition is ``{attr, op, value}``, ``{all: [...]}``, ``{any: [...]}`` or ``{not: ...}``; one on
history has the keys of its window as well.
Logic is two-valued: on a missing value every operator but ``exists`` is false, and ``not``
inverts that like any other answer. Text is compared by code point, with case, after NFC;
``between`` includes both ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from . import attributes, windows
from .attributes import Attribute, Context, nfc

Tree = Mapping[str, Any]
Test = Callable[[Context], bool]
Problem = tuple[str, str]

OPERATORS: Final = (
    "eq",
    "ne",
    "gt",
    "gte",
    "lt",
    "lte",
    "in",
    "not_in",
    "contains",
    "between",
    "exists",
)
_ORDERED: Final = frozenset(
    {"eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in", "between", "exists"}
)
_BY_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "text": _ORDERED | {"contains"},
    "number": _ORDERED,
    "integer": _ORDERED,
    "date": _ORDERED,
    "time": _ORDERED,
    "text_set": frozenset({"contains", "in", "not_in", "exists"}),
    "any": frozenset(OPERATORS),
}
# A tree deeper or larger than this is a mistake, and recursion over it could be made to fail.
DEPTH_MAX: Final = 12
NODES_MAX: Final = 300

_DECIMAL: Final = re.compile(r"-?[0-9]+\.[0-9]+")
_EXPECTED: Final[Mapping[str, str]] = {
    "text": "a text",
    "text_set": "a text",
    "number": 'a whole number or a decimal in quotes, such as "12.50"',
    "integer": "a whole number",
    "date": "a date, such as 2026-03-01",
    "time": "a time of day, such as 09:30",
    "any": "a text, a whole number, a decimal in quotes or true or false",
}


class _Refused(Exception):
    """The value has not the type that its attribute is compared with."""


def validate(tree: object, scopes: Collection[str], path: str = "") -> list[Problem]:
    """Return what is wrong with a condition tree, as (path, what was expected) pairs.

    ``scopes`` are the scopes whose attributes the tree may name; ``path`` is put before every
    path. An empty list means that the tree compiles.
    """
    return list(_problems(tree, scopes, path, 1, [NODES_MAX]))


def _problems(
    tree: object, scopes: Collection[str], path: str, depth: int, budget: list[int]
) -> Iterator[Problem]:
    budget[0] -= 1
    if depth > DEPTH_MAX or budget[0] < 0:
        yield path, f"at most {DEPTH_MAX} levels and {NODES_MAX} conditions"
        return
    if not isinstance(tree, Mapping):
        yield path, "a condition: {attr, op, value}, {all: [...]}, {any: [...]} or {not: ...}"
        return
    keys = set(tree)
    if keys in ({"all"}, {"any"}):
        yield from _group_problems(tree, scopes, path, depth, budget)
    elif keys == {"not"}:
        yield from _problems(tree["not"], scopes, _join(path, "not"), depth + 1, budget)
    elif keys == {"attr", "op", "value"} or _is_windowed(tree):
        yield from _leaf_problems(tree, scopes, path)
    else:
        yield path, "exactly attr, op and value, or one of all, any, not"


def _is_windowed(tree: Tree) -> bool:
    """Return whether the condition is one on history, which says over which window."""
    name = tree.get("attr")
    is_history = isinstance(name, str) and name.startswith(attributes.HISTORY)
    return is_history and windows.keys_allowed(tree.keys())


def _group_problems(
    tree: Tree, scopes: Collection[str], path: str, depth: int, budget: list[int]
) -> Iterator[Problem]:
    (kind,) = tree
    members = tree[kind]
    if not isinstance(members, list | tuple) or not members:
        yield _join(path, kind), "a list of at least one condition"
        return
    for index, member in enumerate(members):
        yield from _problems(member, scopes, f"{_join(path, kind)}[{index}]", depth + 1, budget)


def _leaf_problems(tree: Tree, scopes: Collection[str], path: str) -> Iterator[Problem]:
    attribute = attributes.find(tree["attr"]) if isinstance(tree["attr"], str) else None
    if attribute is None or attribute.scope not in scopes:
        yield _join(path, "attr"), f"one of {', '.join(_names(scopes))}"
        return
    operators = _BY_TYPE[attribute.type]
    if not isinstance(tree["op"], str) or tree["op"] not in operators:
        allowed = ", ".join(op for op in OPERATORS if op in operators)
        yield _join(path, "op"), f"one of {allowed} for {attribute.name}"
        return
    if attribute.scope == "history":
        yield from windows.problems(tree, lambda key: _join(path, key))
    try:
        _operand(attribute, tree["op"], tree["value"])
    except _Refused as refused:
        yield _join(path, "value"), str(refused)


def _names(scopes: Collection[str]) -> list[str]:
    names = [each.name for each in attributes.ATTRIBUTES.values() if each.scope in scopes]
    if "member" in scopes:
        names.append(f"{attributes.SCORE}<code>")
    return [*names, f"{attributes.PAYLOAD}<key>"] if "event" in scopes else names


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _operand(attribute: Attribute, op: str, value: object) -> Any:
    """Return the value in the form in which it is compared."""
    if op == "exists":
        if not isinstance(value, bool):
            raise _Refused("true or false")
        return value
    if op in ("in", "not_in"):
        if not isinstance(value, list | tuple) or not value:
            raise _Refused(f"a list of at least one value, each {_EXPECTED[attribute.type]}")
        return frozenset(_typed(attribute, each) for each in value)
    if op == "between":
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise _Refused(f"a list of two, each {_EXPECTED[attribute.type]}")
        return _typed(attribute, value[0]), _typed(attribute, value[1])
    return _typed(attribute, value)


def _typed(attribute: Attribute, value: object) -> Any:
    """Return one value of the attribute's type.

    :raises _Refused: the value is of another type.
    """
    kind = attribute.type
    if kind == "any" and isinstance(value, bool | str | int):
        if attribute.scope == "member" and isinstance(value, str) and _DECIMAL.fullmatch(value):
            # What a member answered is of one kind, so that 12.50 in quotes is a number here.
            return _number(value)
        return attributes.comparable(value)
    if kind in ("text", "text_set") and isinstance(value, str) and _is_storable(value):
        return nfc(value)
    if kind == "integer" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "number" and isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        return _number(value)
    if kind in ("date", "time") and isinstance(value, str):
        return _calendar(kind, value)
    raise _Refused(_EXPECTED[kind])


def _is_storable(text: str) -> bool:
    """Return whether a database can hold the text; no stored value could ever equal it else."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def _number(value: str | int | Decimal) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _Refused(_EXPECTED["number"]) from None
    # Figures beyond these are no amounts, and writing one out could take for ever.
    if not number.is_finite() or not -12 <= number.adjusted() <= 15:
        raise _Refused(_EXPECTED["number"])
    return number


def _calendar(kind: str, value: str) -> date | time:
    try:
        moment = date.fromisoformat(value) if kind == "date" else time.fromisoformat(value)
    except ValueError:
        raise _Refused(_EXPECTED[kind]) from None
    # A time of day is the program's own: one with an offset could not be compared with it.
    if isinstance(moment, time) and moment.tzinfo is not None:
        raise _Refused(_EXPECTED[kind])
    return moment


def compile_tree(tree: Tree) -> Test:
    """Return a closure that answers the tree for a context.

    :raises ValueError: the tree was not validated.
    """
    if "all" in tree:
        return _all(tuple(compile_tree(each) for each in tree["all"]))
    if "any" in tree:
        return _any(tuple(compile_tree(each) for each in tree["any"]))
    if "not" in tree:
        inner = compile_tree(tree["not"])
        return lambda context: not inner(context)
    return _leaf(tree)


def _all(tests: Sequence[Test]) -> Test:
    def answer(context: Context) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs more than the tests themselves
            if not test(context):
                return False
        return True

    return tests[0] if len(tests) == 1 else answer


def _any(tests: Sequence[Test]) -> Test:
    def answer(context: Context) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs more than the tests themselves
            if test(context):
                return True
        return False

    return tests[0] if len(tests) == 1 else answer


def operand_of(tree: Tree) -> tuple[Attribute, Any]:
    """Return the attribute of one comparison, and its value in the form that is compared.

    :raises ValueError: the tree was not validated.
    """
    attribute = attributes.find(tree["attr"])
    if attribute is None or tree["op"] not in _BY_TYPE[attribute.type]:
        raise ValueError(f"a condition that was not validated: {tree!r}")
    return attribute, _operand(attribute, tree["op"], tree["value"])


def _leaf(tree: Tree) -> Test:
    attribute, operand = operand_of(tree)
    if attribute.type == "text_set":
        return _of_set(attribute.get, tree["op"], operand)
    if attribute.type == "any":
        return _of_any(attribute.get, tree["op"], operand)
    get = attribute.get
    if attribute.scope == "history":
        get = windows.getter(attribute.name, windows.window_of(tree))
    return _of_value(get, tree["op"], operand)


def _of_value(get: Callable[[Context], Any], op: str, operand: Any) -> Test:
    """Compile an operator over one value of a declared type."""
    if op == "eq":
        return lambda context: get(context) == operand
    if op == "ne":
        return lambda context: (value := get(context)) is not None and value != operand
    if op == "in":
        return lambda context: get(context) in operand
    if op == "not_in":
        return lambda context: (value := get(context)) is not None and value not in operand
    if op == "exists":
        return lambda context: (get(context) is not None) is operand
    if op == "contains":
        return lambda context: (value := get(context)) is not None and operand in value
    if op == "between":
        low, high = operand
        return lambda context: (value := get(context)) is not None and low <= value <= high
    return _of_order(get, op, operand)


def _of_order(get: Callable[[Context], Any], op: str, operand: Any) -> Test:
    if op == "gt":
        return lambda context: (value := get(context)) is not None and value > operand
    if op == "gte":
        return lambda context: (value := get(context)) is not None and value >= operand
    if op == "lt":
        return lambda context: (value := get(context)) is not None and value < operand
    return lambda context: (value := get(context)) is not None and value <= operand


def _of_set(get: Callable[[Context], frozenset[str]], op: str, operand: Any) -> Test:
    """Compile an operator over a set, which may be empty but is never missing."""
    if op == "contains":
        return lambda context: operand in get(context)
    if op == "in":
        return lambda context: not operand.isdisjoint(get(context))
    if op == "not_in":
        return lambda context: operand.isdisjoint(get(context))
    return lambda context: bool(get(context)) is operand


def _of_any(get: Callable[[Context], Any], op: str, operand: Any) -> Test:
    """Compile an operator over a value whose type is known only when it is met.

    Values of two types are never equal and never in order, so that a till's ``"5"`` and
    ``5`` do not pass for each other and no comparison can fail.
    """
    if op == "exists":
        return lambda context: (get(context) is not None) is operand
    if op in ("in", "not_in"):
        keys = frozenset(map(_typed_key, operand))
        wanted = op == "in"
        return lambda context: (
            (value := get(context)) is not None and (_typed_key(value) in keys) is wanted
        )
    if op == "contains":
        return lambda context: _holds(get(context), operand)
    if op == "between":
        low, high = operand
        above, below = _of_any(get, "gte", low), _of_any(get, "lte", high)
        return lambda context: above(context) and below(context)
    if op == "ne":
        key = _typed_key(operand)
        return lambda context: (value := get(context)) is not None and _typed_key(value) != key
    compare = _of_value(get, op, operand)
    expected = type(operand)
    return lambda context: type(get(context)) is expected and compare(context)


def _typed_key(value: Any) -> tuple[str, Any]:
    # Lists and objects of a payload may hold what has no hash: their text stands for them.
    scalar = isinstance(value, str | bool | Decimal)
    return type(value).__name__, value if scalar else repr(value)


def _holds(value: Any, operand: Any) -> bool:
    if isinstance(value, str):
        return isinstance(operand, str) and operand in value
    if isinstance(value, tuple):
        key = _typed_key(operand)
        return any(_typed_key(each) == key for each in value)
    return False


def evaluate(tree: Tree, context: Context) -> bool:
    """Return the tree's answer; whoever asks often compiles the tree once instead."""
    return compile_tree(tree)(context)


@dataclass(frozen=True, slots=True)
class Minimum:
    """A tree split into its one minimum of the purchase's net amount and all the rest."""

    net: Decimal
    rest: Test


def minimum_net(tree: Tree) -> Minimum | None:
    """Return how the tree asks for a minimum net amount; None where it asks for none.

    Only a minimum that must hold counts: the tree itself, or one of its outermost ``all``.
    """
    parts: Sequence[Tree] = tree.get("all", (tree,))
    floors = [
        part for part in parts if (part.get("attr"), part.get("op")) == ("purchase.net", "gte")
    ]
    if len(floors) != 1:
        return None
    rest = tuple(compile_tree(part) for part in parts if part is not floors[0])
    return Minimum(Decimal(floors[0]["value"]), _all(rest) if rest else _always)


def _always(_context: Context) -> bool:
    return True


def coupons_named(tree: Tree) -> frozenset[str]:
    """Return every coupon code that the tree names, wherever it stands."""
    if "all" in tree or "any" in tree:
        return frozenset().union(*map(coupons_named, tree.get("all") or tree["any"]))
    if "not" in tree:
        return coupons_named(tree["not"])
    if tree["attr"] != "purchase.coupon" or tree["op"] == "exists":
        return frozenset()
    value = tree["value"]
    return frozenset(map(nfc, [value] if isinstance(value, str) else value))


def leaves(tree: Tree) -> Iterator[Tree]:
    """Yield every comparison of the tree, wherever it stands."""
    for kind in ("all", "any"):
        for each in tree.get(kind, ()):
            yield from leaves(each)
    if "not" in tree:
        yield from leaves(tree["not"])
    if "attr" in tree:
        yield tree
