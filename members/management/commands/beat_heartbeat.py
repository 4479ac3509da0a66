"""Leave the sign of life of a worker."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from members.services import upkeep


class Command(BaseCommand):
    """Writes the heartbeat that the worker's task writes."""

    help = "Leave the worker's sign of life."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Write it."""
        upkeep.beat(moment=timezone.now())
