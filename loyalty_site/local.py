"""What an installation without an environment makes for itself: its secrets, kept 0600."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SECRETS_FILE = "secrets.json"


def signing_key() -> str:
    """Return a new RSA key in PEM, which the provider of tokens signs with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _new_secrets() -> dict[str, str]:
    return {
        "secret_key": secrets.token_urlsafe(64),
        "superuser_password": secrets.token_urlsafe(24),
        "owner_password": secrets.token_urlsafe(24),
        "site_password": secrets.token_urlsafe(24),
        "signing_key": signing_key(),
    }


def load_secrets(folder: Path) -> dict[str, str]:
    """Return the installation's secrets, made on the first call and kept in the folder.

    Processes that start together agree on one set, since the file is written under a lock.
    """
    path = folder / SECRETS_FILE
    if path.exists():
        return dict(json.loads(path.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "secrets.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return dict(json.loads(path.read_text()))
        values = _new_secrets()
        # Written beside and renamed, so that a process killed here leaves no half file.
        draft = folder / f"{SECRETS_FILE}.draft"
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(values, file, indent=1)
        draft.rename(path)
        return values
