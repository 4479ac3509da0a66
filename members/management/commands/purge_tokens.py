"""Delete expired tokens, sessions and exports."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Delete expired tokens, sessions and exports."
    name = "purge_tokens"
