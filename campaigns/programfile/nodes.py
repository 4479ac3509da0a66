"""YAML 1.2 text to plain values, with the line on which each path stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from .problems import Problem

# Aliases may repeat a node: these bounds keep a small file from growing into a large tree.
_DEPTH_MAX = 40
_NODES_MAX = 200_000
_CHARACTERS_MAX = 2_000_000


@dataclass(slots=True)
class Tree:
    """Plain values, the line of every path (counted from 1), and what could not be read."""

    value: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read(text: str) -> Tree:
    """Return the one document of ``text``; duplicate keys and other mistakes are problems."""
    tree = Tree()
    if len(text) > _CHARACTERS_MAX:
        tree.problems.append(Problem("", f"at most {_CHARACTERS_MAX} characters"))
        return tree
    try:
        node = YAML(typ="rt", pure=True).compose(text)
    except RecursionError:
        tree.problems.append(Problem("", f"at most {_DEPTH_MAX} levels"))
    except YAMLError as error:
        tree.problems.append(_unreadable(error))
    else:
        if node is not None:
            _build(tree, node)
    return tree


def _build(tree: Tree, node: Node) -> None:
    try:
        tree.value = _Builder(tree).build(node, "", 1)
    except _TooLarge:
        tree.problems.append(Problem("", f"at most {_DEPTH_MAX} levels and {_NODES_MAX} values"))


class _TooLarge(Exception):
    """The tree, with its aliases written out, is beyond every program."""


def _unreadable(error: YAMLError) -> Problem:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    what = error.problem if isinstance(error, MarkedYAMLError) else str(error)
    return Problem("", f"one YAML 1.2 document ({what})", mark.line + 1 if mark else None)


class _Builder:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._left = _NODES_MAX

    def build(self, node: Node, path: str, depth: int) -> Any:
        line = node.start_mark.line + 1 if node.start_mark else None
        self._left -= 1
        if depth > _DEPTH_MAX or self._left < 0:
            raise _TooLarge
        if line is not None:
            self._tree.lines[path] = line
        if isinstance(node, MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            return [
                self.build(each, f"{path}[{index}]", depth + 1)
                for index, each in enumerate(node.value)
            ]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, path, line)

    def _mapping(self, node: MappingNode, path: str, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._refuse(path, "keys that are texts", line)
                continue
            key = self._text(str(key_node.value), path, line)
            inner = f"{path}.{key}" if path else key
            if key in built:
                self._refuse(inner, "each key once", line)
                continue
            built[key] = self.build(value_node, inner, depth + 1)
        return built

    def _scalar(self, node: ScalarNode, path: str, line: int | None) -> Any:
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        text = str(node.value)
        # A date or time stays text: its meaning depends on the program's time zone.
        if kind in ("str", "timestamp"):
            return self._text(text, path, line)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            return self._integer(text, path, line)
        if kind == "float":
            # Never converted: no figure of a program is a float, the reader says what it wants.
            return Unquoted(text)
        self._refuse(path, f"a plain value, not one tagged {kind}", line)
        return None

    def _text(self, text: str, path: str, line: int | None) -> str:
        """Return the text, which escapes may have given characters that cannot be stored."""
        if "\x00" in text or any("\ud800" <= each <= "\udfff" for each in text):
            self._refuse(path, "a text without NUL and half characters", line)
            return ""
        return text

    def _integer(self, text: str, path: str, line: int | None) -> int:
        digits = text.replace("_", "")
        try:
            return int(digits, 0) if digits.lstrip("+-").startswith(("0x", "0o")) else int(digits)
        except ValueError:
            self._refuse(path, "a whole number", line)
            return 0

    def _refuse(self, path: str, expected: str, line: int | None) -> None:
        self._tree.problems.append(Problem(path, expected, line))


class Unquoted:
    """A decimal without quotes, kept apart so that nothing takes it for a number or a text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text
