"""The timeline of a member's tier, computed from the points that qualified.

Pure: no database and no clock. The window at an instant t holds what was gained in
(t - N months, t], the months counted on the wall clock of the program's time zone.

* A gain that lifts the window to a higher rung's threshold moves up at once, to the highest
  rung reached, for N months; further gains do not extend it.
* When those months are over the window that ends there is compared. At or above the
  threshold the tier is renewed for N months; below it the member falls after the grace,
  unless a gain during the grace lifts the window to the threshold again.
* The rung fallen to holds N months in turn; the lowest rung never ends.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from operator import attrgetter
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from loyalty_site.lib import calendars

# Causes by which a member was lifted: such a tier is not taken back by a late purchase.
LIFTS = frozenset({"reached", "merged", "imported", "granted"})

Downgrade = Literal["none", "one_step", "recompute"]


class Rung(NamedTuple):
    """A tier of the ladder; ``threshold`` is in points of the qualifying currency."""

    code: str
    threshold: int


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs, lowest first, with rising thresholds."""

    rungs: tuple[Rung, ...]

    def __post_init__(self) -> None:
        thresholds = [rung.threshold for rung in self.rungs]
        if not thresholds or thresholds != sorted(set(thresholds)):
            raise ValueError("a ladder needs rungs with rising thresholds")

    def position(self, code: str) -> int:
        """Return the place of a rung; one that the ladder no longer has counts as the lowest."""
        for place, rung in enumerate(self.rungs):
            if rung.code == code:
                return place
        return 0

    def reached(self, value: int) -> int:
        """Return the place of the highest rung whose threshold ``value`` reaches."""
        place = 0
        for candidate, rung in enumerate(self.rungs):
            if rung.threshold <= value:
                place = candidate
        return place


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a tier holds, and what happens when its threshold is missed."""

    months: int
    downgrade: Downgrade = "one_step"
    grace_days: int = 0


@dataclass(frozen=True, slots=True)
class Grading:
    """All that the program says about its tiers; months count on the wall clock of ``zone``."""

    ladder: Ladder
    policy: Policy
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Standing:
    """A tier held from ``starts_at`` until the next standing starts.

    ``valid_until`` is when it is compared again, None when it never is. ``evidence`` says
    why: ``cause`` (enrolled, reached, renewed, fallen), ``from_tier``, ``value``,
    ``threshold`` of the rung compared, ``window_from`` and ``window_to`` in ISO form.
    """

    tier: str
    starts_at: datetime
    valid_until: datetime | None
    evidence: Mapping[str, Any] = field(default_factory=dict, hash=False)


class Gain(NamedTuple):
    """Qualifying points of one purchase, net of returns, at its ``occurred_at``."""

    occurred_at: datetime
    points: int


@dataclass(frozen=True, slots=True)
class Next:
    """The rung above, and what is missing to it."""

    tier: str
    threshold: int
    missing: int


@dataclass(frozen=True, slots=True)
class Keep:
    """What must be reached ``by`` a moment so that the tier is renewed then."""

    threshold: int
    missing: int
    by: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """The figures of a member's way up and of what keeps the tier."""

    value: int
    window_from: datetime
    window_to: datetime
    next: Next | None
    keep: Keep | None


def enrolled(ladder: Ladder, at: datetime) -> Standing:
    """Return the standing of a new member: the lowest rung, which never ends."""
    rung = ladder.rungs[0]
    return Standing(
        rung.code, at, None, {"cause": "enrolled", "value": 0, "threshold": rung.threshold}
    )


def window_value(gains: Iterable[Gain], window_from: datetime, window_to: datetime) -> int:
    """Return the points gained after ``window_from`` and not after ``window_to``."""
    return sum(gain.points for gain in gains if window_from < gain.occurred_at <= window_to)


def window_from(grading: Grading, until: datetime) -> datetime:
    """Return the instant after which gains count in the window that ends at ``until``."""
    return calendars.add_months_to_instant(until, -grading.policy.months, grading.zone)


def tier_at(standings: Sequence[Standing], at: datetime) -> str | None:
    """Return the tier by which a fact of ``at`` is judged: the one held strictly before it.

    A fact of the very instant of enrollment, or from before it, is judged by the rung on
    which the member began. None without any standing.
    """
    held: Standing | None = None
    for standing in standings:
        if standing.starts_at < at and (held is None or standing.starts_at >= held.starts_at):
            held = standing
    if held is not None:
        return held.tier
    if not standings:
        return None
    first = min(standings, key=attrgetter("starts_at"))
    return str(first.evidence.get("from_tier") or first.tier)


