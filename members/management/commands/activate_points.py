"""Make pending points available that are due."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Make pending points available that are due."
    name = "activate_points"
