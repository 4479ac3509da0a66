"""The program as a file: new, plan, apply, export, check."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from campaigns.programfile import ProgramDocument, dump, parse, run_tests
from campaigns.services import exploits, program
from loyalty_site.lib.errors import DomainError

# Complete and sensible as it stands; a program that begins with it is capped.
STARTER = Path(__file__).parents[2] / "programfile" / "starter.yaml"


class Command(BaseCommand):
    """Read a program file, or write the live program as one."""

    help = "new, plan FILE, apply FILE [--yes], export, check FILE"

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for name, text in (
            ("plan", "print what applying the file would change"),
            ("apply", "make the database equal to the file"),
            ("check", "run the file's embedded tests without writing"),
        ):
            action = actions.add_parser(name, help=text)
            action.add_argument("file", type=Path)
            if name == "apply":
                action.add_argument("--yes", action="store_true", help="do not ask")
            if name == "check":
                action.add_argument(
                    "--exploits",
                    action="store_true",
                    help="also look for a way to get value from nothing",
                )
                action.add_argument(
                    "--margin",
                    type=Decimal,
                    default=exploits.MARGIN,
                    help="the part of a price that can be given away (%(default)s)",
                )
        actions.add_parser("new", help="write a program to begin with to standard output")
        actions.add_parser("export", help="write the live program to standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the action says; every mistake of the file is named by its path."""
        try:
            getattr(self, f"_{options['action']}")(options)
        except DomainError as refusal:
            raise CommandError(refusal.detail) from None

    def _new(self, options: dict[str, Any]) -> None:
        self.stdout.write(STARTER.read_text(encoding="utf-8"), ending="")

    def _plan(self, options: dict[str, Any]) -> None:
        self._print_plan(program.plan(_read(options["file"]), timezone.now()))

    def _apply(self, options: dict[str, Any]) -> None:
        document = _read(options["file"])
        changes = program.plan(document, timezone.now())
        self._print_plan(changes)
        if not changes:
            return
        if not options["yes"] and not self._agreed():
            raise CommandError("nothing was applied")
        program.apply(document=document, moment=timezone.now())
        waiting = sum(change.sign == "!" for change in changes)
        self.stdout.write(f"Applied {len(changes) - waiting} changes.")
        if waiting:
            self.stdout.write(f"Announced {waiting}, which hold from the moments above on.")

    def _agreed(self) -> bool:
        if not sys.stdin.isatty():
            return False
        return input("Apply? [y/N] ").strip().lower() in {"y", "yes"}

    def _print_plan(self, changes: list[program.Change]) -> None:
        for change in changes:
            self.stdout.write(str(change))
        if not changes:
            self.stdout.write("Nothing to change.")

    def _export(self, options: dict[str, Any]) -> None:
        live = program.live_document()
        if live is None:
            raise CommandError("there is no program yet; apply a file first")
        self.stdout.write(dump(live), ending="")

    def _check(self, options: dict[str, Any]) -> None:
        document = _read(options["file"])
        outcomes = run_tests(document)
        failed = 0
        for outcome in outcomes:
            self.stdout.write(outcome.report)
            failed += not outcome.passed
        self.stdout.write(f"{len(outcomes) - failed} passed, {failed} failed")
        if failed:
            raise CommandError("the program does not do what its tests say")
        if options["exploits"]:
            self._look_for_exploits(document, options["margin"])

    def _look_for_exploits(self, document: ProgramDocument, margin: Decimal) -> None:
        found = exploits.search(document, moment=timezone.now(), margin=margin)
        looked = f"{found.states:,} states, {found.depth} acts deep"
        if found.exploit is not None:
            self.stdout.write(f"A way to get value from nothing ({looked}):")
            self.stdout.write(str(found.exploit))
            raise CommandError("the program gives value away")
        more = "" if found.is_complete else "; there are more, which were left out"
        self.stdout.write(f"no way found to get value from nothing ({looked}{more})")


def _read(path: Path) -> ProgramDocument:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read {path}: {error}") from None
    return parse(text)
