"""The order in which segments that name each other are found out; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from .conditions import Tree, leaves

NAMES = "member.segment"


class NamedInCircle(ValueError):
    """Segments name each other, so that none can be found out before the others.

    ``codes`` are those of the circle, the first of them again at its end.
    """

    def __init__(self, codes: list[str]) -> None:
        super().__init__(" -> ".join(codes))
        self.codes = codes


def in_order(segments: Mapping[str, Tree]) -> list[str]:
    """Return the codes so that each comes after those that its condition names.

    :raises NamedInCircle: there is no such order.
    """
    graph = {
        code: sorted(set(named_by(tree)) & segments.keys())
        for code, tree in sorted(segments.items())
    }
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise NamedInCircle(error.args[1]) from None


def named_by(tree: Tree) -> Iterator[str]:
    """Yield the segments that the condition names."""
    for leaf in leaves(tree):
        if leaf["attr"] == NAMES and leaf["op"] != "exists":
            value = leaf["value"]
            yield from [value] if isinstance(value, str) else value
