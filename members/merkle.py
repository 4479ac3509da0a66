"""Merkle trees over leaves that are only ever added: roots, and proofs that others can check.

Source: RFC 6962 (Laurie, Langley and Kasper, 2013), "Certificate Transparency", section 2.1. A
leaf is hashed after a byte 0x00 and a node after 0x01, so that neither passes for the other. A
tree of n leaves has on its left the largest power of two below n, and the rest on its right.

Pure. A tree is read through a function that gives the root of a complete part of it: of
``2 ** height`` leaves, the ``position``-th part of this height, counted from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

Node = Callable[[int, int], bytes]

EMPTY_ROOT = sha256().digest()


class Tree:
    """A tree that leaves are added to; it keeps only the roots of its complete parts."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Start empty, or with the roots of the complete parts of ``size`` leaves, largest first.

        :raises ValueError: ``size`` has another number of complete parts.
        """
        if len(peaks) != size.bit_count():
            raise ValueError(f"{size} leaves have {size.bit_count()} complete parts")
        self.size = size
        self.peaks = list(peaks)

    def add(self, leaf: bytes) -> list[bytes]:
        """Add the hash of a leaf; return the roots of the parts that it completes, lowest first.

        The first of them is the leaf itself; each further one is twice as wide.
        """
        completed = [leaf]
        index = self.size
        while index & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            completed.append(leaf)
            index >>= 1
        self.peaks.append(leaf)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Return the root over everything that was added."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of what a leaf says."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two parts side by side."""
    return sha256(b"\x01" + left + right).digest()


def peaks_of(size: int) -> list[tuple[int, int]]:
    """Return height and position of the complete parts of a tree, largest first."""
    parts, start = [], 0
    for height in range(size.bit_length() - 1, -1, -1):
        if size >> height & 1:
            parts.append((height, start >> height))
            start += 1 << height
    return parts


def root_of(size: int, node: Node) -> bytes:
    """Return the root of a tree of ``size`` leaves."""
    return Tree(size, [node(*part) for part in peaks_of(size)]).root()


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """Return what leads from the leaf at ``index``, from 0, to the root; nearest first.

    :raises ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has none at {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_root_between(middle, end, node))
            end = middle
        else:
            path.append(_root_between(start, middle, node))
            start = middle
    return path[::-1]


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that a path leads to, None when no tree has such a path.

    ``leaf`` is the hash of the leaf, ``index`` its place from 0.
    """
    if not 0 <= index < size:
        return None
    root, last = leaf, size - 1
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            root = node_hash(sibling, root)
            # Where the tree ends, parts without a right neighbor are passed by.
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        index >>= 1
        last >>= 1
    return root if last == 0 else None


def consistency_path(old: int, new: int, node: Node) -> list[bytes]:
    """Return what shows that the tree of ``new`` leaves begins with that of ``old`` ones.

    :raises ValueError: not 1 to ``new`` leaves.
    """
    if not 1 <= old <= new:
        raise ValueError(f"a tree of {new} leaves does not begin with one of {old}")
    path: list[bytes] = []
    start, end, is_whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_root_between(middle, end, node))
            end = middle
        else:
            path.append(_root_between(start, middle, node))
            start, is_whole = middle, False
    if not is_whole:
        path.append(_root_between(start, end, node))
    return path[::-1]


def is_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Return whether the path shows that the new tree begins with the old one."""
    if not 1 <= old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    rest = list(path)
    index, last = old - 1, new - 1
    while index & 1:
        index >>= 1
        last >>= 1
    if index and not rest:
        return False
    # A complete old tree is the first part itself, and is not told again.
    first = second = rest.pop(0) if index else old_root
    for sibling in rest:
        if last == 0:
            return False
        if index & 1 or index == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            second = node_hash(second, sibling)
        index >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root


def _split(size: int) -> int:
    """Return the largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def _root_between(start: int, end: int, node: Node) -> bytes:
    size = end - start
    parts = [node(height, (start >> height) + position) for height, position in peaks_of(size)]
    return Tree(size, parts).root()
