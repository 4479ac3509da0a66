"""Find members who look like one person."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Find members who look like one person, among those enrolled or changed lately."
    name = "find_duplicates"
