"""Release the holds whose time is over, by hand."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from members.services import jobs
from rewards.services.holds import RELEASE_HOLDS


class Command(BaseCommand):
    """Do what the timetable's task does; a repeat finds nothing."""

    help = "Release every hold whose time is over."

    def handle(self, *args: Any, **options: Any) -> None:
        done = jobs.run(RELEASE_HOLDS, moment=timezone.now()).done
        self.stdout.write(f"{done} redemptions expired.")
