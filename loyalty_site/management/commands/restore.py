"""Restore a backup, so that what comes out is fit to serve or the command says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from loyalty_site.backups import dumps, restoring
from loyalty_site.backups.programs import BackupFailed
from members.services import erasure_log


class Command(BaseCommand):
    """Ends with 0 only when the books are proved and all that was erased is erased again."""

    help = "Put a dump into the site's database, and make it fit to serve."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "dump", type=Path, nargs="?", help="what bin/backup wrote: a file *.dump"
        )
        parser.add_argument(
            "--finish",
            action="store_true",
            help="no dump: the server was restored by other means; make its data fit to serve",
        )
        parser.add_argument(
            "--replace", action="store_true", help="remove what the database holds now"
        )
        parser.add_argument(
            "--erasures",
            action="append",
            type=Path,
            default=[],
            metavar="FILE",
            help="another log of erasures, beside the dump's own and the installation's",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Restore, then prove."""
        if (options["dump"] is None) != options["finish"]:
            raise CommandError("Name a dump, or give --finish.")
        try:
            logs, manifest = self._restore(options)
        except (BackupFailed, OSError) as error:
            raise CommandError(str(error)) from None
        self._finish(logs, manifest)

    def _restore(self, options: dict[str, Any]) -> tuple[list[Path], dumps.Manifest | None]:
        if options["finish"]:
            logs = self._logs([], options["erasures"])
            epoch = restoring.start_epoch()
            self.stdout.write(f"Epoch {epoch} of the ledger has begun.")
            return logs, None
        dump: Path = options["dump"].absolute()
        log = dump.parent / dumps.ERASURES
        logs = self._logs([log], options["erasures"])
        if added := restoring.gather_before_replacing(log):
            self.stdout.write(f"{added} erasures of the present database were added to the log.")
        manifest = restoring.restore_dump(dump, is_replacing=options["replace"])
        self.stdout.write(f"Restored {dump}; a new epoch of the ledger has begun.")
        return logs, manifest

    def _logs(self, beside: list[Path], named: list[Path]) -> list[Path]:
        missing = [path for path in named if not path.is_file()]
        if missing:
            raise BackupFailed(f"There is no log of erasures {missing[0]}.")
        own = [settings.ERASURE_LOG] if settings.ERASURE_LOG else []
        return [*beside, *own, *named]

    def _finish(self, paths: list[Path], manifest: dumps.Manifest | None) -> None:
        logs = [erasure_log.read(path) for path in paths]
        done = restoring.finish(erasures=logs)
        self.stdout.write(
            f"{done.sessions_ended:,} sessions ended, {done.erased_again:,} members erased again,"
            f" {done.entries:,} entries with {done.differences:,} differences."
        )
        complaints = [
            f"{path}: lines {', '.join(map(str, log.unreadable))} are no erasures"
            for path, log in zip(paths, logs, strict=True)
            if log.unreadable
        ]
        if done.differences:
            complaints.append("the books are not proved: run manage.py verify_ledger")
        if manifest is not None and done.entries_restored != manifest.entries:
            complaints.append(
                f"{done.entries_restored:,} entries came back and {manifest.entries:,} were saved"
            )
        if complaints:
            raise CommandError(f"Do not serve this database yet: {'; '.join(complaints)}")
        self.stdout.write("Ready to serve.")
