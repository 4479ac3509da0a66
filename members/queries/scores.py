"""How many members a word of the scores is said of, and between which words they moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection
from django.db.models import Count

from members.models import MemberScore

# From the first word that a member left since then to the last one that they came to.
_MOVES: Final = """
SELECT f.text_before, l.text_after, count(*)
FROM (SELECT DISTINCT ON (member_id) member_id, text_before FROM members_scoremove
    WHERE code = %(code)s AND moved_at > %(since)s::timestamptz ORDER BY member_id, id) f
JOIN (SELECT DISTINCT ON (member_id) member_id, text_after FROM members_scoremove
    WHERE code = %(code)s AND moved_at > %(since)s::timestamptz ORDER BY member_id, id DESC) l
  ON l.member_id = f.member_id
GROUP BY 1, 2"""


@dataclass(frozen=True, slots=True)
class Migration:
    """How many members have each word now, and how many came from which word to which.

    ``moved`` counts members by (word before, word after), those who ended where they began
    among those who stayed; the empty word is none.
    """

    now: Mapping[str, int]
    moved: Mapping[tuple[str, str], int]

    def cell(self, before: str, after: str) -> int:
        """Return how many had one word at the beginning and have the other one now."""
        if before != after:
            return self.moved.get((before, after), 0)
        came = sum(
            members for (old, new), members in self.moved.items() if new == after and old != after
        )
        return self.now.get(after, 0) - came


def migration(*, code: str, since: datetime) -> Migration:
    """Return who moved between the words of a score after ``since``."""
    words = MemberScore.objects.filter(code=code).order_by("text").values_list("text")
    now = dict(words.annotate(members=Count("pk")))
    with connection.cursor() as cursor:
        cursor.execute(_MOVES, {"code": code, "since": since})
        moved = Counter({(before, after): members for before, after, members in cursor.fetchall()})
    return Migration(now, moved)
