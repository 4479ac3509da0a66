"""Joining: what threads ask for at once is done at once, and nobody is left waiting."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from loyalty_site.lib import joining
from loyalty_site.lib.joining import Joiner

Given = Sequence["str | Exception | None"]
T = TypeVar("T")
R = TypeVar("R")


class Work:
    """What is joined here: texts, of which the part before the dash is a name.

    The first item that comes is held until ``ends`` is set, so that the others wait for it.
    """

    def __init__(self, together: Callable[[Sequence[str]], Given] | None = None) -> None:
        self.ends = threading.Event()
        self.begun = threading.Event()
        self.alone: list[str] = []
        self.groups: list[list[str]] = []
        self._given = together or (lambda items: [f"did {item}" for item in items])
        self.joiner = joining.Joiner[str, str](
            alone=self._alone,
            together=self._together,
            names=lambda item: [item.partition("-")[0]],
            size_max=4,
        )

    def _alone(self, item: str) -> str:
        self.alone.append(item)
        if item == "first":
            self.begun.set()
            assert self.ends.wait(30)
        return f"did {item}"

    def _together(self, items: Sequence[str]) -> Given:
        self.groups.append(list(items))
        return self._given(items)

    def after_the_first(self, *items: str) -> list[Future[str]]:
        """Return what becomes of items that came, in this order, while the first was held."""
        with ThreadPoolExecutor(len(items) + 1) as pool:
            found = [pool.submit(self.joiner.do, "first")]
            assert self.begun.wait(30)
            for number, item in enumerate(items, 1):
                found.append(pool.submit(self.joiner.do, item))
                self._until(number)
            self.ends.set()
        return found

    def _until(self, waiting: int) -> None:
        for _ in range(3000):
            if len(self.joiner._waiting) == waiting:
                return
            threading.Event().wait(0.01)
        raise AssertionError("nobody waits")


@pytest.fixture(autouse=True)
def _much_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "PATIENCE_SECONDS", 20.0)


def results(found: list[Future[str]]) -> list[str]:
    return [each.result(30) for each in found]


def test_who_comes_alone_is_done_alone() -> None:
    work = Work()

    answers = [work.joiner.do(item) for item in ("a", "b", "a")]

    assert answers == ["did a", "did b", "did a"]
    assert (work.alone, work.groups) == (["a", "b", "a"], [])


def test_those_who_wait_are_done_together_in_the_order_in_which_they_came() -> None:
    work = Work()

    found = work.after_the_first("a", "b", "c")

    assert results(found) == ["did first", "did a", "did b", "did c"]
    assert (work.alone, work.groups) == (["first"], [["a", "b", "c"]])


def test_a_group_has_a_greatest_size_and_the_rest_comes_next() -> None:
    work = Work()

    found = work.after_the_first("a", "b", "c", "d", "e", "f")

    assert results(found)[1:] == [f"did {item}" for item in "abcdef"]
    assert work.groups == [["a", "b", "c", "d"], ["e", "f"]]


def test_two_with_one_name_are_never_done_together_and_keep_their_order() -> None:
    work = Work()

    found = work.after_the_first("a-1", "a-2", "b-1", "a-3")

    assert results(found)[1:] == ["did a-1", "did a-2", "did b-1", "did a-3"]
    assert work.groups == [["a-1", "b-1"]]
    assert work.alone == ["first", "a-2", "a-3"]


def test_a_refusal_is_raised_for_the_one_that_it_is_about() -> None:
    work = Work(
        lambda items: [LookupError("b") if item == "b" else f"did {item}" for item in items]
    )

    found = work.after_the_first("a", "b", "c")

    assert isinstance(found[2].exception(30), LookupError)
    assert [found[n].result(30) for n in (1, 3)] == ["did a", "did c"]


def test_what_a_group_leaves_is_done_alone() -> None:
    work = Work(lambda items: [None if item == "b" else f"did {item}" for item in items])

    found = work.after_the_first("a", "b", "c")

    assert results(found) == ["did first", "did a", "did b", "did c"]
    assert work.alone == ["first", "b"]


def test_who_hands_on_lets_the_next_lead_while_the_act_goes_on() -> None:
    handed_on, second_done = threading.Event(), threading.Event()

    def alone(item: str) -> str:
        if item == "slow":
            joiner.hand_on()
            joiner.hand_on()
            handed_on.set()
            assert second_done.wait(30)
        return f"did {item}"

    joiner = joining.Joiner[str, str](
        alone=alone, together=lambda items: [None for _ in items], names=lambda _: (), size_max=4
    )
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(joiner.do, "slow")
        assert handed_on.wait(30)
        second = joiner.do("quick")
        is_slow_done = slow.done()
        second_done.set()

    assert (second, is_slow_done, slow.result(30)) == ("did quick", False, "did slow")
    assert joiner._leaders == 0
    assert joiner.do("later") == "did later"


def test_who_does_not_lead_has_nothing_to_hand_on() -> None:
    work = Work()

    work.joiner.hand_on()

    assert work.joiner._leaders == 0


def _fail(items: Sequence[str]) -> Given:
    raise OSError("the server is gone")


def test_after_an_error_of_the_group_each_is_done_alone() -> None:
    work = Work(_fail)

    found = work.after_the_first("a", "b", "c")

    assert results(found)[1:] == ["did a", "did b", "did c"]
    assert sorted(work.alone) == ["a", "b", "c", "first"]


def _end(items: Sequence[str]) -> Given:
    raise SystemExit


def test_nobody_waits_for_a_leader_who_was_ended() -> None:
    work = Work(_end)

    found = work.after_the_first("a", "b", "c")

    assert isinstance(found[1].exception(30), SystemExit)
    assert [found[n].result(30) for n in (2, 3)] == ["did b", "did c"]
    assert work.joiner.do("d") == "did d"
    assert work.joiner._leaders == 0


class Careless(Joiner[T, R]):
    """A joiner whose leader goes without a word where its act fails."""

    def _tell(self, group: Any, found: Any) -> None:
        if found:
            super()._tell(group, found)


def test_a_careless_leader_would_leave_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Show that the test above can fail: it is the leader's farewell that frees them."""
    monkeypatch.setattr(joining, "Joiner", Careless)
    monkeypatch.setattr(joining, "ACT_SECONDS_MAX", 0.2)
    monkeypatch.setattr(joining, "PATIENCE_SECONDS", 1.0)
    work = Work(_end)

    found = work.after_the_first("a", "b", "c")

    assert [type(each.exception(30)).__name__ for each in found[2:]] == ["Unavailable"] * 2
    assert work.joiner._leaders == 1


