#!/usr/bin/env python3
"""Check the proof of an entry of a points statement, without the site that gave it.

    python3 verify_proof.py proof.json [--checkpoint FILE-OR-URL] [--key HEX]

Needs nothing but Python 3.9. It recomputes the hash of what the entry says, follows the path to
the root of the tree (RFC 6962), and checks the Ed25519 signature of the checkpoint (RFC 8032).
A checkpoint that was kept by somebody else shows that everybody is told the same; a key that
was noted earlier shows who signed. Ends with 0 when the proof holds, else with 1.
"""

import argparse
import hashlib
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def canonical(value: object) -> bytes:
    """Return the bytes of a value as RFC 8785 writes them."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def root_by_path(leaf: bytes, index: int, size: int, path: "list[bytes]") -> "bytes | None":
    """Return the root that the path leads to; None when no tree of this size has such a path."""
    last = size - 1
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            leaf = hashlib.sha256(b"\x01" + sibling + leaf).digest()
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            leaf = hashlib.sha256(b"\x01" + leaf + sibling).digest()
        index, last = index >> 1, last >> 1
    return leaf if last == 0 else None


def decoded(data: bytes) -> "tuple[int, int]":
    """Return the point that 32 bytes stand for."""
    y = int.from_bytes(data, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if y >= P or (x * x - square) % P:
        raise ValueError("not a point of the curve")
    return (P - x if x & 1 != data[31] >> 7 else x), y


def added(a: "tuple[int, int]", b: "tuple[int, int]") -> "tuple[int, int]":
    """Return the sum of two points."""
    product = D * a[0] * b[0] * a[1] * b[1]
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P)
    return x % P, y % P


def times(number: int, point: "tuple[int, int]") -> "tuple[int, int]":
    """Return the multiple of a point."""
    total = (0, 1)
    while number:
        if number & 1:
            total = added(total, point)
        point, number = added(point, point), number >> 1
    return total


def is_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether the signature is the key's owner's (RFC 8032, section 5.1.7)."""
    number = int.from_bytes(signature[32:], "little")
    if len(key) != 32 or len(signature) != 64 or number >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    try:
        base = decoded((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
        right = added(decoded(signature[:32]), times(challenge, decoded(key)))
    except ValueError:
        return False
    return times(number, base) == right


def check(proof: "dict[str, Any]", known_key: str = "", kept: Any = None) -> "list[str]":
    """Return what is wrong with a proof; nothing when it holds."""
    checkpoint, key = proof["checkpoint"], proof["public_key"]
    leaf = hashlib.sha256(b"\x00" + canonical(proof["leaf"])).digest()
    path = [bytes.fromhex(step) for step in proof["path"]]
    size = checkpoint["tree_size"]
    wrong = []
    root = root_by_path(leaf, proof["sequence"] - 1, size, path)
    if not 1 <= proof["sequence"] <= size or root is None or root.hex() != checkpoint["root"]:
        wrong.append("what the entry says is not what was sealed")
    signature = bytes.fromhex(proof["signature"])
    if not is_signed(bytes.fromhex(key), signature, canonical(checkpoint)):
        wrong.append("the checkpoint is not signed by the key that it names")
    if hashlib.sha256(bytes.fromhex(key)).hexdigest()[:16] != checkpoint["key_id"]:
        wrong.append("the checkpoint names another key")
    if known_key and known_key.lower() != key:
        wrong.append("the checkpoint is signed by another key than the known one")
    if kept is not None and kept["checkpoint"] != checkpoint:
        wrong.append("the kept checkpoint says something else")
    return wrong


def main() -> int:
    """Read the files, check, and tell."""
    parser = argparse.ArgumentParser(description="Check the proof of an entry.")
    parser.add_argument("proof", type=Path)
    parser.add_argument("--checkpoint", help="a copy of the checkpoint kept elsewhere: file or URL")
    parser.add_argument("--key", default="", help="the signer's public key, 64 hexadecimal digits")
    asked = parser.parse_args()
    proof, kept = json.loads(asked.proof.read_text(encoding="utf-8")), None
    if asked.checkpoint and asked.checkpoint.startswith("https://"):
        kept = json.loads(urllib.request.urlopen(asked.checkpoint, timeout=30).read())
    elif asked.checkpoint:
        kept = json.loads(Path(asked.checkpoint).read_text(encoding="utf-8"))
    wrong = check(proof, asked.key, kept)
    leaf, checkpoint = proof["leaf"], proof["checkpoint"]
    moved = ", ".join(f"{entry['kind']} {entry['points']:+d}" for entry in leaf["entries"])
    sys.stdout.write(f"{leaf['type']} of {leaf['occurred_at']} UTC: {moved} {leaf['currency']}\n")
    sys.stdout.write(
        f"seal {proof['sequence']} of {checkpoint['tree_size']}, signed {checkpoint['made_at']}"
        f" by key {checkpoint['key_id']}\n"
    )
    sys.stdout.write("".join(f"WRONG: {each}\n" for each in wrong) or "The proof holds.\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
