"""Proofs for members: that an entry stands in the books as it was sealed."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from loyalty_site.lib import query
from loyalty_site.lib.problems import NotFound
from loyalty_site.lib.schema import (
    COUNT,
    ID,
    MEMBER,
    POINTS,
    TEXT,
    array,
    nullable,
    operation,
    record,
)
from members.api.base import MembersView
from members.presenters import proof_body
from members.queries.proofs import proof_of

HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
# Instants of a leaf are UTC without an offset, as they were sealed.
SEALED_AT = {"type": "string", "examples": ["2026-03-02T12:00:00"]}
LEAF = record(
    account=nullable(HASH),
    actor=HASH,
    counterpart=nullable(ID),
    currency=TEXT,
    entries=array(record(kind=TEXT, owner=TEXT, points=POINTS)),
    hold_expires_at=nullable(SEALED_AT),
    lots=array(
        record(
            available_at=SEALED_AT,
            earned_at=SEALED_AT,
            expires_at=nullable(SEALED_AT),
            kind=TEXT,
            moved_from=nullable(TEXT),
            points=POINTS,
            renew_months=nullable(COUNT),
            waits_for=TEXT,
        )
    ),
    occurred_at=SEALED_AT,
    reason_code=TEXT,
    recorded_at=SEALED_AT,
    reference=TEXT,
    resolves=nullable(ID),
    reverses=nullable(ID),
    source=TEXT,
    transaction=ID,
    type=TEXT,
    uses=array(record(kind=TEXT, lot=TEXT, points=POINTS)),
    version=COUNT,
)
CHECKPOINT = record(
    chain_head=HASH,
    key_id=TEXT,
    kind=TEXT,
    made_at=TEXT,
    root=HASH,
    tree_size=COUNT,
    version=COUNT,
)
PROOF = record(
    sequence=COUNT,
    leaf=LEAF,
    path=array(HASH),
    checkpoint=CHECKPOINT,
    signature=TEXT,
    public_key=HASH,
)


class MyEntryProofView(MembersView):
    """The proof of one of the member's entries."""

    @operation(
        "read_my_entry_proof",
        "Read the proof that an entry stands in the books as it was sealed",
        access=(MEMBER,),
        tag="me",
        responses={200: PROOF},
        problems=(404, 409),
        conditional=True,
    )
    def get(self, request: Request, entry_id: str) -> HttpResponse:
        """Answer leaf, path and checkpoint; docs/proof.md says how they are checked."""
        proof = proof_of(member_id=self.me().pk, public_id=query.path_id(entry_id))
        if proof is None:
            raise NotFound
        return self.resource(proof_body(proof))
