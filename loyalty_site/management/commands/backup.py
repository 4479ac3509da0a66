"""Back the site up: a dump, and the log of erasures beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from loyalty_site.backups import bases, dumps
from loyalty_site.backups.programs import BackupFailed


class Command(BaseCommand):
    """Writes into a folder that nobody else may enter."""

    help = "Write a dump of the database, and who was erased, into a folder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "folder",
            nargs="?",
            type=Path,
            default=settings.VAR_DIR / "backups",
            help="where to (var/backups)",
        )
        parser.add_argument(
            "--keep", type=int, metavar="N", help="then remove all dumps but the newest N"
        )
        parser.add_argument(
            "--base", action="store_true", help="copy the whole server instead of the database"
        )
        parser.add_argument(
            "--wal",
            action="store_true",
            help="write the server's log into the folder until stopped",
        )
        parser.add_argument(
            "--erasures", action="store_true", help="only bring the log of erasures up to date"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Take the backup and say where it is."""
        keep = options["keep"]
        if keep is not None and keep < 1:
            raise CommandError("--keep takes a number of at least 1.")
        folder: Path = options["folder"].absolute()
        try:
            self._back_up(folder, options)
        except (BackupFailed, OSError) as error:
            raise CommandError(str(error)) from None
        if keep is not None:
            for path in dumps.remove_all_but(keep, folder=folder):
                self.stdout.write(f"Removed {path}")

    def _back_up(self, folder: Path, options: dict[str, Any]) -> None:
        if options["erasures"]:
            added = dumps.gather_erasures(folder)
            self.stdout.write(f"{folder / dumps.ERASURES}: {added} added")
        elif options["wal"]:
            bases.receive_wal(folder=folder)
        elif options["base"]:
            self.stdout.write(str(bases.take_base(folder=folder, moment=timezone.now())))
        else:
            self._dump(folder)

    def _dump(self, folder: Path) -> None:
        path = dumps.take_dump(folder=folder, moment=timezone.now())
        manifest = dumps.read_manifest(path)
        assert manifest is not None
        self.stdout.write(f"{path}: {manifest.entries:,} entries, {manifest.bytes:,} bytes")
