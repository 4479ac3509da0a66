"""Say of every campaign whether it is to come, running or over."""

from campaigns.services.periodic import JOBS
from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Say of every campaign whether it is to come, running or over."
    name = "move_campaigns"
    jobs = JOBS
