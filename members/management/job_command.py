"""A job as a command of the operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from members.services import periodic
from members.services.jobs import Job, run


class JobCommand(BaseCommand):
    """Runs the job ``name`` now; ends with 1 when the run met trouble."""

    name: ClassVar[str]
    jobs: ClassVar[Mapping[str, Job]] = periodic.JOBS

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run the job and say what it did."""
        outcome = run(self.jobs[self.name], moment=timezone.now())
        if outcome.failure:
            raise CommandError(f"{self.name}: {outcome.failure}")
        self.stdout.write(f"{self.name}: {outcome.done} done")
