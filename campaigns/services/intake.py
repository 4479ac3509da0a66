"""Take purchases in: one, many, or as a rehearsal that writes nothing.

Purchases that tills send singly at the same time are joined: they are posted in one
transaction, each with the answer that it would have got alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import uuid4

from django.db import Error, InterfaceError, OperationalError, connection

from campaigns.bodies import PurchaseBody
from campaigns.queries import rulebook
from campaigns.services.keys import Key, Outcome
from campaigns.services.opening import Row
from campaigns.services.run import Run
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.joining import Joiner
from loyalty_site.lib.problems import InternalError, Unavailable
from loyalty_site.lib.retries import retrying

ROWS_PER_COMMIT = 250
# So many single purchases are joined at most: the first of them waits for the last.
JOINED_MAX = 16

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row of a batch."""

    status: str
    points: int = 0
    public_id: str | None = None
    problem: DomainError | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One purchase as a till sent it; ``currency`` is the one that its answer speaks of."""

    body: PurchaseBody
    actor: str
    moment: datetime
    currency: str
    key: Key | None = None

    @property
    def row(self) -> Row:
        """Return a row of it that nothing is known of yet."""
        return Row(self.body, uuid4(), self.actor, self.currency, self.key)

    @property
    def names(self) -> list[tuple[str, ...]]:
        """Return what only one purchase of a group may have: its two names."""
        names: list[tuple[str, ...]] = [("name", self.body.source, self.body.external_id)]
        if self.key is not None:
            names.append(("key", self.key.caller, self.key.key))
        return names


def process_purchase(
    *,
    body: PurchaseBody,
    actor: str,
    moment: datetime,
    key: Key | None = None,
    currency: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Post one purchase and return the answer to its till.

    The same content under the same business key answers the first result for
    ever. A dry run judges in a read-only transaction and writes nothing.

    :raises UnknownMember: the member reference leads to nobody.
    :raises PurchaseConflict: the business key belongs to other content.
    :raises CurrencyMismatch: the money is not the program's.
    :raises InTheFuture: it is dated more than 5 minutes ahead.
    :raises RequestInProgress: another request holds the key.
    :raises IdempotencyKeyReused: the key belongs to another request.
    """
    code = rulebook.spoken_currency(currency)
    if dry_run:
        asked = Asked(body, actor, moment, code)
        return retrying(lambda: Run(moment, dry_run=True).single(asked.row))
    asked = Asked(body, actor, moment, code, key)
    # What belongs to an open transaction cannot be committed by another thread.
    return _alone(asked) if connection.in_atomic_block else _joiner.do(asked)


def _alone(asked: Asked) -> Outcome:
    return retrying(lambda: Run(asked.moment, before_writing=_joiner.hand_on).single(asked.row))


def process_group(group: Sequence[Asked]) -> list[Outcome | Exception | None]:
    """Post purchases that were sent singly in one transaction.

    Returns for each its answer or its refusal, or None where it has to come alone. No two of
    them have a name or a key in common. They are recorded at the moment of the one that came
    last. An error of the database undoes them all.
    """
    rows = [asked.row for asked in group]
    moment = max(asked.moment for asked in group)
    # While this group is written the next can be judged.
    Run(moment, before_writing=_joiner.hand_on).many(rows)
    return [row.refusal or row.answer for row in rows]


_joiner: Joiner[Asked, Outcome] = Joiner(
    alone=_alone, together=process_group, names=lambda asked: asked.names, size_max=JOINED_MAX
)


def process_batch(
    *, bodies: Sequence[PurchaseBody], actor: str, moment: datetime
) -> list[RowOutcome]:
    """Post many purchases as if they had been sent singly in this order.

    At most 250 rows make a commit. A chunk that fails as a whole is repeated row
    by row; a bad row never stops the others, and a repeat answers ``duplicate``.
    """
    code = rulebook.spoken_currency(None)
    outcomes: list[RowOutcome] = []
    size = ROWS_PER_COMMIT
    while len(outcomes) < len(bodies):
        chunk = _until_repeated(bodies[len(outcomes) : len(outcomes) + size])
        try:
            done = retrying(partial(_posted, chunk, actor, moment, code))
        except (Error, DomainError):
            done = list(_one_by_one(chunk, actor, moment, code))
        outcomes += done
        # Where rows have to be committed one after the other, few are opened at once.
        size = min(ROWS_PER_COMMIT, max(2 * len(done), 1))
    return outcomes


def _until_repeated(bodies: Sequence[PurchaseBody]) -> Sequence[PurchaseBody]:
    """Cut the rows where a business key comes again: the second must find the first."""
    seen: set[tuple[str, str]] = set()
    for place, body in enumerate(bodies):
        name = (body.source, body.external_id)
        if name in seen:
            return bodies[:place]
        seen.add(name)
    return bodies


def _one_by_one(
    bodies: Sequence[PurchaseBody], actor: str, moment: datetime, currency: str
) -> Iterator[RowOutcome]:
    for body in bodies:
        try:
            yield retrying(partial(_posted, [body], actor, moment, currency))[0]
        except DomainError as refusal:
            yield RowOutcome("error", problem=refusal)
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database gave a row up.", exc_info=error)
            yield RowOutcome("error", problem=Unavailable(retry_after=1))
        except Error:
            logger.exception("The database refused a row.")
            yield RowOutcome("error", problem=InternalError())


def _posted(
    bodies: Sequence[PurchaseBody], actor: str, moment: datetime, currency: str
) -> list[RowOutcome]:
    """Post the first of the rows, as many as one commit can take; return what became of them."""
    rows = [Row(body, uuid4(), actor, currency) for body in bodies]
    Run(moment).many(rows)
    posted = next((n for n, row in enumerate(rows) if row.is_fresh), len(rows))
    return [_row_outcome(row) for row in rows[:posted]]


def _row_outcome(row: Row) -> RowOutcome:
    if row.answer is None:
        return RowOutcome("error", problem=row.refusal)
    body = row.answer.body
    return RowOutcome(
        "duplicate" if row.answer.replayed else "created",
        points=body["points"]["granted"],
        public_id=body["id"],
    )
