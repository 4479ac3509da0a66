"""Prove history: the books against their seals, the seals against each other and checkpoints.

The leaves are recomputed in the database, by ranges of transactions; chain and tree are followed
here, leaf by leaf, in constant memory. What differs is named by its sequence number.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection

from members import merkle
from members.models import LedgerCheckpoint
from members.queries.tree import KEPT_HEIGHT, peaks_at, root_at
from members.services import checkpoints
from members.services.checkpoints import PREFIX_BYTES, NotACheckpoint, Signed

TRANSACTIONS_PER_QUERY = 50_000
ROWS_PER_FETCH = 10_000
CHAIN_START: Final = sha256().digest()

INVARIANTS: Final = {
    "seals_match": "What was sealed says the same today.",
    "seals_complete": "Nothing stands before the latest seal without a seal of its own.",
    "seals_chained": "Seals follow each other without a gap, each with the hash of all before it.",
    "tree_nodes": "The kept parts of the tree are made of its leaves.",
    "checkpoints": "Every checkpoint is signed by a known key and describes these seals.",
}


@dataclass(slots=True)
class Found:
    """How many times an invariant was broken, and where first."""

    differences: int = 0
    first: dict[str, Any] | None = None

    def add(self, sequence: int | None, count: int = 1, **about: Any) -> None:
        """Count differences; the one with the lowest sequence number stays the first."""
        self.differences += count
        place = {"sequence": sequence, **about}
        if self.first is None or (sequence or 0) < (self.first["sequence"] or 0):
            self.first = place


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """What a checkpoint says, and where it stands."""

    tree_size: int
    where: str = field(compare=False)
    signed: Signed = field(compare=False)


def kept_outside() -> list[Path]:
    """Return the checkpoints of the folder, in the order of their names.

    To be called before the snapshot: a checkpoint that is written after it speaks of
    seals that the snapshot cannot know.
    """
    return sorted(Path(settings.CHECKPOINT_DIR).glob("*/*.json"), key=lambda path: path.name)


def prove(
    *, since: int = 0, files: Sequence[Path] | None = None, folder: Sequence[Path] = ()
) -> dict[str, Found]:
    """Return what differs, by the name of the invariant; to be called in one snapshot.

    Seals up to ``since`` are taken as they are, but for the latest checkpoint that covers no
    more than them. ``files`` are the checkpoints kept outside: those of ``folder``, by
    ``kept_outside``, unless told.
    """
    found = {name: Found() for name in INVARIANTS}
    _prove_leaves(found["seals_match"], since)
    _prove_complete(found["seals_complete"])
    _Walk(found, since, files, folder).run()
    return found


def _prove_leaves(found: Found, since: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(transaction_id), max(transaction_id) FROM members_ledgerseal"
            " WHERE sequence > %s",
            [since],
        )
        lowest, highest = cursor.fetchone()
        for first in range(lowest or 0, (highest or -1) + 1, TRANSACTIONS_PER_QUERY):
            # Figures in the text, so that each range gets a plan of its own.
            last = first + TRANSACTIONS_PER_QUERY - 1
            cursor.execute(
                f"WITH f AS MATERIALIZED (SELECT * FROM ledger_leaves({first:d}, {last:d}))"
                " SELECT count(*), min(s.sequence) FROM f"
                " JOIN members_ledgerseal s ON s.transaction_id = f.transaction_id"
                f" WHERE s.sequence > {since:d} AND (f.body IS NULL OR s.leaf_hash"
                " <> sha256('\\x00'::bytea || convert_to(f.body, 'UTF8')))"
                " UNION ALL"
                " SELECT count(*), min(s.sequence) FROM members_ledgerseal s"
                f" WHERE s.sequence > {since:d} AND s.transaction_id BETWEEN {first:d} AND {last:d}"
                " AND NOT EXISTS (SELECT FROM members_ledgertransaction t"
                " WHERE t.id = s.transaction_id)"
            )
            for count, sequence in cursor.fetchall():
                if count:
                    found.add(sequence, count)


_UNSEALED = """
SELECT count(*), (min(ARRAY[t.epoch::text::numeric, t.xid::text::numeric, t.id]))[3]::bigint
FROM members_ledgertransaction t
LEFT JOIN members_ledgerseal s ON s.transaction_id = t.id
WHERE s.sequence IS NULL AND (t.epoch, t.xid, t.id) < (
  SELECT l.epoch, l.xid, l.id FROM members_ledgerseal n
  JOIN members_ledgertransaction l ON l.id = n.transaction_id
  ORDER BY n.sequence DESC LIMIT 1)
