"""Let announced changes hold whose notice has run."""

from campaigns.services.periodic import JOBS
from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Let announced changes hold whose notice has run."
    name = "take_announced"
    jobs = JOBS
