"""Expire points whose end has come."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Expire points whose end has come."
    name = "expire_points"
