"""Prove the books."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from members.services.reconciliation import Finding, verify


class Command(BaseCommand):
    """Ends with 0 when every invariant holds, else with 1 and the first difference of each."""

    help = "Recompute every invariant of the ledger from its rows, in one snapshot."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the report as JSON")
        parser.add_argument(
            "--checkpoint",
            action="append",
            type=Path,
            metavar="FILE",
            help="a checkpoint kept outside; may be repeated (all files of CHECKPOINT_DIR)",
        )
        parser.add_argument(
            "--since",
            type=int,
            default=0,
            metavar="N",
            help="take the seals up to N as they are (0)",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Verify, print, and end with the code."""
        report = verify(since=max(options["since"], 0), checkpoints=options["checkpoint"])
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), default=str, indent=2))
        else:
            for finding in report.findings:
                self._print(finding)
            found = sum(finding.differences for finding in report.findings)
            self.stdout.write(f"{report.entries} entries, {found} differences")
        if not report.is_proved:
            raise SystemExit(1)

    def _print(self, finding: Finding) -> None:
        if not finding.differences:
            self.stdout.write(f"ok    {finding.invariant}")
            return
        self.stdout.write(f"FAIL  {finding.invariant}")
        first = json.dumps(finding.rows[0], default=str)
        self.stdout.write(f"      {finding.differences} differences, the first: {first}")
