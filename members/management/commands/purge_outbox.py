"""Delete events told more than 30 days ago, and records of old runs."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Delete events told more than 30 days ago, and records of old runs."
    name = "purge_outbox"
