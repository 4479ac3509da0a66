"""Bring the members of every segment up to date."""

from campaigns.services.periodic import JOBS
from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Bring the members of every segment up to date."
    name = "refresh_segments"
    jobs = JOBS
