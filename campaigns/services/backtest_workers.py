"""Processes that replay ranges of members, all of them seeing the same instant."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from campaigns.trial.rounds import Part, RoomsOf

if TYPE_CHECKING:
    from campaigns.services.backtests import Question


class Workers:
    """A pool of processes; each opens a connection of its own to the exported snapshot."""

    def __init__(self, question: Question, snapshot: str, count: int) -> None:
        self._pool = ProcessPoolExecutor(
            count,
            # A forked process would share the sockets of its parent's connections.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
            # Only what can be read before the site's settings are loaded.
            initargs=(
                (question.live, question.draft, question.starts_at, question.ends_at),
                snapshot,
            ),
        )

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def replay(self, ranges: Iterable[Sequence[int]], rooms: RoomsOf) -> Iterator[Part]:
        """Yield what replaying each range gave, in their order."""
        asked = [
            (
                list(members),
                {row: rooms[0][row] for row in members if row in rooms[0]},
                {row: rooms[1][row] for row in members if row in rooms[1]},
            )
            for members in ranges
        ]
        yield from self._pool.map(_replay, asked)


_held: dict[str, Any] = {}


def _start(asked: tuple[Any, Any, Any, Any], snapshot: str) -> None:
    """Make the process ready: the site's settings, both documents, and the connection."""
    import django

    django.setup()
    from campaigns.services import backtests

    question = backtests.Question(*asked)
    plan = question.plan()
    # Open for as long as the process lives, which is as long as the pool.
    reader = backtests.open_reader(snapshot)
    _held.update(plan=plan, wanted=question.wanted(plan), reader=reader)


def _replay(asked: tuple[list[int], Any, Any]) -> Part:
    from campaigns.services import history
    from campaigns.trial.rounds import replay_part

    members, before, after = asked
    stories = history.stories(members, _held["wanted"], _held["reader"].source)
    return replay_part(_held["plan"], stories, (before, after))
