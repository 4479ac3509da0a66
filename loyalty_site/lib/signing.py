"""Signatures with Ed25519, and the one way in which a value becomes the bytes that are signed."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


def canonical(value: Any) -> bytes:
    """Return the bytes of a value of texts, whole numbers, nulls, lists and objects.

    The keys of objects have to be ASCII and numbers within 2 ** 53; then these are the bytes of
    RFC 8785, the JSON canonicalization scheme.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def new_key() -> str:
    """Return a new private key in PEM."""
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
    )


def kept_key(path: Path) -> str:
    """Return the private key that the file holds; the first call makes it, readable to no other.

    The public key is written beside it (``.pub``), for those who only check.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(new_key())
        try:
            # A link never replaces: of processes that start together the first one's key stays.
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_text(encoding="ascii")
    public = path.with_suffix(".pub")
    if not public.exists():
        public.write_text(public_key(key).hex(), encoding="ascii")
    return key


def public_key(key: str) -> bytes:
    """Return the 32 bytes of the public key that belongs to a private key in PEM.

    :raises ValueError: it is no Ed25519 key.
    """
    return _private(key).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_id(public: bytes) -> str:
    """Return the short name of a public key."""
    return sha256(public).hexdigest()[:16]


def sign(key: str, data: bytes) -> bytes:
    """Return the signature of 64 bytes by a private key in PEM.

    :raises ValueError: it is no Ed25519 key.
    """
    return _private(key).sign(data)


def is_signed(public: bytes, signature: bytes, data: bytes) -> bool:
    """Return whether the signature is of the data and by the owner of the public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private(key: str) -> Ed25519PrivateKey:
    loaded = load_pem_private_key(key.encode(), None)
    if not isinstance(loaded, Ed25519PrivateKey):
        raise ValueError("an Ed25519 key is needed")  # noqa: TRY004 - wrong text, not type
    return loaded
