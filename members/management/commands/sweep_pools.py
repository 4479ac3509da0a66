"""Send on what came back to pools for members who had left them."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Send on what came back to pools for members who had left them."
    name = "sweep_pools"