"""
_PLACE = """
SELECT s.sequence FROM members_ledgertransaction t
JOIN members_ledgerseal s ON s.transaction_id = t.id
WHERE (t.epoch, t.xid, t.id) > (
  SELECT n.epoch, n.xid, n.id FROM members_ledgertransaction n WHERE n.id = %s)
ORDER BY t.epoch, t.xid, t.id LIMIT 1
"""


def _prove_complete(found: Found) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_UNSEALED)
        count, transaction = cursor.fetchone()
        if count:
            cursor.execute(_PLACE, [transaction])
            found.add(cursor.fetchone()[0], count, transaction=transaction)


class _Walk:
    """Follows the seals in their order, and compares what is told of them."""

    def __init__(
        self,
        found: dict[str, Found],
        since: int,
        files: Sequence[Path] | None,
        folder: Sequence[Path],
    ) -> None:
        self.found = found
        self.folder = folder
        self.since = since
        self.keys = checkpoints.public_keys()
        self.verified = since
        self.claims = self._claims(files)
        self.claim = next(self.claims, None)

    def run(self) -> None:
        """Follow all seals; what is told of more than there are has lost its tail."""
        self._start()
        with connection.chunked_cursor() as cursor:
            cursor.execute(
                "SELECT sequence, leaf_hash, chain_hash FROM members_ledgerseal"
                " WHERE sequence > %s ORDER BY sequence",
                [self.since],
            )
            with connection.chunked_cursor() as kept:
                kept.execute(
                    "SELECT height, position, hash FROM members_ledgernode"
                    " WHERE (position + 1) << height > %s"
                    " ORDER BY (position + 1) << height, height",
                    [self.since],
                )
                self._follow(_rows(cursor), _rows(kept))
        while self.claim is not None:
            claim = self.claim
            told: dict[str, Any] = {"checkpoint": claim.where, "tree_size": claim.tree_size}
            self.found["checkpoints"].add(self.tree.size + 1, missing=True, **told)
            self.claim = next(self.claims, None)

    def _start(self) -> None:
        """Take the seals up to ``since`` as they are, and hold them to their checkpoint."""
        anchor = None
        while self.claim is not None and self.claim.tree_size <= self.since:
            anchor = self.claim
            self.claim = next(self.claims, None)
        self.chain = CHAIN_START if not self.since else self._chain_at(self.since)
        self.tree = merkle.Tree(self.since, peaks_at(self.since) if self.since else ())
        if anchor is not None:
            size = anchor.tree_size
            self._compare(anchor, root_at(size), self._chain_at(size))
            self.verified = self.since

    def _chain_at(self, sequence: int) -> bytes:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT chain_hash FROM members_ledgerseal WHERE sequence = %s", [sequence]
            )
            row = cursor.fetchone()
        return bytes(row[0]) if row else b""

    def _follow(self, seals: Iterator[Any], nodes: Iterator[Any]) -> None:
        chain, tree = self.chain, self.tree
        node = next(nodes, None)
        for sequence, leaf, chain_hash in seals:
            if sequence != tree.size + 1:
                # Nothing can be said of what follows a gap.
                self.found["seals_chained"].add(tree.size + 1, gap_until=sequence)
                return
            chain = sha256(chain + leaf).digest()
            if chain != chain_hash:
                self.found["seals_chained"].add(sequence)
                chain = bytes(chain_hash)
            completed = tree.add(bytes(leaf))
            for height in range(KEPT_HEIGHT, len(completed)):
                made = (height, (sequence >> height) - 1, completed[height])
                if node is None or (node[0], node[1], bytes(node[2])) != made:
                    self.found["tree_nodes"].add(sequence, height=height)
                node = next(nodes, None)
            if self.claim is not None and self.claim.tree_size == sequence:
                self._compare_all(tree.root(), chain)
        if node is not None:
            height, position, _hash = node
            self.found["tree_nodes"].add((position << height) + 1, height=height)

    def _compare_all(self, root: bytes, chain: bytes) -> None:
        place = None
        while self.claim is not None and self.claim.tree_size == self.tree.size:
            # What lies outside comes first, and its list of leaves serves the database's copy.
            place = self._compare(self.claim, root, chain, place)
            self.claim = next(self.claims, None)
        self.verified = self.tree.size

    def _compare(
        self, claim: Claim, root: bytes, chain: bytes, place: int | None = None
    ) -> int | None:
        """Hold what a checkpoint says to the tree; return the seal that differs, where known."""
        body = claim.signed.body
        told: dict[str, Any] = {"checkpoint": claim.where, "tree_size": claim.tree_size}
        if not claim.signed.is_signed_by(self.keys):
            self.found["checkpoints"].add(claim.tree_size, signature=False, **told)
        elif body["root"] != root.hex() or body["chain_head"] != chain.hex():
            place = place or _first_difference(claim.signed)
            # Without the leaves of the checkpoint its place is known by the one before.
            between = None if place else [self.verified + 1, claim.tree_size]
            self.found["checkpoints"].add(place or self.verified + 1, between=between, **told)
        return place

    def _claims(self, files: Sequence[Path] | None) -> Iterator[Claim]:
        rows = LedgerCheckpoint.objects.order_by("tree_size").iterator(ROWS_PER_FETCH)
        kept = (
            Claim(row.tree_size, f"database {row.tree_size}", checkpoints.signed(row))
            for row in rows
        )
        return heapq.merge(self._outside(files), kept)

    def _outside(self, files: Sequence[Path] | None) -> Iterator[Claim]:
        """Yield what was kept outside, smallest first; a folder tells its order by names."""
        if files is None:
            yield from self._in_order(self.folder)
        else:
            yield from sorted(self._read(files))

    def _in_order(self, paths: Iterable[Path]) -> Iterator[Claim]:
        size = 0
        for claim in self._read(paths):
            if claim.tree_size < size or claim.tree_size != _named(claim.where):
                self.found["checkpoints"].add(claim.tree_size, checkpoint=claim.where, name=False)
            else:
                size = claim.tree_size
                yield claim

    def _read(self, paths: Iterable[Path]) -> Iterator[Claim]:
        for path in paths:
            try:
                signed = checkpoints.read(path)
            except NotACheckpoint as error:
                self.found["checkpoints"].add(None, unreadable=str(error))
            else:
                yield Claim(signed.tree_size, str(path), signed)


def _named(where: str) -> int:
    stem = Path(where).stem
    return int(stem) if stem.isdigit() else 0


def _first_difference(signed: Signed) -> int | None:
    """Return the first seal whose leaf differs from what the checkpoint's file says of it."""
    first, told = signed.leaves_from, signed.leaves
    if not told:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sequence, leaf_hash FROM members_ledgerseal"
            " WHERE sequence BETWEEN %s AND %s ORDER BY sequence",
            [first, first + len(told) // PREFIX_BYTES - 1],
        )
        for sequence, leaf in cursor.fetchall():
            start = (sequence - first) * PREFIX_BYTES
            if bytes(leaf)[:PREFIX_BYTES] != told[start : start + PREFIX_BYTES]:
                return int(sequence)
    return None


def _rows(cursor: Any) -> Iterator[Any]:
    while rows := cursor.fetchmany(ROWS_PER_FETCH):
        yield from rows
