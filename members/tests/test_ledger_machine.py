"""Points are neither made nor lost: random acts against a model that is told the same.

The figures are those of the promise: a slice in every run, 100,000 acts with ``--deep``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

import hypothesis
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from members.tests import books as ledger
from members.tests import invariants
from members.tests.books import NOON, Books, Connection, scalar
from members.tests.ledger_model import DAY, GRACE_DAYS, Hold, LatestEndFirst, Lot, Model
from members.tests.long_runs import LongRun, long_run

EPOCH = NOON.replace(hour=0)
STEPS = 60
EXAMPLES = 20
ACTS, ACTS_DEEP = 2000, 100_000
WHOLE_LEDGER_EVERY = 500
DEBT_LIMIT = 150

points_of = st.integers(1, 90)
ages = st.sampled_from([0, 0, 1, 3, 12]).map(lambda days: days * DAY)


@pytest.fixture
def connection(database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as the site."""
    with psycopg.connect(database_urls["site"], autocommit=True) as connection:
        yield connection


def instant(hours: int) -> datetime:
    """Return the model's hour as an instant."""
    return EPOCH + timedelta(hours=hours)


class LedgerMachine(RuleBasedStateMachine):
    """Acts on a fresh member; every act settles what is due first, as the services do."""

    connection: ClassVar[Connection]
    books: ClassVar[Books]
    model_class: ClassVar[type[Model]] = Model
    done: ClassVar[int] = 0

    @initialize()
    def enroll(self) -> None:
        """Begin with an empty member."""
        self.holder = ledger.enroll(self.connection, self.books, debt_limit=DEBT_LIMIT)
        self.model = self.model_class()
        self.now = 100 * DAY
        self.earned: dict[int, tuple[int, int, int]] = {}
        self.redeemed: dict[int, list[tuple[Lot, int]]] = {}

    @rule(
        points=st.integers(30, 200),
        age=ages,
        waits=st.sampled_from([0, 0, 2, 5]),
        lasts=st.sampled_from([None, 3, 10, 40]),
    )
    def earn(self, points: int, age: int, waits: int, lasts: int | None) -> None:
        """Earn for a purchase, told late or at once, pending for some days."""
        self._settle()
        at = self.now - age
        available_at = at + waits * DAY
        expires_at = None if lasts is None else at + (waits + lasts) * DAY
        if expires_at is not None and expires_at <= self.now:
            expires_at = self.now + GRACE_DAYS * DAY
        is_pending = available_at > self.now
        lot = Lot(0, len(self.earned), points, points, at, available_at, expires_at, is_pending)
        paid = 0 if is_pending else min(points, self.model.debt)
        ids = self._post_earn(lot, paid)
        self.earned[len(self.earned)] = (*ids, points)
        self.model.earn(lot)
        self._compare()

    def _post_earn(self, lot: Lot, paid: int) -> tuple[int, int]:
        holder, books = self.holder, self.books
        account = holder.pending if lot.is_pending else holder.available
        legs = [
            *((0, books.issued, -lot.points), (0, account, lot.points - paid)),
            *((0, holder.debt, paid), (1, books.status_issued, -lot.points)),
            (1, holder.status, lot.points),
        ]
        at = instant(lot.earned_at)
        document = {
            "headers": [
                ledger.header(books, holder, "earn", occurred_at=at),
                ledger.header(books, holder, "earn", occurred_at=at, currency=books.status),
            ],
            "lots": [
                {
                    **{"h": 0, "account": account, "points": lot.points, "earned_at": at},
                    "available_at": instant(lot.available_at),
                    "expires_at": None if lot.expires_at is None else instant(lot.expires_at),
                }
            ],
            "uses": [{"h": 0, "new": 0, "points": paid, "kind": "debt"}] if paid else [],
            "entries": [{"h": h, "account": a, "points": p} for h, a, p in legs if p],
        }
        points, status = ledger.post(self.connection, books, document, moment=instant(self.now))
        return points, status

    @rule(points=points_of, age=ages)
    def redeem(self, points: int, age: int) -> None:
        """Redeem at once, perhaps told late; refused where there is too little, or a debt."""
        self._settle()
        if self._is_refused(points):
            with pytest.raises(psycopg.errors.CheckViolation):
                self._debit(points, age)
        else:
            self.redeemed[self._debit(points, age)] = self.model.take(points)
        self._compare()

    @rule(points=points_of, days=st.integers(1, 12))
    def hold(self, points: int, days: int) -> None:
        """Set points aside for some days."""
        self._settle()
        expires_at = self.now + days * DAY
        if self._is_refused(points):
            with pytest.raises(psycopg.errors.CheckViolation):
                self._debit(points, 0, expires_at)
        else:
            key = self._debit(points, 0, expires_at)
            self.model.holds[key] = Hold(self.model.take(points), expires_at)
        self._compare()

    def _debit(self, points: int, age: int, hold_expires_at: int | None = None) -> int:
        return ledger.debit(
            self.connection,
            self.books,
            self.holder,
            points,
            kind="redeem" if hold_expires_at is None else "hold",
            at=instant(self.now - age),
            moment=instant(self.now),
            hold_expires_at=None if hold_expires_at is None else instant(hold_expires_at),
        )

    def _is_refused(self, points: int) -> bool:
        return self.model.debt > 0 or self.model.balance(is_pending=False) < points

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), is_captured=st.booleans())
    def end_hold(self, data: st.DataObject, is_captured: bool) -> None:
        """Capture or release a hold; one that lapsed meanwhile is refused, as is a second end."""
        key = data.draw(st.sampled_from(sorted(self.model.holds)))
        self._settle()
        if key in self.model.holds:
            hold = self.model.holds.pop(key)
            if is_captured:
                captured = ledger.capture(self.connection, key, at=instant(self.now))
                self.redeemed[captured] = hold.taken
            else:
                ledger.give_back(self.connection, key, at=instant(self.now))
                self.model.give_back(hold.taken, self.now)
        with pytest.raises(psycopg.errors.IntegrityError):
            ledger.capture(self.connection, key, at=instant(self.now))
        self._compare()

    @precondition(lambda self: self.redeemed)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Give a redemption back, once."""
        key = data.draw(st.sampled_from(sorted(self.redeemed)))
        self._settle()
        ledger.give_back(self.connection, key, at=instant(self.now))
        self.model.give_back(self.redeemed.pop(key), self.now)
        with pytest.raises(psycopg.errors.CheckViolation):
            ledger.give_back(self.connection, key, at=instant(self.now))
        self._compare()

    @precondition(lambda self: self.earned)
    @rule(data=st.data(), share=st.integers(1, 4), age=ages)
    def claw_back(self, data: st.DataObject, share: int, age: int) -> None:
        """Take back a part of what a purchase gave, dated when the goods came back."""
        key = data.draw(st.sampled_from(sorted(self.earned)))
        self._settle()
        earn, status, left = self.earned[key]
        points = -(-left * share // 4)
        debt = self.model.debt
        lots = self._lots()
        at = max(
            instant(self.now - age),
            scalar(
                self.connection,
                "SELECT occurred_at FROM members_ledgertransaction WHERE id = %s",
                earn,
            ),
        )
        taken = [
            (lots[lot.number], part, lot.is_pending)
            for lot, part in self.model.claw_back(key, points, DEBT_LIMIT, 0)
        ]
        dated = scalar(
            self.connection,
            "SELECT greatest(%s, ledger_earliest_debit(%s))",
            *(at, [lot for lot, _part, _is_pending in taken]),
        )
        self.model.owing_since = max(self.model.owing_since, _hours(dated))
        self._post_clawback((earn, status), points, taken, self.model.debt - debt, dated)
        self.earned[key] = (earn, status, left - points)
        if left == points:
            del self.earned[key]
        self._compare()

    def _post_clawback(
        self,
        originals: tuple[int, int],
        points: int,
        taken: list[tuple[int, int, bool]],
        owed: int,
        at: datetime,
    ) -> None:
        holder, books = self.holder, self.books
        pending = sum(part for _lot, part, is_pending in taken if is_pending)
        available = sum(part for _lot, part, is_pending in taken if not is_pending)
        legs = [
            *((0, holder.pending, -pending), (0, holder.available, -available)),
            *((0, holder.debt, -owed), (0, books.issued, pending + available + owed)),
            *((1, holder.status, -points), (1, books.status_issued, points)),
        ]
        headers = [
            ledger.header(books, holder, "clawback", reverses=original, occurred_at=at)
            for original in originals
        ]
        headers[1]["currency"] = books.status
        first = 0 if any(h == 0 and p for h, _account, p in legs) else 1
        document = {
            "headers": headers[first:],
            "lots": [],
            "uses": [
                {"h": 0, "lot": lot, "points": part, "kind": "clawback"}
                for lot, part, _is_pending in taken
            ],
            "entries": [{"h": h - first, "account": a, "points": p} for h, a, p in legs if p],
        }
        ledger.post(self.connection, books, document, moment=instant(self.now))

    @rule(hours=st.sampled_from([1, 13, DAY, 3 * DAY, 11 * DAY, 45 * DAY]))
    def pass_time(self, hours: int) -> None:
        """Let time pass; nothing is done for it until the next act."""
        self.now += hours
        type(self).done += 1

    @rule()
    def run_jobs(self) -> None:
        """Do what is due, and find that a repeat does nothing."""
        self._settle()
        assert ledger.settle(self.connection, self.holder, moment=instant(self.now)) == 0
        self._compare()

    def _settle(self) -> None:
        ledger.settle(self.connection, self.holder, moment=instant(self.now))
        self.model.settle(self.now)

    def _lots(self) -> list[int]:
        rows = self.connection.execute(
            b"SELECT id FROM members_pointlot WHERE account_id IN (%s, %s) ORDER BY id",
            (self.holder.available, self.holder.pending),
        )
        return [row[0] for row in rows]

    def _compare(self) -> None:
        """Hold the books against the model and against themselves."""
        rows = self.connection.execute(
            b"SELECT account_id = %s, remaining, expires_at FROM members_pointlot"
            b" WHERE account_id IN (%s, %s) ORDER BY id",
            (self.holder.pending, self.holder.available, self.holder.pending),
        )
        assert rows.fetchall() == [
            (
                lot.is_pending,
                lot.remaining,
                None if lot.expires_at is None else instant(lot.expires_at),
            )
            for lot in self.model.lots
        ]
        assert ledger.balances(self.connection, self.holder) == {
            "available": self.model.balance(is_pending=False),
            "pending": self.model.balance(is_pending=True),
            "held": self.model.held(),
            "debt": -self.model.debt,
        }
        kept = self.connection.execute(invariants.TOUCHED.encode(), {"member": self.holder.member})
        assert kept.fetchone() == (True,) * 5
        type(self).done += 1
        if type(self).done % WHOLE_LEDGER_EVERY == 0:
            invariants.prove_whole_ledger(self.connection)

    def teardown(self) -> None:
        """Look back: no balance was ever below zero."""
        if hasattr(self, "holder"):
            rows = self.connection.execute(
                invariants.NEGATIVE_ONCE.encode(), ([self.holder.member],)
            )
            assert rows.fetchall() == []


def _hours(at: datetime) -> int:
    return int((at - EPOCH) / timedelta(hours=1))


def _run(machine: type[LedgerMachine], connection: Connection, run: LongRun) -> None:
    machine.connection = connection
    machine.books = ledger.open_books(connection, grace_days=GRACE_DAYS)
    machine.done = 0
    for part in run.parts():
        with run.naming(part):
            run_state_machine_as_test(
                # Each part draws anew, and draws the same again.
                hypothesis.seed(f"{run.seed}-{part}")(machine),
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    # Every example writes for good, so that a failing one is told as it was found.
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        run.count(machine.done - run.done)


@pytest.mark.ledger
def test_random_acts_leave_what_the_model_says(
    connection: Connection, request: pytest.FixtureRequest
) -> None:
    run = long_run(request, "one member, lot by lot", acts=ACTS, acts_deep=ACTS_DEEP)

    _run(LedgerMachine, connection, run)

    run.tell()
    invariants.prove_whole_ledger(connection)


@pytest.mark.ledger
def test_machine_finds_a_model_with_one_mistake(
    connection: Connection, request: pytest.FixtureRequest
) -> None:
    class Mistaken(LedgerMachine):
        model_class = LatestEndFirst

    with pytest.raises(AssertionError, match="At index"):
        _run(Mistaken, connection, long_run(request, "mistaken", acts=ACTS, acts_deep=ACTS))
