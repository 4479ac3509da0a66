"""Points that go from one member to another arrive whole, at once and with their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from members.tests import books as ledger
from members.tests.books import DAY, NOON, Books, Connection, Holder, scalar

ENDS = NOON + 300 * DAY

Document = dict[str, Any]
Spoil = Callable[[Document, "Stage"], None]


class Stage:
    """Two members, of whom the first has 100 points, and the account of what is on its way."""

    def __init__(self, connection: Connection) -> None:
        self.books: Books = ledger.open_books(connection)
        self.giver: Holder = ledger.enroll(connection, self.books)
        self.taker: Holder = ledger.enroll(connection, self.books)
        self.accounts = {
            kind: ledger.open_account(connection, self.books.program, self.books.points, kind)
            for kind in ("moved", "fees")
        }
        ledger.earn(connection, self.books, self.giver, 100, expires_at=ENDS)
        self.lot: int = scalar(connection, "SELECT max(id) FROM members_pointlot")

    def transfer(self) -> Document:
        """Return the document of a transfer of 40 points."""
        giver, taker, moved = self.giver, self.taker, self.accounts["moved"]
        arrival = {"account": taker.available, "points": 40, "earned_at": NOON}
        return {
            "headers": [
                ledger.header(self.books, giver, "transfer_out"),
                ledger.header(self.books, taker, "transfer_in", counterpart=0),
            ],
            "lots": [
                {
                    "h": 1,
                    **arrival,
                    "available_at": NOON,
                    "expires_at": ENDS,
                    "moved_from": self.lot,
                }
            ],
            "uses": [{"h": 0, "lot": self.lot, "points": 40, "kind": "move"}],
            "entries": [
                {"h": 0, "account": giver.available, "points": -40},
                {"h": 0, "account": moved, "points": 40},
                {"h": 1, "account": moved, "points": -40},
                {"h": 1, "account": taker.available, "points": 40},
            ],
        }


@pytest.fixture(params=["site", "owner"])
def connection(
    request: pytest.FixtureRequest, database_urls: dict[str, str]
) -> Iterator[Connection]:
    """Log in as each of the roles."""
    with psycopg.connect(database_urls[request.param], autocommit=True) as opened:
        yield opened


def _only(document: Document, h: int) -> None:
    document["headers"] = [document["headers"][h]]
    document["headers"][0].pop("counterpart", None)
    for part in ("lots", "uses", "entries"):
        document[part] = [{**row, "h": 0} for row in document[part] if row["h"] == h]


def _more_arrives(document: Document, stage: Stage) -> None:
    document["entries"][2]["points"] = -50
    document["entries"][3]["points"] = 50
    document["lots"][0]["points"] = 50


def _lot_of_another(document: Document, stage: Stage) -> None:
    document["lots"][0].pop("moved_from")


def _fee_to_the_taker(document: Document, stage: Stage) -> None:
    document["entries"][2] = {"h": 1, "account": stage.accounts["fees"], "points": -40}


def _to_oneself(document: Document, stage: Stage) -> None:
    document["headers"][1]["member"] = stage.giver.member
    document["lots"][0]["account"] = stage.giver.available
    document["entries"][3]["account"] = stage.giver.available


SPOILS: dict[str, Spoil] = {
    "points that leave and arrive nowhere": lambda d, s: _only(d, 0),
    "points that arrive from nowhere": lambda d, s: _only(d, 1),
    "more than left": _more_arrives,
    "a longer life": lambda d, s: d["lots"][0].update(expires_at=ENDS + DAY),
    "a life without end": lambda d, s: d["lots"][0].update(expires_at=None),
    "a lot that continues none": _lot_of_another,
    "an arrival by another type": lambda d, s: d["headers"][1].update(type="pool_in"),
    "no counterpart": lambda d, s: d["headers"][1].pop("counterpart"),
    "a fee that is paid out": _fee_to_the_taker,
    "one's own points": _to_oneself,
}


def test_a_transfer_moves_the_points_with_their_end(connection: Connection) -> None:
    stage = Stage(connection)
    ledger.post(connection, stage.books, stage.transfer())
    assert ledger.balances(connection, stage.giver)["available"] == 60
    assert ledger.balances(connection, stage.taker)["available"] == 40
    assert (
        scalar(
            connection,
            "SELECT sum(points) FROM members_ledgerentry WHERE account_id = %s",
            stage.accounts["moved"],
        )
        == 0
    )


@pytest.mark.parametrize("name", SPOILS)
def test_a_spoiled_transfer_is_refused(connection: Connection, name: str) -> None:
    stage = Stage(connection)
    document = deepcopy(stage.transfer())
    SPOILS[name](document, stage)
    with pytest.raises(psycopg.IntegrityError) as refusal:
        ledger.post(connection, stage.books, document)
    assert (refusal.value.sqlstate or "")[:2] == "23"
    assert ledger.balances(connection, stage.giver)["available"] == 100


def test_the_two_halves_cannot_be_posted_one_after_the_other(connection: Connection) -> None:
    stage = Stage(connection)
    whole = stage.transfer()
    leaving, arriving = deepcopy(whole), deepcopy(whole)
    _only(leaving, 0)
    _only(arriving, 1)
    with connection.transaction(force_rollback=True):
        with pytest.raises(psycopg.IntegrityError), connection.transaction():
            ledger.post(connection, stage.books, leaving)
        with pytest.raises(psycopg.IntegrityError):
            ledger.post(connection, stage.books, arriving)


def test_a_held_transfer_moves_what_was_held(connection: Connection) -> None:
    stage = Stage(connection)
    held = ledger.debit(
        connection, stage.books, stage.giver, 40, kind="hold", hold_expires_at=NOON + DAY
    )
    document = stage.transfer()
    document["headers"][0]["resolves"] = held
    document["uses"] = []
    document["entries"][0]["account"] = stage.giver.held
    ledger.post(connection, stage.books, document, moment=NOON + timedelta(hours=1))
    assert ledger.balances(connection, stage.giver) == {
        "available": 60,
        "pending": 0,
        "held": 0,
        "debt": 0,
    }
    assert ledger.balances(connection, stage.taker)["available"] == 40
