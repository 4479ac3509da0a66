"""The proof of one transaction: what it said when it was sealed, and the way to a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from loyalty_site.lib.errors import DomainError
from members.models import LedgerCheckpoint, LedgerSeal, LedgerTransaction
from members.queries.tree import path_at


class NotSealedYet(DomainError):
    """The transaction is too young to be proved."""

    code = "not_sealed_yet"
    status = 409
    title = "This entry is not sealed yet"
    cause = "Entries are sealed together, about once a minute, and then signed."
    remedy = "Try again in a minute."


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A leaf as the books tell it now, its place from 1, and the path to a checkpoint's root."""

    sequence: int
    leaf: Mapping[str, Any]
    path: Sequence[bytes]
    checkpoint: LedgerCheckpoint


def proof_of(*, member_id: int, public_id: UUID) -> Proof | None:
    """Return the proof of one of the member's transactions; None for anybody else's.

    It leads to the first checkpoint that covers it, so that it stays the same for ever.

    :raises NotSealedYet: no checkpoint covers it.
    """
    rows = LedgerTransaction.objects.filter(member_id=member_id, public_id=public_id)
    transaction = rows.values_list("pk", flat=True).first()
    if transaction is None:
        return None
    sequence = (
        LedgerSeal.objects.filter(transaction_id=transaction)
        .values_list("sequence", flat=True)
        .first()
    )
    covering = LedgerCheckpoint.objects.filter(tree_size__gte=sequence or 0)
    checkpoint = covering.order_by("tree_size").first() if sequence else None
    if sequence is None or checkpoint is None:
        raise NotSealedYet
    return Proof(
        sequence=sequence,
        leaf=_leaf(transaction),
        path=path_at(sequence - 1, checkpoint.tree_size),
        checkpoint=checkpoint,
    )


def _leaf(transaction: int) -> dict[str, Any]:
    with connection.cursor() as cursor:
        # The figures stand in the text: a plan for any range would read the whole books.
        cursor.execute(f"SELECT body FROM ledger_leaves({transaction:d}, {transaction:d})")
        leaf: dict[str, Any] = json.loads(cursor.fetchone()[0])
        return leaf
