"""Why a condition holds for one member, part by part, by the code that judges purchases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from campaigns.earning import sentences, windows
from campaigns.earning.attributes import Context
from campaigns.earning.conditions import Tree, compile_tree
from campaigns.queries import rulebook
from campaigns.services.judging import member_state
from campaigns.services.opening import read_members
from members.models import Member


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of a condition about one member; ``level`` is how deep it stands in the tree."""

    level: int
    text: str
    holds: bool

    @property
    def indent(self) -> range:
        """Return something with as many items as the part is deep."""
        return range(self.level)


def contexts(
    *, members: Iterable[int], moment: datetime, where: Tree | None = None
) -> dict[int, Context]:
    """Return what conditions are asked about, for each of the members at the moment.

    What they bought is read as far back as ``where`` asks.
    """
    # Every fact about a member, whatever the live rules need.
    book = replace(
        rulebook.latest(),
        needs_segments=True,
        needs_history=True,
        needs_standing=True,
        windows=windows.asked_by([{"when": where}]),
    )
    rows = read_members(members, book, moment)
    local = moment.astimezone(book.zone)
    return {
        int(pk): Context(member_state(int(pk), row, book, moment).facts_at(moment), local)
        for pk, row in rows.items()
    }


def reasons(*, where: Tree, member: Member, moment: datetime) -> list[Reason]:
    """Return each part of the condition with whether it holds for the member, outermost first.

    The parts are the condition's own words: no value of the member stands in them.
    """
    context = contexts(members=[member.pk], moment=moment, where=where)[member.pk]
    return list(_reasons(where, context, 0))


def _reasons(tree: Tree, context: Context, level: int) -> Iterator[Reason]:
    yield Reason(level, sentences.sentence(tree), compile_tree(tree)(context))
    for kind in ("all", "any"):
        for each in tree.get(kind, ()):
            yield from _reasons(each, context, level + 1)
    if "not" in tree:
        yield from _reasons(tree["not"], context, level + 1)
