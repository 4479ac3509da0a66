"""Reading the tree over the seals: roots and paths, from two blocks of leaves and a few nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from django.db import connection

from members import merkle

# Parts of this height are kept as nodes; lower ones are made of their leaves.
KEPT_HEIGHT: Final = 8

Part = tuple[int, int]
T = TypeVar("T")


def root_at(size: int) -> bytes:
    """Return the root over the first ``size`` seals."""
    return _reading(lambda node: merkle.root_of(size, node))


def peaks_at(size: int) -> list[bytes]:
    """Return the roots of the complete parts of the first ``size`` seals, largest first."""
    return _reading(lambda node: [node(*part) for part in merkle.peaks_of(size)])


def path_at(index: int, size: int) -> list[bytes]:
    """Return what leads from a leaf, counted from 0, to the root over ``size`` seals."""
    return _reading(lambda node: merkle.inclusion_path(index, size, node))


def _reading(compute: Callable[[merkle.Node], T]) -> T:
    """Compute twice: once to learn which parts are needed, once with the parts."""
    wanted: set[Part] = set()

    def note(height: int, position: int) -> bytes:
        wanted.add((height, position))
        return b""

    compute(note)
    parts = _parts(wanted)
    return compute(lambda height, position: parts[height, position])


def _parts(wanted: Iterable[Part]) -> dict[Part, bytes]:
    high = [part for part in wanted if part[0] >= KEPT_HEIGHT]
    low = [part for part in wanted if part[0] < KEPT_HEIGHT]
    leaves = _leaves({sequence for part in low for sequence in _sequences(part)})
    return _nodes(high) | {part: _made(part, leaves) for part in low}


def _sequences(part: Part) -> range:
    height, position = part
    return range((position << height) + 1, (position + 1 << height) + 1)


def _made(part: Part, leaves: dict[int, bytes]) -> bytes:
    tree = merkle.Tree()
    for sequence in _sequences(part):
        tree.add(leaves[sequence])
    return tree.root()


def _leaves(sequences: Iterable[int]) -> dict[int, bytes]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sequence, leaf_hash FROM members_ledgerseal"
            " WHERE sequence = ANY (%s::bigint[])",
            [sorted(sequences)],
        )
        return {sequence: bytes(leaf) for sequence, leaf in cursor.fetchall()}


def _nodes(parts: list[Part]) -> dict[Part, bytes]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.height, n.position, n.hash FROM members_ledgernode n"
            " JOIN unnest(%s::int[], %s::bigint[]) w(height, position)"
            " ON n.height = w.height AND n.position = w.position",
            [[height for height, _ in parts], [position for _, position in parts]],
        )
        return {(height, position): bytes(found) for height, position, found in cursor.fetchall()}
