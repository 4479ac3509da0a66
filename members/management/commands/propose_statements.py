"""Draft the statements of partners for the months that are over."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Draft the statements of partners for the months that are over."
    name = "propose_statements"
