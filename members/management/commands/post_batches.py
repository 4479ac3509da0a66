"""Post and reverse batches of points."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Run the job ``post_batches``."""

    help = "Post the rows of approved batches of points, and reverse those that are taken back."
    name = "post_batches"
