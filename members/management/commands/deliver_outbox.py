"""Tell members what the outbox holds."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Tell members what the outbox holds."
    name = "deliver_outbox"
