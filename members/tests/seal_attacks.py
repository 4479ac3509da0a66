"""The attacks on what proves the books: seals, the tree over them, and checkpoints."""

from __future__ import annotations

from members.tests.attacks import Attack, run

SEAL_ATTACKS: dict[str, Attack] = {
    "a seal changed": run("UPDATE members_ledgerseal SET leaf_hash = sha256(leaf_hash)"),
    "a seal deleted": run("DELETE FROM members_ledgerseal WHERE sequence = 1"),
    "the seals emptied": run("TRUNCATE members_ledgerseal CASCADE"),
    "a seal of nothing sealed": run(
        "INSERT INTO members_ledgerseal (sequence, transaction_id, leaf_hash, chain_hash)"
        " SELECT coalesce((SELECT max(sequence) FROM members_ledgerseal), 0) + 1, max(id),"
        " sha256('x'), sha256('y') FROM members_ledgertransaction"
    ),
    "a seal after a gap": run(
        "INSERT INTO members_ledgerseal (sequence, transaction_id, leaf_hash, chain_hash)"
        " SELECT 900, max(id), sha256('x'), sha256(sha256('') || sha256('x'))"
        " FROM members_ledgertransaction"
    ),
    "a seal of half a hash": run(
        "INSERT INTO members_ledgerseal (sequence, transaction_id, leaf_hash, chain_hash)"
        " SELECT 1, max(id), 'x', 'y' FROM members_ledgertransaction"
    ),
    "a node changed": run("UPDATE members_ledgernode SET hash = sha256('x')"),
    "a node deleted": run("DELETE FROM members_ledgernode"),
    "a node of half a hash": run(
        "INSERT INTO members_ledgernode (height, position, hash) VALUES (8, 900, 'x')"
    ),
    "a checkpoint changed": run("UPDATE members_ledgercheckpoint SET tree_size = 1"),
    "a checkpoint deleted": run("DELETE FROM members_ledgercheckpoint"),
    "a checkpoint of half a root": run(
        "INSERT INTO members_ledgercheckpoint (tree_size, root, chain_head, signature,"
        " public_key, made_at) VALUES (1, 'x', 'x', 'x', 'x', now())"
    ),
}
