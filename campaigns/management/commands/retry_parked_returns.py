"""Apply returns that waited for their purchase."""

from campaigns.services.periodic import JOBS
from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Apply returns that waited for their purchase."
    name = "retry_parked_returns"
    jobs = JOBS
