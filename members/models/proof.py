"""The proof of history: seals of transactions in a chain and a tree, and signed checkpoints.

Everything here is written once by ``members/sql/proof.sql`` and the job that signs;
``docs/proof.md`` describes the bytes.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from members.models.ledger import LedgerTransaction

HASH_BYTES = 32


class LedgerSeal(models.Model):
    """A transaction's place in the chain, and the hash of what it said when it was sealed."""

    sequence = models.BigIntegerField(
        primary_key=True, db_comment="From 1, without gaps; the leaf's index in the tree plus 1."
    )
    transaction = models.OneToOneField(
        LedgerTransaction, models.PROTECT, related_name="seal", editable=False
    )
    leaf_hash = models.BinaryField(db_comment="SHA-256 of 0x00 and the canonical bytes.")
    chain_hash = models.BinaryField(db_comment="SHA-256 of the chain hash before and the leaf's.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_ledgerseal_sequence", condition=Q(sequence__gte=1)
            ),
        ]

    def __str__(self) -> str:
        return str(self.sequence)


class LedgerNode(models.Model):
    """The root of a complete part of the tree, 2 to the power of ``height`` leaves wide.

    Parts of less than 256 leaves are not kept: they are quickly made of their leaves.
    """

    height = models.PositiveSmallIntegerField()
    position = models.BigIntegerField(db_comment="Which part of this height, from 0.")
    hash = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["height", "position"], name="members_ledgernode_one"),
        ]

    def __str__(self) -> str:
        return f"{self.height}/{self.position}"


class LedgerCheckpoint(models.Model):
    """What was signed about the tree at one size; a copy of it lies outside the database."""

    tree_size = models.BigIntegerField(unique=True, db_comment="Seals that it covers.")
    root = models.BinaryField(db_comment="Root of the Merkle tree over the leaves (RFC 6962).")
    chain_head = models.BinaryField(db_comment="Chain hash of the last seal that it covers.")
    signature = models.BinaryField(db_comment="Ed25519 over the canonical bytes of the body.")
    public_key = models.BinaryField(db_comment="The key that the signature is checked with.")
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_ledgercheckpoint_size", condition=Q(tree_size__gte=1)
            ),
        ]

    def __str__(self) -> str:
        return str(self.tree_size)


class SealingState(models.Model):
    """How far behind sealing is, as its last run saw it; one row."""

    caught_up_at = models.DateTimeField(
        null=True, blank=True, db_comment="When nothing was left to seal for the last time."
    )
    oldest_xid = models.BigIntegerField(
        default=0, db_comment="Oldest database transaction that could still write."
    )
    oldest_since = models.DateTimeField(
        null=True, blank=True, db_comment="Since when it is the oldest; null when there was none."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(models.Value(1), name="members_sealingstate_single"),
        ]

    def __str__(self) -> str:
        return f"{self.caught_up_at:%Y-%m-%d %H:%M}" if self.caught_up_at else ""
