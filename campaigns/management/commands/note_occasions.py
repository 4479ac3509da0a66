"""Write down the occasions that are due: birthdays, silences, calls of the calendar."""

from campaigns.services.periodic import JOBS
from members.management.job_command import JobCommand


class Command(JobCommand):
    """Runs the job of this name."""

    help = "Write down the occasions that are due, and give what their rules say."
    name = "note_occasions"
    jobs = JOBS
