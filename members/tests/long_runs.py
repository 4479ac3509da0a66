"""Runs of many acts: how many, from which seed, and how far they are.

A run is told by two figures, ``LEDGER_SEED`` and ``LEDGER_ACTS``. It is made of parts that depend
on the seed and on their own number alone, so that ``LEDGER_FROM`` takes it up where another ended.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

SEED = 20_261_122
TOLD_EVERY = 1000


@dataclass
class LongRun:
    """A run of ``acts`` acts; ``done`` counts them."""

    name: str
    acts: int
    seed: int
    config: pytest.Config
    first: int = 0
    done: int = 0
    _began: float = field(default_factory=time.monotonic)
    _part: int = 0

    def parts(self) -> Iterator[int]:
        """Yield the numbers of the parts until enough is done."""
        self._part = self.first
        while self.done < self.acts:
            self._part += 1
            yield self._part - 1

    def count(self, acts: int = 1) -> None:
        """Add acts that left no divergence; every thousand are told."""
        before, self.done = self.done, self.done + acts
        if self.done // TOLD_EVERY > before // TOLD_EVERY:
            self.tell()

    def tell(self) -> None:
        """Say on the terminal how far the run is; whoever takes it up needs the next part."""
        seconds = time.monotonic() - self._began
        capture: Any = self.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            sys.stderr.write(
                f"\n{self.name}: {self.done} acts, divergences 0, seed {self.seed},"
                f" from part {self.first}, next part {self._part}, {seconds:.0f} s\n"
            )
            sys.stderr.flush()

    @contextmanager
    def naming(self, part: int) -> Iterator[None]:
        """Let a failure say which part of which seed it came from."""
        try:
            yield
        except BaseException as error:
            error.add_note(
                f"{self.name}: LEDGER_SEED={self.seed} LEDGER_FROM={part}, after {self.done} acts"
            )
            raise


def long_run(request: pytest.FixtureRequest, name: str, *, acts: int, acts_deep: int) -> LongRun:
    """Return a run of a slice, or of as many acts as are asked for with ``--deep``."""
    is_deep = bool(request.config.getoption("--deep"))
    told = int(os.environ.get("LEDGER_ACTS", acts_deep))
    return LongRun(
        name=name,
        acts=told if is_deep else acts,
        seed=int(os.environ.get("LEDGER_SEED", SEED)),
        config=request.config,
        first=int(os.environ.get("LEDGER_FROM", "0")) if is_deep else 0,
    )
