"""The tasks of members: doorbells of the jobs, which are commands of the same name as well."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from members.services import jobs, periodic, rehearsal, upkeep


@shared_task
def activate_points() -> None:
    """Make due pending points available."""
    _run("activate_points")


@shared_task
def expire_points() -> None:
    """Expire points whose end has come."""
    _run("expire_points")


@shared_task
def tell_of_ends() -> None:
    """Tell members of points that end soon."""
    _run("tell_of_ends")


@shared_task
def complete_transfers() -> None:
    """Let transfers arrive whose time to be cancelled is over."""
    _run("complete_transfers")


@shared_task
def share_with_pools() -> None:
    """Give pools their share of what their members earned."""
    _run("share_with_pools")


@shared_task
def sweep_pools() -> None:
    """Send on what came back to pools for members who had left them."""
    _run("sweep_pools")


@shared_task
def post_batches() -> None:
    """Post and reverse batches of points."""
    _run("post_batches")


@shared_task
def propose_statements() -> None:
    """Draft the statements of partners for the months that are over."""
    _run("propose_statements")


@shared_task
def regrade_tiers() -> None:
    """Compare tiers whose validity has ended."""
    _run("regrade_tiers")


@shared_task
def deliver_outbox() -> None:
    """Tell members what the outbox holds."""
    _run("deliver_outbox")


@shared_task
def seal_ledger() -> None:
    """Seal what was posted, and sign it."""
    _run("seal_ledger")


@shared_task
def verify_ledger() -> None:
    """Prove the books."""
    _run("verify_ledger")


@shared_task
def find_duplicates() -> None:
    """Find members who look like one person."""
    _run("find_duplicates")


@shared_task
def score_members() -> None:
    """Compute the stage and the RFM group of every member."""
    _run("score_members")


@shared_task
def purge_idempotency_records() -> None:
    """Delete answers that are no longer repeated."""
    _run("purge_idempotency_records")


@shared_task
def purge_outbox() -> None:
    """Delete events that were told, and the records of old runs."""
    _run("purge_outbox")


@shared_task
def purge_tokens() -> None:
    """Delete expired tokens, sessions and exports."""
    _run("purge_tokens")


@shared_task
def beat_heartbeat() -> None:
    """Leave the worker's sign of life."""
    upkeep.beat(moment=timezone.now())


@shared_task
def rehearse() -> None:
    """Rehearse the next days, for every rehearsal that staff asked for and nobody took up."""
    for pk in rehearsal.waiting():
        rehearsal.run(pk)


def _run(name: str) -> None:
    jobs.run(periodic.JOBS[name], moment=timezone.now())
