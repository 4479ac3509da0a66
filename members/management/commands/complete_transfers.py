"""Let transfers arrive whose time to be cancelled is over."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Let transfers arrive whose time to be cancelled is over."
    name = "complete_transfers"
