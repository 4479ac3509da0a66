"""Tell members of points that end soon."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Tell members of points that end soon."
    name = "tell_of_ends"
