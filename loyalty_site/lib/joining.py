"""Doing at once what several threads ask for at once: one act in the place of many.

Whoever asks while nobody is at work leads: they take what is waiting, do it together with their
own, and tell the others. There is no timer, so that a request that comes alone waits for nobody.
An act whose last part goes on by itself, such as a write to a database, can let the next lead
meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import Enum
from typing import Generic, TypeVar

from loyalty_site.lib.problems import Unavailable

T = TypeVar("T")
R = TypeVar("R")

# A group that waits for somebody's lock holds nobody up for longer than this, or than an act
# usually takes three times: who has waited for it leads a group of their own. Less patience
# would part those who wait just when there is most to do.
PATIENCE_SECONDS = 0.05
PATIENCE_SECONDS_MAX = 1.0
PATIENCE_ACTS = 3
# The share of the latest act in what is usual.
LATEST_SHARE = 0.1
# Longer than an act can take, since each of its statements ends by the server's time limits.
ACT_SECONDS_MAX = 90.0

logger = logging.getLogger(__name__)


class _State(Enum):
    WAITING = 1
    TAKEN = 2
    LEADING = 3
    TOLD = 4


class _Place(Generic[T, R]):
    """One thread's request; ``gate`` is closed until there is something to tell it."""

    __slots__ = ("found", "gate", "item", "names", "state")

    def __init__(self, item: T, names: frozenset[Hashable]) -> None:
        self.item = item
        self.names = names
        self.state = _State.WAITING
        # What became of it: an answer, a refusal to raise, or None where it is to be done alone.
        self.found: R | Exception | None = None
        self.gate = threading.Lock()
        self.gate.acquire()


class Joiner(Generic[T, R]):
    """Joins what threads of this process ask for at the same time.

    ``alone`` does one item and may raise. ``together`` does several as if each had been done
    alone, and returns for each its answer, the exception that it is to raise, or None: it is
    then done alone, as are all when ``together`` raises. Two items that share one of their
    ``names`` are never done together; the later one finds what the earlier one left.
    """

    def __init__(
        self,
        *,
        alone: Callable[[T], R],
        together: Callable[[Sequence[T]], Sequence[R | Exception | None]],
        names: Callable[[T], Iterable[Hashable]],
        size_max: int,
    ) -> None:
        self._alone = alone
        self._together = together
        self._names = names
        self._size_max = size_max
        self._lock = threading.Lock()
        self._waiting: deque[_Place[T, R]] = deque()
        self._leaders = 0
        self._usual_seconds = 0.0
        self._of_thread = threading.local()

    def do(self, item: T) -> R:
        """Return the answer about the item, or raise its refusal.

        :raises Unavailable: the thread that took it has not come back; it may have been done.
        """
        place: _Place[T, R] = _Place(item, frozenset(self._names(item)))
        with self._lock:
            if self._leaders:
                self._waiting.append(place)
            else:
                self._leaders += 1
                place.state = _State.LEADING
        if place.state is not _State.LEADING and not self._wait(place):
            raise Unavailable(retry_after=1)
        if place.state is _State.LEADING:
            self._lead(place)
        if place.found is None:
            return self._alone(item)
        if isinstance(place.found, Exception):
            raise place.found
        return place.found

    def hand_on(self) -> None:
        """Let the next lead while this thread's act goes on; does nothing where it does not lead.

        The act calls it when whoever comes next cannot disturb it any more: it holds the locks
        of its names, so that a later one with the same name waits for them.
        """
        if getattr(self._of_thread, "leads", False):
            self._of_thread.leads = False
            with self._lock:
                self._pass_lead()

    def _wait(self, place: _Place[T, R]) -> bool:
        """Wait until the place is told, or is to lead; return whether it came to that."""
        try:
            if place.gate.acquire(timeout=self._patience) or self._is_out_of_patience(place):
                return True
            return place.gate.acquire(timeout=ACT_SECONDS_MAX)
        except BaseException:
            self._leave(place)
            raise

    @property
    def _patience(self) -> float:
        usual = PATIENCE_ACTS * self._usual_seconds
        return max(PATIENCE_SECONDS, min(usual, PATIENCE_SECONDS_MAX))

    def _is_out_of_patience(self, place: _Place[T, R]) -> bool:
        """Let a place lead that nobody has taken yet; return whether it does."""
        with self._lock:
            if place.state is _State.WAITING:
                self._waiting.remove(place)
                self._leaders += 1
                place.state = _State.LEADING
            return place.state is _State.LEADING

    def _leave(self, place: _Place[T, R]) -> None:
        """Give up a place whose thread is being ended while it waits."""
        with self._lock:
            if place.state is _State.WAITING:
                self._waiting.remove(place)
            elif place.state is _State.LEADING:
                self._pass_lead()

    def _lead(self, place: _Place[T, R]) -> None:
        group = [place]
        found: Sequence[R | Exception | None] = ()
        self._of_thread.leads = True
        try:
            # The others get the interpreter once, so that who is about to ask comes along.
            time.sleep(0)
            self._take(group)
            began = time.monotonic()
            if len(group) > 1:
                found = self._together([each.item for each in group])
            else:
                found = [self._tried(place.item)]
            took = time.monotonic() - began
            self._usual_seconds += LATEST_SHARE * (took - self._usual_seconds)
        except Exception:
            logger.warning("What was joined is done one by one.", exc_info=True)
        finally:
            # Also when this thread is being ended: nobody waits for somebody who is gone.
            self._tell(group, found)

    def _tried(self, item: T) -> R | Exception:
        try:
            return self._alone(item)
        except Exception as error:
            return error

    def _take(self, group: list[_Place[T, R]]) -> None:
        """Add to the leader's place those that wait and fit to it."""
        names = set(group[0].names)
        left: deque[_Place[T, R]] = deque()
        with self._lock:
            for each in self._waiting:
                if len(group) < self._size_max and names.isdisjoint(each.names):
                    each.state = _State.TAKEN
                    group.append(each)
                else:
                    left.append(each)
                # Also those of who is left: nobody passes who came first under a name.
                names |= each.names
            self._waiting = left

    def _tell(self, group: list[_Place[T, R]], found: Sequence[R | Exception | None]) -> None:
        """Hand the lead on, and let the others of the group go."""
        self.hand_on()
        for number, each in enumerate(group):
            each.found = found[number] if number < len(found) else None
            each.state = _State.TOLD
            if number:
                each.gate.release()

    def _pass_lead(self) -> None:
        if not self._waiting:
            self._leaders -= 1
            return
        following = self._waiting.popleft()
        following.state = _State.LEADING
        following.gate.release()