def test_who_waits_for_long_leads_a_group_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "PATIENCE_SECONDS", 0.01)
    work = Work()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(work.joiner.do, "first")
        assert work.begun.wait(30)

        answer = work.joiner.do("a")

        assert not first.done()
        work.ends.set()
        assert first.result(30) == "did first"
    assert answer == "did a"
    assert work.joiner._leaders == 0


def test_patience_grows_with_what_is_usual_and_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "PATIENCE_SECONDS", 0.05)
    work = Work()
    found = []
    for usual in (0.0, 0.01, 0.1, 20.0):
        work.joiner._usual_seconds = usual
        found.append(work.joiner._patience)

    assert found == pytest.approx([0.05, 0.05, 0.3, 1.0])
    work.joiner._usual_seconds = 1.0
    work.joiner.do("a")
    assert work.joiner._usual_seconds == pytest.approx(0.9, abs=0.05)


def test_whatever_threads_ask_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "PATIENCE_SECONDS", 0.002)
    done: Counter[str] = Counter()
    lock = threading.Lock()

    def together(items: Sequence[str]) -> Given:
        threading.Event().wait(0.001)
        with lock:
            done.update(items)
        return [f"did {item}" for item in items]

    joiner = Joiner[str, str](
        alone=lambda item: str(together([item])[0]),
        together=together,
        names=lambda item: [item.partition("-")[0]],
        size_max=5,
    )
    wanted = [f"{n % 7}-{n}" for n in range(600)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(joiner.do, wanted, timeout=60))

    assert answers == [f"did {item}" for item in wanted]
    assert done == Counter(wanted)
    assert (joiner._leaders, list(joiner._waiting)) == (0, [])
