"""Delete answers to keys older than 30 days."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Delete answers to keys older than 30 days."
    name = "purge_idempotency_records"
