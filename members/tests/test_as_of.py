"""The past is answered as it was shown then: random acts, each looked at again afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

import pytest

from members.models import Member
from members.queries.balances import Balance, balance_as_of, balance_now
from members.queries.statement import BalanceAfter, statement_rows
from members.tests import books as ledger
from members.tests.books import Connection
from members.tests.long_runs import long_run
from members.tests.test_ledger_machine import LedgerMachine, _run, connection, instant

__all__ = ["connection"]

ACTS, ACTS_DEEP = 400, 10_000


class RememberingMachine(LedgerMachine):
    """The machine that keeps what was shown after every act, and asks for it at the end."""

    # A control lets the past know what was recorded later.
    knows_until: ClassVar[timedelta] = timedelta(0)
    looked_back: ClassVar[int] = 0

    def _compare(self) -> None:
        super()._compare()
        now = instant(self.now)
        member = Member.objects.get(pk=self.holder.member)
        found = balance_now(member=member.public_id, moment=now)
        assert found is not None
        kept: dict[datetime, Balance] = self.__dict__.setdefault("shown", {})
        posted: dict[datetime, dict[str, int]] = self.__dict__.setdefault("posted", {})
        kept[now] = found
        posted[now] = ledger.balances(self.connection, self.holder)

    def teardown(self) -> None:
        """Ask for every moment again; it answers what it answered then."""
        super().teardown()
        kept: dict[datetime, Balance] = self.__dict__.get("shown", {})
        for moment, shown in kept.items():
            known_at = moment + self.knows_until
            again = balance_as_of(member=shown.member, as_of=moment, known_at=known_at)
            assert again == shown, f"shown at {moment}"
            type(self).looked_back += 1
        if kept:
            self._look_at_statement()

    def _look_at_statement(self) -> None:
        rows = statement_rows(
            member_id=self.holder.member,
            currency_id=self.books.points,
            after=None,
            before=None,
            limit=100_000,
        )
        for moment, posted in self.__dict__["posted"].items():
            newest = next((row for row in rows if row.recorded_at <= moment), None)
            after = newest.balance_after if newest else BalanceAfter(0, 0, 0, 0)
            assert after == BalanceAfter(
                posted["available"], posted["pending"], posted["held"], -posted["debt"]
            ), f"posted at {moment}"


@pytest.mark.ledger
def test_every_moment_of_the_past_is_what_was_shown_then(
    connection: Connection, request: pytest.FixtureRequest
) -> None:
    RememberingMachine.looked_back = 0

    _run(
        RememberingMachine,
        connection,
        long_run(request, "looked back at", acts=ACTS, acts_deep=ACTS_DEEP),
    )

    assert RememberingMachine.looked_back > 20


@pytest.mark.ledger
def test_a_past_that_knows_the_future_is_found_out(
    connection: Connection, request: pytest.FixtureRequest
) -> None:
    class Foreseeing(RememberingMachine):
        knows_until = timedelta(days=3)

    with pytest.raises(AssertionError, match="shown at"):
        _run(Foreseeing, connection, long_run(request, "foreseeing", acts=ACTS, acts_deep=ACTS))
