"""Make a key for checkpoints."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from loyalty_site.lib import signing


class Command(BaseCommand):
    """Prints a new private key and its public key; keeps nothing."""

    help = "Print a new Ed25519 key as the lines of the environment that it belongs into."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Make the key and print it."""
        key = signing.new_key()
        self.stdout.write(f"CHECKPOINT_KEY={json.dumps(key)}")
        self.stdout.write(f"CHECKPOINT_PUBLIC_KEYS={signing.public_key(key).hex()}")