def regrade(
    grading: Grading,
    standings: Sequence[Standing],
    gains: Sequence[Gain],
    since: datetime,
    until: datetime,
) -> list[Standing]:
    """Return the standings from the one that holds at ``since`` on, recomputed to ``until``.

    ``standings`` are the unsuperseded ones, ``gains`` all that any window between needs
    (N months before ``since``, or before the start of the standing that holds then). The
    first returned is the one that holds at ``since``, unchanged unless something moved the
    member at the very instant at which it started. Both ends are included. A tier that was
    reached later in ``standings`` stays reached: a return lowers no tier at once, so a late
    purchase must not either.

    :raises ValueError: there is no standing to start from.
    """
    if not standings:
        raise ValueError("a member without any standing cannot be graded")
    ordered = sorted(standings, key=attrgetter("starts_at"))
    held = [standing for standing in ordered if standing.starts_at <= since]
    start = held[-1] if held else ordered[0]
    window = _Window(grading, gains)
    walk = _Walk(grading, window, start)
    if not held and start.starts_at <= until:
        # What was gained before the first standing lifts the member where it starts.
        walk.meet(start.starts_at, 0)
    span = (max(since, start.starts_at), until)
    for at, lift in _events(grading, window, ordered, span):
        walk.pass_time(before=at)
        walk.meet(at, lift)
    walk.pass_time(before=None, until=until)
    return walk.timeline


def held_by(
    grading: Grading, standings: Sequence[Standing], gains: Sequence[Gain], moment: datetime
) -> list[Standing]:
    """Return the standings begun by ``moment``, what is due by then counted; never empty.

    ``standings`` are the unsuperseded ones, oldest first, at least one; ``gains`` as for
    ``regrade`` from the latest of them.
    """
    *earlier, last = standings
    timeline = list(standings)
    if last.valid_until is not None and last.valid_until <= moment:
        timeline = [*earlier, *regrade(grading, standings, gains, last.starts_at, moment)]
    return [standing for standing in timeline if standing.starts_at <= moment] or timeline[:1]


def progress(
    grading: Grading,
    standing: Standing,
    gains: Sequence[Gain],
    now: datetime,
) -> Progress:
    """Return what the member has, what is missing to the next rung, and what keeps this one."""
    start = window_from(grading, now)
    value = window_value(gains, start, now)
    rungs = grading.ladder.rungs
    place = grading.ladder.position(standing.tier)
    above = rungs[place + 1] if place + 1 < len(rungs) else None
    return Progress(
        value=value,
        window_from=start,
        window_to=now,
        next=above and Next(above.code, above.threshold, max(0, above.threshold - value)),
        keep=_keep(grading, rungs[place], standing.valid_until, gains, now),
    )


def _keep(
    grading: Grading, rung: Rung, by: datetime | None, gains: Sequence[Gain], now: datetime
) -> Keep | None:
    if by is None:
        return None
    value = window_value(gains, window_from(grading, by), min(by, now))
    return Keep(rung.threshold, max(0, rung.threshold - value), by)


def _events(
    grading: Grading,
    window: _Window,
    standings: Sequence[Standing],
    span: tuple[datetime, datetime],
) -> list[tuple[datetime, int]]:
    """Return the instants at which something may lift the member, with the rung reached before.

    Gains of one instant are met together, so that their order never matters.
    """
    since, until = span
    lifts = dict.fromkeys(window.instants(since, until), 0)
    for standing in standings:
        if standing.evidence.get("cause") in LIFTS and since < standing.starts_at <= until:
            place = grading.ladder.position(standing.tier)
            lifts[standing.starts_at] = max(place, lifts.get(standing.starts_at, 0))
    return sorted(lifts.items())


