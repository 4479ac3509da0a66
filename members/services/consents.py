"""What members agree to: every answer is a row of its own, for ever."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from members.models import ConsentRecord, Member
from members.queries.consents import latest_consents

# Names the sentences that people agree to; a change of a sentence gets a new version, so that
# every record says what was read.
TEXT_VERSION = "2026-01"


class Answer(NamedTuple):
    """A member's yes or no to a purpose by a channel."""

    purpose: str
    channel: str
    granted: bool


def record_answers(
    *, member: Member, answers: Iterable[Answer], source: str, moment: datetime
) -> None:
    """Write every answer, also one that repeats the one before."""
    ConsentRecord.objects.bulk_create(
        ConsentRecord(
            member=member,
            purpose=answer.purpose,
            channel=answer.channel,
            granted=answer.granted,
            text_version=TEXT_VERSION,
            source=source[:32],
            at=moment,
        )
        for answer in answers
    )


@transaction.atomic
def change(*, member: Member, answers: Iterable[Answer], source: str, moment: datetime) -> None:
    """Write the answers that differ from the latest ones; a repeat writes nothing."""
    # Two changes at once would both compare with the same older answer.
    Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    held = {(row.purpose, row.channel): row for row in latest_consents(member.pk)}
    changed = []
    for answer in answers:
        row = held.get((answer.purpose, answer.channel))
        if row is None or row.granted != answer.granted or row.text_version != TEXT_VERSION:
            changed.append(answer)
    record_answers(member=member, answers=changed, source=source, moment=moment)


def withdraw_all(*, member: Member, source: str, moment: datetime) -> None:
    """Withdraw whatever is still granted."""
    granted = [row for row in latest_consents(member.pk) if row.granted]
    record_answers(
        member=member,
        answers=[Answer(row.purpose, row.channel, granted=False) for row in granted],
        source=source,
        moment=moment,
    )
