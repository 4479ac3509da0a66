"""Seal the ledger."""

from __future__ import annotations

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Seals what was posted, and signs it."""

    help = "Seal what was posted since, and sign a checkpoint of it."
    name = "seal_ledger"