class _Window:
    """Running sums of the gains: a window's value costs two look-ups, however many there are."""

    def __init__(self, grading: Grading, gains: Sequence[Gain]) -> None:
        ordered = sorted(gains, key=attrgetter("occurred_at"))
        self._grading = grading
        self._times = [gain.occurred_at for gain in ordered]
        self._sums = list(accumulate((gain.points for gain in ordered), initial=0))
        self._rises = list(accumulate((max(gain.points, 0) for gain in ordered), initial=0))

    def value(self, at: datetime) -> int:
        """Return the points of the window that ends at ``at``."""
        first = bisect_right(self._times, window_from(self._grading, at))
        return self._sums[bisect_right(self._times, at)] - self._sums[first]

    def at_most(self, at: datetime) -> int:
        """Return a figure that the window's value cannot pass, without looking for its start."""
        return self._rises[bisect_right(self._times, at)]

    def instants(self, since: datetime, until: datetime) -> list[datetime]:
        """Return the instants between, both included, at which the gains together are positive."""
        first, end = bisect_left(self._times, since), bisect_right(self._times, until)
        found = []
        while first < end:
            after = bisect_right(self._times, self._times[first])
            if self._sums[after] > self._sums[first]:
                found.append(self._times[first])
            first = after
        return found


class _Walk:
    """The one pass from a standing forward; ``timeline`` is what it leaves behind."""

    def __init__(self, grading: Grading, window: _Window, start: Standing) -> None:
        self.grading = grading
        self.ladder = grading.ladder
        self.policy = grading.policy
        self.window = window
        self.timeline = [start]

    @property
    def held(self) -> Standing:
        return self.timeline[-1]

    def meet(self, at: datetime, reached_before: int) -> None:
        """Lift the member at ``at``, or renew the tier when ``at`` is within its grace."""
        rungs = self.ladder.rungs
        place = self.ladder.position(self.held.tier)
        # The first rung from here on whose threshold would change something: in its grace the
        # one held, else the one above. Most gains are far from it and cost no window.
        first = place if self._in_grace(at) else place + 1
        if reached_before <= place and (
            first == len(rungs) or self.window.at_most(at) < rungs[first].threshold
        ):
            return
        value = self.window.value(at)
        target = max(self.ladder.reached(value), reached_before)
        if target > place:
            self._start(target, at, "reached", value, rungs[target])
        elif first == place and value >= rungs[place].threshold:
            self._start(place, at, "renewed", value, rungs[place])

    def pass_time(self, *, before: datetime | None, until: datetime | None = None) -> None:
        """Compare the tier at every end of its validity, up to the next event or ``until``.

        An end at the very instant of an event comes after it: what is gained then is still in
        the window that ends there.
        """
        while (end := self.held.valid_until) is not None:
            if not _comes(end, before, until):
                return
            place = self.ladder.position(self.held.tier)
            rung = self.ladder.rungs[place]
            value = self.window.value(end)
            if value >= rung.threshold:
                self._start(place, end, "renewed", value, rung)
                continue
            fall_at = calendars.add_days_to_instant(end, self.policy.grace_days, self.grading.zone)
            if not _comes(fall_at, before, until):
                return
            value = self.window.value(fall_at)
            self._start(self._below(place, value), fall_at, "fallen", value, rung)

    def _below(self, place: int, value: int) -> int:
        if self.policy.downgrade == "recompute":
            return max(0, min(self.ladder.reached(value), place - 1))
        return max(0, place - 1)

    def _in_grace(self, at: datetime) -> bool:
        return self.held.valid_until is not None and at > self.held.valid_until

    def _start(self, place: int, at: datetime, cause: str, value: int, compared: Rung) -> None:
        previous = self.held
        valid_until = (
            calendars.add_months_to_instant(at, self.policy.months, self.grading.zone)
            if place > 0 and self.policy.downgrade != "none"
            else None
        )
        standing = Standing(
            self.ladder.rungs[place].code,
            at,
            valid_until,
            {
                "cause": cause,
                "from_tier": previous.tier,
                "value": value,
                "threshold": compared.threshold,
                "window_from": window_from(self.grading, at).isoformat(),
                "window_to": at.isoformat(),
            },
        )
        # Standings are half-open and never empty: one that would hold for no time at all is
        # replaced, and its successor says from where the member came.
        if previous.starts_at == at:
            origin = previous.evidence.get("from_tier") or previous.tier
            standing = Standing(
                standing.tier, at, valid_until, {**standing.evidence, "from_tier": origin}
            )
            self.timeline[-1] = standing
        else:
            self.timeline.append(standing)


def _comes(at: datetime, before: datetime | None, until: datetime | None) -> bool:
    return (before is None or at < before) and (until is None or at <= until)
