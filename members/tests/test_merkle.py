"""Merkle trees: the figures of Certificate Transparency, and what holds for every tree."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members import merkle

# The leaves, roots and paths of the reference implementation of Certificate Transparency
# (google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc).
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    ("one leaf", 1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("two leaves", 2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("three leaves", 3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("four leaves", 4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("five leaves", 5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("six leaves", 6, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("seven leaves", 7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("eight leaves", 8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
]
PATHS = [
    ("the only leaf", 0, 1, []),
    (
        "the first of eight",
        *(0, 8),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        "the sixth of eight",
        *(5, 8),
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        "the last of three",
        *(2, 3),
        ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    ),
]
CONSISTENT = [
    ("one and one", 1, 1, []),
    (
        "six and eight",
        *(6, 8),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        "two and five",
        *(2, 5),
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]

sizes = st.integers(1, 300)


def leaves_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(str(index).encode()) for index in range(size)]


def reader(leaves: list[bytes]) -> merkle.Node:
    """Return a reader of complete parts that follows the definition."""

    def node(height: int, position: int) -> bytes:
        if height == 0:
            return leaves[position]
        return merkle.node_hash(node(height - 1, 2 * position), node(height - 1, 2 * position + 1))

    return node


def defined_root(leaves: list[bytes]) -> bytes:
    """Return the root by the recursion of RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return merkle.node_hash(defined_root(leaves[:left]), defined_root(leaves[left:]))


@pytest.mark.parametrize(("_case", "size", "root"), ROOTS)
def test_roots_are_those_of_certificate_transparency(_case: str, size: int, root: str) -> None:
    tree = merkle.Tree()
    hashes = [merkle.leaf_hash(leaf) for leaf in LEAVES[:size]]
    for leaf in hashes:
        tree.add(leaf)

    assert tree.root().hex() == root
    assert merkle.root_of(size, reader(hashes)).hex() == root


@pytest.mark.parametrize(("_case", "index", "size", "path"), PATHS)
def test_paths_are_those_of_certificate_transparency(
    _case: str, index: int, size: int, path: list[str]
) -> None:
    hashes = [merkle.leaf_hash(leaf) for leaf in LEAVES]

    found = merkle.inclusion_path(index, size, reader(hashes))

    assert [step.hex() for step in found] == path


@pytest.mark.parametrize(("_case", "old", "new", "path"), CONSISTENT)
def test_consistency_is_shown_as_in_certificate_transparency(
    _case: str, old: int, new: int, path: list[str]
) -> None:
    hashes = [merkle.leaf_hash(leaf) for leaf in LEAVES]

    found = merkle.consistency_path(old, new, reader(hashes))

    assert [step.hex() for step in found] == path


def test_an_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.Tree().root() == sha256(b"").digest()


@given(sizes, st.data())
def test_every_leaf_leads_to_the_root_and_nothing_else_does(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    root = defined_root(leaves)
    path = merkle.inclusion_path(index, size, reader(leaves))

    assert merkle.root_by_path(leaves[index], index, size, path) == root
    assert merkle.root_by_path(merkle.leaf_hash(b"other"), index, size, path) != root
    assert merkle.root_by_path(leaves[index], index, size, [*path, root]) != root
    if path:
        assert merkle.root_by_path(leaves[index], index, size, path[:-1]) != root
        changed = [*path]
        spot = data.draw(st.integers(0, len(path) - 1))
        changed[spot] = merkle.leaf_hash(changed[spot])
        assert merkle.root_by_path(leaves[index], index, size, changed) != root


@given(sizes, st.data())
def test_a_tree_is_consistent_with_its_beginnings_and_with_no_other(
    new: int, data: st.DataObject
) -> None:
    leaves = leaves_of(new)
    old = data.draw(st.integers(1, new))
    old_root, new_root = defined_root(leaves[:old]), defined_root(leaves)
    path = merkle.consistency_path(old, new, reader(leaves))

    assert merkle.is_consistent(old, old_root, new, new_root, path)
    assert not merkle.is_consistent(old, merkle.leaf_hash(old_root), new, new_root, path)
    assert not merkle.is_consistent(old, old_root, new, merkle.leaf_hash(new_root), path)
    if path:
        assert not merkle.is_consistent(old, old_root, new, new_root, path[:-1])
    assert not merkle.is_consistent(old, old_root, new, new_root, [*path, new_root])


@given(sizes)
def test_a_tree_goes_on_from_the_roots_of_its_parts(size: int) -> None:
    leaves = leaves_of(size + 40)
    whole = merkle.Tree()
    for leaf in leaves:
        whole.add(leaf)
    later = merkle.Tree(size, [reader(leaves)(*part) for part in merkle.peaks_of(size)])
    completed = [later.add(leaf) for leaf in leaves[size:]]

    assert later.root() == whole.root() == defined_root(leaves)
    for index, roots in enumerate(completed, size):
        for height, root in enumerate(roots):
            assert root == reader(leaves)(height, index >> height)


def test_what_no_tree_has_is_refused() -> None:
    node = reader(leaves_of(3))

    with pytest.raises(ValueError, match="a tree of 3 leaves has none at 3"):
        merkle.inclusion_path(3, 3, node)
    with pytest.raises(ValueError, match="does not begin with one of 4"):
        merkle.consistency_path(4, 3, node)
    with pytest.raises(ValueError, match="3 leaves have 2 complete parts"):
        merkle.Tree(3, [])
    assert merkle.root_by_path(b"", 3, 3, []) is None
    assert merkle.is_consistent(0, b"", 3, b"", []) is False
