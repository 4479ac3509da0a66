"""Compute the stage and the RFM group of every member."""

from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Compute the stage and the RFM group of every member, and remove tags that have ended."
    name = "score_members"
