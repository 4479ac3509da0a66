"""What an evaluation gives: awards, the limits that they use, and what did not apply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

# In the place of a point currency: a counter of money, whose ``points`` are ten-thousandths of the
# program's currency. No currency has such a code.
MONEY: Final = "$"


class LimitKey(NamedTuple):
    """The counter of one limit, one subject and one program-local period.

    ``scope`` is ``rule`` or ``campaign`` and ``code`` names it, or ``program`` for a cap on all
    rules together; ``subject`` is the id of the member, store or device that is counted, empty
    for the program; ``period_start`` is an ISO date, empty for ``lifetime``. Points are counted
    by currency; the counter of uses has an empty ``currency``, since a rule that gives two
    currencies is used once, and that of money has ``MONEY``.
    """

    scope: str
    code: str
    per: str
    subject: str
    period: str
    period_start: str
    currency: str


class LimitUse(NamedTuple):
    """What one award adds to one counter."""

    key: LimitKey
    points: int
    uses: int


class Used(NamedTuple):
    """What a counter has reached before this evaluation."""

    points: int = 0
    uses: int = 0


Counters = Mapping[LimitKey, Used]


def used_back(used: int, given: int, taken_back: int) -> int:
    """Return what a counter of points or money gets back of what an award used.

    ``used`` of it went for ``given`` points, of which ``taken_back`` come back: money is a whole
    number for each point.
    """
    return taken_back * (used // given) if given else 0


class Pending(NamedTuple):
    """When points become available: after ``days``, None where nobody can say.

    With ``waits_for`` they do sooner, when that has come: ``event:TYPE`` or ``approval``.
    """

    days: int | None
    waits_for: str = ""


def pending_of(body: Mapping[str, Any] | None) -> Pending | None:
    """Return what a program file says of waiting, None where it says nothing."""
    if not body:
        return None
    if body.get("until") == "event":
        return Pending(body.get("at_most_days"), f"event:{body['type']}")
    if body.get("until") == "approval":
        return Pending(body.get("at_most_days"), "approval")
    return Pending(body.get("days") or 0)


@dataclass(frozen=True, slots=True)
class AwardDraft:
    """Points that one effect of one rule gives, and why.

    ``requested`` is what the effect asked, ``points`` what the limits granted;
    ``attribution`` has one figure per line of the purchase and sums to ``points`` (empty for
    an event). ``capped_by`` is ``{per}_{period}``, ``cap_{per}_{period}`` or ``budget``.
    ``trace`` holds the figures behind ``text`` in wire form, so that the sentence can be told
    in another language. ``pending`` None is as the currency has it.
    """

    rule_code: str
    rule_version: int
    rule_name: str
    campaign: str | None
    currency: str
    effect: int
    requested: int
    points: int
    capped_by: str | None
    text: str
    trace: Mapping[str, Any]
    attribution: tuple[int, ...]
    line_id: str | None
    limit_uses: tuple[LimitUse, ...]
    pending: Pending | None = None


@dataclass(frozen=True, slots=True)
class GrantDraft:
    """Something beside points that one effect of one rule gives, and why.

    ``effect`` is its position in the rule and ``body`` what the rule says of it. ``line_ids``
    are the lines that earned it, all of them where the rule asks for none.
    """

    rule_code: str
    rule_version: int
    rule_name: str
    campaign: str | None
    effect: int
    kind: str
    body: Mapping[str, Any]
    text: str
    line_ids: tuple[str, ...] = ()
    limit_uses: tuple[LimitUse, ...] = ()


@dataclass(frozen=True, slots=True)
class NotApplied:
    """A rule or coupon that gave nothing, and why; ``rule_code`` is None for an unknown coupon.

    ``missing`` is money in wire form, for example what the purchase lacked to a minimum;
    ``because_of`` is the code of the rule that applied instead.
    """

    rule_code: str | None
    rule_version: int | None
    rule_name: str | None
    campaign: str | None
    currency: str | None
    reason: str
    text: str
    missing: str | None = None
    coupon: str | None = None
    because_of: str | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The awards in the order in which they are posted, and what did not apply.

    ``grants`` are what rules give beside points.
    """

    awards: tuple[AwardDraft, ...]
    not_applied: tuple[NotApplied, ...]
    grants: tuple[GrantDraft, ...] = ()

    @property
    def limit_uses(self) -> Iterator[LimitUse]:
        """Yield what everything that is given adds to counters."""
        for award in self.awards:
            yield from award.limit_uses
        for grant in self.grants:
            yield from grant.limit_uses

    def points(self, currency: str) -> int:
        """Return the points granted in ``currency``."""
        return sum(award.points for award in self.awards if award.currency == currency)
