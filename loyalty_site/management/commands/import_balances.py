"""Bring opening balances of another system in, from a file."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Sum
from django.utils import timezone

from campaigns.queries.endings import default_end
from loyalty_site.lib.errors import DomainError
from members.batch_rows import COLUMNS, NotSuchAFile
from members.models import PointBatch, PointBatchRow, User
from members.queries.program import current_program, point_currency
from members.services import approvals, batches, jobs
from members.services.batch_posting import POST_BATCHES
from members.services.batches import Spec

SHOWN_MAX = 50


class Command(BaseCommand):
    """Checks a file, brings it in once, or takes what it brought back."""

    help = (
        "Bring in points, tiers and their ends from a CSV file with the columns"
        f" {', '.join(COLUMNS)}. Without --yes nothing is written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="the CSV file, in UTF-8")
        step = parser.add_mutually_exclusive_group()
        step.add_argument("--dry-run", action="store_true", help="only check it (the default)")
        step.add_argument("--yes", action="store_true", help="bring it in")
        step.add_argument("--reverse", metavar="ID", help="take back what the batch brought")
        parser.add_argument("--by", metavar="EMAIL", help="who of the staff does it")
        parser.add_argument("--approved-by", metavar="EMAIL", help="who of the staff agreed to it")
        parser.add_argument("--currency", help="code of the points (the first redeemable ones)")
        parser.add_argument(
            "--leave-out-refused", action="store_true", help="bring in the rows that are sound"
        )
        parser.add_argument(
            "--into-debt", action="store_true", help="with --reverse: what is gone becomes debt"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the step that the options name."""
        try:
            if options["reverse"]:
                self._reverse(options)
            elif options["file"] is None:
                raise CommandError("name the file")
            elif options["yes"]:
                self._take(options)
            else:
                self._check(options)
        except (DomainError, NotSuchAFile) as refusal:
            raise CommandError(str(refusal)) from None
        except UnicodeDecodeError:
            raise CommandError("the file has to be in UTF-8") from None
        except OSError as error:
            raise CommandError(f"the file cannot be read: {error.strerror}") from None

    def _check(self, options: dict[str, Any]) -> None:
        with _lines(options["file"]) as lines:
            report = batches.check(spec=_spec(options), lines=lines, moment=timezone.now())
        for problem in report.problems[:SHOWN_MAX]:
            self.stderr.write(f"line {problem.line}: {problem}")
        if report.refused > SHOWN_MAX:
            self.stderr.write(f"... and {report.refused - SHOWN_MAX} more")
        sound = report.rows - report.refused
        self.stdout.write(
            f"{report.rows} rows, {sound} sound with {report.points} points,"
            f" {report.refused} refused; nothing was written"
        )
        if report.refused:
            raise CommandError("the file has rows that cannot be brought in")

    def _take(self, options: dict[str, Any]) -> None:
        by = _person(options["by"], "--by")
        with _lines(options["file"]) as lines:
            batch = batches.take(spec=_spec(options), lines=lines, by=by, moment=timezone.now())
        try:
            batch = batches.request(
                batch_id=batch.pk,
                by=by,
                leaves_out_refused=options["leave_out_refused"],
                why=f"import_balances {batch.name}",
                moment=timezone.now(),
            )
        except DomainError:
            batches.discard(batch_id=batch.pk)
            raise
        if batch.state == PointBatch.State.REQUESTED and options["approved_by"]:
            approvals.approve(
                approval_id=batch.approval_id or 0,
                by=_person(options["approved_by"], "--approved-by"),
                moment=timezone.now(),
            )
            batch.refresh_from_db()
        if batch.state == PointBatch.State.REQUESTED:
            self.stdout.write(f"batch {batch.public_id} waits for approval in the admin")
            return
        self._finish(batch)

    def _reverse(self, options: dict[str, Any]) -> None:
        try:
            batch = PointBatch.objects.filter(public_id=options["reverse"]).first()
        except ValidationError:
            batch = None
        if batch is None:
            raise CommandError("there is no such batch")
        batch = batches.reverse(
            batch_id=batch.pk,
            by=_person(options["by"], "--by"),
            is_into_debt=options["into_debt"],
            moment=timezone.now(),
        )
        self._finish(batch)

    def _finish(self, batch: PointBatch) -> None:
        outcome = jobs.run(POST_BATCHES, moment=timezone.now())
        batch.refresh_from_db()
        if outcome.failure:
            raise CommandError(outcome.failure)
        counts = {
            state: batch.rows.filter(state=state).count() for state in PointBatchRow.State.values
        }
        kept = batch.rows.aggregate(kept=Sum("kept_points"))["kept"] or 0
        told = ", ".join(f"{count} rows {state}" for state, count in counts.items() if count)
        self.stdout.write(
            f"batch {batch.public_id} is {batch.state}: {told}"
            + (f"; {kept} points were not there any more" if kept else "")
        )


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield iter(file)


def _spec(options: dict[str, Any]) -> Spec:
    program = current_program()
    currency = point_currency(program, options["currency"])
    zone = ZoneInfo(program.timezone)
    return Spec(
        program=program,
        currency=currency,
        kind=PointBatch.Kind.IMPORT,
        name=options["file"].name,
        ending=lambda moment: default_end(currency, moment, zone),
    )


def _person(address: str | None, option: str) -> User:
    user = User.objects.filter(email__iexact=address or "", is_staff=True, is_active=True).first()
    if user is None:
        raise CommandError(f"{option} names the login of somebody of the staff")
    return user
