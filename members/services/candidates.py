"""Find members who look like one person, for staff to decide on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction

from members.likeness import SHOWN_FROM, Person, likeness
from members.models import Identifier, JobRun, Member, MergeCandidate, User
from members.services.jobs import Job, Trouble

MEMBERS_PER_CHUNK = 500
# Profiles are dated by their acts, which may come a little late.
TO_SPARE = timedelta(days=1)

# Who is worth comparing with the members of a chunk: each arm is a look-up by an index.
_PAIRS = """
WITH chunk AS (
  SELECT m.* FROM members_member m WHERE m.id = ANY (%(members)s::bigint[])
), met AS (
  SELECT m.id AS one, o.id AS other FROM chunk m
    JOIN members_member o ON o.birth_date = m.birth_date
      AND lower(left(o.last_name, 1)) IN (lower(left(m.last_name, 1)), lower(left(m.first_name, 1)))
  UNION
  SELECT m.id, o.id FROM chunk m
    JOIN members_member o ON lower(o.last_name) = lower(m.last_name)
      AND lower(o.first_name) = lower(m.first_name)
    WHERE m.last_name <> ''
  UNION
  SELECT m.id, o.id FROM chunk m
    JOIN members_member o ON lower(o.last_name) = lower(m.first_name)
      AND lower(o.first_name) = lower(m.last_name)
    WHERE m.last_name <> ''
  UNION
  SELECT m.id, d.member_id FROM chunk m
    JOIN members_identifier i ON i.member_id = m.id
    JOIN members_identifier d ON d.value = i.value AND d.kind <> i.kind
  UNION
  SELECT m.id, d.member_id FROM chunk m
    JOIN members_identifier i ON i.member_id = m.id AND i.kind = 'email'
      AND strpos(i.value, '+') > 0
    JOIN members_identifier d ON d.kind = 'email'
      AND d.value = split_part(i.value, '+', 1) || '@' || split_part(i.value, '@', 2)
)
SELECT DISTINCT least(one, other), greatest(one, other) FROM met
JOIN members_member a ON a.id = one AND a.status IN ('active', 'suspended')
JOIN members_member b ON b.id = other AND b.status IN ('active', 'suspended')
  AND b.program_id = a.program_id
WHERE one <> other ORDER BY 1, 2
"""


def find(*, member_ids: Sequence[int], moment: datetime) -> int:
    """Compare members with whoever shares something with them; return how many pairs are new.

    A pair that staff dismissed stays dismissed; a repeat finds nothing new.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS, {"members": list(member_ids)})
        pairs = [(row[0], row[1]) for row in cursor.fetchall()]
    known = set(
        MergeCandidate.objects.filter(first_id__in=[first for first, _ in pairs]).values_list(
            "first_id", "second_id"
        )
    )
    pairs = [pair for pair in pairs if pair not in known]
    people = _people({member for pair in pairs for member in pair})
    rows = []
    for first, second in pairs:
        program_id, one = people[first]
        score, reasons = likeness(one, people[second][1])
        if score >= SHOWN_FROM:
            rows.append(
                MergeCandidate(
                    program_id=program_id,
                    first_id=first,
                    second_id=second,
                    score=score,
                    reasons=reasons,
                    found_at=moment,
                )
            )
    # Another run may have found the same at the same time.
    MergeCandidate.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def name_pair(*, one: Member, other: Member, moment: datetime) -> MergeCandidate:
    """Return the pair of two members that staff named themselves, open again if it was not."""
    first, second = sorted([one, other], key=lambda member: member.pk)
    people = _people([first.pk, second.pk])
    score, reasons = likeness(people[first.pk][1], people[second.pk][1])
    pair, _made = MergeCandidate.objects.update_or_create(
        first=first,
        second=second,
        defaults={
            "program": first.program,
            "score": score,
            "reasons": [*reasons, "named_by_staff"],
            "state": MergeCandidate.State.OPEN,
            "found_at": moment,
        },
    )
    return pair


def dismiss(*, pair_id: int, by: User | None, moment: datetime) -> bool:
    """Note that a pair is two people; return whether it was open."""
    changed = MergeCandidate.objects.filter(pk=pair_id, state=MergeCandidate.State.OPEN).update(
        state=MergeCandidate.State.DISMISSED, decided_at=moment, decided_by=by
    )
    return bool(changed)


def _people(members: Iterable[int]) -> dict[int, tuple[int, Person]]:
    wanted = list(members)
    values: dict[int, set[tuple[str, str]]] = {member: set() for member in wanted}
    for member, kind, value in Identifier.objects.filter(member__in=wanted).values_list(
        "member_id", "kind", "value"
    ):
        values[member].add((kind, value))
    rows = Member.objects.filter(pk__in=wanted).values_list(
        "pk", "program_id", "first_name", "last_name", "birth_date"
    )
    return {
        pk: (program, Person(first, last, birth, frozenset(values[pk])))
        for pk, program, first, last, birth in rows
    }


def find_among_changed(moment: datetime, _trouble: Trouble) -> int | None:
    """Compare whoever was enrolled or changed since the last run that went well, in chunks.

    The first run compares everybody.
    """
    changed = Member.objects.filter(status__in=["active", "suspended"])
    runs = JobRun.objects.filter(name=FIND_DUPLICATES.name, failure="", finished_at__isnull=False)
    last = runs.order_by("-started_at").values_list("started_at", flat=True).first()
    if last is not None:
        changed = changed.filter(changed_at__gt=last - TO_SPARE)
    found, after = 0, 0
    while chunk := list(
        changed.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:MEMBERS_PER_CHUNK]
    ):
        with transaction.atomic():
            found += find(member_ids=chunk, moment=moment)
        after = chunk[-1]
    return found


FIND_DUPLICATES = Job(
    name="find_duplicates", chunk=find_among_changed, is_exclusive=False, in_chunks=False
)
