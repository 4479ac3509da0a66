"""What the database refuses of acts by hand, as the site's role and as the owner of the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psycopg
import pytest

from conftest import SERVER
from members.tests import books as ledger
from members.tests.books import NOON, Books, Connection, Holder, scalar

ALONE, DAILY = 100, 150
_numbers = count(1)


class Stage:
    """Two people of the staff, of whom the first is a member too, and another member."""

    def __init__(self, connection: Connection) -> None:
        self.x = connection
        self.books: Books = ledger.open_books(connection)
        self.holder: Holder = ledger.enroll(connection, self.books)
        self.ann, self.ben = self.person("ann"), self.person("ben")
        connection.execute(
            b"INSERT INTO members_approvalpolicy (currency_id, points_alone, points_daily)"
            b" VALUES (%s, %s, %s)",
            (self.books.points, ALONE, DAILY),
        )

    def person(self, name: str) -> int:
        """Write a login of staff; return its id."""
        user: int = scalar(
            self.x,
            "INSERT INTO members_user (email, password, is_staff, is_superuser, is_active,"
            " date_joined) VALUES (%s, '', true, false, true, %s) RETURNING id",
            *(f"{name}@example.com", NOON),
        )
        return user

    def request(self, points: int = 50, **columns: Any) -> int:
        """Ask for a credit; return the approval."""
        values = {
            "program_id": self.books.program,
            "act": "adjustment",
            "member_id": self.holder.member,
            "currency_id": self.books.points,
            "points": points,
            "is_credit": True,
            "limit_points": 10**9,
            "why": "",
            "answer": "",
            "state": "requested",
            "requested_by_id": self.ann,
            "requested_at": NOON,
            **columns,
        }
        approval: int = scalar(
            self.x,
            f"INSERT INTO members_approval (public_id, {', '.join(values)}) VALUES"
            f" (gen_random_uuid(){', %s' * len(values)}) RETURNING id",
            *values.values(),
        )
        return approval

    def move(self, approval: int, **columns: Any) -> None:
        """Change an approval by hand."""
        pairs = ", ".join(f"{name} = %s" for name in columns)
        self.x.execute(
            f"UPDATE members_approval SET {pairs} WHERE id = %s".encode(),
            (*columns.values(), approval),
        )

    def post(self, approval: int) -> None:
        """Say that it is done."""
        self.move(approval, state="posted", posted_at=NOON)

    def approve(self, approval: int, by: int) -> None:
        """Agree to it."""
        self.move(approval, state="approved", decided_by_id=by, decided_at=NOON)

    def credit(self, approval: int, points: int, **told: Any) -> None:
        """Give the points that an approval is about."""
        act, ref = self.x.execute(
            b"SELECT act, public_id::text FROM members_approval WHERE id = %s", (approval,)
        ).fetchone() or ("", "")
        told = {"counter": "adjusted", "source": act, "ref": ref, "type": "adjust_credit", **told}
        scalar(
            self.x,
            "SELECT ledger_adjust_credit(%s, %s, %s, %s, %s, %s, %s, 'test', %s, %s, '', %s, NULL)",
            *(told.get("member", self.holder.member), self.books.points, points, told["type"]),
            *(told["counter"], told["source"], told["ref"], NOON, NOON, NOON),
        )


@pytest.fixture(scope="module")
def urls(django_db_setup: None) -> Iterator[dict[str, str]]:
    """Clone a database for all attacks; gives its logins."""
    name = SERVER.next_name()
    SERVER.clone(name)
    yield SERVER.urls(name)
    SERVER.drop(name)


@pytest.fixture(params=["site", "owner"])
def stage(request: pytest.FixtureRequest, urls: dict[str, str]) -> Iterator[Stage]:
    """Log in as each of the roles; what the test leaves is rolled back."""
    with psycopg.connect(urls[request.param]) as opened:
        yield Stage(opened)
        opened.rollback()


def _own(s: Stage) -> None:
    s.x.execute(b"UPDATE members_member SET user_id = %s WHERE id = %s", (s.ann, s.holder.member))
    s.request()


def _own_by_approver(s: Stage) -> None:
    s.x.execute(b"UPDATE members_member SET user_id = %s WHERE id = %s", (s.ben, s.holder.member))
    s.approve(s.request(500), s.ben)


def _over_the_day(s: Stage) -> None:
    for _ in range(2):
        s.post(s.request(80))


def _posted_twice(s: Stage) -> None:
    approval = s.request()
    s.post(approval)
    s.credit(approval, 50)
    s.credit(approval, 50)


def _under(points: int, **told: Any) -> Callable[[Stage], None]:
    """Return the attack that uses an approval of 50 points that was posted for something else."""

    def attack(s: Stage) -> None:
        approval = s.request()
        s.post(approval)
        s.credit(approval, points, **told)

    return attack


def _other_member(s: Stage) -> None:
    approval = s.request()
    s.post(approval)
    s.credit(approval, 50, member=ledger.enroll(s.x, s.books).member)


def _move_on(**columns: Any) -> Callable[[Stage], None]:
    def attack(s: Stage) -> None:
        s.move(s.request(), **columns)

    return attack


def _late(s: Stage, **columns: Any) -> None:
    approval = s.request()
    s.post(approval)
    s.move(approval, **columns)


def _count_down(s: Stage) -> None:
    s.post(s.request(80))
    s.x.execute(b"UPDATE members_staffday SET points = 0")


ATTACKS: dict[str, Callable[[Stage], None]] = {
    "a large act posted alone": lambda s: s.post(s.request(ALONE + 1)),
    "a large act approved by whoever asked": lambda s: s.approve(s.request(500), s.ann),
    "a small act approved by whoever asked": lambda s: s.approve(s.request(5), s.ann),
    "an act upon one's own account": _own,
    "an approval upon one's own account": _own_by_approver,
    "more in a day than the cap": _over_the_day,
    "an act that is born posted": lambda s: _ignore(s.request(state="posted", posted_at=NOON)),
    "an act that is born approved": lambda s: _ignore(
        s.request(state="approved", decided_by_id=s.ben, decided_at=NOON)
    ),
    "an act of nobody": lambda s: _ignore(s.request(requested_by_id=None)),
    "an act of no points": lambda s: _ignore(s.request(0)),
    "an approval by nobody": _move_on(state="approved"),
    "more points after the request": _move_on(points=90),
    "a higher limit after the request": _move_on(limit_points=10**6),
    "another asker after the request": lambda s: s.move(s.request(), requested_by_id=s.ben),
    "a posted act that is asked again": lambda s: _late(s, state="requested", posted_at=None),
    "a posted act with a later approver": lambda s: _late(s, decided_by_id=s.ben, decided_at=NOON),
    "a reversal by nobody": lambda s: _late(s, state="reversed"),
    "an approval that is deleted": lambda s: _ignore(
        s.x.execute(b"DELETE FROM members_approval WHERE id = %s", (s.request(),))
    ),
    "the day counted down": _count_down,
    "the day deleted": lambda s: _ignore(s.x.execute(b"DELETE FROM members_staffday")),
    "points of an act that nobody posted": lambda s: s.credit(s.request(), 50),
    "more points than the act says": _under(51),
    "the points of an act twice": _posted_twice,
    "the points of an act for another member": _other_member,
    "the points of an act under a second reference": _under(
        50, ref="00000000-0000-4000-8000-000000000000"
    ),
    "the points of an act as those of another act": _under(50, source="write_off"),
    "a reversal of what was not reversed": _under(50, source="reversal"),
    "points that nobody paid for as paid for": _under(50, counter="sold"),
}


def _ignore(_result: object) -> None:
    """Let a lambda return nothing."""


@pytest.mark.parametrize("name", ATTACKS, ids=str)
def test_attack_on_an_act_is_refused_and_moves_nothing(name: str, stage: Stage) -> None:
    for kind in ("sold",):
        ledger.open_account(stage.x, stage.books.program, stage.books.points, kind)
    begun = _balance(stage)

    with pytest.raises(psycopg.Error) as refusal, stage.x.transaction():
        ATTACKS[name](stage)

    assert str(refusal.value.sqlstate)[:2] in {"23", "42"}
    assert _balance(stage) == begun == 0


def test_the_same_acts_are_accepted_when_they_are_honest(stage: Stage) -> None:
    small, large = stage.request(), stage.request(500)
    stage.post(small)
    stage.credit(small, 50)
    stage.approve(large, stage.ben)
    stage.post(large)
    stage.credit(large, 500)
    stage.move(small, state="reversed", reversed_at=NOON, reversed_by_id=stage.ann)

    assert _balance(stage) == 550
    assert scalar(stage.x, "SELECT sum(points) FROM members_staffday") == 50


def _balance(stage: Stage) -> int:
    found: int = scalar(
        stage.x, "SELECT balance FROM members_ledgeraccount WHERE id = %s", stage.holder.available
    )
    return found
