"""Give pools their share of what their members earned."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Give pools their share of what their members earned."
    name = "share_with_pools"
