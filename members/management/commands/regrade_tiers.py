"""Compare the tiers whose validity has ended."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Compare the tiers whose validity has ended."
    name = "regrade_tiers"
