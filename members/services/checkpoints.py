"""Checkpoints: what is signed about the seals at one size, and kept outside the database.

A superuser of the database can rewrite every row of it, with all hashes. What was written
elsewhere, signed with a key that the database never saw, still says what the rows were.
``docs/proof.md`` describes the bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection

from loyalty_site.lib import signing
from loyalty_site.lib.wire import instant_text
from members.models import LedgerCheckpoint, LedgerSeal
from members.queries.tree import root_at

# A checkpoint's file lists the beginnings of this many leaf hashes at most.
LEAVES_MAX: Final = 50_000
# Bytes of each leaf hash that stand in the file; enough to find the place that differs.
PREFIX_BYTES: Final = 8
KIND: Final = "loyalty checkpoint"


class NoSigningKey(Exception):
    """The process was given no key to sign with."""


class NotACheckpoint(Exception):
    """A file that cannot be read as a checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A checkpoint as it is published: what is signed, by whom, and what helps to find a place."""

    body: Mapping[str, Any]
    signature: bytes
    public_key: bytes
    leaves_from: int = 0
    leaves: bytes = b""

    @property
    def tree_size(self) -> int:
        """Return how many seals it covers."""
        return int(self.body["tree_size"])

    def is_signed_by(self, keys: frozenset[bytes]) -> bool:
        """Return whether one of the keys has signed it."""
        return self.public_key in keys and signing.is_signed(
            self.public_key, self.signature, signing.canonical(self.body)
        )

    def as_json(self) -> dict[str, Any]:
        """Return what everybody may see."""
        return {
            "checkpoint": dict(self.body),
            "signature": self.signature.hex(),
            "public_key": self.public_key.hex(),
        }


def unsigned() -> int:
    """Return how many seals no checkpoint covers."""
    return _latest_size(LedgerSeal, "sequence") - _latest_size(LedgerCheckpoint, "tree_size")


def make(*, moment: datetime) -> LedgerCheckpoint | None:
    """Sign the tree as it stands; None where the latest checkpoint already covers it.

    The file is written first: one without a row is true and does no harm, a row without a
    file would be a proof that nobody outside can compare.

    :raises NoSigningKey: the process has no key.
    :raises OSError: the file cannot be written.
    """
    covered, size = (
        _latest_size(LedgerCheckpoint, "tree_size"),
        _latest_size(LedgerSeal, "sequence"),
    )
    if size == covered:
        return None
    key = _signing_key()
    public = signing.public_key(key)
    row = LedgerCheckpoint(
        tree_size=size,
        root=root_at(size),
        chain_head=bytes(LedgerSeal.objects.get(pk=size).chain_hash),
        public_key=public,
        made_at=moment,
    )
    row.signature = signing.sign(key, signing.canonical(_body(row)))
    _write(signed(row), covered)
    row.save(force_insert=True)
    return row


def signed(row: LedgerCheckpoint) -> Signed:
    """Return the checkpoint of a row."""
    return Signed(body=_body(row), signature=bytes(row.signature), public_key=bytes(row.public_key))


def read(path: Path) -> Signed:
    """Return the checkpoint that a file holds.

    :raises NotACheckpoint: it holds none.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        leaves = told.get("leaves", {})
        return Signed(
            body={**told["checkpoint"], "tree_size": int(told["checkpoint"]["tree_size"])},
            signature=bytes.fromhex(told["signature"]),
            public_key=bytes.fromhex(told["public_key"]),
            leaves_from=int(leaves.get("first", 0)),
            leaves=bytes.fromhex(leaves.get("hashes", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotACheckpoint(f"{path}: {type(error).__name__}: {error}") from None


def public_keys() -> frozenset[bytes]:
    """Return the keys that checkpoints of this installation are signed with."""
    keys = {bytes.fromhex(text) for text in settings.CHECKPOINT_PUBLIC_KEYS}
    if settings.CHECKPOINT_KEY_FILE is not None:
        kept = settings.CHECKPOINT_KEY_FILE.with_suffix(".pub")
        if kept.exists():
            keys.add(bytes.fromhex(kept.read_text(encoding="ascii")))
    return frozenset(keys)


def _body(row: LedgerCheckpoint) -> dict[str, Any]:
    return {
        "chain_head": bytes(row.chain_head).hex(),
        "key_id": signing.key_id(bytes(row.public_key)),
        "kind": KIND,
        "made_at": instant_text(row.made_at),
        "root": bytes(row.root).hex(),
        "tree_size": row.tree_size,
        "version": 1,
    }


def _latest_size(model: Any, column: str) -> int:
    latest = model.objects.order_by(f"-{column}").values_list(column, flat=True).first()
    return int(latest or 0)


def _signing_key() -> str:
    if settings.CHECKPOINT_KEY:
        return str(settings.CHECKPOINT_KEY)
    if settings.CHECKPOINT_KEY_FILE is None:
        raise NoSigningKey("CHECKPOINT_KEY is not set for the worker")
    return signing.kept_key(settings.CHECKPOINT_KEY_FILE)


def _write(checkpoint: Signed, covered: int) -> None:
    """Write the file whole or not at all, and not before it would survive a power cut."""
    size = checkpoint.tree_size
    first = max(covered, size - LEAVES_MAX * 2) + 1
    told = {
        **checkpoint.as_json(),
        "leaves": {"first": first, "hashes": _leaf_prefixes(first, size).hex()},
    }
    folder = Path(settings.CHECKPOINT_DIR) / checkpoint.body["made_at"][:7]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{size:015d}.json"
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(told, file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def _leaf_prefixes(first: int, last: int) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT string_agg(substr(leaf_hash, 1, {PREFIX_BYTES}), ''::bytea ORDER BY sequence)"
            " FROM members_ledgerseal WHERE sequence BETWEEN %s AND %s",
            [first, last],
        )
        return bytes(cursor.fetchone()[0])
